#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/disk_option.h"

struct parsed {
    struct disk_list list;
    struct pool pool;
    char why[OPTION_WHY_BYTES];
};

static int parse(struct parsed *p, const char *text)
{
    p->why[0] = '\0';
    return disk_option_parse(text, &p->list, &p->pool, p->why);
}

START_TEST(a_file_alone)
{
    struct parsed p = {0};

    ck_assert_int_eq(parse(&p, "a.img"), 0);
    ck_assert_uint_eq(p.list.n, 1);
    ck_assert_str_eq(p.list.at[0].file, "a.img");
    ck_assert_uint_eq(p.list.at[0].lun, DISK_OPTION_ANY_LUN);
    ck_assert_uint_eq(p.list.at[0].kind, DISK_OPTION_DISK);
    ck_assert_uint_eq(p.list.at[0].format, DISK_OPTION_AUTO);
    ck_assert(!p.list.at[0].read_only);
    ck_assert_ptr_null(p.list.at[0].serial);
    pool_done(&p.pool);
}
END_TEST

START_TEST(every_key)
{
    struct parsed p = {0};
    const struct disk_option *d;

    ck_assert_int_eq(parse(&p, "a,member=b,member=c,kind=disk,format=raw,controller=3,lun=63,"
                               "readonly,serial=S 1,block-size=4096,physical-block-size=4096,"
                               "chunk=64K"),
                     0);
    d = &p.list.at[0];
    ck_assert_uint_eq(d->members.n, 2);
    ck_assert_str_eq(d->members.at[0], "b");
    ck_assert_str_eq(d->members.at[1], "c");
    ck_assert_uint_eq(d->format, DISK_OPTION_RAW);
    ck_assert_uint_eq(d->controller, 3);
    ck_assert_uint_eq(d->lun, 63);
    ck_assert(d->read_only);
    ck_assert_str_eq(d->serial, "S 1");
    ck_assert_uint_eq(d->block_bytes, 4096);
    ck_assert_uint_eq(d->physical_block_bytes, 4096);
    ck_assert_uint_eq(d->chunk_bytes, 64 << 10);
    ck_assert_int_eq(parse(&p, "format=ram,size=64M"), 0);
    ck_assert_ptr_null(p.list.at[1].file);
    ck_assert_uint_eq(p.list.at[1].ram_bytes, 64 << 20);
    ck_assert_int_eq(parse(&p, "kind=dvd"), 0);
    ck_assert_uint_eq(p.list.at[2].kind, DISK_OPTION_DVD);
    ck_assert_uint_eq(p.list.n, 3);
    pool_done(&p.pool);
}
END_TEST

static const struct {
    const char *text, *file, *serial;
} names[] = {
    {"a,,b.img",           "a,b.img",  NULL },
    {"a,,,,b",             "a,,b",     NULL },
    {"a,,,readonly",       "a,",       NULL },
    {",,",                 ",",        NULL },
    {"x=y.img",            "x=y.img",  NULL },
    {"readonly",           "readonly", NULL },
    {"file=lun=3",         "lun=3",    NULL },
    {"a,serial=1,,2",      "a",        "1,2"},
    {"serial=s=t,file=/a", "/a",       "s=t"},
};

START_TEST(names_with_commas_and_signs)
{
    struct parsed p = {0};

    ck_assert_int_eq(parse(&p, names[_i].text), 0);
    ck_assert_str_eq(p.list.at[0].file, names[_i].file);
    ck_assert_pstr_eq(p.list.at[0].serial, names[_i].serial);
    pool_done(&p.pool);
}
END_TEST

static const struct {
    const char *text, *says;
} wrongs[] = {
    {"a,b",                                                                        "unknown key b: file, member, kind"           },
    {"a,lunn=1",                                                                   "unknown key lunn"                            },
    {"a,lun",                                                                      "lun needs a value: lun=N"                    },
    {"a,lun=",                                                                     "lun=: the value is empty"                    },
    {"a,lun=64",                                                                   "lun=64: a number from 0 to 63 is wanted"     },
    {"a,lun=-1",                                                                   "a number from 0 to 63"                       },
    {"a,lun=1x",                                                                   "a number from 0 to 63"                       },
    {"a,controller=4",                                                             "controller=4: a number from 0 to 3 is wanted"},
    {"a,lun=1,lun=2",                                                              "lun is given twice"                          },
    {"a,file=b",                                                                   "file is given twice"                         },
    {"a,format=qcow2",                                                             "format=qcow2: one of auto|raw|vhd|vhdx|ram"  },
    {"a,kind=floppy",                                                              "one of disk|dvd is wanted"                   },
    {"a,block-size=1024",                                                          "block-size=1024: one of 512|4096 is wanted"  },
    {"a,readonly=yes",                                                             "readonly takes no value"                     },
    {"a,size=lots",                                                                "size=lots: a size like 512M or 2G is wanted" },
    {"a,size=99999999999999T",                                                     "a size like"                                 },
    {"",                                                                           "there is nothing before or after a comma"    },
    {"a,",                                                                         "there is nothing before or after a comma"    },
    {",a",                                                                         "there is nothing before or after a comma"    },
    {"a,member=1,member=2,member=3,member=4,member=5,member=6,member=7,member=8,member=9,member=10,"
     "member=11,member=12,member=13,member=14,member=15,member=16,member=17", "member=17: that is too many"                 },
};

START_TEST(wrong_disks_say_what_is_wrong_and_are_not_added)
{
    struct parsed p = {0};

    ck_assert_int_eq(parse(&p, wrongs[_i].text), -EINVAL);
    ck_assert_msg(strstr(p.why, wrongs[_i].says) != NULL, "%s: %s", wrongs[_i].text, p.why);
    ck_assert_ptr_null(strchr(p.why, '\n'));
    ck_assert_uint_eq(p.list.n, 0);
    pool_done(&p.pool);
}
END_TEST

START_TEST(as_many_as_there_are_places)
{
    struct parsed p = {0};

    for (unsigned i = 0; i < DISK_ROWS; i++)
        ck_assert_int_eq(parse(&p, "a"), 0);
    ck_assert_int_eq(parse(&p, "a"), -EINVAL);
    ck_assert_ptr_nonnull(strstr(p.why, "too many disks, at most 256"));
    ck_assert_uint_eq(p.list.n, DISK_ROWS);
    pool_done(&p.pool);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("disk_option");
    TCase *tests = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tests, a_file_alone);
    tcase_add_test(tests, every_key);
    tcase_add_loop_test(tests, names_with_commas_and_signs, 0, COUNT_OF(names));
    tcase_add_loop_test(tests, wrong_disks_say_what_is_wrong_and_are_not_added, 0,
                        COUNT_OF(wrongs));
    tcase_add_test(tests, as_many_as_there_are_places);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

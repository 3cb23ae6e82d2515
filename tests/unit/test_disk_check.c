#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "init/disk_check.h"
#include "ipc/disks.h"

enum {
    MIB = 1 << 20,
};

static struct why why;
static uint8_t identity[16] = {1, 2, 3};

static char *paths_of[DISK_MEMBERS + 1];

static Bulkhead__Disk disk_at(uint32_t lun, char *path)
{
    Bulkhead__Disk d;

    bulkhead__disk__init(&d);
    d.kind = DISK_DISK;
    d.lun = lun;
    d.identity = (ProtobufCBinaryData){sizeof(identity), identity};
    paths_of[0] = path;
    d.paths = paths_of;
    d.n_paths = path == NULL ? 0 : 1;
    return d;
}

/* --- wrong numbers and texts --- */

static char long_serial[DISK_SERIAL_BYTES + 1], bad_serial[] = "caf\xc3\xa9",
                                                relative[] = "disk.img", absolute[] = "/disk.img",
                                                control_path[] = "/a\nb", empty_path[] = "";

static void wrong_kind(Bulkhead__Disk *d)
{
    d->kind = 3;
}

static void no_kind(Bulkhead__Disk *d)
{
    d->kind = DISK_NONE;
}

static void wrong_format(Bulkhead__Disk *d)
{
    d->format = DISK_RAM + 1;
}

static void dvd_with_format(Bulkhead__Disk *d)
{
    d->kind = DISK_DVD;
    d->format = DISK_VHD;
}

static void wrong_controller(Bulkhead__Disk *d)
{
    d->controller = DISK_CONTROLLERS;
}

static void wrong_lun(Bulkhead__Disk *d)
{
    d->lun = DISK_LUNS;
}

static void wrong_block(Bulkhead__Disk *d)
{
    d->block_bytes = 520;
}

static void wrong_physical(Bulkhead__Disk *d)
{
    d->physical_bytes = 8192;
}

static void physical_below_block(Bulkhead__Disk *d)
{
    d->block_bytes = 4096;
    d->physical_bytes = 512;
}

static void dvd_with_blocks(Bulkhead__Disk *d)
{
    d->kind = DISK_DVD;
    d->block_bytes = 512;
}

static void many_files(Bulkhead__Disk *d)
{
    for (int i = 0; i <= DISK_MEMBERS; i++)
        paths_of[i] = absolute;
    d->n_paths = DISK_MEMBERS + 1;
    d->chunk_bytes = 65536;
}

static void no_file(Bulkhead__Disk *d)
{
    d->n_paths = 0;
}

static void two_discs(Bulkhead__Disk *d)
{
    many_files(d);
    d->kind = DISK_DVD;
    d->n_paths = 2;
}

static void memory_with_file(Bulkhead__Disk *d)
{
    d->format = DISK_RAM;
    d->ram_bytes = MIB;
}

static void no_chunk(Bulkhead__Disk *d)
{
    many_files(d);
    d->n_paths = 2;
    d->chunk_bytes = 0;
}

static void chunk_alone(Bulkhead__Disk *d)
{
    d->chunk_bytes = 4096;
}

static void small_chunk(Bulkhead__Disk *d)
{
    no_chunk(d);
    d->chunk_bytes = 2048;
}

static void odd_chunk(Bulkhead__Disk *d)
{
    no_chunk(d);
    d->chunk_bytes = 12800;
}

static void relative_path(Bulkhead__Disk *d)
{
    d->paths[0] = relative;
}

static void path_with_control(Bulkhead__Disk *d)
{
    d->paths[0] = control_path;
}

static void path_empty(Bulkhead__Disk *d)
{
    d->paths[0] = empty_path;
}

static void serial_long(Bulkhead__Disk *d)
{
    memset(long_serial, 'S', DISK_SERIAL_BYTES);
    d->serial = long_serial;
}

static void serial_not_ascii(Bulkhead__Disk *d)
{
    d->serial = bad_serial;
}

static void identity_short(Bulkhead__Disk *d)
{
    d->identity.len = 15;
}

static void identity_missing(Bulkhead__Disk *d)
{
    d->identity.len = 0;
}

static void ram_size_of_file(Bulkhead__Disk *d)
{
    d->ram_bytes = MIB;
}

static void be_memory(Bulkhead__Disk *d, uint64_t bytes)
{
    d->n_paths = 0;
    d->format = DISK_RAM;
    d->ram_bytes = bytes;
}

static void memory_without_size(Bulkhead__Disk *d)
{
    be_memory(d, 0);
}

static void memory_odd(Bulkhead__Disk *d)
{
    be_memory(d, MIB + 1);
}

static void memory_huge(Bulkhead__Disk *d)
{
    be_memory(d, UINT64_C(1) << 50);
}

static void memory_read_only(Bulkhead__Disk *d)
{
    be_memory(d, MIB);
    d->read_only = true;
}

static const struct {
    void (*spoil)(Bulkhead__Disk *d);
    const char *text;
} wrong[] = {
    {wrong_kind,           "disk 0:5: kind 3"                },
    {no_kind,              "kind 0"                          },
    {wrong_format,         "format 4"                        },
    {dvd_with_format,      "dvd 0:5: a disc's image"         },
    {wrong_controller,     "controller 4: there are 0 to 3"  },
    {wrong_lun,            "lun 64: a controller has 0 to 63"},
    {wrong_block,          "blocks of 520 bytes"             },
    {wrong_physical,       "physical blocks of 8192 bytes"   },
    {physical_below_block, "smaller than blocks"             },
    {dvd_with_blocks,      "give no size"                    },
    {many_files,           "17 files: at most 16"            },
    {no_file,              "no file given"                   },
    {two_discs,            "2 discs: a drive takes one"      },
    {memory_with_file,     "a disk in memory has no file"    },
    {no_chunk,             "2 files, but no chunk size"      },
    {chunk_alone,          "but no second file"              },
    {small_chunk,          "chunks of 2048 bytes"            },
    {odd_chunk,            "chunks of 12800 bytes"           },
    {relative_path,        "disk.img: not an absolute path"  },
    {path_with_control,    "a path with control characters"  },
    {path_empty,           "an empty path"                   },
    {serial_long,          "32 characters, at most 31 fit"   },
    {serial_not_ascii,     "other than printable ASCII"      },
    {identity_short,       "an identity of 15 bytes"         },
    {identity_missing,     "an identity of 0 bytes"          },
    {ram_size_of_file,     "but it is in a file"             },
    {memory_without_size,  "0 bytes of memory"               },
    {memory_odd,           "in blocks of 512"                },
    {memory_huge,          "in blocks of 512"                },
    {memory_read_only,     "stays empty"                     },
};

static void expect_line(const char *text)
{
    ck_assert_msg(strstr(why.text, text) != NULL, "'%s' is not in '%s'", text, why.text);
    ck_assert_ptr_null(strchr(why.text, '\n'));
}

START_TEST(a_wrong_value_is_named)
{
    Bulkhead__Disk d = disk_at(5, absolute);

    ck_assert_int_eq(disk_check(&d, &why), 0);
    wrong[_i].spoil(&d);
    ck_assert_int_eq(disk_check(&d, &why), -EINVAL);
    expect_line(wrong[_i].text);
}
END_TEST

START_TEST(a_place_is_given_once)
{
    Bulkhead__Disk a = disk_at(5, absolute), b = disk_at(5, absolute);
    Bulkhead__Disk *list[] = {&a, &b};

    ck_assert_int_eq(disk_check_all(list, 2, &why), -EINVAL);
    expect_line("disk 0:5: given twice");
    b.controller = 1;
    ck_assert_int_eq(disk_check_all(list, 2, &why), 0);
    b.lun = DISK_LUNS;
    ck_assert_int_eq(disk_check_all(list, 2, &why), -EINVAL);
}
END_TEST

START_TEST(limits_themselves_are_good)
{
    Bulkhead__Disk d = disk_at(DISK_LUNS - 1, absolute);

    many_files(&d);
    d.n_paths = DISK_MEMBERS;
    d.chunk_bytes = UINT32_MAX - 4095;
    d.controller = DISK_CONTROLLERS - 1;
    d.block_bytes = 4096;
    d.physical_bytes = 4096;
    serial_long(&d);
    long_serial[DISK_SERIAL_BYTES - 1] = '\0';
    ck_assert_int_eq(disk_check(&d, &why), 0);
    d = disk_at(0, NULL);
    be_memory(&d, 4096);
    ck_assert_int_eq(disk_check(&d, &why), 0);
    d = disk_at(0, NULL);
    d.kind = DISK_DVD;
    ck_assert_int_eq(disk_check(&d, &why), 0);
}
END_TEST

static TCase *numbers_case(void)
{
    TCase *t = tcase_create("numbers");

    tcase_add_loop_test(t, a_wrong_value_is_named, 0, (int)COUNT_OF(wrong));
    tcase_add_test(t, a_place_is_given_once);
    tcase_add_test(t, limits_themselves_are_good);
    return t;
}

int main(void)
{
    Suite *s = suite_create("disk_check");
    SRunner *r = srunner_create(s);
    int failed;

    suite_add_tcase(s, numbers_case());
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

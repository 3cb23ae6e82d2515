#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/disk_image.h"
#include "cli/disks.h"
#include "cli/options.h"
#include "cli/payload.h"
#include "cli/say.h"

enum {
    MAX_DISKS = 8,
};

static char folder[] = "/tmp/test-disks-XXXXXX";

static void make(const char *name, size_t bytes, size_t at, const char *magic)
{
    AUTO_FD fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, (off_t)bytes), 0);
    ck_assert_int_eq(pwrite(fd, magic, strlen(magic), (off_t)at), (ssize_t)strlen(magic));
}

static void enter_folder(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chdir(folder), 0);
    make("a.img", 4096, 0, "");
    make("b.img", 4096, 0, "");
    make("odd.img", 4095, 0, "");
    make("empty.img", 0, 0, "");
    make("x.vhd", 4096, 3584, "conectix");
    make("x.vhdx", 4096, 0, "vhdxfile");
    make("is-vhdx.img", 4096, 0, "vhdxfile");
    make("is-vhd.img", 4096, 3584, "conectix");
    make("is-dynamic.img", 4096, 0, "conectix");
    make("is-raw.vhd", 4096, 0, "");
    make("is-vhd.vhdx", 4096, 0, "conectix");
    make("is-qcow2.img", 4096, 0, "QFI\xfb");
    make("x.iso", 4096, 0, "");
    ck_assert_int_eq(mkdir("folder", 0700), 0);
    ck_assert_int_eq(symlink("a.img", "link.img"), 0);
    ck_assert_int_eq(mkfifo("pipe", 0600), 0);
}

static void leave_folder(void)
{
    char command[] = "rm";
    char flag[] = "-rf";
    char *argv[] = {command, flag, folder, NULL};
    pid_t pid = fork();

    if (pid == 0) {
        (void)execvp(argv[0], argv);
        _exit(127);
    }
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

struct checked {
    struct pool pool;
    struct disk_list list;
    struct disks_plan plan;
    char error[DISKS_ERROR_BYTES];
};

/* Disks separated by spaces. */
static int check(struct checked *c, bool keep, const char *text)
{
    char why[OPTION_WHY_BYTES];
    char *copy = pool_text(&c->pool, text, strlen(text));

    c->error[0] = '\0';
    while (copy != NULL)
        ck_assert_int_eq(disk_option_parse(strsep(&copy, " "), &c->list, &c->pool, why), 0);
    return disks_check("vm", &c->list, keep, &c->plan, c->error);
}

static void done(struct checked *c)
{
    disks_done(&c->plan);
    pool_done(&c->pool);
}

START_TEST(a_plan_is_complete)
{
    struct checked c = {0};
    char path[128];

    ck_assert_int_eq(check(&c, true,
                           "link.img x.vhd,lun=0 x.iso,kind=dvd,controller=1 kind=dvd "
                           "format=ram,size=1M b.img,member=is-raw.vhd,format=raw"),
                     0);
    ck_assert_uint_eq(c.plan.n, 6);
    (void)snprintf(path, sizeof(path), "%s/a.img", folder);
    ck_assert_str_eq(c.plan.at[0].paths[0], path);
    ck_assert_uint_eq(c.plan.at[0].lun, 1); /* 0 was asked for by another */
    ck_assert_uint_eq(c.plan.at[0].format, DISK_RAW);
    ck_assert_int_ge(c.plan.at[0].fds[0], 0);
    ck_assert_uint_eq(c.plan.at[1].lun, 0);
    ck_assert_uint_eq(c.plan.at[1].format, DISK_VHD);
    ck_assert_uint_eq(c.plan.at[2].kind, DISK_DVD);
    ck_assert_uint_eq(c.plan.at[2].lun, 0);
    ck_assert(c.plan.at[2].read_only);
    ck_assert_uint_eq(c.plan.at[3].n_files, 0);
    ck_assert_uint_eq(c.plan.at[3].lun, 2);
    ck_assert_uint_eq(c.plan.at[4].format, DISK_RAM);
    ck_assert_uint_eq(c.plan.at[5].n_files, 2);
    ck_assert_uint_eq(c.plan.at[5].chunk_bytes, 128 << 10);
    done(&c);
}
END_TEST

START_TEST(a_disk_in_memory_has_time_to_be_made)
{
    struct checked c = {0};

    ck_assert_int_eq(check(&c, false, "a.img"), 0);
    ck_assert_uint_eq(payload_start_s(&c.plan), 180);
    done(&c);
    c = (struct checked){0};
    ck_assert_int_eq(check(&c, false, "a.img format=ram,size=512G format=ram,size=1G"), 0);
    ck_assert_uint_eq(payload_start_s(&c.plan), 180 + 513);
    done(&c);
}
END_TEST

START_TEST(a_file_has_one_user_while_it_is_kept)
{
    struct checked first = {0}, second = {0};

    ck_assert_int_eq(check(&first, true, "a.img"), 0);
    ck_assert_int_eq(check(&second, true, "a.img"), EXIT_FAILED);
    ck_assert_ptr_nonnull(strstr(second.error, "--disk a.img: another program uses it"));
    done(&second);
    second = (struct checked){0};
    ck_assert_int_eq(check(&second, true, "a.img,readonly"), EXIT_FAILED);
    done(&first);
    done(&second);
    first = second = (struct checked){0};
    ck_assert_int_eq(check(&first, true, "a.img,readonly a.img,readonly"), 0);
    ck_assert_int_eq(check(&second, true, "a.img,readonly"), 0);
    done(&first);
    done(&second);
    first = second = (struct checked){0};
    ck_assert_int_eq(check(&first, false, "a.img"), 0); /* hosted: init locks it */
    ck_assert_int_eq(check(&second, false, "a.img"), 0);
    ck_assert_int_eq(second.plan.at[0].fds[0], -1);
    done(&first);
    done(&second);
}
END_TEST

static const struct {
    const char *disks, *says;
} wrongs[] = {
    {"nothing.img",                                   "--disk nothing.img: no such file (make one: truncate"        },
    {"folder",                                        "--disk folder: a folder is no image"                         },
    {"folder,readonly",                               "--disk folder: a folder is no image"                         },
    {"pipe",                                          "--disk pipe: neither a file nor a block device"              },
    {"/dev/null",                                     "neither a file nor a block device"                           },
    {"empty.img",                                     "it is empty: truncate --size 10G empty.img"                  },
    {"odd.img",                                       "its length, 4095, is not a multiple of 512 (fill it up: "    },
    {"odd.img,kind=dvd",                              "is not a multiple of 2048"                                   },
    {"is-vhdx.img",                                   "that of a raw image, but it is a VHDX image: say which by"   },
    {"is-vhd.img",                                    "but it is a VHD image: say which by format=raw or format=vhd"},
    {"is-dynamic.img",                                "but it is a VHD image"                                       },
    {"is-vhd.vhdx",                                   "that of a VHDX image, but it is a VHD image"                 },
    {"is-raw.vhd",                                    "its name is that of a VHD image, but it is none"             },
    {"is-qcow2.img",                                  "a QCOW2 image is not supported: convert it (qemu-img"        },
    {"a.img,format=vhd",                              "it is not a VHD image: say format=raw, or name"              },
    {"x.vhd,format=vhdx",                             "it is not a VHDX image"                                      },
    {"a.img,lun=1 b.img,lun=1",                       "--disk b.img: lun 1 of controller 0 is taken by --disk a.img"},
    {"a.img link.img",                                "link.img is given twice"                                     },
    {"a.img,readonly a.img",                          "a.img is given twice"                                        },
    {"a.img,member=a.img",                            "a.img is given twice"                                        },
    {"a.img,member=nothing.img",                      "--disk a.img: nothing.img: no such file"                     },
    {"a.img,member=x.vhd",                            "x.vhd is not of the first file's format"                     },
    {"member=a.img",                                  "the first file of a stripe is missing"                       },
    {"a.img,chunk=4K",                                "chunk is for a stripe"                                       },
    {"a.img,member=b.img,chunk=5K",                   "a power of two from 4K to 64M is wanted"                     },
    {"a.img,member=b.img,chunk=2K",                   "a power of two from 4K to 64M is wanted"                     },
    {"x.iso,member=b.img,kind=dvd",                   "a DVD drive takes one file"                                  },
    {"x.vhd,kind=dvd,format=vhd",                     "a disc's image has no format"                                },
    {"format=ram,size=1M,readonly",                   "would stay empty"                                            },
    {"lun=3",                                         "a file is missing (only a DVD drive may be empty: kind=dvd)" },
    {"format=ram",                                    "needs size="                                                 },
    {"format=ram,size=1000",                          "size=1000 is not a multiple of 4096"                         },
    {"a.img,format=ram,size=1M",                      "a disk in memory has no file"                                },
    {"format=ram,kind=dvd,size=1M",                   "format=ram is neither"                                       },
    {"a.img,size=1M",                                 "size is for format=ram"                                      },
    {"x.vhd,format=vhd,block-size=512",               "block-size is for raw images"                                },
    {"x.iso,kind=dvd,block-size=512",                 "a disc\'s blocks have 2048 bytes"                            },
    {"a.img,block-size=4096,physical-block-size=512", "physical-block-size is less"                                 },
    {"a.img,serial=01234567890123456789012345678901", "serial has 32 characters, at most 31"                        },
    {"a.img,serial=\xc3\xa4",                         "printable ASCII characters are wanted"                       },
};

START_TEST(wrong_disks_have_one_line_each)
{
    struct checked c = {0};

    ck_assert_int_ne(check(&c, true, wrongs[_i].disks), 0);
    ck_assert_msg(strstr(c.error, wrongs[_i].says) != NULL, "%s: %s", wrongs[_i].disks, c.error);
    ck_assert_ptr_null(strchr(c.error, '\n'));
    done(&c);
}
END_TEST

START_TEST(what_is_said_counts_more_than_what_it_looks_like)
{
    struct checked c = {0};

    ck_assert_int_eq(check(&c, true,
                           "is-vhdx.img,format=raw is-qcow2.img,format=raw "
                           "is-vhd.img,format=vhd is-raw.vhd,format=raw"),
                     0);
    ck_assert_uint_eq(c.plan.at[0].format, DISK_RAW);
    ck_assert_uint_eq(c.plan.at[2].format, DISK_VHD);
    done(&c);
}
END_TEST

START_TEST(too_many)
{
    struct checked c = {0};
    char why[OPTION_WHY_BYTES];

    for (unsigned i = 0; i < DISK_LUNS + 1; i++)
        ck_assert_int_eq(disk_option_parse("kind=dvd", &c.list, &c.pool, why), 0);
    ck_assert_int_eq(disks_check("vm", &c.list, true, &c.plan, c.error), EXIT_USAGE);
    ck_assert_ptr_nonnull(strstr(c.error, "controller 0 is full (64 disks): add controller=N"));
    done(&c);
    c = (struct checked){0};
    for (unsigned i = 0; i < DISKS_NESTED_FILES + 1; i++) {
        char text[64];

        (void)snprintf(text, sizeof(text), "a.img,readonly,controller=%u", i % DISK_CONTROLLERS);
        ck_assert_int_eq(
            disk_option_parse(pool_text(&c.pool, text, strlen(text)), &c.list, &c.pool, why), 0);
    }
    ck_assert_int_eq(disks_check("vm", &c.list, true, &c.plan, c.error), EXIT_USAGE);
    ck_assert_ptr_nonnull(strstr(c.error, "too many files: at most 128 in nested mode"));
    done(&c);
}
END_TEST

START_TEST(identities)
{
    /* sha256 of "vm\0" "\1\2p" "/a", as any tool computes it */
    static const uint8_t known[DISK_IDENTITY_BYTES] = {0x3a, 0x4b, 0x55, 0x33, 0xb2, 0x09,
                                                       0xe9, 0x42, 0x8d, 0x3d, 0xac, 0x3d,
                                                       0x13, 0x2d, 0x7b, 0x07};
    uint8_t one[DISK_IDENTITY_BYTES], other[DISK_IDENTITY_BYTES];

    disks_identity("vm", 1, 2, NULL, "/a", one);
    ck_assert_mem_eq(one, known, sizeof(known));
    disks_identity("vm", 1, 2, "/a", "/a", other);
    ck_assert_mem_ne(one, other, sizeof(one));
    disks_identity("vm", 2, 1, NULL, "/a", other);
    ck_assert_mem_ne(one, other, sizeof(one));
    disks_identity("vn", 1, 2, NULL, "/a", other);
    ck_assert_mem_ne(one, other, sizeof(one));
    disks_identity("vm", 0, 0, "s", "/a", one);
    disks_identity("vm", 0, 0, "s", "/b", other); /* a file that was moved */
    ck_assert_mem_eq(one, other, sizeof(one));
}
END_TEST

START_TEST(the_same_file_by_another_name_is_the_same_disk)
{
    struct checked one = {0}, other = {0};
    char path[128];

    (void)snprintf(path, sizeof(path), "folder/../a.img");
    ck_assert_int_eq(check(&one, false, "a.img"), 0);
    ck_assert_int_eq(check(&other, false, path), 0);
    ck_assert_mem_eq(one.plan.at[0].identity, other.plan.at[0].identity, DISK_IDENTITY_BYTES);
    done(&one);
    done(&other);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("disks");
    TCase *tests = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tests, 30); /* what is locked is waited for */
    tcase_add_unchecked_fixture(tests, enter_folder, leave_folder);
    tcase_add_test(tests, a_plan_is_complete);
    tcase_add_test(tests, a_disk_in_memory_has_time_to_be_made);
    tcase_add_test(tests, a_file_has_one_user_while_it_is_kept);
    tcase_add_loop_test(tests, wrong_disks_have_one_line_each, 0, COUNT_OF(wrongs));
    tcase_add_test(tests, what_is_said_counts_more_than_what_it_looks_like);
    tcase_add_test(tests, too_many);
    tcase_add_test(tests, identities);
    tcase_add_test(tests, the_same_file_by_another_name_is_the_same_disk);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

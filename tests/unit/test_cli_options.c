#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "cli/check.h"
#include "cli/machine.h"
#include "cli/options.h"

enum {
    MAX_WORDS = 16,
};

/* Parse a line of words separated by single spaces. */
static int parse(const char *line, struct cli_args *args, char error[OPTIONS_ERROR_BYTES])
{
    static char text[512]; /* what args borrows from */
    char *argv[MAX_WORDS + 1] = {NULL};
    int argc = 0;
    char *at = text;

    ck_assert_uint_lt(strlen(line), sizeof(text));
    memcpy(text, line, strlen(line) + 1);
    while (at != NULL && argc < MAX_WORDS)
        argv[argc++] = strsep(&at, " ");
    return options_parse(command_find(argv[0]), argc, argv, args, error);
}

START_TEST(defaults_are_what_help_says)
{
    struct cli_args args;
    char error[OPTIONS_ERROR_BYTES];

    ck_assert_int_eq(parse("run", &args, error), 0);
    ck_assert_str_eq(args.name, "vm");
    ck_assert_uint_eq(args.vcpus, 1);
    ck_assert_uint_eq(args.memory_bytes, UINT64_C(512) << 20);
    ck_assert_uint_eq(args.mode, RUN_AUTO);
    ck_assert_uint_eq(args.timeout_s, 0);
    ck_assert(!args.exec && !args.json);
    ck_assert_ptr_null(args.kernel);
}
END_TEST

START_TEST(every_kind_of_option)
{
    struct cli_args args;
    char error[OPTIONS_ERROR_BYTES];

    ck_assert_int_eq(
        parse("run --mode nested -k a --initrd=b -c 64 --memory 2G --exec -j", &args, error), 0);
    ck_assert_uint_eq(args.mode, RUN_NESTED);
    ck_assert_str_eq(args.kernel, "a");
    ck_assert_str_eq(args.initrd, "b");
    ck_assert_uint_eq(args.vcpus, 64);
    ck_assert_uint_eq(args.memory_bytes, UINT64_C(2) << 30);
    ck_assert(args.exec && args.json && !args.verbose);
}
END_TEST

START_TEST(targets)
{
    struct cli_args args;
    char error[OPTIONS_ERROR_BYTES];

    ck_assert_int_eq(parse("inspect", &args, error), 0);
    ck_assert_ptr_null(args.target);
    ck_assert_int_eq(parse("inspect vtpm/* --json", &args, error), 0);
    ck_assert_str_eq(args.target, "vtpm/*");
    ck_assert_int_eq(parse("restart vtpm --binary /bin/true", &args, error), 0);
    ck_assert_str_eq(args.binary, "/bin/true");
    ck_assert_int_eq(parse("link 1", &args, error), 0);
    ck_assert_str_eq(args.target, "1");
    ck_assert_ptr_null(args.detail);
    ck_assert_int_eq(parse("link 1 up", &args, error), 0);
    ck_assert_str_eq(args.detail, "up");
    ck_assert_int_eq(parse("pcap 1", &args, error), 0);
    ck_assert_str_eq(args.target, "1");
    ck_assert_ptr_null(args.write);
    ck_assert_uint_eq(args.snaplen, 65568);
    ck_assert_int_eq(parse("pcap -w - --snaplen 96 --filter arp --seconds 5 1", &args, error), 0);
    ck_assert_str_eq(args.write, "-");
    ck_assert_uint_eq(args.snaplen, 96);
    ck_assert_str_eq(args.filter, "arp");
    ck_assert_uint_eq(args.seconds, 5);
    ck_assert_int_eq(parse("logs --help", &args, error), OPTIONS_HELP);
}
END_TEST

static const struct {
    const char *line, *says;
} wrong[] = {
    {"run --vcpus 0",                    "--vcpus 0: a number from 1 to 64 is wanted"      },
    {"run --vcpus 65",                   "--vcpus 65: a number from 1 to 64 is wanted"     },
    {"run --vcpus -1",                   "--vcpus -1: a number from 1 to 64 is wanted"     },
    {"run --vcpus 1x",                   "--vcpus 1x: a number from 1 to 64 is wanted"     },
    {"run --vcpus 18446744073709551617", "a number from 1 to 64"                           },
    {"run --memory lots",                "--memory lots: a size like 512M or 2G is wanted" },
    {"run --memory 99999999999999T",     "a size like"                                     },
    {"run --mode host",                  "--mode host: one of auto|hosted|nested is wanted"},
    {"run --mode hosted|nested",         "one of auto|hosted|nested"                       },
    {"run --mode ",                      "one of auto|hosted|nested"                       },
    {"run --kernel",                     "this option needs a value: --kernel"             },
    {"run -k",                           "this option needs a value: -k"                   },
    {"run --kernel= ",                   "--kernel: the value is empty"                    },
    {"run --nonsense",                   "unknown option: --nonsense"                      },
    {"run -x",                           "unknown option: -x"                              },
    {"run --json=yes",                   "--json=yes"                                      },
    {"run vm",                           "unexpected argument: vm"                         },
    {"ps --follow",                      "unknown option: --follow"                        },
    {"restart",                          "WORKER is missing"                               },
    {"restart vtpm chipset",             "unexpected argument: chipset"                    },
    {"disk add",                         "DISK is missing"                                 },
    {"link",                             "NIC [up|down] is missing"                        },
    {"pcap",                             "NIC is missing"                                  },
    {"pki",                              "init|issue|revoke|push|list [NAME] is missing"   },
    {"pki issue --days 0 a",             "--days 0: a number from 1 to 3650 is wanted"     },
    {"pki issue --role root a",          "one of viewer|operator|debugger is wanted"       },
    {"completion",                       "bash is missing"                                 },
    {"upgrade one two",                  "unexpected argument: two"                        },
    {"pcap 0 1",                         "unexpected argument: 1"                          },
    {"pcap 0 --snaplen 0",               "--snaplen 0: a number from 1 to 65568 is wanted" },
    {"pcap 0 --snaplen 65569",           "--snaplen 65569: a number from 1 to 65568"       },
    {"pcap 0 --seconds 0",               "--seconds 0: a number from 1 to 1000000 is"      },
    {"log-level vtpm debug info",        "unexpected argument: info"                       },
    {"link 0 up down",                   "unexpected argument: down"                       },
};

START_TEST(wrong_lines_say_what_is_wrong_and_change_nothing)
{
    struct cli_args args = {.name = "untouched"};
    char error[OPTIONS_ERROR_BYTES] = "";

    ck_assert_int_eq(parse(wrong[_i].line, &args, error), -EINVAL);
    ck_assert_msg(strstr(error, wrong[_i].says) != NULL, "%s: %s", wrong[_i].line, error);
    ck_assert_ptr_null(strchr(error, '\n'));
    ck_assert_str_eq(args.name, "untouched");
}
END_TEST

START_TEST(sizes)
{
    uint64_t bytes = 7;

    ck_assert_int_eq(option_size("0", &bytes), 0);
    ck_assert_uint_eq(bytes, 0);
    ck_assert_int_eq(option_size("64m", &bytes), 0);
    ck_assert_uint_eq(bytes, 64 << 20);
    ck_assert_int_eq(option_size("1TiB", &bytes), 0);
    ck_assert_uint_eq(bytes, UINT64_C(1) << 40);
    bytes = 7;
    ck_assert_int_eq(option_size("", &bytes), -EINVAL);
    ck_assert_int_eq(option_size("M", &bytes), -EINVAL);
    ck_assert_int_eq(option_size("1X", &bytes), -EINVAL);
    ck_assert_int_eq(option_size("1Mi", &bytes), -EINVAL);
    ck_assert_int_eq(option_size("1 M", &bytes), -EINVAL);
    ck_assert_int_eq(option_size("-1", &bytes), -EINVAL);
    ck_assert_int_eq(option_size("16777216T", &bytes), -EOVERFLOW);
    ck_assert_int_eq(option_size("18446744073709551616", &bytes), -EOVERFLOW);
    ck_assert_uint_eq(bytes, 7);
}
END_TEST

START_TEST(help_names_every_option)
{
    for (const struct command *c = commands; c->name != NULL; c++) {
        char *text = NULL;
        size_t len;
        FILE *out = open_memstream(&text, &len);

        options_help(c, out);
        ck_assert_int_eq(fclose(out), 0);
        for (size_t i = 0; i < c->n_options; i++) {
            ck_assert_ptr_nonnull(strstr(text, c->options[i].name));
            ck_assert_ptr_nonnull(strstr(text, c->options[i].help));
        }
        free(text);
    }
}
END_TEST

/* --- what check.h judges without a file or a machine --- */

static void put_u32(uint8_t *at, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++)
        at[i] = (uint8_t)(v >> (8 * i));
}

static void make_head(uint8_t head[KERNEL_HEAD_BYTES])
{
    memset(head, 0, KERNEL_HEAD_BYTES);
    put_u32(head + 0x1fe, 0xaa55);
    put_u32(head + 0x202, 0x53726448);
    put_u32(head + 0x206, 0x020f);
    head[0x211] = 1;
    head[0x236] = 1;
    put_u32(head + 0x260, 0x1234000);
}

/* Whoever may come from afar must be able to say who they are. */
START_TEST(who_connects_has_an_identity)
{
    for (const struct command *c = commands; c->name != NULL; c++) {
        unsigned connect = 0, identity = 0;

        for (size_t i = 0; i < c->n_options; i++) {
            connect += strcmp(c->options[i].name, "connect") == 0;
            identity += strcmp(c->options[i].name, "identity") == 0;
        }
        ck_assert_msg(connect == identity, "%s", c->name);
    }
}
END_TEST

START_TEST(kernel_heads)
{
    uint8_t head[KERNEL_HEAD_BYTES];
    uint32_t bytes = 7;

    make_head(head);
    ck_assert_int_eq(check_kernel_head(head, sizeof(head), &bytes), KERNEL_GOOD);
    ck_assert_uint_eq(bytes, 0x1234000);
    bytes = 7;
    for (size_t len = 0; len < 0x264; len++)
        ck_assert_int_eq(check_kernel_head(head, len, &bytes), KERNEL_NOT_BZIMAGE);
    head[0x236] = 0;
    ck_assert_int_eq(check_kernel_head(head, sizeof(head), &bytes), KERNEL_32_BIT);
    head[0x206] = 0x0b;
    ck_assert_int_eq(check_kernel_head(head, sizeof(head), &bytes), KERNEL_OLD);
    make_head(head);
    head[0x211] = 0; /* a zImage, loaded low */
    ck_assert_int_eq(check_kernel_head(head, sizeof(head), &bytes), KERNEL_NOT_BZIMAGE);
    make_head(head);
    head[0x202] = 'h';
    ck_assert_int_eq(check_kernel_head(head, sizeof(head), &bytes), KERNEL_NOT_BZIMAGE);
    ck_assert_uint_eq(bytes, 7);
}
END_TEST

START_TEST(virtualization_is_a_flag_of_its_own)
{
    ck_assert_str_eq(machine_virtualization("model\t: x\nflags\t\t: fpu svm de\nbugs\t: a\n"),
                     "svm");
    ck_assert_str_eq(machine_virtualization("\nflags\t\t: fpu vmx\n"), "vmx");
    ck_assert_ptr_null(machine_virtualization("\nflags\t\t: fpu svm_lock vmxx\n"));
    ck_assert_ptr_null(machine_virtualization("\nflags\t\t: fpu\nbugs\t\t: svm vmx\n"));
    ck_assert_ptr_null(machine_virtualization("\nvmx flags\t: vmx\n"));
    ck_assert_ptr_null(machine_virtualization(""));
}
END_TEST

START_TEST(auto_is_hosted_only_where_all_is_there)
{
    struct machine m = {.root = true, .virtualization = "svm"};
    char why[160];

    ck_assert_int_eq(check_mode(RUN_AUTO, &m, why, sizeof(why)), RUN_HOSTED);
    m.root = false;
    ck_assert_int_eq(check_mode(RUN_AUTO, &m, why, sizeof(why)), RUN_NESTED);
    ck_assert_ptr_nonnull(strstr(why, "root"));
    m = (struct machine){.root = true, .virtualization = "svm", .kvm_error = ENOENT};
    ck_assert_int_eq(check_mode(RUN_AUTO, &m, why, sizeof(why)), RUN_NESTED);
    ck_assert_ptr_nonnull(strstr(why, "/dev/kvm"));
    m = (struct machine){.root = true}; /* /dev/kvm opens, and proves nothing */
    ck_assert_int_eq(check_mode(RUN_AUTO, &m, why, sizeof(why)), RUN_NESTED);
    ck_assert_ptr_nonnull(strstr(why, "neither vmx nor svm"));
    ck_assert_int_eq(check_mode(RUN_HOSTED, &m, why, sizeof(why)), RUN_HOSTED);
}
END_TEST

static const struct {
    uint64_t bytes;
    const char *says; /* NULL: it is taken */
} memories[] = {
    {UINT64_C(64) << 20,        NULL                                                         },
    {UINT64_C(66) << 20,        NULL                                                         },
    {UINT64_C(512) << 30,       NULL                                                         },
    {UINT64_C(62) << 20,        "--memory 62 MiB is too small: a guest needs at least 64 MiB"},
    {UINT64_C(65) << 20,        "--memory: a multiple of 2 MiB is wanted"                    },
    {(UINT64_C(64) << 20) + 1,  "--memory: a multiple of 2 MiB is wanted"                    },
    {(UINT64_C(512) << 30) + 1, "--memory: a guest has at most 512 GiB"                      },
    {UINT64_C(1) << 40,         "--memory: a guest has at most 512 GiB"                      },
    {UINT64_MAX,                "a guest has at most 512 GiB"                                },
};

START_TEST(memory_is_what_a_guest_can_have)
{
    char error[CHECK_ERROR_BYTES] = "";

    ck_assert_int_eq(check_memory_size(memories[_i].bytes, error),
                     memories[_i].says == NULL ? 0 : 2);
    if (memories[_i].says != NULL)
        ck_assert_msg(strstr(error, memories[_i].says) != NULL, "%s", error);
}
END_TEST

START_TEST(impossible_runs_are_refused)
{
    struct cli_args args = {.name = "vm", .append = "", .vcpus = 1, .memory_bytes = 64 << 20};
    struct machine m = {.root = true, .memory_bytes = UINT64_C(4) << 30};
    struct run_plan *plan = malloc(sizeof(*plan));
    char error[CHECK_ERROR_BYTES];

    ck_assert_int_eq(check_run(&args, &m, plan, error), 2);
    ck_assert_str_eq(error, "--kernel is missing");
    args.kernel = "/nowhere/vmlinuz";
    ck_assert_int_eq(check_run(&args, &m, plan, error), 2);
    ck_assert_str_eq(error, "the kernel does not exist: /nowhere/vmlinuz");
    args.kernel = "/proc/self/exe";
    ck_assert_int_eq(check_run(&args, &m, plan, error), 2);
    ck_assert_ptr_nonnull(strstr(error, "not a Linux kernel image (bzImage)"));
    args.kernel = "/";
    ck_assert_int_eq(check_run(&args, &m, plan, error), 2);
    ck_assert_str_eq(error, "the kernel is not a file: /");
    args.name = "../x";
    ck_assert_int_eq(check_run(&args, &m, plan, error), 2);
    ck_assert_ptr_nonnull(strstr(error, "--name ../x"));
    free(plan);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cli_options");
    TCase *tests = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tests, defaults_are_what_help_says);
    tcase_add_test(tests, every_kind_of_option);
    tcase_add_test(tests, targets);
    tcase_add_loop_test(tests, wrong_lines_say_what_is_wrong_and_change_nothing, 0,
                        COUNT_OF(wrong));
    tcase_add_test(tests, sizes);
    tcase_add_test(tests, help_names_every_option);
    tcase_add_test(tests, who_connects_has_an_identity);
    tcase_add_test(tests, kernel_heads);
    tcase_add_test(tests, virtualization_is_a_flag_of_its_own);
    tcase_add_test(tests, auto_is_hosted_only_where_all_is_there);
    tcase_add_loop_test(tests, memory_is_what_a_guest_can_have, 0, COUNT_OF(memories));
    tcase_add_test(tests, impossible_runs_are_refused);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

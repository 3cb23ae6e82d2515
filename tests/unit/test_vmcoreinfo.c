#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "workers/debug/vmcoreinfo.h"

enum {
    MEMORY = 64 << 20,
    PAGE = 4096,
};

static const char TEXT[] = "OSRELEASE=6.1.0\nBUILD-ID=abc\nPAGESIZE=4096\n";

static struct guest_memory memory;
static struct vmcoreinfo info;
static int fd;

static void set_up(void)
{
    fd = memfd_create("guest", MFD_CLOEXEC);
    ck_assert_int_eq(ftruncate(fd, MEMORY), 0);
    guest_memory_init(&memory, fd, MEMORY);
    memset(&info, 0, sizeof(info));
}

static void tear_down(void)
{
    (void)close(fd);
}

static void put(uint64_t at, const void *bytes, size_t len)
{
    ck_assert_int_eq(guest_memory_write(&memory, at, bytes, len), 0);
}

static void put_note(uint64_t at, uint32_t name_len, uint32_t len, uint32_t type, const char *text)
{
    const uint32_t head[] = {name_len, len, type};

    put(at, head, sizeof(head));
    put(at + 12, "VMCOREINFO\0", 12);
    put(at + 24, text, strlen(text));
}

static int search(void)
{
    int r;

    do {
        r = vmcoreinfo_search(&info, &memory);
    } while (r == 0);
    return r;
}

START_TEST(it_is_found)
{
    put_note(33 * PAGE, 11, sizeof(TEXT) - 1, 0, TEXT);
    ck_assert_int_eq(search(), 1);
    ck_assert_uint_eq(info.len, sizeof(TEXT) - 1);
    ck_assert_mem_eq(info.text, TEXT, info.len);
}
END_TEST

START_TEST(at_the_end_of_memory)
{
    put_note(MEMORY - PAGE, 11, sizeof(TEXT) - 1, 0, TEXT);
    ck_assert_int_eq(search(), 1);
}
END_TEST

static const struct {
    uint32_t name_len, len, type;
    const char *text;
} none[] = {
    {10, sizeof(TEXT) - 1, 0, TEXT                                },
    {11, sizeof(TEXT) - 1, 1, TEXT                                },
    {11, 4,                0, TEXT                                },
    {11, 4097,             0, TEXT                                },
    {11, UINT32_MAX,       0, TEXT                                },
    {11, 24,               0, "OSRELEASE=6\nPAGESIZ=4096\n"       },
    {11, 30,               0, "RELEASE=6.1.0\nPAGESIZE=4096\n\n\n"},
    {11, 28,               0, "OSRELEASE=6\033\nPAGESIZE=4096\n"  },
    {11, 64,               0, TEXT                                }, /* zeros behind it */
};

/* A page that looks like it keeps nobody from finding the real one. */
START_TEST(what_only_looks_like_it)
{
    put_note(PAGE, none[_i].name_len, none[_i].len, none[_i].type, none[_i].text);
    put_note(5 * PAGE + 8, 11, sizeof(TEXT) - 1, 0, TEXT);
    ck_assert_int_eq(search(), -ENOENT);
    memset(&info, 0, sizeof(info));
    put_note(9 * PAGE, 11, sizeof(TEXT) - 1, 0, TEXT);
    ck_assert_int_eq(search(), 1);
}
END_TEST

/* A dump costs the machine no memory that the guest never touched. */
START_TEST(a_search_touches_nothing)
{
    struct stat before, after;

    put(MEMORY / 2, TEXT, sizeof(TEXT));
    ck_assert_int_eq(fstat(fd, &before), 0);
    ck_assert_int_eq(search(), -ENOENT);
    ck_assert_int_eq(fstat(fd, &after), 0);
    ck_assert_int_eq(before.st_blocks, after.st_blocks);
}
END_TEST

/* Above the hole for devices addresses and offsets differ. */
START_TEST(memory_has_two_ranges)
{
    struct guest_memory big;
    uint8_t byte = 42;

    ck_assert_int_eq(ftruncate(fd, INT64_C(5) << 30), 0);
    guest_memory_init(&big, fd, UINT64_C(5) << 30);
    ck_assert_uint_eq(big.n_ranges, 2);
    ck_assert_int_eq(guest_memory_write(&big, UINT64_C(1) << 32, &byte, 1), 0);
    byte = 0;
    ck_assert_int_eq(guest_memory_read_at(&big, UINT64_C(3) << 30, &byte, 1), 0);
    ck_assert_uint_eq(byte, 42);
    ck_assert_int_eq(guest_memory_read(&big, UINT64_C(3) << 30, &byte, 1), -EFAULT);
    ck_assert_int_eq(guest_memory_read(&big, (UINT64_C(3) << 30) - 1, &byte, 2), -EFAULT);
    ck_assert_int_eq(guest_memory_read(&big, UINT64_C(6) << 30, &byte, 1), -EFAULT);
    ck_assert_int_eq(guest_memory_write(&big, UINT64_MAX, &byte, 1), -EFAULT);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("vmcoreinfo");
    TCase *tests = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, it_is_found);
    tcase_add_test(tests, at_the_end_of_memory);
    tcase_add_loop_test(tests, what_only_looks_like_it, 0, 9);
    tcase_add_test(tests, a_search_touches_nothing);
    tcase_add_test(tests, memory_has_two_ranges);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

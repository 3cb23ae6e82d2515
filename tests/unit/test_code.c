#include <check.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/code.h"

enum {
    CONSTANT_BYTES = 64 * 4096,
    PAGE = 4096,
    MIDDLE = CONSTANT_BYTES / 2, /* the kernel maps neighbours of what is touched, too */
};

/* Of the program's file. */
static const uint8_t constants[CONSTANT_BYTES] __attribute__((aligned(4096))) = {1, [MIDDLE] = 2};
static uint8_t variables[PAGE] __attribute__((aligned(4096))) = {3};

/* Is the page in this process's page table? /proc/self/pagemap: bit 63. */
static bool mapped(const void *at)
{
    uint64_t entry = 0;
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

    ck_assert_int_eq(
        pread(fd, &entry, sizeof(entry), (off_t)((uintptr_t)at / PAGE * sizeof(entry))),
        sizeof(entry));
    (void)close(fd);
    return entry >> 63 != 0;
}

START_TEST(code_and_constants_are_given_back_and_come_back)
{
    const volatile uint8_t *c = constants;

    ck_assert_uint_eq(c[MIDDLE], 2);
    ck_assert(mapped(&constants[MIDDLE]));
    code_forget();
    ck_assert(!mapped(&constants[MIDDLE]));
    ck_assert_uint_eq(c[MIDDLE], 2);
}
END_TEST

/* The list of segments is there: looking for them must not be the last thing that happens. */
START_TEST(the_head_of_the_program_is_given_back_too)
{
    extern const uint8_t __ehdr_start[];
    const volatile uint8_t *head = __ehdr_start;

    ck_assert_uint_eq(head[0], 0x7f);
    ck_assert(mapped(__ehdr_start));
    code_forget();
    ck_assert(!mapped(__ehdr_start));
}
END_TEST

START_TEST(variables_stay)
{
    volatile uint8_t *v = variables;

    v[1] = 4;
    code_forget();
    ck_assert_uint_eq(v[0], 3);
    ck_assert_uint_eq(v[1], 4);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("code");
    TCase *c = tcase_create("all");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_test(c, code_and_constants_are_given_back_and_come_back);
    tcase_add_test(c, the_head_of_the_program_is_given_back_too);
    tcase_add_test(c, variables_stay);
    suite_add_tcase(s, c);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

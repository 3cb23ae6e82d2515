#include <check.h>
#include <errno.h>
#include <link.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/board_read.h"
#include "base/fault.h"

enum {
    GENERATION = 5,
    FUNCTION_BYTES = 256, /* more than each of those below has */
};

static struct board_page *page;

/* --- deaths; their addresses are known --- */

__attribute__((noinline)) static void die_by_segv(void)
{
    volatile int *nowhere = NULL;

    *nowhere = 1;
}

__attribute__((noinline)) static void die_by_ill(void)
{
    __asm__ volatile("ud2");
}

__attribute__((noinline)) static void die_by_fpe(void)
{
    __asm__ volatile("xor %%ecx, %%ecx; div %%ecx" : : : "eax", "ecx", "edx");
}

/* A page of a file that has none. */
__attribute__((noinline)) static void die_by_bus(void)
{
    int fd = memfd_create("empty", 0);
    volatile int *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    *at = 1;
}

__attribute__((noinline)) static int die_by_overflow(volatile uint64_t *depth)
{
    volatile char more[512];

    more[0] = 0;
    return *depth == 0 ? 0 : die_by_overflow((--*depth, depth)) + more[0];
}

static void overflow(void)
{
    volatile uint64_t depth = UINT64_MAX;

    (void)die_by_overflow(&depth);
}

static void die_from_outside(void)
{
    (void)raise(SIGSEGV);
}

static void die_nowhere(void)
{
    void (*volatile nowhere)(void) = NULL;

    nowhere();
}

static int die(void (*how)(void))
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        if (fault_watch(page, GENERATION) == 0)
            how();
        _exit(1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return status;
}

/* --- what is said of them --- */

static int find_base(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    *(uintptr_t *)arg = info->dlpi_addr;
    return 1;
}

static void expect_death(void (*how)(void), uintptr_t function, int signal)
{
    int status = die(how);
    uintptr_t base = 0;
    uint64_t code;

    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(WTERMSIG(status), signal);
    ck_assert_int_eq(board_read_fault(page, GENERATION, &code), 0);
    (void)dl_iterate_phdr(find_base, &base);
    ck_assert_uint_ge(code, function - base);
    ck_assert_uint_lt(code, function - base + FUNCTION_BYTES);
    ck_assert_uint_eq(page->fault.signal, (uint32_t)signal);
    ck_assert_int_eq(board_read_fault(page, GENERATION + 1, &code), -ENOENT);
}

static void reset(void)
{
    page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert(page != MAP_FAILED);
}

static void done(void)
{
    (void)munmap(page, sizeof(*page));
}

START_TEST(it_dies_of_the_same_signal_and_says_where)
{
    expect_death(die_by_segv, (uintptr_t)die_by_segv, SIGSEGV);
    expect_death(die_by_ill, (uintptr_t)die_by_ill, SIGILL);
    expect_death(die_by_fpe, (uintptr_t)die_by_fpe, SIGFPE);
}
END_TEST

/* A processor that does not check alignment ends it as SIGSEGV; that it was a SIGBUS is noted all the same. */
START_TEST(a_lost_page_says_where)
{
    int status = die(die_by_bus);
    uint64_t code;

    ck_assert(WIFSIGNALED(status));
    ck_assert(WTERMSIG(status) == SIGBUS || WTERMSIG(status) == SIGSEGV);
    ck_assert_int_eq(board_read_fault(page, GENERATION, &code), 0);
    ck_assert_uint_eq(page->fault.signal, SIGBUS);
}
END_TEST

/* Whoever overflows it: the function, or what a compiler has it call. */
START_TEST(a_full_stack_says_where)
{
    int status = die(overflow);
    uint64_t code;

    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(WTERMSIG(status), SIGSEGV);
    ck_assert_int_eq(board_read_fault(page, GENERATION, &code), 0);
}
END_TEST

START_TEST(a_signal_from_outside_is_no_place_in_the_program)
{
    uint64_t code;
    int status = die(die_from_outside);

    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(WTERMSIG(status), SIGSEGV);
    ck_assert_int_eq(board_read_fault(page, GENERATION, &code), -ENOENT);
}
END_TEST

START_TEST(a_jump_to_nowhere_has_no_place)
{
    uint64_t code;
    int status = die(die_nowhere);

    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(WTERMSIG(status), SIGSEGV);
    ck_assert_int_eq(board_read_fault(page, GENERATION, &code), -ENOENT);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("fault");
    TCase *c = tcase_create("fault");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(c, reset, done);
    tcase_add_test(c, it_dies_of_the_same_signal_and_says_where);
    tcase_add_test(c, a_lost_page_says_where);
    tcase_add_test(c, a_full_stack_says_where);
    tcase_add_test(c, a_signal_from_outside_is_no_place_in_the_program);
    tcase_add_test(c, a_jump_to_nowhere_has_no_place);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "init/usage.h"

enum {
    MIB = 1024 * 1024,
};

static void burn(uint64_t ns)
{
    uint64_t end_ns = clock_now_ns() + ns;

    while (clock_now_ns() < end_ns)
        continue;
}

static void use(int kind, size_t len)
{
    void *at = mmap(NULL, len, PROT_READ | PROT_WRITE, kind | MAP_ANONYMOUS, -1, 0);

    ck_assert_ptr_ne(at, MAP_FAILED);
    memset(at, 1, len);
}

START_TEST(memory_is_what_nobody_else_has)
{
    struct usage before = {0}, after = {0};

    usage_read(getpid(), &before);
    use(MAP_SHARED, 64 * MIB);
    use(MAP_PRIVATE, 16 * MIB);
    usage_read(getpid(), &after);
    ck_assert_uint_gt(before.memory_bytes, 0);
    ck_assert_uint_ge(after.memory_bytes, before.memory_bytes + 15 * MIB);
    ck_assert_uint_lt(after.memory_bytes, before.memory_bytes + 32 * MIB);
}
END_TEST

START_TEST(what_a_child_used_is_known_until_it_is_reaped)
{
    struct usage u = {0};
    siginfo_t info;
    pid_t pid = fork();

    if (pid == 0) {
        use(MAP_PRIVATE, MIB);
        while (u.cpu_ns < 20 * NS_PER_MS) {
            burn(NS_PER_MS);
            usage_read(getpid(), &u);
        }
        _exit(0);
    }
    ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    u.memory_bytes = 1;
    usage_read(pid, &u);
    ck_assert_uint_ge(u.cpu_ns, 20 * NS_PER_MS);
    ck_assert_uint_eq(u.memory_bytes, 0);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}
END_TEST

START_TEST(of_one_that_is_not_there_nothing_changes)
{
    struct usage u = {.cpu_ns = 3, .memory_bytes = 5};
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    usage_read(pid, &u);
    ck_assert_uint_eq(u.cpu_ns, 3);
    ck_assert_uint_eq(u.memory_bytes, 5);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("usage");
    TCase *c = tcase_create("all");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_test(c, memory_is_what_nobody_else_has);
    tcase_add_test(c, what_a_child_used_is_known_until_it_is_reaped);
    tcase_add_test(c, of_one_that_is_not_there_nothing_changes);
    suite_add_tcase(s, c);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

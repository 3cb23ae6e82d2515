#include <check.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init/first_cpu.h"

/* A process that may run on these CPUs, as far as there are any; those it may run on afterwards. */
static cpu_set_t avoided(const cpu_set_t *before)
{
    pid_t pid = fork();
    cpu_set_t after;

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        (void)pause();
        _exit(0);
    }
    ck_assert_int_eq(sched_setaffinity(pid, sizeof(*before), before), 0);
    ck_assert_int_eq(first_cpu_avoid(pid), 0);
    ck_assert_int_eq(sched_getaffinity(pid, sizeof(after), &after), 0);
    (void)kill(pid, SIGKILL);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    return after;
}

START_TEST(the_others_are_left)
{
    cpu_set_t all, after;

    ck_assert_int_eq(sched_getaffinity(0, sizeof(all), &all), 0);
    if (!CPU_ISSET(0, &all) || CPU_COUNT(&all) < 2)
        return;
    after = avoided(&all);
    CPU_CLR(0, &all);
    ck_assert(CPU_EQUAL(&after, &all));
}
END_TEST

START_TEST(the_only_one_is_kept)
{
    cpu_set_t all, first, after;

    ck_assert_int_eq(sched_getaffinity(0, sizeof(all), &all), 0);
    if (!CPU_ISSET(0, &all))
        return;
    CPU_ZERO(&first);
    CPU_SET(0, &first);
    after = avoided(&first);
    ck_assert(CPU_EQUAL(&after, &first));
}
END_TEST

START_TEST(a_process_that_is_gone_is_told)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    ck_assert_int_lt(first_cpu_avoid(pid), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("first_cpu");
    TCase *t = tcase_create("first_cpu");
    SRunner *runner = srunner_create(s);
    int failed;

    tcase_add_test(t, the_others_are_left);
    tcase_add_test(t, the_only_one_is_kept);
    tcase_add_test(t, a_process_that_is_gone_is_told);
    suite_add_tcase(s, t);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

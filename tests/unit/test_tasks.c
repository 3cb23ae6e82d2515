#include <check.h>
#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init/tasks.h"

enum {
    THREADS = 3,
    AHEAD = 10,
};

static pid_t other; /* a process of THREADS threads */

static void *sleep_on(void *unused)
{
    while (pause() < 0)
        ;
    return unused;
}

static void be_other(int ready)
{
    for (unsigned i = 1; i < THREADS; i++) {
        pthread_t thread;

        if (pthread_create(&thread, NULL, sleep_on, NULL) != 0)
            _exit(1);
    }
    if (write(ready, "", 1) != 1)
        _exit(1);
    (void)sleep_on(NULL);
}

static void start_other(void)
{
    int ready[2];
    char byte;

    ck_assert_int_eq(pipe(ready), 0);
    other = fork();
    ck_assert_int_ge(other, 0);
    if (other == 0)
        be_other(ready[1]);
    (void)close(ready[1]);
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    (void)close(ready[0]);
}

static void end_other(void)
{
    (void)kill(other, SIGKILL);
    ck_assert_int_eq(waitpid(other, NULL, 0), other);
}

/* How many of its threads have that nice level. */
static unsigned at_nice(int nice)
{
    char path[48];
    unsigned n = 0;
    DIR *dir;

    (void)snprintf(path, sizeof(path), "/proc/%d/task", other);
    dir = opendir(path);
    ck_assert_ptr_nonnull(dir);
    for (const struct dirent *d = readdir(dir); d != NULL; d = readdir(dir)) {
        id_t task = (id_t)strtol(d->d_name, NULL, 10);

        n += task > 0 && getpriority(PRIO_PROCESS, task) == nice ? 1 : 0;
    }
    (void)closedir(dir);
    return n;
}

START_TEST(all_threads_go_ahead_and_are_taken_back)
{
    int ours = getpriority(PRIO_PROCESS, 0);

    tasks_set_ahead(other);
    ck_assert_uint_eq(at_nice(ours - AHEAD), THREADS);
    ck_assert_int_eq(tasks_take_back(other), 0);
    ck_assert_uint_eq(at_nice(ours), THREADS);
}
END_TEST

START_TEST(all_threads_are_placed)
{
    cpu_set_t set;

    ck_assert_int_eq(tasks_place(other, 0), 0);
    ck_assert_int_eq(sched_getaffinity(other, sizeof(set), &set), 0);
    ck_assert_int_eq(CPU_COUNT(&set), 1);
    ck_assert(CPU_ISSET(0, &set));
}
END_TEST

START_TEST(who_is_gone_is_told_of)
{
    pid_t gone = fork();

    if (gone == 0)
        _exit(0);
    ck_assert_int_eq(waitpid(gone, NULL, 0), gone);
    tasks_set_ahead(gone);
    ck_assert_int_lt(tasks_take_back(gone), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tasks");
    TCase *tc = tcase_create("all");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(tc, start_other, end_other);
    tcase_add_test(tc, all_threads_go_ahead_and_are_taken_back);
    tcase_add_test(tc, all_threads_are_placed);
    tcase_add_test(tc, who_is_gone_is_told_of);
    suite_add_tcase(s, tc);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#include <check.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <sys/syscall.h>

#include "base/macro.h"
#include "init/process_end.h"
#include "tests/fakes/jailed.h"

static struct jailed j;

static void start_fresh(void)
{
    jailed_init(&j);
}

static void end(void)
{
    jailed_done(&j);
}

START_TEST(a_program_runs_and_ends_in_the_jail)
{
    int status;

    jailed_start(&j, 0);
    ck_assert_int_eq(jailed_hear(&j), JAIL_AT_PAUSE);
    jailed_let_go(&j);
    ck_assert_int_eq(write(j.control, "x", 1), 1);
    status = jailed_reap(&j);
    j.jail.pid = -1;
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), JAILED_EXIT);
}
END_TEST

START_TEST(it_is_verified_before_exec_and_after)
{
    int r;

    jailed_start(&j, 0);
    ck_assert_int_eq(jailed_hear(&j), JAIL_AT_PAUSE);
    r = jailed_verify(&j);
    ck_assert_msg(r == 0, "%s", j.why.text);
    jailed_let_go(&j);
    r = jailed_verify(&j);
    ck_assert_msg(r == 0, "%s", j.why.text);
}
END_TEST

START_TEST(nothing_runs_before_it_is_let_go)
{
    struct pollfd p = {.fd = j.control, .events = POLLIN};

    jailed_start(&j, 0);
    ck_assert_int_eq(jailed_hear(&j), JAIL_AT_PAUSE);
    ck_assert_int_eq(poll(&p, 1, 50), 0);
    ck_assert_int_eq(jail_hear(&j.jail, &j.why), JAIL_SILENT);
}
END_TEST

START_TEST(a_parent_that_is_gone_is_noticed_at_the_pause)
{
    int status;

    jailed_start(&j, 0);
    ck_assert_int_eq(jailed_hear(&j), JAIL_AT_PAUSE);
    fd_closep(&j.jail.go_fd);
    status = jailed_reap(&j);
    j.jail.pid = -1;
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 1);
    ck_assert_int_eq(jailed_hear(&j), JAIL_FAILED);
    ck_assert_ptr_nonnull(strstr(j.why.text, "'pause'"));
}
END_TEST

/* Each way to break a step, and the name under which it must be reported. */
static void expect_failure(const char *step)
{
    jailed_start(&j, 0);
    ck_assert_int_eq(jailed_hear(&j), JAIL_FAILED);
    ck_assert_msg(strstr(j.why.text, step) != NULL, "'%s' does not name '%s'", j.why.text, step);
    ck_assert(WIFEXITED(jailed_reap(&j)));
    j.jail.pid = -1;
}

START_TEST(a_missing_descriptor_is_named)
{
    fd_closep(&j.spec.fds[JAILED_EVENT]);
    expect_failure("'descriptors'");
}
END_TEST

START_TEST(a_wrong_namespace_is_named)
{
    fd_closep(&j.spec.net_ns_fd);
    j.spec.net_ns_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    expect_failure("'empty network namespace'");
}
END_TEST

START_TEST(an_impossible_user_is_named)
{
    j.spec.uid = UINT32_MAX; /* "leave as it is": read back as another one */
    expect_failure("'read back'");
}
END_TEST

START_TEST(a_wrong_ruleset_is_named)
{
    fd_closep(&j.spec.landlock_fd);
    j.spec.landlock_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    expect_failure("'Landlock'");
}
END_TEST

START_TEST(a_wrong_filter_is_named)
{
    static const struct sbx_program none = {.insns = NULL, .n_insns = 0};

    j.spec.filter = &none;
    expect_failure("'start filter'");
}
END_TEST

START_TEST(what_cannot_be_executed_is_named)
{
    fd_closep(&j.spec.program_fd);
    j.spec.program_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    jailed_start(&j, 0);
    ck_assert_int_eq(jailed_hear(&j), JAIL_AT_PAUSE);
    ck_assert_int_eq(jail_go(&j.jail), 0);
    ck_assert_int_eq(jailed_hear(&j), JAIL_FAILED);
    ck_assert_ptr_nonnull(strstr(j.why.text, "'exec'"));
}
END_TEST

START_TEST(death_by_the_filter_looks_like_death)
{
    static const struct sock_filter kill = {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_KILL_PROCESS};
    static const struct sbx_program nothing_goes = {.insns = &kill, .n_insns = 1};
    int status;

    j.spec.filter = &nothing_goes;
    jailed_start(&j, 0);
    status = jailed_reap(&j);
    j.jail.pid = -1;
    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(WTERMSIG(status), SIGSYS);
    ck_assert_int_eq(jailed_hear(&j), JAIL_RUNNING); /* or dead: its status told */
}
END_TEST

START_TEST(every_step_has_a_name)
{
    for (int i = 0; i < JAIL_STEPS; i++)
        ck_assert_ptr_nonnull(jail_step_name((enum jail_step)i));
    ck_assert_str_eq(jail_step_name(JAIL_STEPS), "unknown");
}
END_TEST

START_TEST(our_own_network_stays)
{
    struct stat before, after;

    ck_assert_int_eq(stat("/proc/self/ns/net", &before), 0);
    fd_closep(&j.spec.net_ns_fd);
    ck_assert_int_eq(jail_net_ns(&j.spec.net_ns_fd), 0);
    ck_assert_int_eq(stat("/proc/self/ns/net", &after), 0);
    ck_assert_int_eq((long)before.st_ino, (long)after.st_ino);
}
END_TEST

static bool hangs_up(int timeout_ms)
{
    struct pollfd p = {.fd = j.jail.watch_fd, .events = POLLIN};

    return poll(&p, 1, timeout_ms) == 1 && (p.revents & POLLHUP) != 0;
}

START_TEST(its_end_is_told)
{
    int early = 0;
    int status;

    jailed_start(&j, 0);
    ck_assert_int_eq(jailed_hear(&j), JAIL_AT_PAUSE);
    ck_assert_int_eq(jail_watch(&j.jail), 0);
    jailed_let_go(&j);
    ck_assert(!hangs_up(50));
    ck_assert_int_eq(proc_end_status(j.jail.pid, &early), -EAGAIN);
    jail_kill(&j.jail);
    if (hangs_up(JAILED_WAIT_MS / 10)) { /* before Linux 6.11 only when it is reaped */
        int r = proc_end_status(j.jail.pid, &early);

        ck_assert(r == 0 || r == -EAGAIN);
    }
    status = jailed_reap(&j);
    ck_assert(hangs_up(0));
    ck_assert(early == 0 || early == status);
    ck_assert_int_eq(WTERMSIG(status), SIGKILL);
    ck_assert_int_ne(proc_end_status(j.jail.pid, &early), 0);
    j.jail.pid = -1;
}
END_TEST

/* As in a container whose manager has a seccomp listener: there can be no second one. */
START_TEST(where_others_listen_only_the_reaping_tells)
{
    struct sock_filter all[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog program = {.len = COUNT_OF(all), .filter = all};
    int r;

    ck_assert_int_ge((int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                                  SECCOMP_FILTER_FLAG_NEW_LISTENER, &program),
                     0);
    jailed_start(&j, 0);
    ck_assert_int_eq(jailed_hear(&j), JAIL_AT_PAUSE);
    ck_assert_int_eq(jail_watch(&j.jail), 0);
    ck_assert_int_eq(j.jail.watch_fd, -1);
    r = jailed_verify(&j);
    ck_assert_msg(r == 0, "%s", j.why.text);
}
END_TEST

START_TEST(an_exit_status_is_told_before_it_is_reaped)
{
    int early, status;
    siginfo_t info;
    pid_t pid = fork();

    if (pid == 0)
        _exit(7);
    ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    ck_assert_int_eq(proc_end_status(pid, &early), 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(early, status);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("jail");
    TCase *c = tcase_create("jail");
    SRunner *r;
    int failed;

    if (geteuid() != 0)
        return 77; /* meson: skipped */
    tcase_add_checked_fixture(c, start_fresh, end);
    tcase_add_test(c, a_program_runs_and_ends_in_the_jail);
    tcase_add_test(c, it_is_verified_before_exec_and_after);
    tcase_add_test(c, nothing_runs_before_it_is_let_go);
    tcase_add_test(c, a_parent_that_is_gone_is_noticed_at_the_pause);
    tcase_add_test(c, a_missing_descriptor_is_named);
    tcase_add_test(c, a_wrong_namespace_is_named);
    tcase_add_test(c, an_impossible_user_is_named);
    tcase_add_test(c, a_wrong_ruleset_is_named);
    tcase_add_test(c, a_wrong_filter_is_named);
    tcase_add_test(c, what_cannot_be_executed_is_named);
    tcase_add_test(c, death_by_the_filter_looks_like_death);
    tcase_add_test(c, every_step_has_a_name);
    tcase_add_test(c, our_own_network_stays);
    tcase_add_test(c, its_end_is_told);
    tcase_add_test(c, where_others_listen_only_the_reaping_tells);
    tcase_add_test(c, an_exit_status_is_told_before_it_is_reaped);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

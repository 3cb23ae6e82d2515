/*
 * The loop of `bulkhead run` on a terminal of its own, with this test as the VM.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/wr.h"
#include "cli/pump.h"

enum {
    SOON_MS = 5000,
    TEXT_BYTES = 8192,
    BULK_BYTES = 1 << 20, /* more than all buffers on the way hold */
    NO_VM = 99,
};

/* The other ends of what pump_run() has. */
struct stage {
    int terminal; /* what the person sees and types on */
    int streams[STREAM_COUNT];
    int log;
    int output;            /* stdout, when it is a pipe; -1: the terminal */
    pid_t pid;             /* of pump_run()'s process */
    pid_t vm;              /* what it takes for init or QEMU */
    char seen[TEXT_BYTES]; /* on the terminal */
    size_t n_seen;
};

static void on_started(void *self, const Bulkhead__Report *report)
{
    (void)self;
    (void)report;
    (void)fputs("STARTED\n", stderr);
}

/* In the process of its own. */
static _Noreturn void run(struct child *child, const struct pump_options *options)
{
    struct pump_logs logs = {0};
    struct outcome o = {0};
    char why[OUTCOME_TEXT_BYTES];
    int status = NO_VM;

    if (pump_run(child, options, &logs, &o) == 0)
        status = outcome_judge(&o, why);
    child_end(child);
    (void)fprintf(stderr, "WHY %s\n", why);
    exit(status);
}

static int open_pidfd(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* The process that stands for the VM: it waits to be killed. */
static pid_t start_vm(void)
{
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    for (;;)
        (void)pause();
}

/* In the process of its own: nothing of the test's is left to it, its signal handlers included. */
static void leave_test(struct stage *s, int out)
{
    (void)signal(SIGTERM, SIG_DFL);
    (void)signal(SIGINT, SIG_DFL);
    for (unsigned i = 0; i < STREAM_COUNT; i++)
        fd_closep(&s->streams[i]);
    fd_closep(&s->log);
    fd_closep(&s->output);
    if (out >= 0)
        (void)dup2(out, STDOUT_FILENO);
}

static _Noreturn void become_run(struct stage *s, struct child *child,
                                 const struct pump_options *options, const int told[2], int out)
{
    leave_test(s, out);
    child->pid = start_vm();
    child->pidfd = open_pidfd(child->pid);
    (void)!write(told[1], &child->pid, sizeof(child->pid));
    run(child, options);
}

static void stage_init(struct stage *s, const struct pump_options *options, bool piped)
{
    struct child child = {.pidfd = -1};
    int pair[2], told[2], out[2] = {-1, -1};

    *s = (struct stage){.output = -1};
    ck_assert_int_eq(pipe2(told, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(pair, O_CLOEXEC), 0);
    child.log = pair[0];
    s->log = pair[1];
    ck_assert_int_eq(fcntl(child.log, F_SETFL, O_NONBLOCK), 0);
    for (unsigned i = 0; i < STREAM_COUNT; i++) {
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        child.streams[i] = pair[0];
        s->streams[i] = pair[1];
        ck_assert_int_eq(fcntl(pair[0], F_SETFL, O_NONBLOCK), 0);
    }
    if (piped) {
        ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
        s->output = out[0];
    }
    s->pid = forkpty(&s->terminal, NULL, NULL, NULL);
    if (s->pid == 0)
        become_run(s, &child, options, told, out[1]);
    ck_assert_int_gt(s->pid, 0);
    for (unsigned i = 0; i < STREAM_COUNT; i++)
        fd_closep(&child.streams[i]);
    fd_closep(&child.log);
    fd_closep(&out[1]);
    ck_assert_int_eq(read(told[0], &s->vm, sizeof(s->vm)), sizeof(s->vm));
    fd_closep(&told[0]);
    fd_closep(&told[1]);
}

/* Read the terminal until it has shown the text. */
static void see(struct stage *s, const char *text)
{
    while (strstr(s->seen, text) == NULL) {
        struct pollfd p = {.fd = s->terminal, .events = POLLIN};
        ssize_t n;

        ck_assert_msg(poll(&p, 1, SOON_MS) == 1, "no '%s' in '%s'", text, s->seen);
        n = read(s->terminal, s->seen + s->n_seen, TEXT_BYTES - 1 - s->n_seen);
        ck_assert_msg(n > 0, "no '%s' in '%s'", text, s->seen);
        s->n_seen += (size_t)n;
        s->seen[s->n_seen] = '\0';
    }
}

static void put(int fd, const char *text)
{
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void expect(int fd, const char *text)
{
    char got[256] = "";
    size_t len = 0;

    while (len < strlen(text)) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        ssize_t n = poll(&p, 1, SOON_MS) == 1 ? read(fd, got + len, strlen(text) - len) : -1;

        ck_assert_msg(n > 0, "no '%s' after '%s'", text, got);
        len += (size_t)n;
    }
    ck_assert_str_eq(got, text);
}

static void send_report(const struct stage *s, const Bulkhead__Report *r)
{
    uint8_t bytes[256];
    struct wr w = wr_over(bytes, 4);
    size_t len = bulkhead__report__pack(r, bytes + 4);

    wr_le32(&w, (uint32_t)len);
    ck_assert_int_eq(write(s->streams[STREAM_REPORT], bytes, len + 4), (ssize_t)len + 4);
}

static void say_started(const struct stage *s)
{
    Bulkhead__Report r;

    bulkhead__report__init(&r);
    r.started_us = 1;
    send_report(s, &r);
}

static void say_ended(const struct stage *s, Bulkhead__GuestEnd how)
{
    Bulkhead__GuestEnded ended;
    Bulkhead__Report r;

    bulkhead__report__init(&r);
    bulkhead__guest_ended__init(&ended);
    ended.how = how;
    r.ended = &ended;
    send_report(s, &r);
}

static void say_vtl2_done(const struct stage *s, int status)
{
    Bulkhead__Report r;

    bulkhead__report__init(&r);
    r.vtl2_done = true;
    r.vtl2_status = status;
    send_report(s, &r);
}

/* The VM is over: its process, and with it the other ends of the streams. */
static void vm_dies(struct stage *s)
{
    for (unsigned i = 0; i < STREAM_COUNT; i++)
        fd_closep(&s->streams[i]);
    fd_closep(&s->log);
    ck_assert_int_eq(kill(s->vm, SIGKILL), 0);
}

/* The status of pump_run()'s process; afterwards nothing of it is left. */
static int stage_done(struct stage *s)
{
    int status = 0;

    ck_assert_int_eq(waitpid(s->pid, &status, 0), s->pid);
    ck_assert_msg(WIFEXITED(status), "status %x", (unsigned)status);
    ck_assert_int_eq(kill(s->vm, 0), -1);
    for (unsigned i = 0; i < STREAM_COUNT; i++)
        fd_closep(&s->streams[i]);
    fd_closep(&s->log);
    fd_closep(&s->output);
    fd_closep(&s->terminal);
    return WEXITSTATUS(status);
}

static bool is_raw(const struct stage *s)
{
    struct termios t;

    ck_assert_int_eq(tcgetattr(s->terminal, &t), 0);
    return (t.c_lflag & (ICANON | ECHO | ISIG)) == 0 && (t.c_oflag & OPOST) == 0;
}

static struct net_ends no_nets;
static const struct pump_options console = {.nets = &no_nets, .started = on_started};
static const struct pump_options exec_script = {
    .nets = &no_nets, .started = on_started, .exec = true};

START_TEST(the_console_is_the_terminal)
{
    struct stage s;

    stage_init(&s, &console, false);
    put(s.streams[STREAM_COM1], "boot\r\n"); /* kept until the report has been shown */
    say_started(&s);
    see(&s, "STARTED\r\nboot\r\n");
    ck_assert(is_raw(&s));
    put(s.terminal, "ls\r\3\1\1");
    expect(s.streams[STREAM_COM1], "ls\r\3\1");
    put(s.terminal, "\1x");
    see(&s, "WHY \r\n");
    ck_assert(!is_raw(&s));
    ck_assert_int_eq(stage_done(&s), 0);
}
END_TEST

START_TEST(the_guests_end_gives_the_terminal_back)
{
    struct stage s;

    stage_init(&s, &console, false);
    say_started(&s);
    see(&s, "STARTED");
    put(s.streams[STREAM_COM1], "last words");
    say_ended(&s, BULKHEAD__GUEST_END__GUEST_END_PANIC);
    vm_dies(&s);
    see(&s, "last words");
    see(&s, "WHY the guest panicked");
    ck_assert(!is_raw(&s));
    ck_assert_int_eq(stage_done(&s), 4);
}
END_TEST

START_TEST(signals_give_the_terminal_back)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};
    struct stage s;

    stage_init(&s, &console, false);
    say_started(&s);
    put(s.streams[STREAM_COM1], "up");
    see(&s, "up");
    ck_assert_int_eq(kill(s.pid, numbers[_i]), 0);
    see(&s, "WHY ended by");
    ck_assert(!is_raw(&s));
    ck_assert_int_eq(stage_done(&s), 128 + numbers[_i]);
}
END_TEST

START_TEST(a_crash_gives_the_terminal_back)
{
    struct stage s;
    int status;

    stage_init(&s, &console, false);
    say_started(&s);
    put(s.streams[STREAM_COM1], "up");
    see(&s, "up");
    ck_assert(is_raw(&s));
    ck_assert_int_eq(kill(s.pid, SIGSEGV), 0);
    ck_assert_int_eq(waitpid(s.pid, &status, 0), s.pid);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    ck_assert(!is_raw(&s));
    ck_assert_int_eq(kill(s.vm, SIGKILL), 0); /* the real one has a death signal */
}
END_TEST

START_TEST(a_terminal_that_goes_away_ends_the_vm)
{
    struct stage s;

    stage_init(&s, &console, false);
    say_started(&s);
    put(s.streams[STREAM_COM1], "up");
    see(&s, "up");
    fd_closep(&s.terminal);
    ck_assert_int_eq(stage_done(&s), 128 + SIGHUP);
}
END_TEST

START_TEST(a_scripts_output_and_status_are_ours)
{
    struct stage s;

    stage_init(&s, &exec_script, true);
    say_started(&s);
    put(s.streams[STREAM_COM1], "console noise\n");
    put(s.streams[STREAM_COM2], "out\0put");
    put(s.streams[STREAM_COM2], "\33 unchanged\r\n");
    put(s.streams[STREAM_VTL2], "one\ntwo");
    put(s.streams[STREAM_COM3], "\r\n4");
    expect(s.output, "out\33 unchanged\r\n");
    see(&s, "vtl2: one\r\nvtl2: two");
    put(s.streams[STREAM_COM3], "2\r\n");
    say_ended(&s, BULKHEAD__GUEST_END__GUEST_END_POWER_OFF);
    vm_dies(&s);
    ck_assert_int_eq(stage_done(&s), 42);
    ck_assert_ptr_null(strstr(s.seen, "noise"));
}
END_TEST

/* Fill the stream until nothing more goes in, then read the output: all must be there. */
START_TEST(a_slow_reader_gets_all_of_it)
{
    struct stage s;
    char *bulk = calloc(1, BULK_BYTES);
    size_t sent = 0, got = 0;

    ck_assert_ptr_nonnull(bulk);
    stage_init(&s, &exec_script, true);
    say_started(&s);
    while (sent < BULK_BYTES) {
        struct pollfd p = {.fd = s.streams[STREAM_COM2], .events = POLLOUT};
        ssize_t n;

        if (poll(&p, 1, 300) == 0)
            break;
        n = send(p.fd, bulk, 4096, MSG_DONTWAIT);
        if (n > 0)
            sent += (size_t)n;
    }
    ck_assert_uint_lt(sent, BULK_BYTES); /* it was not all taken into memory */
    put(s.streams[STREAM_COM3], "0\n");
    say_ended(&s, BULKHEAD__GUEST_END__GUEST_END_POWER_OFF);
    vm_dies(&s);
    (void)poll(NULL, 0, 1500); /* longer than it waits for streams to end */
    for (;;) {
        ssize_t n = read(s.output, bulk, BULK_BYTES);

        if (n <= 0)
            break;
        got += (size_t)n;
    }
    ck_assert_uint_eq(got, sent);
    ck_assert_int_eq(stage_done(&s), 0);
    free(bulk);
}
END_TEST

START_TEST(nobody_reads)
{
    struct stage s;

    stage_init(&s, &exec_script, true);
    say_started(&s);
    fd_closep(&s.output);
    put(s.streams[STREAM_COM2], "x");
    see(&s, "WHY nobody reads");
    ck_assert_int_eq(stage_done(&s), 1);
}
END_TEST

START_TEST(a_script_beside_bulkhead_alone_ends_the_run)
{
    static const struct pump_options options = {
        .nets = &no_nets, .started = on_started, .vtl2_exec = true};
    struct stage s;

    stage_init(&s, &options, true);
    say_started(&s);
    put(s.streams[STREAM_VTL2], "ps");
    say_vtl2_done(&s, 7);
    expect(s.output, "ps");
    ck_assert_int_eq(stage_done(&s), 7);
}
END_TEST

START_TEST(the_guest_hears_how_the_script_beside_ended)
{
    static const struct pump_options options = {
        .nets = &no_nets, .started = on_started, .exec = true, .vtl2_exec = true};
    struct stage s;

    stage_init(&s, &options, true);
    say_started(&s);
    say_vtl2_done(&s, 42);
    expect(s.streams[STREAM_COM3], "42\n");
    put(s.streams[STREAM_COM3], "0\n");
    say_ended(&s, BULKHEAD__GUEST_END__GUEST_END_POWER_OFF);
    vm_dies(&s);
    ck_assert_int_eq(stage_done(&s), 42);
}
END_TEST

static const struct {
    struct pump_options options;
    const char *why;
    int status;
} limits[] = {
    {{.nets = &no_nets, .started = on_started, .timeout_s = 1},
     "WHY not done after 1 s: ended before the guest started",                  124},
    {{.nets = &no_nets, .started = on_started, .silence_s = 1},
     "WHY nothing was heard of the VM for 1 s: ended before the guest started", 125},
};

START_TEST(time_runs_out)
{
    struct stage s;

    stage_init(&s, &limits[_i].options, false);
    see(&s, limits[_i].why);
    ck_assert_int_eq(stage_done(&s), limits[_i].status);
}
END_TEST

static void say_waits_for(const struct stage *s, const char *name)
{
    Bulkhead__Report r;
    char text[32];

    (void)snprintf(text, sizeof(text), "%s", name);
    bulkhead__report__init(&r);
    r.waits_for = text;
    send_report(s, &r);
}

START_TEST(who_says_what_it_waits_for_is_not_silent)
{
    static const struct pump_options options = {
        .nets = &no_nets, .started = on_started, .silence_s = 1, .timeout_s = 3};
    static const struct timespec nap = {.tv_nsec = 500 * 1000 * 1000};
    struct stage s;

    stage_init(&s, &options, false);
    for (int i = 0; i < 5; i++) {
        say_waits_for(&s, i < 4 ? "vtpm" : "di\033ag");
        (void)nanosleep(&nap, NULL);
    }
    see(&s, "WHY not done after 3 s: ended before the guest started, waiting for di?ag");
    ck_assert_int_eq(stage_done(&s), 124);
}
END_TEST

START_TEST(who_was_heard_may_be_silent)
{
    static const struct pump_options options = {
        .nets = &no_nets, .started = on_started, .silence_s = 1, .timeout_s = 3};
    struct stage s;

    stage_init(&s, &options, false);
    say_started(&s);
    see(&s, "WHY not done after 3 s: ended");
    ck_assert_int_eq(stage_done(&s), 124);
}
END_TEST

START_TEST(garbage_instead_of_reports)
{
    struct stage s;

    stage_init(&s, &console, false);
    put(s.streams[STREAM_REPORT], "\377\377\377\377");
    see(&s, "WHY init's reports are garbled");
    ck_assert_int_eq(stage_done(&s), 125);
}
END_TEST

START_TEST(the_vm_dies_without_a_word)
{
    struct stage s;

    stage_init(&s, &console, false);
    vm_dies(&s);
    see(&s, "WHY the VM's process was killed by SIGKILL before the guest started");
    ck_assert_int_eq(stage_done(&s), 125);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pump");
    TCase *tests = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tests, 30);
    tcase_add_test(tests, the_console_is_the_terminal);
    tcase_add_test(tests, the_guests_end_gives_the_terminal_back);
    tcase_add_loop_test(tests, signals_give_the_terminal_back, 0, 4);
    tcase_add_test(tests, a_crash_gives_the_terminal_back);
    tcase_add_test(tests, a_terminal_that_goes_away_ends_the_vm);
    tcase_add_test(tests, a_scripts_output_and_status_are_ours);
    tcase_add_test(tests, a_slow_reader_gets_all_of_it);
    tcase_add_test(tests, nobody_reads);
    tcase_add_test(tests, a_script_beside_bulkhead_alone_ends_the_run);
    tcase_add_test(tests, the_guest_hears_how_the_script_beside_ended);
    tcase_add_loop_test(tests, time_runs_out, 0, COUNT_OF(limits));
    tcase_add_test(tests, who_says_what_it_waits_for_is_not_silent);
    tcase_add_test(tests, who_was_heard_may_be_silent);
    tcase_add_test(tests, garbage_instead_of_reports);
    tcase_add_test(tests, the_vm_dies_without_a_word);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

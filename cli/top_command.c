#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "cli/commands.h"
#include "cli/operator.h"
#include "cli/options.h"
#include "cli/query.h"
#include "cli/say.h"
#include "cli/terminal.h"
#include "cli/top.h"

enum {
    PERIOD_MS = 1000,
    KEY_INTERRUPT = 3, /* Ctrl-C, as a raw terminal gives it */
    KEY_END = 4,       /* Ctrl-D */
    ROWS = 24,
    COLUMNS = 80,
};

static const char CLEAR[] = "\033[H\033[2J";

struct top {
    const struct cli_args *args;
    struct top_look before, now;
    int signals; /* a signalfd */
};

/* --- looking --- */

static int ask(const struct top *t, Bulkhead__AdminCall__Verb verb, struct top_look *look)
{
    Bulkhead__AdminCall call;
    Bulkhead__AdminAnswer *a;
    AUTO_FD fd = -1;
    bool done = false;
    int status;

    bulkhead__admin_call__init(&call);
    call.verb = verb;
    status = query_begin(t->args, &call, &fd);
    while (status == 0 && !done) {
        status = query_next(fd, &a);
        if (status != 0)
            break;
        top_take(look, a);
        done = a->done;
        bulkhead__admin_answer__free_unpacked(a, NULL);
    }
    return status;
}

static int look(struct top *t)
{
    struct top_look look = {.time_ns = clock_now_ns()};
    int status = ask(t, BULKHEAD__ADMIN_CALL__VERB__PS, &look);

    if (status == 0)
        status = ask(t, BULKHEAD__ADMIN_CALL__VERB__INSPECT, &look);
    if (status != 0)
        return status;
    t->before = t->now.time_ns == 0 ? look : t->now;
    t->now = look;
    return 0;
}

/* --- the screen --- */

static void show(const struct top *t)
{
    struct winsize size = {.ws_row = ROWS, .ws_col = COLUMNS};

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_row == 0 || size.ws_col == 0)
        size = (struct winsize){.ws_row = ROWS, .ws_col = COLUMNS};
    (void)fputs(CLEAR, stdout);
    top_render(&t->before, &t->now, t->args->name, size.ws_row, size.ws_col, "\r\n", stdout);
    (void)fflush(stdout);
}

static int enter(void)
{
    int r = isatty(STDOUT_FILENO) ? terminal_raw(STDIN_FILENO) : -ENOTTY;

    if (r < 0)
        return say(EXIT_USAGE,
                   "top: needs a terminal; `bulkhead ps` and `bulkhead inspect` do not");
    terminal_screen(STDOUT_FILENO);
    return 0;
}

/* What is wrong is said where it stays. Where all is well the second time, it goes on: diag had been replaced. */
static int look_again(struct top *t)
{
    int status;

    terminal_restore();
    status = look(t);
    return status == 0 ? enter() : status;
}

static int take_signals(void)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)sigaddset(&set, SIGWINCH);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return -errno;
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* True: leave. */
static bool take_key(void)
{
    char key;
    ssize_t n = read(STDIN_FILENO, &key, 1);

    return n <= 0 || key == 'q' || key == KEY_INTERRUPT || key == KEY_END;
}

static bool take_signal(struct top *t)
{
    struct signalfd_siginfo info;

    if (read(t->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
        return false;
    if (info.ssi_signo != SIGWINCH)
        return true;
    show(t);
    return false;
}

/* Until the next look is due; true: leave. */
static bool pause_for_keys(struct top *t)
{
    uint64_t end_ns = clock_now_ns() + PERIOD_MS * NS_PER_MS;

    for (uint64_t now_ns; (now_ns = clock_now_ns()) < end_ns;) {
        struct pollfd fds[] = {
            {.fd = STDIN_FILENO, .events = POLLIN},
            {.fd = t->signals,   .events = POLLIN}
        };
        int n = poll(fds, 2, (int)((end_ns - now_ns) / NS_PER_MS) + 1);

        if (n > 0 && fds[0].revents != 0 && take_key())
            return true;
        if (n > 0 && fds[1].revents != 0 && take_signal(t))
            return true;
    }
    return false;
}

int top_command(const struct cli_args *args)
{
    static struct top t;
    int status;

    t = (struct top){.args = args, .signals = -1};
    status = look(&t);
    if (status == 0)
        status = enter();
    if (status != 0)
        return status;
    t.signals = take_signals();
    do {
        show(&t);
        if (pause_for_keys(&t))
            break;
        status = look(&t);
        if (status != 0)
            status = look_again(&t);
    } while (status == 0);
    terminal_restore();
    fd_closep(&t.signals);
    return status;
}

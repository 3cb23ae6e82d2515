#include "cli/child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

enum {
    PARKING = 512, /* above every number of the layout, and all that a child could hold before */
    END_GRACE_MS = 2000,
    EXIT_NO_EXEC = 127,
};

/* What the child will hold, by its own numbers; -1: not yet made. */
struct child_fds {
    int at[CHILD_FD_EXTRA + CHILD_EXTRA_MAX];
    int n;
};

static void fds_done(struct child_fds *f)
{
    for (size_t i = 0; i < CHILD_FD_EXTRA; i++) {
        if (i != CHILD_FD_MEMORY) /* the caller's */
            fd_closep(&f->at[i]);
    }
}

static int make_streams(struct child *c, struct child_fds *f)
{
    int pair[2];

    f->at[0] = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (f->at[0] < 0 || pipe2(pair, O_CLOEXEC) < 0)
        return -errno;
    c->log = pair[0];
    f->at[1] = pair[1];
    f->at[2] = fcntl(pair[1], F_DUPFD_CLOEXEC, 0);
    if (f->at[2] < 0 || fcntl(c->log, F_SETFL, O_NONBLOCK) < 0)
        return -errno;
    for (unsigned i = 0; i < STREAM_COUNT; i++) {
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
            return -errno;
        c->streams[i] = pair[0];
        f->at[CHILD_FD_STREAMS + i] = pair[1];
        if (fcntl(pair[0], F_SETFL, O_NONBLOCK) < 0)
            return -errno;
    }
    return 0;
}

/* In the child: each descriptor to its number, nothing else. First out of each other's way. */
static int place_fds(struct child_fds *f)
{
    for (int i = 0; i < f->n; i++) {
        f->at[i] = fcntl(f->at[i], F_DUPFD_CLOEXEC, PARKING);
        if (f->at[i] < 0)
            return -errno;
    }
    for (int i = 0; i < f->n; i++) {
        if (dup2(f->at[i], i) < 0) /* without close-on-exec */
            return -errno;
    }
    return syscall(SYS_close_range, (unsigned)f->n, ~0u, 0) < 0 ? -errno : 0;
}

/* The parent cannot be asked for across a PID namespace; its end of a stream can. */
static bool parent_is_gone(void)
{
    struct pollfd p = {.fd = CHILD_FD_STREAMS};

    return poll(&p, 1, 0) > 0 && (p.revents & POLLHUP) != 0;
}

static void reset_signals(void)
{
    sigset_t none;

    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
}

/* A forked copy: only system calls from here. */
static _Noreturn void become(char *const argv[], struct child_fds *f)
{
    static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    char *environment[] = {path, NULL};
    static const char failed[] = "cannot be executed\n";

    reset_signals();
    (void)setsid(); /* keys on the terminal are for us alone */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || place_fds(f) < 0 || parent_is_gone())
        _exit(EXIT_NO_EXEC);
    (void)execve(argv[0], argv, environment);
    (void)!write(CHILD_FD_LOG, failed, sizeof(failed) - 1);
    _exit(EXIT_NO_EXEC);
}

static int clone_child(bool namespaces, struct child *c)
{
    struct clone_args args = {
        .flags = CLONE_PIDFD | (namespaces ? CLONE_NEWPID | CLONE_NEWNS : 0),
        .pidfd = (uintptr_t)&c->pidfd,
        .exit_signal = SIGCHLD,
    };
    long pid = syscall(SYS_clone3, &args, sizeof(args));

    if (pid < 0)
        return -errno;
    c->pid = (pid_t)pid;
    return 0;
}

int child_start(char *const argv[], int memory, bool namespaces, const struct child_extra *extra,
                struct child *ret)
{
    struct child c = {.pidfd = -1, .log = -1};
    struct child_fds f;
    int r;

    memset(&f, -1, sizeof(f));
    memset(c.streams, -1, sizeof(c.streams));
    f.at[CHILD_FD_MEMORY] = memory;
    f.n = CHILD_FD_EXTRA + (extra != NULL ? (int)extra->n : 0);
    for (int i = CHILD_FD_EXTRA; i < f.n; i++)
        f.at[i] = extra->at[i - CHILD_FD_EXTRA];
    r = make_streams(&c, &f);
    if (r == 0)
        r = clone_child(namespaces, &c);
    if (r == 0 && c.pid == 0)
        become(argv, &f);
    fds_done(&f);
    if (r < 0) {
        child_end(&c);
        return r;
    }
    *ret = c;
    return 0;
}

bool child_reap(struct child *c)
{
    if (!c->reaped && c->pid > 0 && waitpid(c->pid, &c->status, WNOHANG) == c->pid)
        c->reaped = true;
    return c->reaped;
}

static void kill_child(struct child *c)
{
    struct pollfd p = {.fd = c->pidfd, .events = POLLIN};

    (void)kill(c->pid, SIGTERM);
    if (poll(&p, 1, END_GRACE_MS) <= 0)
        (void)kill(c->pid, SIGKILL);
    if (waitpid(c->pid, &c->status, 0) == c->pid)
        c->reaped = true;
}

void child_end(struct child *c)
{
    /* init takes the end of the report stream as the wish to end. */
    if (c->streams[STREAM_REPORT] >= 0)
        (void)shutdown(c->streams[STREAM_REPORT], SHUT_WR);
    if (c->pid > 0 && !child_reap(c))
        kill_child(c);
    for (unsigned i = 0; i < STREAM_COUNT; i++)
        fd_closep(&c->streams[i]);
    fd_closep(&c->log);
    fd_closep(&c->pidfd);
}

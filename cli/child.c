#include "cli/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/spawn.h"

/* init waits 3 s for what it has started and 2 s for its report; only then are its cgroups gone. */
enum { END_GRACE_MS = 6000 };

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

/* The parent cannot be asked for across a PID namespace; its end of a stream can. */
static bool parent_is_gone(void)
{
    struct pollfd p = {.fd = CHILD_FD_STREAMS};

    return poll(&p, 1, 0) > 0 && (p.revents & POLLHUP) != 0;
}

/* A forked copy: only system calls from here. */
static _Noreturn void become(char *const argv[], struct child_fds *f)
{
    if (spawn_settle(f->at, f->n) == 0 && !parent_is_gone())
        spawn_exec(argv, CHILD_FD_LOG);
    _exit(SPAWN_EXIT_NO_EXEC);
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
        r = spawn_clone(namespaces ? CLONE_NEWPID | CLONE_NEWNS : 0, &c.pid, &c.pidfd);
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

void child_end(struct child *c)
{
    /* init takes the end of the report stream as the wish to end. */
    if (c->streams[STREAM_REPORT] >= 0)
        (void)shutdown(c->streams[STREAM_REPORT], SHUT_WR);
    if (c->pid > 0 && !child_reap(c))
        c->reaped = spawn_end(c->pid, c->pidfd, END_GRACE_MS, &c->status);
    for (unsigned i = 0; i < STREAM_COUNT; i++)
        fd_closep(&c->streams[i]);
    fd_closep(&c->log);
    fd_closep(&c->pidfd);
}

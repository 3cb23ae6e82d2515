#include "cli/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    PARKING = 512, /* above every number of a layout, and all that a copy could hold before */
};

int spawn_clone(uint64_t namespaces, pid_t *ret_pid, int *ret_pidfd)
{
    struct clone_args args = {
        .flags = CLONE_PIDFD | namespaces,
        .pidfd = (uintptr_t)ret_pidfd,
        .exit_signal = SIGCHLD,
    };
    long pid = syscall(SYS_clone3, &args, sizeof(args));

    if (pid < 0)
        return -errno;
    *ret_pid = (pid_t)pid;
    return 0;
}

/* Each descriptor to its number, nothing else. First out of each other's way. */
static int place_fds(int *fds, int n)
{
    for (int i = 0; i < n; i++) {
        fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, PARKING);
        if (fds[i] < 0)
            return -errno;
    }
    for (int i = 0; i < n; i++) {
        if (dup2(fds[i], i) < 0) /* without close-on-exec */
            return -errno;
    }
    return syscall(SYS_close_range, (unsigned)n, ~0u, 0) < 0 ? -errno : 0;
}

static void reset_signals(void)
{
    sigset_t none;

    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
}

int spawn_settle(int *fds, int n)
{
    reset_signals();
    (void)setsid(); /* keys on the terminal are for us alone */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return -errno;
    return place_fds(fds, n);
}

_Noreturn void spawn_exec(char *const argv[], int log_fd)
{
    static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    char *environment[] = {path, NULL};
    static const char failed[] = "cannot be executed\n";

    (void)execve(argv[0], argv, environment);
    (void)!write(log_fd, failed, sizeof(failed) - 1);
    _exit(SPAWN_EXIT_NO_EXEC);
}

bool spawn_end(pid_t pid, int pidfd, int grace_ms, int *ret_status)
{
    struct pollfd p = {.fd = pidfd, .events = POLLIN};

    (void)kill(pid, SIGTERM);
    if (poll(&p, 1, grace_ms) <= 0)
        (void)kill(pid, SIGKILL);
    return waitpid(pid, ret_status, 0) == pid;
}

/*
 * tests/attack/undumpable.c - when does a worker become undumpable? Before it maps anything.
 *
 *   undumpable WORKER...
 *
 * What a worker maps may hold secrets, and a crash while it reads them would leave them in a core:
 * RLIMIT_CORE does not stop one that goes to a program. Each worker is run without any descriptor,
 * so that it fails at its first object, and its calls are followed up to there.
 */
#include <err.h>
#include <errno.h>
#include <linux/close_range.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    FIRST_FD = 3, /* from here up: what a worker inherits */
    MAX_CALLS = 2000,
};

static _Noreturn void be_worker(const char *program)
{
    char name[] = "worker", generation[] = "1";
    char *argv[] = {name, generation, NULL}, *env[] = {NULL};

    (void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    (void)syscall(SYS_close_range, FIRST_FD, ~0u, 0);
    (void)execve(program, argv, env);
    _exit(127);
}

/* Does it look at, or map, what it would have inherited? */
static bool touches_object(const struct user_regs_struct *r)
{
    int fd = (int)(r->orig_rax == SYS_mmap ? r->r8 : r->rdi);

    switch (r->orig_rax) {
    case SYS_mmap:
        return (r->r10 & MAP_ANONYMOUS) == 0;
    case SYS_fstat:
    case SYS_newfstatat:
    case SYS_fcntl:
        return fd >= FIRST_FD;
    default:
        return false;
    }
}

/* Its calls one by one, up to the first that decides. */
static const char *follow(pid_t pid)
{
    int status;

    for (int left = MAX_CALLS; left > 0; left--) {
        struct user_regs_struct r;

        if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
            return "it ended before it did either";
        if (ptrace(PTRACE_GETREGS, pid, NULL, &r) < 0)
            return "its registers cannot be read";
        if (r.orig_rax == SYS_prctl && r.rdi == PR_SET_DUMPABLE && r.rsi == 0)
            return NULL;
        if (touches_object(&r))
            return "it looks at an object while it can be dumped";
        if (ptrace(PTRACE_SYSCALL, pid, NULL, NULL) < 0)
            return "it cannot be followed";
    }
    return "it does neither";
}

int main(int argc, char **argv)
{
    int failed = 0;

    for (int i = 1; i < argc; i++) {
        const char *wrong;
        pid_t pid = fork();

        if (pid < 0)
            err(2, "fork");
        if (pid == 0)
            be_worker(argv[i]);
        wrong = follow(pid);
        (void)ptrace(PTRACE_KILL, pid, NULL, NULL);
        (void)waitpid(pid, NULL, 0);
        printf("%s: %s\n", argv[i], wrong == NULL ? "undumpable first" : wrong);
        failed += wrong == NULL ? 0 : 1;
    }
    return argc > 1 && failed == 0 ? 0 : 1;
}

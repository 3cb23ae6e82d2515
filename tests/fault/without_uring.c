/*
 * tests/fault/without_uring.c - runs a program on a kernel that seems to have no io_uring, or does not permit it.
 *
 *   without_uring ENOSYS|EPERM PROGRAM [ARGUMENT...]
 *
 * A seccomp filter around it answers io_uring_setup(2) with that error, for everything that it starts. So
 * the programs under test decide as they would on such a host; they have no switch for it.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/macro.h"

enum {
    EXIT_USAGE = 2,
    EXIT_FAILED = 127,
};

static int deny(uint16_t error)
{
    struct sock_filter insns[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = COUNT_OF(insns), .filter = insns};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
        return -errno;
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 3 || (strcmp(argv[1], "ENOSYS") != 0 && strcmp(argv[1], "EPERM") != 0)) {
        (void)fprintf(stderr, "usage: without_uring ENOSYS|EPERM PROGRAM [ARGUMENT...]\n");
        return EXIT_USAGE;
    }
    if (deny(strcmp(argv[1], "EPERM") == 0 ? EPERM : ENOSYS) == 0)
        (void)execv(argv[2], &argv[2]);
    perror("without_uring");
    return EXIT_FAILED;
}

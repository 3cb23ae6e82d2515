#include "base/sandbox.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int sbx_enter(const struct sbx_program *program)
{
    struct sock_fprog prog = {
        .len = program->n_insns,
        .filter = (struct sock_filter *)(uintptr_t)program->insns, /* the kernel only reads */
    };
    long r;

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &prog);
    if (r > 0)
        return -EBUSY; /* the id of a thread that could not follow */
    return r < 0 ? -errno : 0;
}

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "init/place.h"

enum {
    INHERITED_CONFIG = 3,
    INHERITED_REPORT = 4,
    INHERITED_COM1 = 5,
    INHERITED_VTL2 = INHERITED_COM1 + COM_COUNT,
    INHERITED_END,
};

static int claim(int fd, int *ret)
{
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return -errno;
    *ret = fd;
    return 0;
}

/* The report stream first: whatever fails afterwards can be told. */
static int claim_all(struct place *p, struct why *why)
{
    int r = claim(INHERITED_REPORT, &p->report_fd);

    if (r == 0)
        r = claim(INHERITED_CONFIG, &p->config_fd);
    for (int i = 0; r == 0 && i < COM_COUNT; i++)
        r = claim(INHERITED_COM1 + i, &p->com_fds[i]);
    if (r == 0)
        r = claim(INHERITED_VTL2, &p->vtl2_fd);
    if (r < 0)
        return why_errno(why, r, "init: descriptors 3 to %d are to be inherited", INHERITED_VTL2);
    for (int i = 0; i < PLACE_ENDS && claim(INHERITED_END + i, &p->end_fds[i]) == 0; i++)
        continue;
    if (syscall(SYS_close_range, INHERITED_END + (unsigned)PLACE_ENDS, ~0u, 0) < 0)
        return why_errno(why, -errno, "init: close_range");
    return 0;
}

int place_hosted(struct place *p, struct why *why)
{
    int r = claim_all(p, why);

    if (r < 0)
        return r;
    if (geteuid() != 0)
        return why_say(why, -EPERM, "must be run as root");
    if (getpid() != 1)
        return why_say(why, -EPERM, "init: not the first process of a PID namespace");
    /* A terminal's signals are for whoever started us; its death ends us, and so all. */
    (void)setsid();
    if (prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) < 0)
        return why_errno(why, -errno, "init: PR_SET_PDEATHSIG");
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return why_errno(why, -errno, "init: cannot make the mounts private");
    if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
        return why_errno(why, -errno, "init: cannot mount /proc");
    return 0;
}

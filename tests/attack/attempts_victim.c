/*
 * tests/attack/attempts_victim.c - at another process of ours: its memory, its descriptors, its
 * namespaces, its limits, signals.
 *
 * In its jail an attacker cannot even name the victim. tests/attack/attack.c makes these attempts
 * once more where it can, and where nothing but its user holds it back.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/attack/evil.h"

enum {
    KCMP_FILE = 0,
};

static long result(long r)
{
    return r < 0 ? -errno : r;
}

static long k13_seize(const struct evil *e)
{
    return result(ptrace(PTRACE_SEIZE, e->page->victim, NULL, NULL));
}

static long k14_read_memory(const struct evil *e)
{
    char word[8];
    struct iovec ours = {.iov_base = word, .iov_len = sizeof(word)};
    struct iovec theirs = {.iov_base = (void *)(uintptr_t)e->page->victim_word,
                           .iov_len = sizeof(word)};

    return result(process_vm_readv(e->page->victim, &ours, 1, &theirs, 1, 0));
}

static long k14_write_memory(const struct evil *e)
{
    char word[8] = "evil";
    struct iovec ours = {.iov_base = word, .iov_len = sizeof(word)};
    struct iovec theirs = {.iov_base = (void *)(uintptr_t)e->page->victim_word,
                           .iov_len = sizeof(word)};

    return result(process_vm_writev(e->page->victim, &ours, 1, &theirs, 1, 0));
}

static long k14_getfd(const struct evil *e)
{
    long pidfd = syscall(SYS_pidfd_open, e->page->victim, 0);

    return pidfd < 0 ? -errno : result(syscall(SYS_pidfd_getfd, pidfd, 0, 0));
}

static long k14_kcmp(const struct evil *e)
{
    pid_t us = getpid();

    return result(syscall(SYS_kcmp, us, e->page->victim, KCMP_FILE, 0, 0));
}

static long k14_madvise_other(const struct evil *e)
{
    long pidfd = syscall(SYS_pidfd_open, e->page->victim, 0);
    struct iovec theirs = {.iov_base = (void *)(uintptr_t)(e->page->victim_word & ~0xfffull),
                           .iov_len = 4096};

    if (pidfd < 0)
        return -errno;
    return result(syscall(SYS_process_madvise, pidfd, &theirs, 1, MADV_COLD, 0));
}

/* Signal 0: what may be signalled at all. */
static long k15_kill(const struct evil *e)
{
    return result(kill(e->page->victim, 0));
}

static long k15_tgkill(const struct evil *e)
{
    return result(syscall(SYS_tgkill, e->page->victim, e->page->victim, 0));
}

static long k15_tkill(const struct evil *e)
{
    return result(syscall(SYS_tkill, e->page->victim, 0));
}

static long k15_sigqueue(const struct evil *e)
{
    siginfo_t info = {.si_code = SI_QUEUE};

    return result(syscall(SYS_rt_sigqueueinfo, e->page->victim, 0, &info));
}

static long k15_pidfd_signal(const struct evil *e)
{
    long pidfd = syscall(SYS_pidfd_open, e->page->victim, 0);

    return pidfd < 0 ? -errno : result(syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0));
}

/* --- by its folder in /proc --- */

static int open_of_victim(const struct evil *e, const char *name, int flags)
{
    char path[64];
    int fd;

    (void)snprintf(path, sizeof(path), "/proc/%d/%s", e->page->victim, name);
    fd = open(path, flags);
    return fd < 0 ? -errno : fd;
}

static long k44_read_memory(const struct evil *e)
{
    int fd = open_of_victim(e, "mem", O_RDONLY);
    uint64_t word;

    if (fd < 0)
        return fd;
    return result(pread(fd, &word, sizeof(word), (off_t)e->page->victim_word));
}

static long k44_write_memory(const struct evil *e)
{
    int fd = open_of_victim(e, "mem", O_RDWR);
    uint64_t word = 0;

    if (fd < 0)
        return fd;
    return result(pwrite(fd, &word, sizeof(word), (off_t)e->page->victim_word));
}

static long k44_read_maps(const struct evil *e)
{
    int fd = open_of_victim(e, "maps", O_RDONLY);
    char byte;

    return fd < 0 ? fd : result(read(fd, &byte, sizeof(byte)));
}

static long k44_read_environment(const struct evil *e)
{
    return open_of_victim(e, "environ", O_RDONLY);
}

static long k14_open_descriptor(const struct evil *e)
{
    return open_of_victim(e, "fd/0", O_RDWR);
}

static long k05_open_root(const struct evil *e)
{
    return open_of_victim(e, "root", O_PATH | O_DIRECTORY);
}

static long k07_open_namespace(const struct evil *e)
{
    return open_of_victim(e, "ns/mnt", O_RDONLY);
}

/* --- its limits and its place --- */

static long k33_limit(const struct evil *e)
{
    struct rlimit l;

    return result(syscall(SYS_prlimit64, e->page->victim, RLIMIT_CORE, NULL, &l));
}

static long k33_place(const struct evil *e)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(0, &set);
    return result(syscall(SYS_sched_setaffinity, e->page->victim, sizeof(set), &set));
}

#define VICTIM(id, what, fn, same_user)                                                            \
    {                                                                                              \
        id, what, -1, {0}, fn, OUT_REFUSED, 0, 0, 0, NULL, same_user                               \
    }

/* clang-format off */
static const struct attempt rows[] = {
    VICTIM("K13", "ptrace: seize", k13_seize, OUT_REFUSED),
    VICTIM("K14", "process_vm_readv", k14_read_memory, OUT_REFUSED),
    VICTIM("K14", "process_vm_writev", k14_write_memory, OUT_REFUSED),
    VICTIM("K14", "pidfd_getfd", k14_getfd, OUT_REFUSED),
    VICTIM("K14", "kcmp", k14_kcmp, OUT_REFUSED),
    VICTIM("K14", "process_madvise", k14_madvise_other, OUT_REFUSED),
    VICTIM("K44", "read /proc/PID/mem", k44_read_memory, OUT_REFUSED),
    VICTIM("K44", "write /proc/PID/mem", k44_write_memory, OUT_REFUSED),
    VICTIM("K44", "read /proc/PID/maps", k44_read_maps, OUT_REFUSED),
    VICTIM("K44", "open /proc/PID/environ", k44_read_environment, OUT_REFUSED),
    VICTIM("K14", "open /proc/PID/fd/0", k14_open_descriptor, OUT_REFUSED),
    VICTIM("K05", "open /proc/PID/root", k05_open_root, OUT_REFUSED),
    VICTIM("K07", "open /proc/PID/ns/mnt", k07_open_namespace, OUT_REFUSED),
    /* Nothing but the PID namespace and the filter keeps those of one user apart here. */
    VICTIM("K15", "kill another", k15_kill, OUT_WORKED),
    VICTIM("K15", "tgkill another", k15_tgkill, OUT_WORKED),
    VICTIM("K15", "tkill another", k15_tkill, OUT_WORKED),
    VICTIM("K15", "rt_sigqueueinfo", k15_sigqueue, OUT_WORKED),
    VICTIM("K15", "pidfd_send_signal", k15_pidfd_signal, OUT_WORKED),
    VICTIM("K33", "limits of another", k33_limit, OUT_WORKED),
    VICTIM("K33", "place another", k33_place, OUT_WORKED),
};
/* clang-format on */

const struct attempt_table attempts_victim = {.rows = rows, .n = COUNT_OF(rows)};

/*
 * tests/attack/attempts_paths.c - out by a path, a descriptor, a mount, a namespace, an exec.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/attack/evil.h"

enum {
    MAX_FDS = 64, /* descriptors that are tried */
    PAGE_BYTES = 4096,
};

static const char PASSWD[] = "/etc/passwd";
static const char SCRATCH[] = "/tmp/bulkhead-evil";
static const struct open_how read_only = {.flags = O_RDONLY};

static long result(long r)
{
    return r < 0 ? -errno : r;
}

static long k02_open_by_handle(const struct evil *e)
{
    static struct {
        struct file_handle head;
        unsigned char bytes[MAX_HANDLE_SZ];
    } handle = {.head = {.handle_bytes = MAX_HANDLE_SZ}};
    int mount_fd = 3, mount_id = 0;

    if (e->mode == EVIL_CONTROL) {
        mount_fd = open("/dev/shm", O_RDONLY | O_DIRECTORY);
        if (name_to_handle_at(AT_FDCWD, "/dev/shm", &handle.head, &mount_id, 0) < 0)
            return -errno;
    }
    return result(syscall(SYS_open_by_handle_at, mount_fd, &handle, O_RDONLY));
}

static long k04_fchdir(const struct evil *e)
{
    long last = -EBADF;

    if (e->mode == EVIL_CONTROL)
        (void)open("/", O_RDONLY | O_DIRECTORY);
    for (int fd = 0; fd < MAX_FDS; fd++) {
        if (fchdir(fd) == 0)
            return fd;
        last = -errno;
    }
    return last;
}

static long k04_openat_fds(const struct evil *e)
{
    long last = -EBADF;

    if (e->mode == EVIL_CONTROL)
        (void)open("/etc", O_RDONLY | O_DIRECTORY);
    for (int fd = 0; fd < MAX_FDS; fd++) {
        int r = openat(fd, "passwd", O_RDONLY);

        if (r < 0)
            r = openat(fd, "", O_PATH | O_DIRECTORY);
        if (r >= 0)
            return r;
        last = -errno;
    }
    return last;
}

static long k05_climb(const struct evil *e)
{
    (void)e;
    for (int i = 0; i < 20; i++)
        (void)chdir("..");
    return result(open("etc/passwd", O_RDONLY));
}

static long k07_setns(const struct evil *e)
{
    int fd = e->mode == EVIL_CONTROL ? open("/proc/self/ns/uts", O_RDONLY) : 3;

    return result(setns(fd, 0));
}

static long k07_setns_pidfd(const struct evil *e)
{
    pid_t pid = e->mode == EVIL_CONTROL ? e->page->victim : 1;
    long fd = syscall(SYS_pidfd_open, pid, 0);

    if (fd < 0)
        return -errno;
    return result(setns((int)fd, CLONE_NEWUTS));
}

/* A child that ends at once. Its start is what was to be prevented. */
static long forked(long pid)
{
    if (pid < 0)
        return -errno;
    if (pid == 0)
        for (;;)
            (void)syscall(SYS_exit_group, 0);
    (void)waitpid((pid_t)pid, NULL, __WALL);
    return pid;
}

static long k08_clone_user(const struct evil *e)
{
    (void)e;
    return forked(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0));
}

static long k08_clone3_user(const struct evil *e)
{
    struct clone_args args = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};

    (void)e;
    return forked(syscall(SYS_clone3, &args, sizeof(args)));
}

static long k09_fork(const struct evil *e)
{
    (void)e;
    return forked(syscall(SYS_fork));
}

static long k09_clone(const struct evil *e)
{
    (void)e;
    return forked(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
}

static long k09_clone3(const struct evil *e)
{
    struct clone_args args = {.exit_signal = SIGCHLD};

    (void)e;
    return forked(syscall(SYS_clone3, &args, sizeof(args)));
}

/* What succeeds does not come back: the tester sees exit status 0 and no word after. */
static long k10_exec(const struct evil *e)
{
    char *argv[] = {NULL}, *env[] = {NULL};

    (void)e;
    return result(syscall(SYS_execve, "/bin/true", argv, env));
}

static long k10_exec_self(const struct evil *e)
{
    char *argv[] = {NULL}, *env[] = {NULL};

    (void)e;
    return result(syscall(SYS_execveat, AT_FDCWD, "/bin/true", argv, env, 0));
}

static long k11_exec_memfd(const struct evil *e)
{
    static char bytes[1 << 20];
    char *argv[] = {NULL}, *env[] = {NULL};
    long fd = syscall(SYS_memfd_create, "evil", 0);
    int from;
    ssize_t n;

    if (fd < 0)
        return -errno;
    from = e->mode == EVIL_CONTROL ? open("/bin/true", O_RDONLY) : -1;
    while ((n = read(from, bytes, sizeof(bytes))) > 0)
        (void)write((int)fd, bytes, (size_t)n);
    return result(syscall(SYS_execveat, fd, "", argv, env, AT_EMPTY_PATH));
}

/* The kernel maps zeroes; making them executable is what counts. */
static long k12_mprotect(const struct evil *e)
{
    static _Alignas(PAGE_BYTES) char page[PAGE_BYTES];

    (void)e;
    page[0] = 1;
    return result(mprotect(page, sizeof(page), PROT_READ | PROT_EXEC));
}

static long k12_pkey_mprotect(const struct evil *e)
{
    static _Alignas(PAGE_BYTES) char page[PAGE_BYTES];

    (void)e;
    page[0] = 1;
    return result(syscall(SYS_pkey_mprotect, page, sizeof(page), PROT_READ | PROT_EXEC, -1));
}

static long k12_mmap_rwx(const struct evil *e)
{
    void *at = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)e;
    return at == MAP_FAILED ? -errno : 0;
}

static long k12_mmap_shared_exec(const struct evil *e)
{
    AUTO_CLOSED_FD;
    void *at = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);

    return at == MAP_FAILED ? -errno : 0;
}

static long k12_shmat(const struct evil *e)
{
    int id = shmget(IPC_PRIVATE, PAGE_BYTES, 0700);
    void *at;

    (void)e;
    if (id < 0)
        return -errno;
    at = shmat(id, NULL, SHM_EXEC);
    (void)shmctl(id, IPC_RMID, NULL);
    return (intptr_t)at == -1 ? -errno : 0;
}

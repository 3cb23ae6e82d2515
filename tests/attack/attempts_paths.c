/*
 * tests/attack/attempts_paths.c - out by a path, a descriptor, a mount, a namespace, an exec.
 */
#include <elf.h>
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
    MAX_FDS = 64,      /* descriptors that are tried */
    MAX_PID = 32768,   /* processes that are tried */
    BOMB_FORKS = 2000, /* more than any process may have */
    PAGE_BYTES = 4096,
};

static const char PASSWD[] = "/etc/passwd";
static const char SCRATCH[] = "/tmp/bulkhead-evil";
static const struct open_how read_only = {.flags = O_RDONLY};

static long result(long r)
{
    return r < 0 ? -errno : r;
}

/* A handle ends in bytes that its declaration leaves out. */
static union {
    struct file_handle head;
    unsigned char bytes[sizeof(struct file_handle) + MAX_HANDLE_SZ];
} handle = {.head = {.handle_bytes = MAX_HANDLE_SZ}};
static int mount_number;
static struct stat status;
static struct mount_attr may_exec = {.attr_clr = MOUNT_ATTR_NOEXEC};

static long k02_open_by_handle(const struct evil *e)
{
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

static long k06_move_mount(const struct evil *e)
{
    long fd = FD_CONTROL;

    if (e->mode == EVIL_CONTROL)
        fd = syscall(SYS_open_tree, AT_FDCWD, "/dev", OPEN_TREE_CLONE);
    return result(syscall(SYS_move_mount, fd, "", AT_FDCWD, "/tmp", MOVE_MOUNT_F_EMPTY_PATH));
}

static long k06_pivot_root(const struct evil *e)
{
    if (e->mode == EVIL_CONTROL &&
        (mount("none", "/tmp", "tmpfs", 0, NULL) < 0 || chdir("/tmp") < 0))
        return -errno;
    return result(syscall(SYS_pivot_root, ".", "."));
}

static long k07_setns(const struct evil *e)
{
    int fd = e->mode == EVIL_CONTROL ? open("/proc/self/ns/uts", O_RDONLY) : 3;

    return result(setns(fd, 0));
}

/* Of whoever can be seen. */
static long k07_setns_pidfd(const struct evil *e)
{
    pid_t first = e->mode == EVIL_CONTROL ? e->page->victim : 1;
    long last = -ESRCH;

    for (pid_t pid = first; pid <= MAX_PID; pid++) {
        long fd = syscall(SYS_pidfd_open, pid, 0);

        if (fd < 0)
            continue;
        if (setns((int)fd, CLONE_NEWUTS) == 0)
            return pid;
        last = -errno;
        (void)close((int)fd);
    }
    return last;
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

/* The child runs on our stack: no function may return in it. */
static long k09_vfork(const struct evil *e)
{
    long pid;

    (void)e;
    __asm__ volatile("syscall\n"
                     "test %%rax, %%rax\n"
                     "jnz 1f\n"
                     "xor %%edi, %%edi\n"
                     "mov %[leave], %%eax\n"
                     "syscall\n"
                     "1:"
                     : "=a"(pid)
                     : "a"((long)SYS_vfork), [leave] "i"(SYS_exit_group)
                     : "rcx", "r11", "rdi", "memory");
    if (pid < 0)
        return pid;
    (void)waitpid((pid_t)pid, NULL, __WALL);
    return pid;
}

/* In a PID namespace its end ends them all. */
static long k09_fork_bomb(const struct evil *e)
{
    static pid_t pids[BOMB_FORKS];
    int n = 0;

    while (n < BOMB_FORKS) {
        pids[n] = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
        if (pids[n] < 0)
            break;
        if (pids[n] == 0)
            for (;;)
                (void)pause();
        n++;
    }
    if (n < BOMB_FORKS)
        return errno == EAGAIN ? EVIL_LIMITED : -errno;
    while (e->mode == EVIL_CONTROL && n-- > 0) {
        (void)kill(pids[n], SIGKILL);
        (void)waitpid(pids[n], NULL, 0);
    }
    return 0;
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
    char name[] = "true", *argv[] = {name, NULL}, *env[] = {NULL};

    (void)e;
    return result(syscall(SYS_execve, "/bin/true", argv, env));
}

static long k10_exec_self(const struct evil *e)
{
    char name[] = "true", *argv[] = {name, NULL}, *env[] = {NULL};

    (void)e;
    return result(syscall(SYS_execveat, AT_FDCWD, "/bin/true", argv, env, 0));
}

/* None of what it holds may be executed. */
static long k10_exec_fds(const struct evil *e)
{
    char name[] = "true", *argv[] = {name, NULL}, *env[] = {NULL};
    long last = -EBADF;

    if (e->mode == EVIL_CONTROL)
        (void)open("/bin/true", O_RDONLY);
    for (int fd = 0; fd < MAX_FDS; fd++)
        last = result(syscall(SYS_execveat, fd, "", argv, env, AT_EMPTY_PATH));
    return last;
}

/* exit_group(0), as a program. */
static const struct {
    Elf64_Ehdr head;
    Elf64_Phdr load;
    uint8_t code[9];
} tiny = {
    .head = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
             .e_type = ET_EXEC,
             .e_machine = EM_X86_64,
             .e_version = EV_CURRENT,
             .e_entry = 0x400000 + sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr),
             .e_phoff = sizeof(Elf64_Ehdr),
             .e_ehsize = sizeof(Elf64_Ehdr),
             .e_phentsize = sizeof(Elf64_Phdr),
             .e_phnum = 1                                                                                                                          },
    .load = {.p_type = PT_LOAD,
             .p_flags = PF_R | PF_X,
             .p_vaddr = 0x400000,
             .p_filesz = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr) + 9,
             .p_memsz = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr) + 9,
             .p_align = PAGE_BYTES                                              },
    .code = {0x31,                                                       0xff,     0xb8,  SYS_exit_group,                               0, 0, 0, 0x0f, 0x05},
};

/* What it may write it may fill with a program. */
static long k10_exec_shared(const struct evil *e)
{
    char name[] = "tiny", *argv[] = {name, NULL}, *env[] = {NULL};
    int fd = e->shared_fd;

    if (e->mode == EVIL_CONTROL) {
        fd = memfd_create("program", 0);
        (void)!write(fd, &tiny, sizeof(tiny));
    } else {
        memcpy(e->shared, &tiny, sizeof(tiny));
    }
    return result(syscall(SYS_execveat, fd, "", argv, env, AT_EMPTY_PATH));
}

/* --- what was granted for reading --- */

static int read_only_grant(const struct evil *e)
{
    for (unsigned i = 0; i < manifest[e->process].n_grants; i++) {
        enum object_kind kind = manifest[e->process].grants[i].kind;

        if (!manifest[e->process].grants[i].writable &&
            (kind == OBJECT_BOARD || kind == OBJECT_REGION))
            return FD_FIRST_GRANT + (int)i;
    }
    return -1;
}

static int open_again(int fd)
{
    char path[32];

    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, O_RDWR);
}

static long k04_open_again(const struct evil *e)
{
    return result(open_again(read_only_grant(e)));
}

static long k04_map_for_writing(const struct evil *e)
{
    int fd = read_only_grant(e);
    void *at;

    if (e->mode == EVIL_CONTROL)
        fd = open_again(fd);
    at = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return at == MAP_FAILED ? -errno : 0;
}

static long k11_exec_memfd(const struct evil *e)
{
    static char bytes[1 << 20];
    char name[] = "true", *argv[] = {name, NULL}, *env[] = {NULL};
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
    void *at = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_EXEC, MAP_SHARED, e->shared_fd, 0);

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

/* clang-format off */
static const struct attempt rows[] = {
    CALL("K01", "open a file", SYS_open, OUT_REFUSED, A(PASSWD), O_RDONLY),
    CALL("K01", "openat a file", SYS_openat, OUT_REFUSED, A(AT_FDCWD), A(PASSWD), O_RDONLY),
    CALL("K01", "openat2 a file", SYS_openat2, OUT_REFUSED, A(AT_FDCWD), A(PASSWD), A(&read_only),
         sizeof(read_only)),
    CALL("K01", "creat a file", SYS_creat, OUT_REFUSED, A(SCRATCH), 0600),
    CALL("K01", "open /", SYS_open, OUT_REFUSED, A("/"), O_RDONLY | O_DIRECTORY),
    CALL("K01", "open .", SYS_open, OUT_REFUSED, A("."), O_RDONLY | O_DIRECTORY),
    CALL("K01", "open ..", SYS_open, OUT_REFUSED, A(".."), O_RDONLY | O_DIRECTORY),
    CALL("K01", "stat a file", SYS_stat, OUT_REFUSED, A(PASSWD), A(&status)),
    CALL("K01", "access a file", SYS_access, OUT_REFUSED, A(PASSWD), R_OK),
    CALL("K01", "mkdir", SYS_mkdir, OUT_REFUSED, A("/tmp/bulkhead-evil-folder"), 0700),
    CALL("K02", "name_to_handle_at", SYS_name_to_handle_at, OUT_REFUSED, A(AT_FDCWD), A("/dev/shm"),
         A(&handle), A(&mount_number), 0),
    RUN("K02", "open_by_handle_at", k02_open_by_handle, OUT_REFUSED),
    CALL("K03", "open /proc/self/status", SYS_openat, OUT_REFUSED, A(AT_FDCWD),
         A("/proc/self/status"), O_RDONLY),
    CALL("K03", "open /proc/1/status", SYS_openat, OUT_REFUSED, A(AT_FDCWD), A("/proc/1/status"),
         O_RDONLY),
    CALL("K03", "open /sys/kernel", SYS_openat, OUT_REFUSED, A(AT_FDCWD), A("/sys/kernel"),
         O_RDONLY | O_DIRECTORY),
    CALL("K03", "open /dev/null", SYS_openat, OUT_REFUSED, A(AT_FDCWD), A("/dev/null"), O_RDWR),
    RUN("K04", "fchdir to every descriptor", k04_fchdir, OUT_REFUSED),
    RUN("K04", "openat from every descriptor", k04_openat_fds, OUT_REFUSED),
    {"K04", "open a read-only object again", -1, {0}, k04_open_again, OUT_REFUSED, 0, 0,
         ON_SUPERVISOR | ON_DIAG, NULL, 0},
    {"K04", "map a read-only object for writing", -1, {0}, k04_map_for_writing, OUT_REFUSED, 0, 0,
         ON_SUPERVISOR | ON_DIAG, NULL, 0},
    RUN("K05", "climb by ..", k05_climb, OUT_REFUSED),
    CALL("K05", "chroot", SYS_chroot, OUT_REFUSED, A("/")),
    CALL("K06", "mount a tmpfs", SYS_mount, OUT_REFUSED, A("none"), A("/tmp"), A("tmpfs"), 0, 0),
    CALL("K06", "umount2", SYS_umount2, OUT_REFUSED, A("/proc"), MNT_DETACH),
    CALL("K06", "fsopen", SYS_fsopen, OUT_REFUSED, A("tmpfs"), 0),
    CALL("K06", "open_tree", SYS_open_tree, OUT_REFUSED, A(AT_FDCWD), A("/"),
         OPEN_TREE_CLONE | AT_RECURSIVE),
    RUN("K06", "move_mount", k06_move_mount, OUT_REFUSED),
    RUN("K06", "pivot_root", k06_pivot_root, OUT_REFUSED),
    CALL("K06", "mount_setattr", SYS_mount_setattr, OUT_REFUSED, A(AT_FDCWD), A("/proc"), 0,
         A(&may_exec), sizeof(may_exec)),
    CALL("K07", "pidfd_open", SYS_pidfd_open, 0, 1, 0),
    RUN("K07", "setns", k07_setns, OUT_REFUSED),
    RUN("K07", "setns by pidfd", k07_setns_pidfd, OUT_REFUSED),
    CALL("K08", "unshare mounts", SYS_unshare, OUT_REFUSED, CLONE_NEWNS),
    CALL("K08", "unshare users", SYS_unshare, 0, CLONE_NEWUSER),
    RUN("K08", "clone with new users", k08_clone_user, 0),
    RUN("K08", "clone3 with new users", k08_clone3_user, 0),
    RUN("K09", "fork", k09_fork, 0),
    RUN("K09", "vfork", k09_vfork, 0),
    RUN("K09", "fork bomb", k09_fork_bomb, OUT_LIMITED),
    RUN("K09", "clone a process", k09_clone, 0),
    RUN("K09", "clone3 a process", k09_clone3, 0),
    RUN("K10", "execve", k10_exec, OUT_REFUSED),
    RUN("K10", "execveat", k10_exec_self, OUT_REFUSED),
    RUN("K10", "execveat of every descriptor", k10_exec_fds, OUT_REFUSED),
    RUN("K10", "a program in shared memory", k10_exec_shared, OUT_REFUSED),
    NO_CONTROL("K11", "memfd_secret", SYS_memfd_secret, 0, "may be switched off at boot", 0),
    RUN("K11", "exec of a memfd", k11_exec_memfd, 0),
    CALL("K11", "memfd_create", SYS_memfd_create, 0, A("evil"), 0),
    RUN("K12", "mprotect: data becomes code", k12_mprotect, OUT_REFUSED),
    RUN("K12", "pkey_mprotect: data becomes code", k12_pkey_mprotect, OUT_REFUSED),
    RUN("K12", "mmap writable code", k12_mmap_rwx, OUT_REFUSED),
    RUN("K12", "mmap shared code", k12_mmap_shared_exec, 0),
    RUN("K12", "shmat code", k12_shmat, 0),
    CALL("K12", "personality: all is code", SYS_personality, 0, READ_IMPLIES_EXEC),
};
/* clang-format on */

const struct attempt_table attempts_paths = {.rows = rows, .n = COUNT_OF(rows)};

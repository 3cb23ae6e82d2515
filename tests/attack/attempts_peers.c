/*
 * tests/attack/attempts_peers.c - at other processes: memory, signals, sockets, keys, queues.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/netlink.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/ptrace.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/attack/evil.h"

enum {
    MAX_FAMILY = 46,
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

static long k15_kill_all(const struct evil *e)
{
    (void)e;
    return result(kill(-1, 0));
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

static long k18_lock(const struct evil *e)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    return result(fcntl(e->shared_fd, F_OFD_SETLK, &whole));
}

static long k18_lease(const struct evil *e)
{
    return result(fcntl(e->shared_fd, F_GETLEASE));
}

static long k19_any_family(const struct evil *e)
{
    long last = -EAFNOSUPPORT;

    (void)e;
    for (int family = 0; family < MAX_FAMILY; family++) {
        int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd >= 0)
            return fd;
        last = -errno;
    }
    return last;
}

/* A listener in our own network namespace, if that is the world's. */
static long k19_connect_tcp(const struct evil *e)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(to);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    (void)e;
    if (listener < 0 || listen(listener, 1) < 0 ||
        getsockname(listener, (struct sockaddr *)&to, &len) < 0)
        return -errno;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return result(connect(fd, (struct sockaddr *)&to, sizeof(to)));
}

/* The tester listens there, outside. */
static long k19_connect_abstract(const struct evil *e)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX, .sun_path = "\0bulkhead-attack"};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    (void)e;
    if (fd < 0)
        return -errno;
    return result(connect(fd, (struct sockaddr *)&to,
                          offsetof(struct sockaddr_un, sun_path) + sizeof("?bulkhead-attack") - 1));
}

static long k19_connect_path(const struct evil *e)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX, .sun_path = "/tmp/bulkhead-attack.sock"};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    (void)e;
    return fd < 0 ? -errno : result(connect(fd, (struct sockaddr *)&to, sizeof(to)));
}

static int pair_fds[2];

static long send_to_control(int level, int type, const void *data, size_t len, int flags)
{
    char byte = 0;
    _Alignas(struct cmsghdr) char control[256] = {0};
    struct iovec iov = {.iov_base = &byte, .iov_len = 1};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = CMSG_SPACE(len)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

    c->cmsg_level = level;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(len);
    memcpy(CMSG_DATA(c), data, len);
    return result(sendmsg(FD_CONTROL, &msg, flags | MSG_NOSIGNAL | MSG_DONTWAIT));
}

/* Allowed to the supervisor, whose business it is; init closes what it did not ask for. */
static long k20_send_fd(const struct evil *e)
{
    int fd = 0;
    long r = send_to_control(SOL_SOCKET, SCM_RIGHTS, &fd, sizeof(fd), 0);

    return r >= 0 && e->mode == EVIL_SANDBOXED ? EVIL_NO_EFFECT : r;
}

static long k20_forge_credentials(const struct evil *e)
{
    struct ucred nobody = {.pid = 1, .uid = 0, .gid = 0};

    (void)e;
    return send_to_control(SOL_SOCKET, SCM_CREDENTIALS, &nobody, sizeof(nobody), 0);
}

/* init's session has a key of this name; the tester put it there. */
static long k23_steal_key(const struct evil *e)
{
    (void)e;
    return result(
        syscall(SYS_request_key, "user", "bulkhead-attack", NULL, KEY_SPEC_SESSION_KEYRING));
}

static long k36_mq_open(const struct evil *e)
{
    struct mq_attr attr = {.mq_maxmsg = 1, .mq_msgsize = 8};
    long r = syscall(SYS_mq_open, "bulkhead-evil", O_CREAT | O_RDWR, 0600, &attr);

    (void)e;
    if (r >= 0)
        (void)syscall(SYS_mq_unlink, "bulkhead-evil");
    return result(r);
}

/* clang-format off */
static const struct attempt rows[] = {
    CALL("K13", "ptrace: be traced", SYS_ptrace, 0, PTRACE_TRACEME),
    RUN("K13", "ptrace: seize", k13_seize, OUT_REFUSED),
    RUN("K14", "process_vm_readv", k14_read_memory, OUT_REFUSED),
    RUN("K14", "process_vm_writev", k14_write_memory, OUT_REFUSED),
    RUN("K14", "pidfd_getfd", k14_getfd, OUT_REFUSED),
    RUN("K14", "kcmp", k14_kcmp, OUT_REFUSED),
    RUN("K14", "process_madvise", k14_madvise_other, OUT_REFUSED),
    RUN("K15", "kill another", k15_kill, OUT_REFUSED),
    RUN("K15", "kill all", k15_kill_all, OUT_REFUSED),
    RUN("K15", "tgkill another", k15_tgkill, OUT_REFUSED),
    RUN("K15", "tkill another", k15_tkill, OUT_REFUSED),
    RUN("K15", "rt_sigqueueinfo", k15_sigqueue, OUT_REFUSED),
    RUN("K15", "pidfd_send_signal", k15_pidfd_signal, OUT_REFUSED),
    CALL("K16", "F_SETOWN", SYS_fcntl, 0, FD_CONTROL, F_SETOWN, 0),
    CALL("K16", "F_SETSIG", SYS_fcntl, 0, FD_CONTROL, F_SETSIG, SIGKILL),
    CALL("K16", "O_ASYNC", SYS_fcntl, 0, FD_CONTROL, F_SETFL, O_ASYNC),
    CALL("K17", "O_NONBLOCK", SYS_fcntl, 0, FD_CONTROL, F_SETFL, O_NONBLOCK),
    CALL("K17", "FIONBIO", SYS_ioctl, 0, FD_CONTROL, 0x5421, A(&(int){1} )),
    CALL("K18", "flock", SYS_flock, 0, FD_FIRST_GRANT, LOCK_EX | LOCK_NB),
    RUN("K18", "lock of a file", k18_lock, 0),
    RUN("K18", "lease of a file", k18_lease, 0),
    CALL("K19", "socket: unix", SYS_socket, 0, AF_UNIX, SOCK_STREAM, 0),
    CALL("K19", "socket: inet", SYS_socket, 0, AF_INET, SOCK_STREAM, 0),
    CALL("K19", "socket: netlink", SYS_socket, 0, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE),
    CALL("K19", "socket: packet", SYS_socket, OUT_REFUSED, AF_PACKET, SOCK_RAW, 0),
    RUN("K19", "socket: any family", k19_any_family, 0),
    CALL("K19", "socketpair", SYS_socketpair, 0, AF_UNIX, SOCK_STREAM, 0, A(pair_fds)),
    RUN("K19", "connect to the host by TCP", k19_connect_tcp, OUT_REFUSED),
    RUN("K19", "connect to an abstract socket", k19_connect_abstract, OUT_REFUSED),
    RUN("K19", "connect to a socket by path", k19_connect_path, OUT_REFUSED),
    {"K20", "send a descriptor", -1, {0}, k20_send_fd, 0, ON_SUPERVISOR | ON_DIAG,
         OUT_NO_EFFECT | OUT_KILLED, 0, NULL},
    {"K20", "forge credentials", -1, {0}, k20_forge_credentials, OUT_REFUSED,
         ON_SUPERVISOR | ON_DIAG, OUT_REFUSED | OUT_KILLED, 0, NULL},
    CALL("K21", "sendto", SYS_sendto, 0, FD_CONTROL, A("x"), 1, MSG_NOSIGNAL, 0, 0),
    CALL("K23", "keyctl", SYS_keyctl, 0, KEYCTL_GET_KEYRING_ID, A(KEY_SPEC_SESSION_KEYRING), 0),
    CALL("K23", "add_key", SYS_add_key, 0, A("user"), A("evil"), A("x"), 1,
         A(KEY_SPEC_PROCESS_KEYRING)),
    RUN("K23", "use init's keys", k23_steal_key, OUT_REFUSED),
    CALL("K36", "shmget", SYS_shmget, 0, IPC_PRIVATE, 4096, 0600),
    CALL("K36", "semget", SYS_semget, 0, IPC_PRIVATE, 1, 0600),
    CALL("K36", "msgget", SYS_msgget, 0, IPC_PRIVATE, 0600),
    RUN("K36", "mq_open", k36_mq_open, OUT_REFUSED),
};
/* clang-format on */

const struct attempt_table attempts_peers = {.rows = rows, .n = COUNT_OF(rows)};

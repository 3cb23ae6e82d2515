/*
 * tests/attack/attempts_peers.c - at other processes: memory, signals, sockets, keys, queues.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/netlink.h>
#include <linux/vm_sockets.h>
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
#include <sys/un.h>
#include <unistd.h>

#include "tests/attack/evil.h"

enum {
    MAX_FAMILY = 46,
    MANY_FDS = 253, /* as many as the kernel takes at once */
    FLOOD = 10000,
};

static long result(long r)
{
    return r < 0 ? -errno : r;
}

static long k15_kill_all(const struct evil *e)
{
    (void)e;
    return result(kill(-1, 0));
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

/* The host, by a family that network namespaces do not hold. */
static long k19_connect_vsock(const struct evil *e)
{
    struct sockaddr_vm to = {.svm_family = AF_VSOCK, .svm_port = 1, .svm_cid = VMADDR_CID_HOST};
    int fd = socket(AF_VSOCK, SOCK_STREAM, 0);

    (void)e;
    return fd < 0 ? -errno : result(connect(fd, (struct sockaddr *)&to, sizeof(to)));
}

static int pair_fds[2];

static long send_to_control(int level, int type, const void *data, size_t len, int flags)
{
    char byte = 0;
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * MANY_FDS)] = {0};
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

/* As many as go: what nobody receives is bounded by its own quota. */
static long k43_flood_of_descriptors(const struct evil *e)
{
    int fds[MANY_FDS] = {0};
    long r = 0;

    for (int i = 0; r >= 0 && i < FLOOD; i++)
        r = send_to_control(SOL_SOCKET, SCM_RIGHTS, fds, sizeof(fds), 0);
    if (r == -ETOOMANYREFS || r == -EAGAIN)
        return e->mode == EVIL_CONTROL ? 0 : EVIL_LIMITED;
    return r;
}

static long k21_out_of_band(const struct evil *e)
{
    int fd = 0;

    (void)e;
    return send_to_control(SOL_SOCKET, SCM_RIGHTS, &fd, sizeof(fd), MSG_OOB);
}

/* Flags are shared by all who hold the file. */
static long k17_every_descriptor(const struct evil *e)
{
    long last = -EBADF;

    for (int fd = FD_FIRST_GRANT; fd < FD_FIRST_GRANT + (int)manifest[e->process].n_grants; fd++) {
        int flags = fcntl(fd, F_GETFL);

        last = flags < 0 ? -errno : result(fcntl(fd, F_SETFL, flags | O_APPEND));
        (void)fcntl(fd, F_SETFL, flags);
    }
    return last;
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
    RUN("K15", "kill all", k15_kill_all, OUT_REFUSED),
    CALL("K16", "F_SETOWN", SYS_fcntl, 0, FD_CONTROL, F_SETOWN, 0),
    CALL("K16", "F_SETSIG", SYS_fcntl, 0, FD_CONTROL, F_SETSIG, SIGKILL),
    CALL("K16", "O_ASYNC", SYS_fcntl, 0, FD_CONTROL, F_SETFL, O_ASYNC),
    CALL("K17", "O_NONBLOCK", SYS_fcntl, 0, FD_CONTROL, F_SETFL, O_NONBLOCK),
    RUN("K17", "flags of every descriptor", k17_every_descriptor, 0),
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
    NO_CONTROL_RUN("K19", "connect to the host by vsock", k19_connect_vsock, 0, "needs a vsock device"),
    {"K20", "send a descriptor", -1, {0}, k20_send_fd, 0, ON_TALKERS,
         OUT_NO_EFFECT | OUT_KILLED, 0, NULL, 0},
    {"K20", "forge credentials", -1, {0}, k20_forge_credentials, OUT_REFUSED,
         ON_TALKERS, OUT_REFUSED | OUT_KILLED, 0, NULL, 0},
    {"K21", "out of band", -1, {0}, k21_out_of_band, OUT_REFUSED, ON_TALKERS,
         OUT_REFUSED | OUT_KILLED, 0, "a socket of this type has none", 0},
    {"K43", "flood of descriptors", -1, {0}, k43_flood_of_descriptors, OUT_LIMITED,
         ON_TALKERS, OUT_LIMITED, 0, NULL, 0},
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

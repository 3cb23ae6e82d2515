#include "workers/diag/operator.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"

enum {
    CONTROL_FDS = 4, /* room for more than may come, so that they can be seen and closed */
};

int operator_accept(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    return fd < 0 ? -errno : fd;
}

bool operator_is_root(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && len == sizeof(peer) &&
           peer.uid == 0;
}

/* The first descriptor that came along; further ones are closed and counted. */
static unsigned take_fds(struct msghdr *msg, int *first)
{
    unsigned n_fds = 0;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
        size_t n;

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
            if (n_fds++ == 0)
                *first = fd;
            else
                fd_closep(&fd);
        }
    }
    return n_fds;
}

int operator_receive(int fd, Bulkhead__AdminCall **ret, int *ret_fd)
{
    uint8_t buf[OPERATOR_CALL_MAX_BYTES];
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * CONTROL_FDS)];
    struct iovec iov = {.iov_base = buf, .iov_len = sizeof(buf)};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof(control)};
    ssize_t len = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    AUTO_FD came = -1;
    Bulkhead__AdminCall *call;
    unsigned n_fds;

    if (len < 0)
        return -errno;
    n_fds = take_fds(&msg, &came);
    if (len == 0)
        return -EPIPE;
    if (n_fds > 1 || (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0)
        return -EBADMSG;
    call = bulkhead__admin_call__unpack(NULL, (size_t)len, buf);
    if (call == NULL)
        return -EBADMSG;
    *ret_fd = fd_steal(&came);
    *ret = call;
    return 0;
}

int operator_send(int fd, const struct datagram *d)
{
    struct iovec iov = {.iov_base = (void *)(uintptr_t)d->bytes, .iov_len = d->len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

    return sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

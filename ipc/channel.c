#include "ipc/channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"

int channel_pair(int ret[2])
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    ret[0] = pair[0];
    ret[1] = pair[1];
    return 0;
}

static int pack(const Bulkhead__Envelope *e, uint8_t *buf, size_t max, size_t *ret_len)
{
    size_t len = bulkhead__envelope__get_packed_size(e);

    if (len > max)
        return -ENOBUFS;
    *ret_len = bulkhead__envelope__pack(e, buf);
    return 0;
}

int channel_send(int fd, const Bulkhead__Envelope *e, const int *fds, unsigned n_fds)
{
    uint8_t buf[CHANNEL_MAX_BYTES];
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * CHANNEL_MAX_FDS)] = {0};
    struct iovec iov = {.iov_base = buf};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    int r = pack(e, buf, sizeof(buf), &iov.iov_len);

    if (r < 0)
        return r;
    if (n_fds > CHANNEL_MAX_FDS)
        return -ENOBUFS;
    if (n_fds > 0) {
        struct cmsghdr *c;

        msg.msg_control = control;
        msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
        c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
    }
    if (sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        return -errno;
    return 0;
}

/* Collect the descriptors of every SCM_RIGHTS header; more than fit are closed and refused. */
static int take_fds(struct msghdr *msg, struct channel_msg *m)
{
    int r = 0;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
        size_t n;

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
            if (m->n_fds < CHANNEL_MAX_FDS) {
                m->fds[m->n_fds++] = fd;
            } else {
                fd_closep(&fd);
                r = -EBADMSG;
            }
        }
    }
    return r;
}

static int unpack(const uint8_t *buf, size_t len, struct channel_msg *m)
{
    m->envelope = bulkhead__envelope__unpack(NULL, len, buf);
    return m->envelope == NULL ? -EBADMSG : 0;
}

int channel_recv(int fd, struct channel_msg *ret)
{
    uint8_t buf[CHANNEL_MAX_BYTES];
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * (CHANNEL_MAX_FDS + 4))];
    struct iovec iov = {.iov_base = buf, .iov_len = sizeof(buf)};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof(control)};
    struct channel_msg m = {0};
    ssize_t len = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    int r;

    if (len < 0)
        return -errno;
    r = take_fds(&msg, &m);
    if (len == 0 && m.n_fds == 0)
        return -EPIPE;
    if ((msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0)
        r = -EBADMSG;
    if (r == 0)
        r = unpack(buf, (size_t)len, &m);
    if (r < 0) {
        channel_msg_done(&m);
        return r;
    }
    *ret = m;
    return 0;
}

int channel_write(int fd, const Bulkhead__Envelope *e)
{
    uint8_t buf[CHANNEL_SHORT_BYTES];
    size_t len;
    int r = pack(e, buf, sizeof(buf), &len);

    if (r < 0)
        return r;
    return write(fd, buf, len) < 0 ? -errno : 0;
}

int channel_read(int fd, struct channel_msg *ret)
{
    uint8_t buf[CHANNEL_SHORT_BYTES + 1];
    struct channel_msg m = {0};
    ssize_t len = read(fd, buf, sizeof(buf));
    int r;

    if (len < 0)
        return -errno;
    if (len == 0)
        return -EPIPE;
    r = len > CHANNEL_SHORT_BYTES ? -EBADMSG : unpack(buf, (size_t)len, &m);
    if (r < 0)
        return r;
    *ret = m;
    return 0;
}

void channel_msg_done(struct channel_msg *m)
{
    for (unsigned i = 0; i < m->n_fds; i++)
        fd_closep(&m->fds[i]);
    m->n_fds = 0;
    if (m->envelope != NULL)
        bulkhead__envelope__free_unpacked(m->envelope, NULL);
    m->envelope = NULL;
}

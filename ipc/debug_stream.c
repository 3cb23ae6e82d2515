#include "ipc/debug_stream.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum {
    DROPPED_AT_ONCE = 64, /* of other sessions, before others get their turn */
};

int debug_frame_send(int fd, struct debug_head head, const void *bytes, size_t len)
{
    struct iovec iov[] = {
        {.iov_base = &head,                    .iov_len = sizeof(head)},
        {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len         },
    };
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = COUNT_OF(iov)};

    return sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int debug_frame_receive(int fd, uint32_t session, uint32_t *ret_kind, void *bytes)
{
    struct debug_head head;
    struct iovec iov[] = {
        {.iov_base = &head, .iov_len = sizeof(head)   },
        {.iov_base = bytes, .iov_len = DEBUG_FRAME_MAX},
    };
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = COUNT_OF(iov)};

    for (int i = 0; i < DROPPED_AT_ONCE; i++) {
        ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

        if (n < 0)
            return -errno;
        if (n < (ssize_t)sizeof(head) || (msg.msg_flags & MSG_TRUNC) != 0)
            return -EBADMSG;
        if (head.session != session)
            continue;
        *ret_kind = head.kind;
        return (int)(n - (ssize_t)sizeof(head));
    }
    return -EAGAIN;
}

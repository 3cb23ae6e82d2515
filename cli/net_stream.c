#include "cli/net_stream.h"

#include <errno.h>
#include <net/ethernet.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "base/rd.h"
#include "ipc/nets.h"

enum {
    LENGTH_BYTES = 4,
    REST_MAX = LENGTH_BYTES + NET_FRAME_MAX,
};

/* All that is on its way, to be freed, with zeros for the rest of a frame behind it; none of it is taken. */
static int peek(int reader, uint8_t **ret, size_t *ret_len)
{
    uint8_t *bytes;
    int unread;
    ssize_t n;

    if (ioctl(reader, FIONREAD, &unread) < 0)
        return -errno;
    bytes = calloc(1, (size_t)unread + REST_MAX);
    if (bytes == NULL)
        return -ENOMEM;
    n = recv(reader, bytes, (size_t)unread, MSG_PEEK | MSG_DONTWAIT);
    *ret = bytes;
    *ret_len = n < 0 ? 0 : (size_t)n; /* it was taken meanwhile */
    return 0;
}

/* How many bytes the last frame lacks, up to REST_MAX; of its length, if that is not whole, they make one that is enough. */
static int rest_of(uint8_t *bytes, size_t len)
{
    size_t at = 0;

    while (at < len) {
        struct rd r = rd_over(bytes + at, LENGTH_BYTES);
        uint32_t frame;

        if (len - at < LENGTH_BYTES)
            bytes[at + LENGTH_BYTES - 1] = ETHER_HDR_LEN;
        frame = rd_be32(&r);
        if (frame < ETHER_HDR_LEN || frame > NET_FRAME_MAX)
            return -EBADMSG;
        at += LENGTH_BYTES + frame;
    }
    return (int)(at - len);
}

int net_stream_finish(int reader, int writer)
{
    AUTO_FREE uint8_t *bytes = NULL;
    size_t len = 0;
    ssize_t n;
    int r = peek(reader, &bytes, &len);

    if (r == 0)
        r = rest_of(bytes, len);
    if (r <= 0)
        return r;
    n = send(writer, bytes + len, (size_t)r, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0)
        return -errno;
    return n == r ? 0 : -EAGAIN;
}

#include "tests/sim/net_stream.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/rd.h"
#include "base/wr.h"

enum {
    LENGTH_BYTES = 4,
};

bool net_stream_flush(struct net_stream *s, int fd)
{
    ssize_t n;

    if (s->out_at == s->out_len)
        return true;
    n = send(fd, s->out + s->out_at, s->out_len - s->out_at, MSG_DONTWAIT | MSG_NOSIGNAL);
    s->out_at += n > 0 ? (uint32_t)n : 0;
    return s->out_at == s->out_len;
}

bool net_stream_send(struct net_stream *s, int fd, const uint8_t *frame, uint32_t len)
{
    struct wr w = wr_over(s->out, LENGTH_BYTES);

    if (!net_stream_flush(s, fd) || len > NET_STREAM_FRAME_MAX)
        return false;
    wr_be32(&w, len);
    memcpy(s->out + LENGTH_BYTES, frame, len);
    s->out_at = 0;
    s->out_len = LENGTH_BYTES + len;
    (void)net_stream_flush(s, fd);
    return true;
}

/* The frame at in_at: its length, 0: not all of it is there. */
static int next_frame(const struct net_stream *s)
{
    struct rd r = rd_over(s->in + s->in_at, s->in_len - s->in_at);
    uint32_t len = rd_be32(&r);

    if (!rd_ok(&r))
        return 0;
    if (len == 0 || len > NET_STREAM_FRAME_MAX)
        return -EBADMSG;
    return r.left < len ? 0 : (int)len;
}

static void fill(struct net_stream *s, int fd)
{
    ssize_t n;

    memmove(s->in, s->in + s->in_at, s->in_len - s->in_at);
    s->in_len -= s->in_at;
    s->in_at = 0;
    n = recv(fd, s->in + s->in_len, sizeof(s->in) - s->in_len, MSG_DONTWAIT);
    s->in_len += n > 0 ? (uint32_t)n : 0;
    s->ended |= n == 0;
}

int net_stream_receive(struct net_stream *s, int fd, const uint8_t **ret)
{
    int len = s->ended ? 0 : next_frame(s);

    if (len == 0 && !s->ended) {
        fill(s, fd);
        len = next_frame(s);
    }
    if (len <= 0) {
        s->ended |= len < 0;
        return len;
    }
    *ret = s->in + s->in_at + LENGTH_BYTES;
    s->in_at += LENGTH_BYTES + (uint32_t)len;
    return len;
}

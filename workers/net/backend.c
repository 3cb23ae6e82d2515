/*
 * The kinds of back end: a frame out, a frame in, nothing else. By calls that carry bytes alone: a socket's others
 * could carry descriptors.
 *
 * A stream has frames with their lengths before them. What is read of it is first looked at, then consumed a whole
 * frame at a time, and what is written is written a whole frame at a time: a death loses frames, and never leaves
 * the stream in the middle of one.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/rd.h"
#include "base/wr.h"
#include "workers/net/net.h"

enum {
    LENGTH_BYTES = 4, /* before each frame of a stream */
    VECTORS = NET_PIECES + 1,
};

void backend_open(struct backend *b, enum net_kind kind, int fd, uint8_t *stream)
{
    *b = (struct backend){.kind = kind, .fd = fd, .stream = stream};
}

uint32_t backend_offloads(enum net_kind kind)
{
    switch (kind) {
    case NET_TAP:
    case NET_DATAGRAM:
    case NET_DISCARD:
        return NIC_OFFLOADS - 1; /* all */
    case NET_STREAM:
    case NET_NONE:
        break;
    }
    return 0;
}

static int failed(struct backend *b)
{
    int e = errno;

    if (b->kind == NET_DATAGRAM) /* its peer is not there now, and may come */
        return -e;
    if (e == EPIPE || e == ECONNRESET || e == EBADFD || e == ENOTCONN)
        b->is_gone = true;
    return -e;
}

/* What goes before a frame, put before its copy. Its length. */
static uint32_t put_before(const struct backend *b, const uint8_t header[VNET_HEADER_BYTES],
                           struct outgoing *o)
{
    struct wr w = wr_over(outgoing_frame(o) - LENGTH_BYTES, LENGTH_BYTES);

    if (b->kind == NET_STREAM) {
        wr_be32(&w, o->len);
        return LENGTH_BYTES;
    }
    memcpy(outgoing_frame(o) - VNET_HEADER_BYTES, header, VNET_HEADER_BYTES);
    return VNET_HEADER_BYTES;
}

int backend_send(struct backend *b, const uint8_t header[VNET_HEADER_BYTES], struct outgoing *o)
{
    uint32_t before;
    uint8_t *first;
    ssize_t sent;

    if (b->kind == NET_DISCARD || b->is_gone)
        return b->is_gone ? -EPIPE : 0;
    before = put_before(b, header, o);
    first = outgoing_frame(o) - before;
    o->pieces[0] = (struct iovec){first, before + o->copied};
    sent = o->n == 0 ? write(b->fd, first, before + o->copied)
                     : writev(b->fd, o->pieces, (int)o->n + 1);
    if (sent < 0 && errno == EAGAIN && b->full_ns == 0)
        b->full_ns = clock_now_ns();
    if (sent < 0)
        return failed(b);
    b->full_ns = 0;
    if ((size_t)sent == before + o->len)
        return 0;
    b->is_gone |= b->kind == NET_STREAM; /* it is in the middle of a frame now */
    return -EIO;
}

bool backend_has_room(struct backend *b)
{
    struct pollfd fd = {.fd = b->fd, .events = POLLOUT};

    if (poll(&fd, 1, 0) == 0)
        return false;
    b->full_ns = 0;
    return true;
}

/* --- receiving --- */

/* The frame at stream_at: its length, 0: not all of it is there, -EBADMSG: it is none. */
static int next_in_stream(const struct backend *b, uint32_t at)
{
    uint32_t have = b->stream_len - at;
    struct rd r = rd_over(b->stream + at, have);
    uint32_t len = rd_be32(&r);

    if (!rd_ok(&r))
        return 0;
    if (len < NIC_HEAD_BYTES || len > NET_FRAME_MAX)
        return -EBADMSG;
    return have - LENGTH_BYTES < len ? 0 : (int)len;
}

/* How many bytes the whole frames have. */
static uint32_t whole_frames(const struct backend *b)
{
    uint32_t at = 0;
    int len;

    while ((len = next_in_stream(b, at)) > 0)
        at += LENGTH_BYTES + (uint32_t)len;
    return at;
}

/* The first bytes of a frame are there, n of them, and the others never come. */
static bool has_hung_up(const struct backend *b, ssize_t n)
{
    struct pollfd fd = {.fd = b->fd, .events = POLLRDHUP};

    return poll(&fd, 1, 0) > 0 && (fd.revents & (POLLRDHUP | POLLHUP)) != 0 &&
           recv(b->fd, b->stream, NET_STREAM_BYTES, MSG_DONTWAIT | MSG_PEEK) == n;
}

/* Look at what there is, then take the whole frames of it out of the socket. */
static int fill_stream(struct backend *b)
{
    ssize_t n = recv(b->fd, b->stream, NET_STREAM_BYTES, MSG_DONTWAIT | MSG_PEEK);
    uint32_t whole;

    b->stream_at = 0;
    b->stream_len = n > 0 ? (uint32_t)n : 0;
    if (n < 0)
        return failed(b);
    whole = whole_frames(b);
    if (n == 0 || next_in_stream(b, whole) < 0 ||
        (whole == 0 && has_hung_up(b, n))) { /* out of step: nothing that follows makes sense */
        b->is_gone = true;
        return -EPIPE;
    }
    if (whole > 0 && recv(b->fd, b->stream, whole, MSG_DONTWAIT) != (ssize_t)whole)
        return -EIO;
    b->stream_len = whole;
    return whole > 0 ? 0 : -EAGAIN;
}

static int receive_stream(struct backend *b, const struct gmem_pages *pages, uint32_t offset,
                          uint32_t room)
{
    int r = b->stream_at == b->stream_len ? fill_stream(b) : 0;
    const uint8_t *frame = b->stream + b->stream_at + LENGTH_BYTES;
    int len = r < 0 ? r : next_in_stream(b, b->stream_at);

    if (len <= 0)
        return len == 0 ? -EIO : len;
    b->stream_at += LENGTH_BYTES + (uint32_t)len;
    if ((uint32_t)len > room)
        return -EMSGSIZE;
    gmem_pages_copy_out(pages, offset, frame, (uint32_t)len);
    return len;
}

int backend_receive(struct backend *b, uint8_t header[VNET_HEADER_BYTES],
                    const struct gmem_pages *pages, uint32_t offset, uint32_t room, uint8_t *rest)
{
    struct iovec v[VECTORS + 2] UNINITIALIZED;
    uint32_t most = rest != NULL ? NET_FRAME_MAX : room;
    uint8_t more; /* a frame that reaches it was longer */
    ssize_t got;
    int n;

    memset(header, 0, VNET_HEADER_BYTES);
    if (b->kind == NET_DISCARD || b->is_gone)
        return -EAGAIN;
    if (b->kind == NET_STREAM)
        return receive_stream(b, pages, offset, room);
    v[0] = (struct iovec){header, VNET_HEADER_BYTES};
    n = gmem_pages_iovec(pages, offset, room, &v[1], NET_PIECES);
    if (n < 0)
        return n;
    v[n + 1] = (struct iovec){rest, most - room};
    v[n + 2] = (struct iovec){&more, 1};
    got = readv(b->fd, v, n + 3);
    if (got < 0)
        return failed(b);
    if (got < VNET_HEADER_BYTES + NIC_HEAD_BYTES)
        return -EBADMSG;
    return (size_t)got > VNET_HEADER_BYTES + (size_t)most ? -EMSGSIZE
                                                          : (int)(got - VNET_HEADER_BYTES);
}

bool backend_discard(struct backend *b)
{
    static const struct gmem_pages nowhere;
    uint8_t header[VNET_HEADER_BYTES];
    int r = backend_receive(b, header, &nowhere, 0, 0, NULL);

    return r == -EMSGSIZE || r == -EBADMSG;
}

bool backend_has_more(const struct backend *b)
{
    return b->kind == NET_STREAM && b->stream_at != b->stream_len;
}

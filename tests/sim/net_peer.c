#include "tests/sim/net_peer.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/wr.h"
#include "tests/sim/net_garbage.h"

enum {
    VNET_BYTES = 12,
    SOCKET_BYTES = 32 * 1024 * 1024,
    TAKEN_AT_ONCE = 256,
    LOOK_MS = 1,
    VIOLATIONS_TOLD = 10,
    ENDS_AFTER = 2000, /* frames sent */
    GARBAGE_EVERY = 4, /* frames */
};

int net_peer_open(struct net_peer *p, bool is_stream, int room, int *ret_guest_fd)
{
    int type = is_stream ? SOCK_STREAM : SOCK_SEQPACKET;
    int pair[2];

    if (socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
        return -errno;
    p->is_stream = is_stream;
    for (unsigned i = 0; i < 2 && !p->manner.deaf; i++) {
        int bytes = i == 1 && room > 0 ? room : SOCKET_BYTES;

        /* What is in the socket counts as the sender's; more than the limit for all needs root. */
        if (setsockopt(pair[i], SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) < 0)
            (void)setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    }
    p->fd = pair[0];
    *ret_guest_fd = pair[1];
    return 0;
}

static uint64_t next_random(uint64_t *state)
{
    return (*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407)) >> 33;
}

/* --- from the guest --- */

static void tell_violation(struct net_peer *p, const struct flow_frame *f, size_t len,
                           const char *wrong)
{
    if (p->violations++ < VIOLATIONS_TOLD)
        fprintf(stderr, "peer: flow %u, frame %" PRIu64 " of %zu bytes: %s; seen %" PRIu64 "\n",
                f->flow, f->number, len, wrong, f->flow < FLOWS ? p->flows[f->flow].seen : 0);
}

static void take(struct net_peer *p, const uint8_t *frame, size_t len)
{
    struct flow_frame f = {0};
    const char *wrong;

    if (p->manner.tolerant && !flow_is_numbered(frame, (uint32_t)len)) {
        p->others++;
        return;
    }
    wrong = flow_take(p->flows, frame, (uint32_t)len, &f);
    if (wrong == NULL)
        p->note = f.note;
    else
        tell_violation(p, &f, len, wrong);
}

/* A numbered frame asks for no offload. */
static void take_datagram(struct net_peer *p, const uint8_t *bytes, size_t len)
{
    static const uint8_t zeros[VNET_BYTES];
    const struct flow_frame nothing = {0};

    if (len >= VNET_BYTES && memcmp(bytes, zeros, 10) == 0)
        take(p, bytes + VNET_BYTES, len - VNET_BYTES);
    else if (p->manner.tolerant)
        p->others++;
    else
        tell_violation(p, &nothing, len, "no vnet header of zeros");
}

/* False: there is none now. */
static bool take_one(struct net_peer *p)
{
    static const struct flow_frame nothing;
    uint8_t bytes[VNET_BYTES + FLOW_FRAME_MAX + 64];
    const uint8_t *frame;
    ssize_t got;

    if (!p->is_stream) {
        got = recv(p->fd, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_TRUNC);
        if (got > 0)
            take_datagram(p, bytes, (size_t)got < sizeof(bytes) ? (size_t)got : sizeof(bytes));
        return got > 0;
    }
    got = net_stream_receive(&p->stream, p->fd, &frame);
    if (got > 0)
        take(p, frame, (size_t)got);
    else if (got < 0)
        tell_violation(p, &nothing, 0, "the stream is out of step");
    return got > 0;
}

static bool take_some(struct net_peer *p)
{
    unsigned n = 0;

    while (n < TAKEN_AT_ONCE && !p->manner.deaf && take_one(p))
        n++;
    return n > 0;
}

/* --- to the guest --- */

static bool send_one(struct net_peer *p, struct flow *f)
{
    uint8_t bytes[VNET_BYTES + FLOW_FRAME_MAX] = {0};
    uint64_t random = next_random(&p->random);
    uint32_t most = random % 4 == 0 ? FLOW_FRAME_MAX : FLOW_FRAME_MIN + 200;
    uint32_t len = FLOW_FRAME_MIN + (uint32_t)(random / 4 % (most - FLOW_FRAME_MIN + 1));

    flow_make(f, bytes + VNET_BYTES, len, 0);
    if (p->is_stream ? net_stream_send(&p->stream, p->fd, bytes + VNET_BYTES, len)
                     : send(p->fd, bytes, VNET_BYTES + len, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
        return true;
    flow_unmake(f);
    return false;
}

static void send_garbage(struct net_peer *p)
{
    static uint8_t bytes[GARBAGE_MAX];

    if (p->is_stream)
        (void)net_stream_send(&p->stream, p->fd, bytes,
                              garbage_frame(&p->random, p->flows[0].nic, bytes));
    else
        (void)send(p->fd, bytes, garbage_datagram(&p->random, p->flows[0].nic, bytes),
                   MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Of a stream: the last that is ever sent. False: there is no room now. */
static bool send_end(struct net_peer *p)
{
    uint8_t bytes[100] = {0};
    struct wr w = wr_over(bytes, sizeof(bytes));

    wr_be32(&w, p->manner.tears ? 1514 : p->manner.end);
    if (!net_stream_flush(&p->stream, p->fd) ||
        send(p->fd, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        return false;
    return !p->manner.tears || shutdown(p->fd, SHUT_RDWR) == 0;
}

static bool has_rate(const struct net_peer *p, uint64_t now_ns)
{
    return p->rate == 0 ||
           flows_sum(p->flows).sent < (now_ns - p->began_ns) / NS_PER_US * p->rate / 1000000;
}

static bool send_some(struct net_peer *p)
{
    uint64_t now_ns = clock_now_ns();
    bool any = false;

    if (p->manner.ends && flows_sum(p->flows).sent >= ENDS_AFTER) {
        p->silent = p->silent || send_end(p);
        return false;
    }
    for (unsigned i = 0; i < FLOWS; i++) {
        if (p->manner.garbage && next_random(&p->random) % GARBAGE_EVERY == 0)
            send_garbage(p);
        if (has_rate(p, now_ns) && flow_may_send(&p->flows[i], now_ns))
            any |= send_one(p, &p->flows[i]);
    }
    return any;
}

static void *serve(void *arg)
{
    struct net_peer *p = arg;

    while (!p->stop) {
        struct pollfd fd = {.fd = p->fd, .events = POLLIN};
        bool took = take_some(p);

        (void)net_stream_flush(&p->stream, p->fd);
        if (!send_some(p) && !took)
            (void)poll(&fd, 1, LOOK_MS);
        if ((fd.revents & (POLLHUP | POLLERR)) != 0)
            break;
    }
    return NULL;
}

int net_peer_start(struct net_peer *p, unsigned nic, uint64_t rate)
{
    int r;

    p->rate = rate;
    p->random = 1;
    p->began_ns = clock_now_ns();
    flows_init(p->flows, false, nic);
    if (p->manner.exact)
        flows_set_patient(p->flows);
    r = pthread_create(&p->thread, NULL, serve, p);
    p->running = r == 0;
    return -r;
}

bool net_peer_stop(struct net_peer *p)
{
    struct flow_sums s;

    if (!p->running)
        return true;
    p->stop = true;
    (void)pthread_join(p->thread, NULL);
    p->running = false;
    fd_closep(&p->fd);
    s = flows_sum(p->flows);
    if (p->manner.exact)
        p->violations += s.lost;
    printf("peer: %" PRIu64 " frames sent, %" PRIu64 " received, %" PRIu64 " lost in %" PRIu64
           " gaps, %.1f a kill; %" PRIu64 " violations\n",
           s.sent, s.received, s.lost, s.gaps, p->note > 0 ? (double)s.lost / p->note : 0.0,
           p->violations);
    if (p->manner.tolerant)
        printf("peer: %" PRIu64 " other frames\n", p->others);
    return p->violations == 0;
}

/*
 * tests/bench/sim_net_bench.c - the same frames through the whole real path of a NIC, without a vCPU: a guest's
 * rings, the net worker in its jail with its log, and what run-sim plugs in.
 *
 * Arguments: as of net_series_parse(). The guest is one thread and one channel. As Linux does it, small frames go
 * by the send buffer, up to eight in a packet; large ones by pages of the guest's, their segments cut by
 * the host. What comes is copied out, and its sections are given back at once. Of trips there is one frame on its way.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/rd.h"
#include "base/wr.h"
#include "tests/bench/net_series.h"
#include "tests/sim/net_guest.h"

enum {
    PAGES = 17, /* of the largest frame with its RNDIS message */
    RNDIS_HEAD = 44,
    RNDIS_OFFSETS_FROM = 8,
    INFO_LSO = 2,
    INFO_BYTES = 16,
    LSO_V2 = 1u << 30,
    RING_PAGES = 65,
    BUFFER_PAGES = 2048,
    HEAD_MAX = 16 + 8 * PAGES,
    RETURNS_MAX = NET_GUEST_SECTIONS, /* each packet has one at least */
};

struct slot {
    bool on_the_way;
    uint32_t head_len;
    uint8_t head[HEAD_MAX]; /* its ranges, if it is in pages */
    uint8_t message[40];
};

struct bench {
    struct vmbus_guest vmbus;
    struct net_guest net;
    struct net_series series;
    struct slot slots[NET_SERIES_PACKETS];
    unsigned frames; /* in each packet */
    bool more;
    bool has_come;
    uint64_t now_ns;
    unsigned n_returns;
    uint64_t returns[RETURNS_MAX];
    uint8_t copy[NET_SERIES_FRAME_MAX];
};

/* --- what is sent: made once --- */

static uint32_t message_bytes(const struct bench *b)
{
    uint32_t info = b->series.bytes > NET_SERIES_WIRE_MAX ? INFO_BYTES : 0;

    return (RNDIS_HEAD + info + b->series.bytes + 7) & ~UINT32_C(7);
}

static void make_message(const struct bench *b, uint8_t *to)
{
    bool large = b->series.bytes > NET_SERIES_WIRE_MAX;
    uint32_t info = large ? INFO_BYTES : 0;
    struct wr w = wr_over(to, RNDIS_HEAD + INFO_BYTES);

    memset(to, 0, message_bytes(b));
    wr_le32(&w, RNDIS_PACKET);
    wr_le32(&w, message_bytes(b));
    wr_le32(&w, RNDIS_HEAD + info - RNDIS_OFFSETS_FROM);
    wr_le32(&w, b->series.bytes);
    wr_bytes(&w, (const uint8_t[12]){0}, 12);
    wr_le32(&w, large ? RNDIS_HEAD - RNDIS_OFFSETS_FROM : 0);
    wr_le32(&w, info);
    wr_bytes(&w, (const uint8_t[8]){0}, 8);
    if (large) {
        wr_le32(&w, INFO_BYTES);
        wr_le32(&w, INFO_LSO);
        wr_le32(&w, 12);
        wr_le32(&w, NET_SERIES_MSS | NET_SERIES_TCP_AT << 20 | LSO_V2);
    }
    net_series_frame(&b->series, to + RNDIS_HEAD + info);
}

static void make_in_section(struct bench *b, unsigned i, const uint8_t *message)
{
    struct net_tag tag = {.section = (int)i, .section_bytes = message_bytes(b) * b->frames};

    for (unsigned k = 0; k < b->frames; k++)
        net_pages_put(&b->net, b->net.send.pfns,
                      i * b->net.send.section_bytes + k * message_bytes(b), message,
                      message_bytes(b));
    (void)net_rndis_message(&tag, false, b->slots[i].message);
}

static void make_in_pages(struct bench *b, unsigned i, const uint8_t *message)
{
    const struct net_tag tag = {.section = -1};
    struct slot *slot = &b->slots[i];
    struct wr w = wr_over(slot->head, sizeof(slot->head));
    uint64_t pfns[PAGES];

    wr_le32(&w, 0);
    wr_le32(&w, 1);
    wr_le32(&w, message_bytes(b));
    wr_le32(&w, 0);
    for (unsigned k = 0; k * GUEST_PAGE < message_bytes(b); k++) {
        pfns[k] = vmbus_page(&b->vmbus);
        wr_le64(&w, pfns[k]);
        slot->head_len = 16 + 8 * (k + 1);
    }
    net_pages_put(&b->net, pfns, 0, message, message_bytes(b));
    (void)net_rndis_message(&tag, false, slot->message);
}

static bool is_trip(const struct bench *b)
{
    return b->series.what[0] == 't';
}

static void make_packets(struct bench *b)
{
    static uint8_t message[NET_SERIES_FRAME_MAX + 128];

    make_message(b, message);
    b->frames = is_trip(b) ? 1 : net_series_batch(&b->series);
    for (unsigned i = 0; i < NET_SERIES_PACKETS; i++) {
        if (b->series.bytes <= NET_SERIES_WIRE_MAX)
            make_in_section(b, i, message);
        else
            make_in_pages(b, i, message);
    }
}

/* --- what comes --- */

static void take_completion(struct bench *b, const struct vring_packet *p)
{
    struct rd r = rd_over(p->payload, p->len);
    uint32_t type = rd_le32(&r);
    uint32_t status = rd_le32(&r);
    uint64_t i = p->transaction - 1;

    if (!rd_ok(&r) || type != NVSP_RNDIS_COMPLETE || status != 1 || i >= NET_SERIES_PACKETS) {
        vmbus_fail(&b->vmbus, "a frame was refused: %u, %u", type, status);
        return;
    }
    b->slots[i].on_the_way = false;
    if (b->series.what[0] == 's')
        b->more = net_series_count(&b->series, b->frames, b->now_ns);
}

/* Each section is copied, as a driver does before it gives it back. */
static void take_frames(struct bench *b, const struct vring_packet *p)
{
    struct rd r = rd_over(p->head, p->head_len);
    uint32_t n;

    (void)rd_span(&r, 4);
    n = rd_le32(&r);
    for (uint32_t i = 0; i < n && rd_ok(&r); i++) {
        uint32_t bytes = rd_le32(&r);
        uint32_t at = rd_le32(&r);

        net_pages_get(&b->net, b->net.receive.pfns, at, b->copy, bytes);
    }
    b->has_come = true;
    if (!is_trip(b))
        b->more = net_series_count(&b->series, n, b->now_ns);
    if (b->n_returns == RETURNS_MAX)
        vmbus_fail(&b->vmbus, "more packets than sections");
    else
        b->returns[b->n_returns++] = p->transaction;
}

static void on_packet(struct guest_channel *c, const struct vring_packet *p)
{
    struct bench *b = c->self;

    if (p->type == VRING_COMPLETION)
        take_completion(b, p);
    else if (p->type == VRING_TRANSFER_PAGES)
        take_frames(b, p);
}

static bool give_back(struct bench *b)
{
    static const uint8_t done[8] = {NVSP_RNDIS_COMPLETE, 0, 0, 0, 1};
    unsigned i = 0;

    while (i < b->n_returns && vmbus_put(&b->net.queues[0].channel, VRING_COMPLETION, b->returns[i],
                                         done, sizeof(done)) == 0)
        i++;
    memmove(b->returns, b->returns + i, (b->n_returns - i) * sizeof(b->returns[0]));
    b->n_returns -= i;
    return i > 0;
}

/* --- the load --- */

static bool send_one(struct bench *b, unsigned i)
{
    struct slot *s = &b->slots[i];

    s->on_the_way =
        vmbus_send(&b->net.queues[0].channel, s->head_len > 0 ? VRING_GPA_DIRECT : VRING_IN_BAND,
                   i + 1, s->head, s->head_len, s->message, sizeof(s->message)) == 0;
    return s->on_the_way;
}

static void send_all(struct bench *b)
{
    for (unsigned i = 0; i < NET_SERIES_PACKETS; i++) {
        if (!b->slots[i].on_the_way && !send_one(b, i))
            return;
    }
}

/* There and back, one after the other; each is another frame, as its completion may come after it. */
static void run_trips(struct bench *b)
{
    net_series_begin(&b->series, clock_now_ns());
    b->more = true;
    for (unsigned i = 0; b->more && !b->vmbus.failed; i = (i + 1) % NET_SERIES_PACKETS) {
        uint64_t sent_ns = clock_now_ns();

        b->has_come = false;
        (void)send_one(b, i);
        while (!b->has_come && !b->vmbus.failed)
            (void)vmbus_halt(&b->vmbus, 0, NS_PER_S);
        b->more = net_series_trip(&b->series, sent_ns, clock_now_ns());
        (void)give_back(b);
    }
}

/* What is received begins with a frame of ours: whoever sends then knows where to. */
static void run(struct bench *b)
{
    bool sends = b->series.what[0] == 's';

    b->more = true;
    net_series_begin(&b->series, clock_now_ns());
    if (!sends)
        (void)send_one(b, 0);
    while (b->more && !b->vmbus.failed) {
        b->now_ns = clock_now_ns();
        b->more = net_series_count(&b->series, 0, b->now_ns);
        if (sends)
            send_all(b);
        else
            (void)give_back(b);
        (void)vmbus_halt(&b->vmbus, 0, NS_PER_MS);
    }
}

static void guest(struct sim *sim)
{
    static struct bench b; /* more than a stack should hold */
    const struct net_guest_way way = {.version = 0x60000,
                                      .channels = 1,
                                      .ring_pages = RING_PAGES,
                                      .receive_pages = BUFFER_PAGES,
                                      .send_pages = BUFFER_PAGES};
    char to[32], line[NET_SERIES_LINE_BYTES];

    b.series.who = "bulkhead";
    net_series_parse(&b.series, sim->config.append, to);
    vmbus_start(&b.vmbus, sim, 0); /* TCP of Linux takes pages 32 KiB at a time */
    net_guest_init(&b.net, &b.vmbus, 0);
    if (!vmbus_connect(&b.vmbus, 0x00050003) || !net_connect(&b.net, &way) ||
        !net_set_filter(&b.net, true))
        return;
    make_packets(&b);
    b.net.queues[0].channel.packet = on_packet;
    b.net.queues[0].channel.self = &b;
    sim_sleep_ns(300 * NS_PER_MS); /* let the spares be made */
    sim->halts[0].most_ns = HALT_POLL_NS;
    if (is_trip(&b))
        run_trips(&b);
    else
        run(&b);
    if (b.vmbus.failed)
        return;
    net_series_line(&b.series, line);
    sim_print(sim, 0, "%s", line);
    sim->finished = true;
    sim_pass(sim);
}

int main(int argc, char **argv)
{
    static struct sim sim = {.guest = guest};

    return sim_main(&sim, argc, argv);
}

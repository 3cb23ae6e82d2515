#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/wr.h"
#include "tests/integration/net_hostile.h"

enum {
    RING_PAGES = 9,
    SMALL_RING = 2,
    PACKETS = 2000,
    REQUESTS = 700,
    CHAINS = 200,
    MESSAGE_MAX = 1400,
    HEAD_BYTES = 44,
    SECTION_BYTES = 6144,
    KEPT = 40,
    OID_RSS = 0x00010204,
};

/* --- frames --- */

/* Page frame numbers: of RAM, past it, of ROM, of a hole, of no address. */
static uint64_t random_pfn(struct net_hostile *h)
{
    static const uint64_t bad[] = {0xc0000, 0xfed40, 0x3ffff, UINT64_MAX, UINT64_C(1) << 52, 0xf0};

    return net_hostile_chance(h, 4) != 0 ? h->raw.page : bad[net_hostile_chance(h, COUNT_OF(bad))];
}

static uint32_t edge(struct net_hostile *h, uint32_t right)
{
    const uint32_t edges[] = {0,  1,  right - 1, right + 1, 0xfffffff8, UINT32_MAX,
                              13, 14, 1518,      1519,      65536};

    return net_hostile_chance(h, 16) != 0 ? right : edges[net_hostile_chance(h, COUNT_OF(edges))];
}

static void put_ranges(struct net_hostile *h, struct wr *w, uint32_t len)
{
    uint32_t ranges = net_hostile_chance(h, 8) != 0 ? 1 : net_hostile_chance(h, 70);

    wr_le32(w, 0);
    wr_le32(w, edge(h, ranges));
    for (uint32_t i = 0; i < ranges; i++) {
        wr_le32(w, edge(h, len));
        wr_le32(w, net_hostile_chance(h, 4) != 0 ? 0 : net_hostile_chance(h, 5000));
        for (uint32_t page = net_hostile_chance(h, 4); page > 0; page--)
            wr_le64(w, random_pfn(h));
        wr_le64(w, random_pfn(h));
    }
}

/* Records of what is said about the packet: no size, one that leads nowhere, more than there is. */
static uint32_t put_infos(struct net_hostile *h, struct wr *w)
{
    static const uint32_t types[] = {0, 2, 6, 8, 1, 3, 0x80000001};
    uint32_t n = net_hostile_chance(h, 4);

    for (uint32_t i = 0; i < n; i++) {
        wr_le32(w, edge(h, 16));
        wr_le32(w, types[net_hostile_chance(h, COUNT_OF(types))]);
        wr_le32(w, edge(h, 12));
        wr_le32(w, net_hostile_chance(h, UINT32_MAX)); /* of LSO: also no size of segments */
    }
    return 16 * n;
}

/* Ethernet and IPv4 with TCP, so that offloads have something to look at. */
static void put_frame(struct net_hostile *h, struct wr *w, uint32_t len)
{
    static const uint8_t head[] = {2,    0, 0, 0, 0, 2, 2, 0, 0,    0,    0, 1, 8,  0,
                                   0x45, 0, 0, 0, 0, 0, 0, 0, 0x40, 0x06, 0, 0, 10, 0};

    for (uint32_t i = 0; i < len; i++)
        wr_u8(w, i < sizeof(head) && net_hostile_chance(h, 20) != 0
                     ? head[i]
                     : (uint8_t)net_hostile_chance(h, 256));
}

static uint32_t make_message(struct net_hostile *h, uint8_t bytes[MESSAGE_MAX])
{
    uint32_t frame = 14 + net_hostile_chance(h, 1000);
    uint8_t infos[64];
    struct wr w = wr_over(infos, sizeof(infos));
    uint32_t infos_len = put_infos(h, &w);
    size_t len = 0;

    w = wr_over(bytes, MESSAGE_MAX);
    wr_le32(&w, edge(h, RNDIS_PACKET));
    wr_le32(&w, edge(h, HEAD_BYTES + infos_len + frame));
    wr_le32(&w, edge(h, HEAD_BYTES - 8 + infos_len));
    wr_le32(&w, edge(h, frame));
    for (unsigned i = 0; i < 3; i++)
        wr_le32(&w, edge(h, 0));
    wr_le32(&w, edge(h, HEAD_BYTES - 8));
    wr_le32(&w, edge(h, infos_len));
    wr_le64(&w, 0);
    wr_bytes(&w, infos, infos_len);
    put_frame(h, &w, frame);
    return wr_finish(&w, &len) == 0 ? (uint32_t)len : 0;
}

static bool send_any(struct net_hostile *h)
{
    uint8_t payload[40] = {0}, head[8 + 70 * 40], bytes[MESSAGE_MAX];
    struct wr w = wr_over(payload, sizeof(payload));
    uint32_t len = make_message(h, bytes);
    bool by_section = net_hostile_chance(h, 3) == 0;
    struct net_raw_packet p = {
        .type = by_section ? VRING_IN_BAND : VRING_GPA_DIRECT,
        .silent = by_section && net_hostile_chance(h, 8) == 0,
        .payload = {payload, sizeof(payload)}
    };
    size_t head_len = 0;

    wr_le32(&w, NVSP_RNDIS);
    wr_le32(&w, net_hostile_chance(h, 16) == 0 ? net_hostile_chance(h, 4) : 0);
    wr_le32(&w, by_section ? edge(h, 0) : edge(h, UINT32_MAX));
    wr_le32(&w, by_section ? edge(h, len) : net_hostile_chance(h, 2) * SECTION_BYTES);
    w = wr_over(head, sizeof(head));
    put_ranges(h, &w, len);
    if (!by_section && wr_finish(&w, &head_len) == 0)
        p.head = (struct span){head, head_len};
    memcpy(vmbus_host(h->raw.vmbus, h->raw.page * GUEST_PAGE), bytes, len);
    memcpy(vmbus_host(h->raw.vmbus, h->raw.send.pfns[0] * GUEST_PAGE), bytes, len);
    return net_raw_send(&h->raw, 0, &p);
}

/* Wherever a packet's bytes are said to be, and whatever its message says: it is completed. */
bool net_hostile_frames(struct net_hostile *h)
{
    bool good = net_raw_open(&h->raw, 0, RING_PAGES, true) && net_raw_start(&h->raw);
    uint64_t before = h->raw.refused;

    for (unsigned i = 0; good && i < PACKETS; i++)
        good = send_any(h);
    good = good && net_raw_await(&h->raw);
    if (good && h->raw.refused == before)
        vmbus_fail(h->raw.vmbus, "no frame was refused");
    return good && !h->raw.vmbus->failed && net_raw_close(&h->raw);
}

/* Messages one behind the other: that overlap, lead back, are none, are more than may be. */
bool net_hostile_chains(struct net_hostile *h)
{
    uint32_t words[512];
    bool good = net_raw_open(&h->raw, 0, RING_PAGES, true) && net_raw_start(&h->raw);

    for (unsigned i = 0; good && i < CHAINS; i++) {
        uint32_t step = 4 * (12 + net_hostile_chance(h, 20));

        memset(words, 0, sizeof(words));
        for (uint32_t at = 0; at + 64 < sizeof(words); at += step) {
            words[at / 4] = edge(h, RNDIS_PACKET);
            words[at / 4 + 1] = edge(h, step);
            words[at / 4 + 2] = edge(h, HEAD_BYTES - 8 - 4 * net_hostile_chance(h, 9));
            words[at / 4 + 3] = edge(h, step - HEAD_BYTES);
        }
        good = net_raw_rndis(&h->raw, 0, false, words,
                             (uint32_t)sizeof(words) - 4 * net_hostile_chance(h, 400));
    }
    return good && net_raw_close(&h->raw);
}

/* --- requests --- */

static bool request(struct net_hostile *h, const uint32_t *words, uint32_t len)
{
    return net_raw_rndis(&h->raw, 0, true, words, len);
}

bool net_hostile_requests(struct net_hostile *h)
{
    static const uint32_t types[] = {0, 1, 2, 3, 4, 4, 4, 4,          5,
                                     5, 5, 5, 6, 7, 8, 9, 0x80000004, UINT32_MAX};
    static const uint32_t oids[] = {0x00010101, 0x00010106, 0x0001010e, 0x00010202, 0x00010203,
                                    OID_RSS,    0x0001021b, 0xfc01020b, 0xfc01020c, 0xfc01020d,
                                    0x01010101, 0x01010103, 0x0101010a, 0x00020101, 0};
    bool good = net_raw_open(&h->raw, 0, RING_PAGES, true) && net_raw_start(&h->raw);

    for (unsigned i = 0; good && i < REQUESTS; i++) {
        uint32_t words[200];
        uint32_t len = net_hostile_chance(h, 4) == 0 ? net_hostile_chance(h, sizeof(words)) : 200;

        for (size_t j = 0; j < COUNT_OF(words); j++)
            words[j] = net_hostile_chance(h, 4) == 0 ? net_hostile_chance(h, UINT32_MAX)
                                                     : net_hostile_chance(h, 300);
        words[0] = types[net_hostile_chance(h, COUNT_OF(types))];
        words[1] = edge(h, len);
        words[3] = oids[net_hostile_chance(h, COUNT_OF(oids))];
        words[4] = edge(h, net_hostile_chance(h, 2) == 0 ? 4 : len - 28);
        words[5] = edge(h, 20);
        good = request(h, words, len);
    }
    return good && net_raw_close(&h->raw);
}

/* Tables and keys of all sizes and at all places, with channels that there are not. */
bool net_hostile_rss(struct net_hostile *h)
{
    bool good = net_raw_open(&h->raw, 0, RING_PAGES, true) && net_raw_start(&h->raw);

    for (unsigned i = 0; good && i < REQUESTS; i++) {
        uint32_t words[200] = {RNDIS_SET, sizeof(words), i, OID_RSS, sizeof(words) - 28, 20, 0};
        uint32_t *value = &words[7];
        uint32_t table = 1u << net_hostile_chance(h, 9);

        value[0] = 0x00280289;
        value[1] = net_hostile_chance(h, 2) == 0 ? 0 : net_hostile_chance(h, 0x20);
        value[2] = edge(h, 0x301);
        value[3] = edge(h, 4 * table) & 0xffff;
        value[4] = edge(h, 40);
        value[5] = edge(h, 40) & 0xffff;
        value[6] = edge(h, 80);
        for (unsigned j = 10; j < 190; j++)
            value[j] = net_hostile_chance(h, 200) == 0 ? net_hostile_chance(h, UINT32_MAX) : 0;
        good = request(h, words, sizeof(words));
    }
    return good && net_raw_close(&h->raw);
}

/* --- what the guest gives back --- */

/* Of nothing, of what it has, and of that again. */
bool net_hostile_completions(struct net_hostile *h)
{
    static const uint32_t query[] = {RNDIS_QUERY, 28, 1, 0x00010106, 0, 20, 0};
    static const uint8_t message[40] = {NVSP_RNDIS_COMPLETE, [4] = 1};
    static const uint64_t strange[] = {0,     1,     2,      30,         48,
                                       18432, 18433, 0xffff, UINT32_MAX, UINT64_MAX};
    struct net_raw *n = &h->raw;
    struct guest_channel *c = &n->queues[0].channel;
    bool good = net_raw_open(n, 0, RING_PAGES, true) && net_raw_start(n);

    for (unsigned i = 0; good && i < KEPT; i++) {
        for (size_t j = 0; j < COUNT_OF(strange); j++)
            (void)!vmbus_put(c, VRING_COMPLETION, strange[j], message, 8 * (uint32_t)(j % 6));
        n->keeps = true;
        good = request(h, query, sizeof(query));
        for (unsigned j = 0; j < n->queues[0].n_given; j++) {
            (void)!vmbus_put(c, VRING_COMPLETION, n->queues[0].given[j], message, sizeof(message));
            (void)!vmbus_put(c, VRING_COMPLETION, n->queues[0].given[j], message, sizeof(message));
        }
        n->keeps = false;
    }
    return good && net_raw_close(n);
}

/* All sections for answers are kept: requests wait, and what the guest gives back then is behind them. */
bool net_hostile_hoard(struct net_hostile *h)
{
    static const uint32_t query[] = {RNDIS_QUERY, 28, 1, 0x00010106, 0, 20, 0};
    struct net_raw *n = &h->raw;
    bool good = net_raw_open(n, 0, RING_PAGES, true) && net_raw_start(n);

    n->keeps = true;
    for (unsigned i = 0; good && i < KEPT; i++)
        good = net_raw_send_rndis(n, 0, true, query, sizeof(query));
    good = good && net_raw_await_given(n, 0, NET_GUEST_CONTROL_SECTIONS);
    n->keeps = false;
    return good && net_raw_await(n) && net_raw_close(n);
}

/* --- more than there is room for --- */

static bool fill(struct net_hostile *h, unsigned channel, const struct net_raw_packet *p)
{
    struct net_raw_queue *q = &h->raw.queues[channel];
    bool signal;

    return vring_write(&q->channel.out, p->type, VRING_WANTS_COMPLETION, q->sent + 1, NULL, 0,
                       p->payload.at, (uint32_t)p->payload.len, &signal) == 0;
}

/* Nobody reads the answers until both rings are full; then all of them are there. */
bool net_hostile_unread(struct net_hostile *h)
{
    static const uint8_t requests[2][40] = {
        {NVSP_INIT,  [4] = 1   },
        {NVSP_RNDIS, [8] = 0xff}
    };
    struct net_raw *n = &h->raw;
    struct net_raw_queue *q = &n->queues[0];
    uint64_t end = clock_now_ns() + 200 * NS_PER_MS;

    if (!net_raw_open(n, 0, SMALL_RING, false))
        return false;
    while (clock_now_ns() < end) {
        const struct net_raw_packet p = {
            .type = VRING_IN_BAND, .payload = {requests[net_hostile_chance(h, 2)], 40}
        };

        if (fill(h, 0, &p))
            q->sent++;
        vmbus_kick(&q->channel);
    }
    q->channel.open = true;
    vmbus_channel_event(&q->channel);
    return net_raw_await(n) && net_raw_close(n);
}

/* On three channels at once, as fast as they go, with no end but the ring's. */
bool net_hostile_flood(struct net_hostile *h)
{
    const uint32_t subchannels[] = {NVSP_SUBCHANNEL, 1, 2};
    static const uint8_t payload[40] = {NVSP_RNDIS, [12] = 200};
    const struct net_raw_packet frame = {
        .type = VRING_IN_BAND, .payload = {payload, 40}
    };
    struct net_raw *n = &h->raw;
    uint64_t end = clock_now_ns() + 200 * NS_PER_MS;
    bool good = net_raw_open(n, 0, RING_PAGES, true) && net_raw_start(n) &&
                net_raw_ask(n, 0, subchannels, 3) == 1 && net_raw_open(n, 1, RING_PAGES, true) &&
                net_raw_open(n, 2, SMALL_RING, true);

    while (good && clock_now_ns() < end) {
        for (unsigned i = 0; good && i < 3 * 64; i++)
            good = net_raw_send(n, i % 3, &frame);
    }
    return good && net_raw_await(n) && net_raw_close(n);
}

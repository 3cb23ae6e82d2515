/*
 * tests/fuzz/fuzz_frame.c - frames of a guest and of a network, and the headers that go with them.
 *
 * Input: what is asked for (flags, an offset, a size), what is said of a checksum (12 bytes), how much of the frame is looked
 * at, then the frame.
 *
 * Promises: no byte is touched beyond what is looked at; a header for the back end points into the frame, and says what the
 * guest asked for; a frame that went out so may come in so; a completed checksum is right; a hash needs nothing but the
 * frame, and names a channel that there is.
 */
#include <stdlib.h>
#include <string.h>

#include "workers/net/segments.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    FRAME_MAX = 4096,
    NEEDS_CSUM = 1,
};

struct input {
    struct rndis_tx tx;
    uint8_t header[VNET_HEADER_BYTES];
    uint32_t have; /* of the frame */
    const uint8_t *frame;
    uint32_t len;
};

static void must(bool holds)
{
    if (!holds)
        abort();
}

static uint8_t *exact(const uint8_t *at, uint32_t len)
{
    uint8_t *copy = malloc(len == 0 ? 1 : len);

    must(copy != NULL);
    if (len != 0)
        memcpy(copy, at, len);
    return copy;
}

static uint32_t le16(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8;
}

static struct nvsp nic_of(const struct input *in)
{
    struct nvsp n = {.channels = NIC_CHANNELS,
                     .filter = in->header[11] & (uint32_t)NIC_FILTERS,
                     .offloads = in->header[10] % (uint32_t)NIC_OFFLOADS};

    n.rss.enabled = 1;
    n.rss.hash_types = 0x1701;
    n.rss.table_entries = 64;
    for (uint32_t i = 0; i < 64; i++)
        n.rss.table[i] = (uint8_t)(i % NIC_CHANNELS);
    for (uint32_t i = 0; i < NIC_RSS_KEY_BYTES; i++)
        n.rss.key[i] = (uint8_t)(i * 37 + 1);
    return n;
}

static bool sums_to_ones(const uint8_t *at, uint32_t len)
{
    uint64_t s = 0;

    for (uint32_t i = 0; i < len; i++)
        s += (uint64_t)at[i] << (i % 2 == 0 ? 8 : 0);
    while (s >> 16 != 0)
        s = (s & 0xffff) + (s >> 16);
    return s == 0xffff;
}

/* --- out --- */

static void check_sent(const struct input *in, const uint8_t header[VNET_HEADER_BYTES],
                       const uint8_t *frame)
{
    bool asked = in->tx.lso || in->tx.checksum_tcp || in->tx.checksum_udp;
    struct nvsp n = nic_of(in);
    struct rndis_rx rx = {0};
    uint32_t start = le16(header + 6);
    uint32_t field = start + le16(header + 8);

    must((header[0] == NEEDS_CSUM) == asked && (header[1] != 0) == in->tx.lso);
    if (!asked)
        return;
    must(start >= 34 && field + 2 <= in->have);
    if (in->tx.lso) {
        must(le16(header + 4) == in->tx.mss && in->tx.mss != 0);
        must(le16(header + 2) >= start + 20 && le16(header + 2) <= in->have);
        return;
    }
    n.offloads = NIC_OFFLOADS - 1;
    must(frame_vnet_rx(&n, header, frame, in->have, in->len, &rx) == 0 && rx.has_checksum);
    must(rx.checksum_is_tcp == in->tx.checksum_tcp);
}

static void try_out(const struct input *in)
{
    uint8_t *frame = exact(in->frame, in->have);
    uint8_t header[VNET_HEADER_BYTES];

    memset(header, 0xee, sizeof(header));
    if (frame_vnet_tx(&in->tx, frame, in->have, in->len, header) == 0)
        check_sent(in, header, frame);
    if (!in->tx.lso && !in->tx.checksum_ip)
        must(memcmp(frame, in->frame, in->have) == 0);
    free(frame);
}

/* --- in --- */

/* What stood in the checksum's place is a part of the sum: with it, it is all ones. */
static bool completes(const uint8_t *frame, const uint8_t *before, uint32_t len, uint32_t start,
                      uint32_t field)
{
    uint32_t n = len - start + (len - start) % 2; /* whole words */
    uint8_t *whole = calloc(1, n + 2);
    bool good;

    must(whole != NULL);
    memcpy(whole, frame + start, len - start);
    memcpy(whole + n, before + field, 2);
    good = sums_to_ones(whole, n + 2);
    free(whole);
    return good;
}

static void check_completed(const struct input *in)
{
    uint32_t start = le16(in->header + 6);
    uint32_t field = start + le16(in->header + 8);
    uint8_t *frame = exact(in->frame, in->len);

    must(frame_complete(in->header, frame, in->len) == 0);
    must(memcmp(frame, in->frame, field) == 0);
    must(memcmp(frame + field + 2, in->frame + field + 2, in->len - field - 2) == 0);
    if ((field - start) % 2 == 0) /* at an odd place it is no word of the sum */
        must(completes(frame, in->frame, in->len, start, field));
    free(frame);
}

static void try_in(const struct input *in)
{
    uint8_t *frame = exact(in->frame, in->have);
    struct nvsp n = nic_of(in);
    struct rndis_rx rx = {0};
    int e = frame_vnet_rx(&n, in->header, frame, in->have, in->len, &rx);

    must(e == 0 || !rx.has_checksum);
    if (rx.has_checksum)
        must((in->header[0] & 3) != 0 &&
             (n.offloads & (NIC_RX_CHECKSUM_V4 | NIC_RX_CHECKSUM_V6)) != 0);
    if (e == -ENOTSUP)
        check_completed(in);
    if (e == 0 && (in->header[0] & NEEDS_CSUM) != 0)
        must(rx.has_checksum);
    (void)frame_is_wanted(&n, &(struct nic_config){.mac = {2}}, frame, in->have);
    free(frame);
}

/* All that is carried is in the segments, once and in order, and each has a right checksum. */
static void check_segments(const struct segments *s)
{
    uint8_t *out = malloc(s->headers + s->mss);
    uint32_t at = s->headers;
    uint32_t addresses = s->is_v6 ? 32 : 8;

    must(out != NULL && s->n > 0 && s->n <= FRAME_MAX / SEGMENTS_MSS_MIN + 1);
    for (unsigned i = 0; i < s->n; i++) {
        uint32_t n = segments_cut(s, i, out);
        uint32_t tcp = n - s->tcp_at;
        uint8_t *whole;

        must(n > s->headers && n <= s->headers + s->mss && n - s->headers <= s->len - at);
        must(memcmp(out + s->headers, s->frame + at, n - s->headers) == 0);
        at += n - s->headers;
        whole = calloc(1, addresses + 4 + tcp + 1);
        must(whole != NULL);
        memcpy(whole, out + s->ip_at + (s->is_v6 ? 8 : 12), addresses);
        whole[addresses + 1] = FRAME_TCP;
        whole[addresses + 2] = (uint8_t)(tcp >> 8);
        whole[addresses + 3] = (uint8_t)tcp;
        memcpy(whole + addresses + 4, out + s->tcp_at, tcp);
        must(sums_to_ones(whole, addresses + 4 + tcp));
        free(whole);
    }
    must(at == s->len);
    free(out);
}

static void try_segments(const struct input *in)
{
    uint8_t *frame = exact(in->frame, in->len);
    struct segments s;

    if (segments_of(in->header, frame, in->len, &s) == 0)
        check_segments(&s);
    free(frame);
}

/* --- all of it, and its hash --- */

static void try_hash(const struct input *in)
{
    struct nvsp n = nic_of(in);
    uint8_t *some = exact(in->frame, in->have);
    uint32_t hash = 0, whole = 0;
    bool has = frame_hash(&n.rss, some, in->have, &hash);

    must(frame_channel(&n, has, hash) < n.channels);
    if (has)
        must(frame_hash(&n.rss, in->frame, in->len, &whole));
    if (in->have == in->len)
        must(whole == hash);
    free(some);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rd r = rd_over(data, size);
    struct input in = {0};
    uint8_t flags = rd_u8(&r);

    in.tx.checksum_tcp = (flags & 1) != 0;
    in.tx.checksum_udp = (flags & 2) != 0;
    in.tx.checksum_ip = (flags & 4) != 0;
    in.tx.lso = (flags & 8) != 0;
    in.tx.is_v6 = (flags & 16) != 0;
    in.tx.transport_offset = rd_u8(&r);
    in.tx.mss = rd_le16(&r);
    rd_copy(&r, in.header, sizeof(in.header));
    in.have = rd_u8(&r);
    if (!rd_ok(&r) || r.left > FRAME_MAX)
        return 0;
    in.frame = r.at;
    in.len = (uint32_t)r.left;
    if (in.have > in.len)
        in.have = in.len;
    try_out(&in);
    try_in(&in);
    try_segments(&in);
    try_hash(&in);
    return 0;
}

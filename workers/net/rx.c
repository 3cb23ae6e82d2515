#include <errno.h>

#include "workers/net/net.h"

enum {
    GROUP_MAX = 32,                     /* frames in one packet */
    PARTS_MAX = VMRING_TRANSFER_RANGES, /* messages of one frame: they are in one packet */
    PACKET_ROOM = 80 + 8 * VMRING_TRANSFER_RANGES, /* bytes that one takes in the ring at most */
    BATCH_ROOM = NET_BATCH * PACKET_ROOM,
};

static void drop(struct nic *n, enum nic_drop why)
{
    n->drops[why]++;
    n->counters->rx_errors++;
}

/* --- sections --- */

/* Those for frames come first, those for answers last. */
static void limits(const struct nic *n, bool control, uint32_t *first, uint32_t *end)
{
    uint32_t frames = n->nvsp.receive.sections - NVSP_CONTROL_SECTIONS;

    *first = control ? frames : 0;
    *end = control ? n->nvsp.receive.sections : frames;
}

static bool is_ours(const struct nic *n, uint32_t section)
{
    return atomic_load_explicit(&n->lines[0].owners[section], memory_order_acquire) == 0;
}

static bool are_ours(const struct nic *n, uint32_t first, unsigned wanted)
{
    for (unsigned i = 0; i < wanted; i++) {
        if (!is_ours(n, first + i))
            return false;
    }
    return true;
}

int rx_sections(struct nic *n, unsigned wanted, bool control)
{
    uint32_t first, end, at;

    limits(n, control, &first, &end);
    if (n->nvsp.receive.sections <= NVSP_CONTROL_SECTIONS || end - first < wanted)
        return -ENOBUFS;
    at = control || n->section_at < first || n->section_at + wanted > end ? first : n->section_at;
    for (uint32_t left = end - first; left > 0; left--) {
        if (are_ours(n, at, wanted)) {
            if (!control)
                n->section_at = at + wanted;
            return (int)at;
        }
        at = at + 1 + wanted > end ? first : at + 1;
    }
    return -ENOBUFS;
}

/* --- frames --- */

struct batch {
    int last; /* section: sections of a batch rise, so that none is chosen twice before it is the guest's */
    unsigned groups[VMBUS_SUBCHANNELS];
    unsigned packets; /* all groups so far, NET_BATCH at most: there is room for so many */
};

static void give(struct net *s, struct nic *n, unsigned channel, const struct batch *b)
{
    uint8_t payload[NVSP_HEAD_BYTES];
    uint32_t len = nvsp_rndis_packet(&n->nvsp, NVSP_CHANNEL_DATA, payload);
    bool signal = false;
    unsigned given = line_give(&n->lines[channel], s->groups[channel], b->groups[channel],
                               (uint16_t)n->nvsp.receive.id, payload, len, 0, &signal);

    shown_rx(n, channel, s->groups[channel], b->groups[channel], given);
    for (unsigned i = given; i < b->groups[channel]; i++) {
        n->drops[DROP_NO_BUFFER] += s->groups[channel][i].n_ranges;
        n->counters->rx_no_buffer += s->groups[channel][i].n_ranges;
    }
    if (signal)
        nic_interrupt(s, n, channel, false);
}

static void give_all(struct net *s, struct nic *n, struct batch *b)
{
    for (unsigned i = 0; i < VMBUS_SUBCHANNELS; i++) {
        if (b->groups[i] > 0)
            give(s, n, i, b);
    }
    *b = (struct batch){.last = -1, .packets = b->packets};
}

/* Another packet, for messages in sections from first on. */
static struct line_group *add_group(struct net *s, struct batch *b, unsigned channel,
                                    uint32_t first)
{
    struct line_group *g;

    b->packets++;
    g = &s->groups[channel][b->groups[channel]++];
    g->first = (uint16_t)first;
    g->n = 0;
    g->n_ranges = 0;
    return g;
}

static void add_to_group(struct line_group *g, uint32_t bytes, uint32_t offset)
{
    g->ranges[g->n_ranges].bytes = bytes;
    g->ranges[g->n_ranges].offset = offset;
    g->n_ranges++;
    g->n++;
}

/* The packet that a frame in that section may be in, too. */
static struct line_group *group_for(struct net *s, struct batch *b, unsigned channel,
                                    uint32_t section)
{
    unsigned groups = b->groups[channel];
    struct line_group *g = groups > 0 ? &s->groups[channel][groups - 1] : NULL;

    return g == NULL || g->n >= GROUP_MAX || (uint32_t)g->first + g->n != section
               ? add_group(s, b, channel, section)
               : g;
}

static unsigned channel_for(struct nic *n, const struct rndis_rx *rx)
{
    unsigned channel = frame_channel(&n->nvsp, rx->has_hash, rx->hash);

    return channel < VMBUS_SUBCHANNELS && n->lines[channel].open && !n->lines[channel].stopped
               ? channel
               : 0;
}

/* Store the checksum that the back end has left to us. */
static int complete(struct net *s, const struct nic *n, uint32_t at,
                    const uint8_t header[VNET_HEADER_BYTES], uint32_t len)
{
    int r;

    if (len > sizeof(s->frame))
        return -EMSGSIZE;
    gmem_pages_copy_in(&n->receive.pages, at, s->frame, len);
    r = frame_complete(header, s->frame, len);
    if (r == 0)
        gmem_pages_copy_out(&n->receive.pages, at, s->frame, len);
    return r;
}

/*
 * What the back end says of a frame, whose first bytes are at head. A checksum is never left to the guest: one that
 * forwards the frame, or has switched its receive offload off without a word (Linux), would send or see a wrong one.
 */
static int read_header(struct net *s, const struct nic *n, uint32_t at,
                       const uint8_t header[VNET_HEADER_BYTES], const uint8_t *head,
                       struct rndis_rx *rx)
{
    uint32_t have = rx->frame_len < FRAME_HEAD_BYTES ? rx->frame_len : FRAME_HEAD_BYTES;
    int r;

    if (n->backend.kind == NET_STREAM)
        return 0;
    r = frame_vnet_rx(&n->nvsp, header, head, have, rx->frame_len, rx);
    if (r < 0 && r != -ENOTSUP)
        return r;
    return (header[0] & VNET_NEEDS_CSUM) != 0 ? complete(s, n, at, header, rx->frame_len) : 0;
}

static uint32_t place_of(const struct nic *n, uint32_t section)
{
    return section * n->nvsp.receive.section_bytes + RNDIS_RX_HEAD_MAX;
}

static uint32_t room_of(const struct nic *n)
{
    return n->nvsp.receive.section_bytes - RNDIS_RX_HEAD_MAX;
}

/* What is in that section, rx->frame_len bytes, becomes a message of the packet. */
static void finish_message(struct nic *n, struct line_group *g, uint32_t section,
                           const struct rndis_rx *rx)
{
    uint8_t head[RNDIS_RX_HEAD_MAX];
    uint32_t len = rndis_rx_head(rx, head);
    uint32_t at = place_of(n, section) - len;

    gmem_pages_copy_out(&n->receive.pages, n->receive.offset + at, head, len);
    add_to_group(g, len + rx->frame_len, at);
}

static void count(struct nic *n, const uint8_t *frame, uint32_t bytes)
{
    struct nic_cast_counters *c = &n->counters->rx[frame_cast(frame)];

    c->frames++;
    c->bytes += bytes;
    n->counters->rx_frames++;
    n->counters->rx_bytes += bytes;
}

/* A frame of len bytes is in its section, RNDIS_RX_HEAD_MAX bytes behind its beginning. */
static void take_frame(struct net *s, struct nic *n, struct batch *b, uint32_t section,
                       const uint8_t header[VNET_HEADER_BYTES], uint32_t len)
{
    uint32_t have = len < FRAME_HEAD_BYTES ? len : FRAME_HEAD_BYTES;
    struct rndis_rx rx = {.frame_len = len};
    uint32_t at = n->receive.offset + place_of(n, section);
    uint8_t head[FRAME_HEAD_BYTES];

    gmem_pages_copy_in(&n->receive.pages, at, head, have);
    if (!frame_is_wanted(&n->nvsp, &n->config, head, have))
        return;
    if (read_header(s, n, at, header, head, &rx) < 0) {
        drop(n, DROP_BAD_FRAME);
        return;
    }
    rx.has_hash = frame_hash(&n->nvsp.rss, head, have, &rx.hash);
    finish_message(n, group_for(s, b, channel_for(n, &rx), section), section, &rx);
    count(n, head, len);
    if (n->capture_bytes != 0)
        capture_received(s, n, at, len);
}

/* --- frames of several segments --- */

/* So many sections that follow one another and were not chosen before; the first, or -ENOBUFS. */
static int take_sections(struct net *s, struct nic *n, struct batch *b, unsigned wanted)
{
    int first = rx_sections(n, wanted, false);

    if (first >= 0 && first <= b->last) {
        give_all(s, n, b); /* what was chosen is the guest's then */
        first = rx_sections(n, wanted, false);
    }
    if (first >= 0)
        b->last = first + (int)wanted - 1;
    return first;
}

static bool may_stay_whole(const struct nic *n)
{
    uint32_t wanted =
        n->large.segments.is_v6 ? NIC_RSC_V6 | NIC_RX_CHECKSUM_V6 : NIC_RSC_V4 | NIC_RX_CHECKSUM_V4;

    return (n->nvsp.offloads & wanted) == wanted && n->large.len <= PARTS_MAX * room_of(n);
}

/* In parts, each a message in a section, all in one packet. False: there are no sections for it now. */
static bool give_whole(struct net *s, struct nic *n, struct batch *b)
{
    struct large *l = &n->large;
    unsigned parts = (l->len + room_of(n) - 1) / room_of(n);
    int first = take_sections(s, n, b, parts);
    struct rndis_rx rx = {.has_checksum = true, .checksum_is_tcp = true};
    struct line_group *g;

    if (first < 0)
        return false;
    rx.has_hash = frame_hash(&n->nvsp.rss, l->bytes, l->len, &rx.hash);
    g = add_group(s, b, channel_for(n, &rx), (uint32_t)first);
    for (unsigned i = 0; i < parts; i++) {
        uint32_t section = (uint32_t)first + i;
        uint32_t from = i * room_of(n);

        rx.frame_len = l->len - from < room_of(n) ? l->len - from : room_of(n);
        rx.part = (uint8_t)(RNDIS_PART | (i == 0 ? RNDIS_PART_FIRST : 0) |
                            (i == parts - 1 ? RNDIS_PART_LAST : 0));
        gmem_pages_copy_out(&n->receive.pages, n->receive.offset + place_of(n, section),
                            l->bytes + from, rx.frame_len);
        finish_message(n, g, section, &rx);
        rx.has_checksum = rx.has_hash = false; /* that was said of the first one */
    }
    count(n, l->bytes, l->len);
    if (n->capture_bytes != 0)
        capture_made(s, n, l->bytes, l->len);
    return true;
}

/* False: the next segment has no section now, or the batch is full. */
static bool give_segments(struct net *s, struct nic *n, struct batch *b)
{
    struct large *l = &n->large;
    struct rndis_rx rx = {0};

    rx.has_hash = frame_hash(&n->nvsp.rss, l->bytes, l->len, &rx.hash);
    for (; l->done < l->segments.n; l->done++) {
        int section = b->packets < NET_BATCH ? take_sections(s, n, b, 1) : -ENOBUFS;

        if (section < 0)
            return false;
        rx.frame_len = segments_cut(&l->segments, l->done, s->frame);
        gmem_pages_copy_out(&n->receive.pages, n->receive.offset + place_of(n, (uint32_t)section),
                            s->frame, rx.frame_len);
        finish_message(n, group_for(s, b, channel_for(n, &rx), (uint32_t)section),
                       (uint32_t)section, &rx);
        count(n, s->frame, rx.frame_len);
        if (n->capture_bytes != 0)
            capture_made(s, n, s->frame, rx.frame_len);
    }
    return true;
}

/* What finds no sections that follow one another is cut. False: some of it waits for a section, or its turn. */
static bool give_large(struct net *s, struct nic *n, struct batch *b)
{
    struct large *l = &n->large;

    if (l->len == 0)
        return true;
    if (b->packets == NET_BATCH)
        return false;
    if (!(l->is_whole && give_whole(s, n, b)) && !give_segments(s, n, b)) {
        l->is_whole = false;
        n->rx_is_full = b->packets < NET_BATCH;
        return false;
    }
    l->len = 0;
    return true;
}

/* Its beginning is in a section, what was beyond it is in its place. */
static void take_large(struct nic *n, uint32_t section, const uint8_t header[VNET_HEADER_BYTES],
                       uint32_t len)
{
    struct large *l = &n->large;
    uint32_t have = len < room_of(n) ? len : room_of(n);

    gmem_pages_copy_in(&n->receive.pages, n->receive.offset + place_of(n, section), l->bytes, have);
    if (!frame_is_wanted(&n->nvsp, &n->config, l->bytes, have))
        return;
    if (segments_of(header, l->bytes, len, &l->segments) < 0 ||
        l->segments.headers + l->segments.mss > room_of(n)) {
        drop(n, header[1] == VNET_GSO_NONE ? DROP_TOO_LONG : DROP_BAD_FRAME);
        return;
    }
    l->len = len;
    l->done = 0;
    l->is_whole = may_stay_whole(n) && frame_complete(header, l->bytes, len) == 0;
}

/* What cannot be shown stays where it is: whoever sends it learns that the guest is slow. */
static bool is_blocked(const struct nic *n)
{
    for (unsigned i = 0; i < VMBUS_SUBCHANNELS; i++) {
        if (line_is_blocked(&n->lines[i]))
            return true;
    }
    return false;
}

/* What is taken from the back end can be shown, whichever channel it is for; but in rings too small for a batch. */
static bool has_room_for_batch(struct nic *n)
{
    for (unsigned i = 0; i < VMBUS_SUBCHANNELS; i++) {
        struct line *l = &n->lines[i];

        if (l->open && !l->stopped && !line_has_room(l, BATCH_ROOM))
            return false;
    }
    return true;
}

static bool can_receive(const struct nic *n)
{
    return !is_blocked(n) && n->has_resumed && n->receive.id != 0 && n->nvsp.filter != 0 &&
           n->lines[0].open && !n->lines[0].stopped && !n->rx_is_full && !n->backend.is_gone &&
           n->config.link_up;
}

/* While the link is down nothing is kept for later: whether its driver receives is of no matter. */
static bool can_discard(const struct nic *n)
{
    return n->present && !n->config.link_up && !n->backend.is_gone;
}

bool rx_is_ready(const struct nic *n)
{
    return (can_receive(n) || can_discard(n)) &&
           (n->large.len != 0 || backend_has_more(&n->backend));
}

bool rx_can_wait(const struct nic *n)
{
    return (can_receive(n) || can_discard(n)) && n->backend.kind != NET_DISCARD;
}

static bool discard(struct nic *n)
{
    unsigned gone = n->large.len != 0;

    n->large.len = 0;
    while (gone < NET_BATCH && backend_discard(&n->backend))
        gone++;
    n->drops[DROP_LINK] += gone;
    return gone > 0;
}

static bool is_of_segments(const uint8_t header[VNET_HEADER_BYTES])
{
    return header[1] == VNET_GSO_TCPV4 || header[1] == VNET_GSO_TCPV6;
}

/* One that is as long as its driver expects frames to be needs not be cut: it is one segment then. */
static bool is_large(const struct nic *n, uint8_t header[VNET_HEADER_BYTES], uint32_t len)
{
    if (len > room_of(n))
        return true;
    if (!is_of_segments(header))
        return false;
    if (len > n->nvsp.mtu + NIC_HEAD_BYTES + NIC_VLAN_BYTES)
        return true;
    header[1] = VNET_GSO_NONE;
    return false;
}

/* False: there is none, or no room for it. */
static bool receive_one(struct net *s, struct nic *n, struct batch *b)
{
    uint8_t header[VNET_HEADER_BYTES];
    int section = rx_sections(n, 1, false);
    int len;

    if (section < 0) {
        n->rx_is_full = true;
        return false;
    }
    if (section <= b->last) {
        n->section_at = (uint32_t)section;
        return false;
    }
    b->last = section;
    len = backend_receive(&n->backend, header, &n->receive.pages,
                          n->receive.offset + place_of(n, (uint32_t)section), room_of(n),
                          n->large.bytes + room_of(n));
    if (len == -EMSGSIZE)
        drop(n, DROP_TOO_LONG);
    else if (len == -EBADMSG)
        drop(n, DROP_BAD_FRAME);
    else if (len < 0)
        return false;
    else if (is_large(n, header, (uint32_t)len))
        take_large(n, (uint32_t)section, header, (uint32_t)len);
    else
        take_frame(s, n, b, (uint32_t)section, header, (uint32_t)len);
    return true;
}

bool rx_work(struct net *s, struct nic *n)
{
    struct batch b = {.last = -1};
    bool any = false;

    for (unsigned i = 0; i < VMBUS_SUBCHANNELS; i++)
        (void)line_look_for_room(&n->lines[i]);
    if (can_discard(n))
        return discard(n);
    if (!can_receive(n) || !has_room_for_batch(n))
        return false;
    any = n->large.len != 0;
    for (unsigned i = 0;
         i < NET_BATCH && give_large(s, n, &b) && b.packets < NET_BATCH && receive_one(s, n, &b);
         i++)
        any = true;
    give_all(s, n, &b);
    return any;
}

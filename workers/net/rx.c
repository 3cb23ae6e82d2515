#include <errno.h>

#include "workers/net/net.h"

enum {
    GROUP_MAX = 32, /* frames in one packet */
};

static void drop(struct nic *n, enum nic_drop why)
{
    n->drops[why]++;
    n->counters.rx_errors++;
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
};

static void add_to_group(struct net *s, struct batch *b, unsigned channel, uint32_t section,
                         uint32_t bytes, uint32_t offset)
{
    struct line_group *all = s->groups[channel];
    unsigned n = b->groups[channel];
    struct line_group *g = n > 0 ? &all[n - 1] : NULL;

    if (g == NULL || g->n == GROUP_MAX || (uint32_t)g->first + g->n != section) {
        g = &all[b->groups[channel]++];
        g->first = (uint16_t)section;
        g->n = 0;
        g->n_ranges = 0;
    }
    g->ranges[g->n_ranges].bytes = bytes;
    g->ranges[g->n_ranges].offset = offset;
    g->n_ranges++;
    g->n++;
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

/* A frame of len bytes is in its section, RNDIS_RX_HEAD_MAX bytes behind its beginning. */
static void take_frame(struct net *s, struct nic *n, struct batch *b, uint32_t section,
                       const uint8_t header[VNET_HEADER_BYTES], uint32_t len)
{
    uint32_t base = section * n->nvsp.receive.section_bytes;
    uint32_t have = len < FRAME_HEAD_BYTES ? len : FRAME_HEAD_BYTES;
    struct rndis_rx rx = {.frame_len = len};
    uint8_t at[FRAME_HEAD_BYTES], head[RNDIS_RX_HEAD_MAX];
    uint32_t head_len;
    uint32_t frame_at = n->receive.offset + base + RNDIS_RX_HEAD_MAX;

    gmem_pages_copy_in(&n->receive.pages, frame_at, at, have);
    if (!frame_is_wanted(&n->nvsp, at, have))
        return;
    if (read_header(s, n, frame_at, header, at, &rx) < 0) {
        drop(n, DROP_BAD_FRAME);
        return;
    }
    rx.has_hash = frame_hash(&n->nvsp.rss, at, have, &rx.hash);
    head_len = rndis_rx_head(&rx, head);
    base += RNDIS_RX_HEAD_MAX - head_len;
    gmem_pages_copy_out(&n->receive.pages, n->receive.offset + base, head, head_len);
    add_to_group(s, b, channel_for(n, &rx), section, head_len + len, base);
    n->counters.rx_frames++;
    n->counters.rx_bytes += len;
}

static void give(struct net *s, struct nic *n, unsigned channel, const struct batch *b)
{
    uint8_t payload[NVSP_HEAD_BYTES];
    uint32_t len = nvsp_rndis_packet(&n->nvsp, NVSP_CHANNEL_DATA, payload);
    bool signal = false;
    unsigned given = line_give(&n->lines[channel], s->groups[channel], b->groups[channel],
                               (uint16_t)n->nvsp.receive.id, payload, len, 0, &signal);

    for (unsigned i = given; i < b->groups[channel]; i++) {
        n->drops[DROP_NO_BUFFER] += s->groups[channel][i].n_ranges;
        n->counters.rx_no_buffer += s->groups[channel][i].n_ranges;
    }
    if (signal)
        nic_interrupt(s, n, channel, false);
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
    return (can_receive(n) || can_discard(n)) && backend_has_more(&n->backend);
}

bool rx_can_wait(const struct nic *n)
{
    return (can_receive(n) || can_discard(n)) && n->backend.kind != NET_DISCARD;
}

static bool discard(struct nic *n)
{
    unsigned gone = 0;

    while (gone < NET_BATCH && backend_discard(&n->backend))
        gone++;
    n->drops[DROP_LINK] += gone;
    return gone > 0;
}

/* False: there is none, or no room for it. */
static bool receive_one(struct net *s, struct nic *n, struct batch *b)
{
    uint8_t header[VNET_HEADER_BYTES];
    int section = rx_sections(n, 1, false);
    uint32_t room = n->nvsp.receive.section_bytes - RNDIS_RX_HEAD_MAX;
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
                          n->receive.offset + (uint32_t)section * n->nvsp.receive.section_bytes +
                              RNDIS_RX_HEAD_MAX,
                          room);
    if (len == -EMSGSIZE)
        drop(n, DROP_TOO_LONG);
    else if (len == -EBADMSG)
        drop(n, DROP_BAD_FRAME);
    else if (len < 0)
        return false;
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
    if (!can_receive(n))
        return false;
    for (unsigned i = 0; i < NET_BATCH && receive_one(s, n, &b); i++)
        any = true;
    for (unsigned i = 0; i < VMBUS_SUBCHANNELS; i++) {
        if (b.groups[i] > 0)
            give(s, n, i, &b);
    }
    return any;
}

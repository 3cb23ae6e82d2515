#include <errno.h>
#include <string.h>

#include "base/rd.h"
#include "base/wr.h"
#include "tests/sim/net_guest.h"

enum {
    TAG_BITS = 16,
    SECTION_BYTES_MAX = 6144,
    RNDIS_HEAD = 44,
    RNDIS_OFFSETS_FROM = 8,
    ALIGN = 8,
    GAP_MAX = 4, /* times ALIGN: between a message's head and its frame */
    CUTS_MAX = 3,
    RANGE_BYTES = 8 + 8 * NET_GUEST_TAG_PAGES,
    NO_SECTION = -1,
};

/* --- tags --- */

static void own_pages(struct net_guest *n, struct net_tag *tag)
{
    for (unsigned i = 0; !tag->has_pages && i < NET_GUEST_TAG_PAGES; i++)
        tag->pfns[i] = vmbus_page(n->vmbus);
    tag->has_pages = true;
}

struct net_tag *net_take(struct net_guest *n, unsigned channel)
{
    struct net_queue *q = &n->queues[channel];
    struct net_tag *tag = NULL;

    vmbus_lock(q->channel.guest, &q->lock);
    for (unsigned i = 0; tag == NULL && i < NET_GUEST_TAGS; i++) {
        if (!q->tags[i].taken)
            tag = &q->tags[i];
    }
    if (tag != NULL)
        tag->taken = true;
    vmbus_unlock(q->channel.guest, &q->lock);
    if (tag == NULL)
        return NULL;
    own_pages(n, tag);
    tag->waited_for = false;
    tag->completed = false;
    tag->section = NO_SECTION;
    tag->section_bytes = 0;
    tag->bytes = 0;
    tag->offset = 0;
    return tag;
}

static void free_section(struct net_guest *n, struct net_tag *tag)
{
    if (tag->section == NO_SECTION)
        return;
    vmbus_lock(n->vmbus, &n->send_lock);
    n->send_taken[tag->section] = false;
    vmbus_unlock(n->vmbus, &n->send_lock);
    tag->section = NO_SECTION;
}

void net_put(struct net_guest *n, unsigned channel, struct net_tag *tag)
{
    struct net_queue *q = &n->queues[channel];

    free_section(n, tag);
    vmbus_lock(q->channel.guest, &q->lock);
    tag->taken = false;
    vmbus_unlock(q->channel.guest, &q->lock);
}

/* --- packets --- */

uint32_t net_rndis_message(const struct net_tag *tag, bool control, uint8_t message[40])
{
    struct wr w = wr_over(message, 40);

    memset(message, 0, 40);
    wr_le32(&w, NVSP_RNDIS);
    wr_le32(&w, control);
    wr_le32(&w, (uint32_t)tag->section);
    wr_le32(&w, tag->section_bytes);
    return 40;
}

static void put_range(struct wr *w, const struct net_tag *tag, uint32_t from, uint32_t to)
{
    wr_le32(w, to - from);
    wr_le32(w, from % GUEST_PAGE);
    for (uint32_t page = from / GUEST_PAGE; page <= (to - 1) / GUEST_PAGE; page++)
        wr_le64(w, tag->pfns[page]);
}

/* Between descriptor and payload: the tag's bytes, in pieces of about the same length. */
static uint32_t make_ranges(const struct net_tag *tag, unsigned cuts, uint8_t *to, size_t room)
{
    struct wr w = wr_over(to, room);
    uint32_t piece = (tag->bytes + cuts) / (cuts + 1);
    uint32_t end = tag->offset + tag->bytes;
    size_t len = 0;

    if (tag->bytes == 0)
        return 0;
    wr_le32(&w, 0);
    wr_le32(&w, (tag->bytes + piece - 1) / piece);
    for (uint32_t at = tag->offset; at < end; at += piece)
        put_range(&w, tag, at, at + piece < end ? at + piece : end);
    return wr_finish(&w, &len) == 0 ? (uint32_t)len : 0;
}

static void set_in_flight(struct net_queue *q, struct net_tag *tag, bool is)
{
    unsigned number = (unsigned)(tag - q->tags);

    vmbus_lock(q->channel.guest, &q->lock);
    q->in_flight += is ? 1u : -1u;
    tag->transaction = is ? (uint64_t)++tag->uses << TAG_BITS | (number + 1) : 0;
    vmbus_unlock(q->channel.guest, &q->lock);
}

/* On its way before it is in the ring: the completion may come at once. */
int net_submit(struct net_guest *n, unsigned channel, struct net_tag *tag, const void *message,
               uint32_t len, unsigned cuts)
{
    struct net_queue *q = &n->queues[channel];
    uint8_t head[8 + (CUTS_MAX + 1) * RANGE_BYTES];
    uint32_t head_len = make_ranges(tag, cuts, head, sizeof(head));
    int r;

    set_in_flight(q, tag, true);
    r = vmbus_send(&q->channel, head_len > 0 ? VRING_GPA_DIRECT : VRING_IN_BAND, tag->transaction,
                   head, head_len, message, len);
    if (r < 0)
        set_in_flight(q, tag, false);
    return r;
}

/* --- frames --- */

/* One RNDIS message with the flow's next frame, at most room bytes; its length, 0: it does not fit. */
static uint32_t make_message(struct flow *f, uint32_t note, uint8_t *to, uint32_t room,
                             uint64_t random)
{
    uint32_t gap = (uint32_t)(random % (GAP_MAX + 1)) * ALIGN;
    uint32_t most = random / 8 % 4 == 0 ? FLOW_FRAME_MAX : FLOW_FRAME_MIN + 100;
    uint32_t len = FLOW_FRAME_MIN + (uint32_t)(random / 64 % (most - FLOW_FRAME_MIN + 1));
    uint32_t whole = (RNDIS_HEAD + gap + len + ALIGN - 1) & ~(uint32_t)(ALIGN - 1);
    struct wr w = wr_over(to, RNDIS_HEAD);

    if (whole > room)
        return 0;
    memset(to, 0, whole);
    wr_le32(&w, RNDIS_PACKET);
    wr_le32(&w, whole);
    wr_le32(&w, RNDIS_HEAD - RNDIS_OFFSETS_FROM + gap);
    wr_le32(&w, len);
    flow_make(f, to + RNDIS_HEAD + gap, len, note);
    return whole;
}

static int take_section(struct net_guest *n, uint64_t random)
{
    int found = NO_SECTION;

    vmbus_lock(n->vmbus, &n->send_lock);
    for (uint32_t i = 0; found < 0 && i < n->send.sections; i++) {
        uint32_t at = (uint32_t)((random + i) % n->send.sections);

        if (!n->send_taken[at])
            found = (int)at;
    }
    if (found >= 0)
        n->send_taken[found] = true;
    vmbus_unlock(n->vmbus, &n->send_lock);
    return found;
}

/* A third goes by a section, a third by the tag's pages, a third by both, the section's part first. */
static void place(struct net_guest *n, struct net_tag *tag, const uint8_t *bytes, uint32_t len,
                  uint64_t random)
{
    uint32_t in_section = random % 3 == 0 ? 0 : random % 3 == 1 ? len : (uint32_t)(random % len);

    if (in_section > n->send.section_bytes)
        in_section = n->send.section_bytes;
    if (in_section > 0)
        tag->section = take_section(n, random >> 16);
    if (tag->section == NO_SECTION)
        in_section = 0;
    else
        net_pages_put(n, n->send.pfns, (uint32_t)tag->section * n->send.section_bytes, bytes,
                      in_section);
    tag->section_bytes = in_section;
    tag->bytes = len - in_section;
    tag->offset = (uint32_t)(random >> 32) % GUEST_PAGE;
    net_pages_put(n, tag->pfns, tag->offset, bytes + in_section, tag->bytes);
}

static uint32_t make_messages(struct flow *f, unsigned count, uint32_t note, uint64_t random,
                              uint8_t bytes[SECTION_BYTES_MAX], unsigned *ret_made)
{
    uint32_t len = 0;
    unsigned made = 0;

    for (; made < count && made < NET_GUEST_FRAMES; made++) {
        uint32_t one =
            make_message(f, note, bytes + len, SECTION_BYTES_MAX - len, sim_random(&random));

        if (one == 0)
            break;
        len += one;
    }
    *ret_made = made;
    return len;
}

bool net_send(struct net_guest *n, unsigned channel, struct flow *f, unsigned count, uint32_t note,
              uint64_t random)
{
    struct net_tag *tag = net_take(n, channel);
    uint8_t bytes[SECTION_BYTES_MAX], message[40];
    unsigned made = 0;
    uint32_t len;

    if (tag == NULL)
        return false;
    len = make_messages(f, count, note, random, bytes, &made);
    place(n, tag, bytes, len, sim_random(&random));
    len = net_rndis_message(tag, false, message);
    if (net_submit(n, channel, tag, message, len, (unsigned)(random % (CUTS_MAX + 1))) == 0)
        return true;
    for (; made > 0; made--)
        flow_unmake(f);
    net_put(n, channel, tag);
    return false;
}

bool net_send_frame(struct net_guest *n, unsigned channel, const uint8_t *frame, uint32_t len)
{
    struct net_tag *tag = net_take(n, channel);
    uint8_t head[RNDIS_HEAD] = {RNDIS_PACKET}, message[40];
    struct wr w = wr_over(head, sizeof(head));

    if (tag == NULL)
        return false;
    wr_le32(&w, RNDIS_PACKET);
    wr_le32(&w, RNDIS_HEAD + len);
    wr_le32(&w, RNDIS_HEAD - RNDIS_OFFSETS_FROM);
    wr_le32(&w, len);
    tag->bytes = RNDIS_HEAD + len;
    net_pages_put(n, tag->pfns, 0, head, sizeof(head));
    net_pages_put(n, tag->pfns, RNDIS_HEAD, frame, len);
    if (net_submit(n, channel, tag, message, net_rndis_message(tag, false, message), 0) == 0)
        return true;
    net_put(n, channel, tag);
    return false;
}

/* --- completions --- */

/* The packet that it is of, taken out of those on their way; NULL, and the run has failed. */
static struct net_tag *match(struct net_queue *q, const struct vring_packet *p)
{
    unsigned number = (unsigned)(p->transaction & 0xffff) - 1;
    struct net_tag *tag = number < NET_GUEST_TAGS ? &q->tags[number] : NULL;
    bool known;

    vmbus_lock(q->channel.guest, &q->lock);
    known = tag != NULL && tag->transaction != 0 && tag->transaction == p->transaction;
    if (known) {
        tag->transaction = 0;
        q->in_flight--;
    }
    vmbus_unlock(q->channel.guest, &q->lock);
    if (!known)
        vmbus_fail(q->channel.guest, "channel %u: a completion of %#llx, which is not on its way",
                   q->channel.relid, (unsigned long long)p->transaction);
    return known ? tag : NULL;
}

/* Whoever still reads it sends nonsense, and is found out by the peer. */
static void spoil(struct net_guest *n, const struct net_tag *tag)
{
    if (tag->section != NO_SECTION)
        net_pages_spoil(n, n->send.pfns, (uint32_t)tag->section * n->send.section_bytes,
                        tag->section_bytes);
    net_pages_spoil(n, tag->pfns, tag->offset, tag->bytes);
}

static bool is_success(const struct vring_packet *p)
{
    struct rd r = rd_over(p->payload, p->len);
    uint32_t type = rd_le32(&r);
    uint32_t status = rd_le32(&r);

    return rd_ok(&r) && type == NVSP_RNDIS_COMPLETE && status == 1;
}

void net_completed(struct net_guest *n, struct net_queue *q, const struct vring_packet *p)
{
    struct net_tag *tag = match(q, p);

    if (tag == NULL)
        return;
    n->completions++;
    if (tag->waited_for) {
        tag->answer_len = p->len < sizeof(tag->answer) ? p->len : (uint32_t)sizeof(tag->answer);
        memcpy(tag->answer, p->payload, tag->answer_len);
        tag->completed = true;
        return;
    }
    if (!is_success(p))
        vmbus_fail(n->vmbus, "channel %u: a frame was refused", q->channel.relid);
    spoil(n, tag);
    net_put(n, (unsigned)(q - n->queues), tag);
}

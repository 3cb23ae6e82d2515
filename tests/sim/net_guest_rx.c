#include <string.h>

#include "base/clock.h"
#include "base/rd.h"
#include "base/wr.h"
#include "tests/sim/net_guest.h"

enum {
    RNDIS_BYTES_MAX = 2048,
    RNDIS_OFFSETS_FROM = 8,
    INFO_HASH = 8,
    INFO_BYTES = 12,
    NO_MORE = UINT16_MAX,
    SET = 0xcafe,
    SPOILT_BYTES = 256,
};

static const uint32_t COMPLETION = UINT32_C(0x80000000); /* of a request's type */

static void wrong(struct net_guest *n, unsigned channel, const char *what, uint64_t a, uint64_t b)
{
    vmbus_fail(n->vmbus, "NIC, channel %u: %s (%#llx, %#llx)", channel, what, (unsigned long long)a,
               (unsigned long long)b);
}

/* --- RNDIS messages --- */

/* The hash that comes with a frame; false: none does. */
static bool find_hash(struct span infos, uint32_t *ret)
{
    while (infos.len > 0) {
        struct rd r = rd_over(infos.at, infos.len);
        uint32_t size = rd_le32(&r);
        uint32_t type = rd_le32(&r);
        uint32_t offset = rd_le32(&r);

        if (!rd_ok(&r) || size < INFO_BYTES || size > infos.len || offset > size - 4)
            return false;
        if (type == INFO_HASH) {
            r = rd_over(infos.at + offset, 4);
            *ret = rd_le32(&r);
            return true;
        }
        infos.at += size;
        infos.len -= size;
    }
    return false;
}

struct rndis_frame {
    struct span frame;
    bool has_hash;
    uint32_t hash;
};

static bool parse_packet(const uint8_t *bytes, uint32_t len, struct rndis_frame *ret)
{
    struct rd r = rd_over(bytes, len);
    uint32_t type = rd_le32(&r);
    uint32_t said = rd_le32(&r);
    uint32_t at = rd_le32(&r);
    uint32_t frame = rd_le32(&r);
    uint32_t info_at, info_len;

    (void)rd_span(&r, 12);
    info_at = rd_le32(&r);
    info_len = rd_le32(&r);
    if (!rd_ok(&r) || type != RNDIS_PACKET || said != len || at > len - RNDIS_OFFSETS_FROM ||
        frame > len - RNDIS_OFFSETS_FROM - at || info_at > len - RNDIS_OFFSETS_FROM ||
        info_len > len - RNDIS_OFFSETS_FROM - info_at)
        return false;
    ret->frame = (struct span){bytes + RNDIS_OFFSETS_FROM + at, frame};
    ret->has_hash =
        find_hash((struct span){bytes + RNDIS_OFFSETS_FROM + info_at, info_len}, &ret->hash);
    return true;
}

/* A flow comes where the hash says, and nowhere else. */
static void check_channel(struct net_guest *n, unsigned channel, const struct rndis_frame *f,
                          unsigned flow)
{
    int was = -1;

    if (n->has_table && !f->has_hash)
        wrong(n, channel, "a frame without its hash", flow, 0);
    else if (n->has_table && n->table[f->hash % NET_GUEST_TABLE] != channel)
        wrong(n, channel, "a frame whose hash leads elsewhere", f->hash, flow);
    if (!atomic_compare_exchange_strong(&n->channels[flow], &was, (int)channel) &&
        was != (int)channel)
        wrong(n, channel, "a flow that came on another channel before", flow, (uint64_t)was);
}

static bool is_other(const struct net_guest *n, const struct rndis_frame *f)
{
    return n->tolerant && !flow_is_numbered(f->frame.at, (uint32_t)f->frame.len);
}

static void take_frame(struct net_guest *n, unsigned channel, const uint8_t *bytes, uint32_t len)
{
    struct flow_frame said = {0};
    struct rndis_frame f;
    const char *why = "no RNDIS frame";

    if (parse_packet(bytes, len, &f)) {
        if (is_other(n, &f)) {
            n->others++;
            return;
        }
        why = flow_take(n->flows, f.frame.at, (uint32_t)f.frame.len, &said);
    }
    if (why != NULL) {
        wrong(n, channel, why, said.flow, said.number);
        return;
    }
    check_channel(n, channel, &f, said.flow);
    if (n->received != NULL)
        n->received(n->self);
}

static void take_reply(struct net_guest *n, unsigned channel, const uint8_t *bytes, uint32_t len)
{
    struct rd r = rd_over(bytes, len);
    uint32_t type = rd_le32(&r);
    uint32_t said = rd_le32(&r);
    uint32_t id = rd_le32(&r);

    if (!rd_ok(&r) || said != len || len > sizeof(n->reply)) {
        wrong(n, channel, "no RNDIS message", type, said);
    } else if (type == RNDIS_INDICATE) {
        n->indications++;
    } else if (type != (n->request_type | COMPLETION) || id != n->request || n->replied) {
        wrong(n, channel, "an answer that nobody waits for", type, id);
    } else {
        memcpy(n->reply, bytes, len);
        n->reply_len = len;
        n->replies++;
        n->replied = true;
    }
}

/* --- sections --- */

static void read_section(const struct net_guest *n, const struct net_section *s,
                         uint8_t bytes[RNDIS_BYTES_MAX])
{
    net_pages_get(n, n->receive.pfns, s->offset, bytes, s->bytes);
}

/* Note a range, which lies in one section: its number, or NO_MORE after a failure. */
static uint16_t take_section(struct net_guest *n, unsigned channel, uint32_t bytes, uint32_t offset,
                             bool control)
{
    uint32_t size = n->receive.section_bytes;
    uint32_t number = size == 0 ? n->receive.sections : offset / size;
    uint32_t frames = n->receive.sections - NET_GUEST_CONTROL_SECTIONS;

    if (number >= n->receive.sections || bytes > RNDIS_BYTES_MAX || offset % size + bytes > size) {
        wrong(n, channel, "a range that is in no section", bytes, offset);
        return NO_MORE;
    }
    if (control != (number >= frames))
        wrong(n, channel, "a section that is for others", number, control);
    if (atomic_exchange(&n->sections[number].is_ours, true)) {
        wrong(n, channel, "a section that the guest has already", number, 0);
        return NO_MORE;
    }
    n->sections[number].bytes = bytes;
    n->sections[number].offset = offset;
    n->sections[number].next = NO_MORE;
    if (!control)
        n->n_frames_held++;
    return (uint16_t)number;
}

static void hold(struct net_queue *q, const struct net_held *h)
{
    vmbus_lock(q->channel.guest, &q->lock);
    q->held[q->n_held++] = *h;
    vmbus_unlock(q->channel.guest, &q->lock);
}

static void take_message(struct net_guest *n, unsigned channel, uint16_t section, bool control)
{
    uint8_t bytes[RNDIS_BYTES_MAX];

    read_section(n, &n->sections[section], bytes);
    if (control)
        take_reply(n, channel, bytes, n->sections[section].bytes);
    else
        take_frame(n, channel, bytes, n->sections[section].bytes);
}

static void take_transfer(struct net_guest *n, struct net_queue *q, const struct vring_packet *p)
{
    struct rd r = rd_over(p->head, p->head_len);
    struct rd message = rd_over(p->payload, p->len);
    unsigned channel = (unsigned)(q - n->queues);
    struct net_held held = {.transaction = p->transaction, .first = NO_MORE};
    uint16_t *link = &held.first;
    uint16_t set = rd_le16(&r);
    uint32_t type = rd_le32(&message);
    uint32_t control = rd_le32(&message);
    uint32_t ranges;

    (void)rd_le16(&r);
    ranges = rd_le32(&r);
    if (!rd_ok(&r) || !rd_ok(&message) || set != SET || type != NVSP_RNDIS || control > 1 ||
        ranges == 0 || r.left != 8 * (size_t)ranges || (control == 1 && channel != 0)) {
        wrong(n, channel, "a transfer of pages that is none", type, control);
        return;
    }
    for (; ranges > 0; ranges--) {
        uint32_t bytes = rd_le32(&r);
        uint32_t offset = rd_le32(&r);

        *link = take_section(n, channel, bytes, offset, control == 1);
        if (*link == NO_MORE)
            return;
        take_message(n, channel, *link, control == 1);
        link = &n->sections[*link].next;
    }
    hold(q, &held);
}

void net_packet(struct guest_channel *c, const struct vring_packet *p)
{
    struct net_guest *n = c->self;
    struct net_queue *q = (struct net_queue *)(void *)c; /* its first field */

    if (p->type == VRING_COMPLETION)
        net_completed(n, q, p);
    else if (p->type == VRING_TRANSFER_PAGES)
        take_transfer(n, q, p);
    else if (p->type == VRING_IN_BAND && p->payload[0] == NVSP_TABLE && q == n->queues)
        n->tables++;
    else
        wrong(n, (unsigned)(q - n->queues), "a packet of that type", p->type, p->len);
}

/* --- giving back --- */

/* It is as it came; from now on it is nonsense, so that what is not written anew is found out. */
static void check_and_spoil(struct net_guest *n, unsigned channel, const struct net_section *s)
{
    uint8_t bytes[RNDIS_BYTES_MAX];
    struct flow_frame said;
    struct rndis_frame f;
    const char *why = "no RNDIS frame";

    read_section(n, s, bytes);
    if (bytes[0] == RNDIS_PACKET && bytes[3] == 0) {
        if (parse_packet(bytes, s->bytes, &f))
            why = is_other(n, &f) ? NULL
                                  : flow_look(n->flows, f.frame.at, (uint32_t)f.frame.len, &said);
        if (why != NULL)
            wrong(n, channel, why, s->offset, s->bytes);
    }
    net_pages_spoil(n, n->receive.pfns, s->offset,
                    s->bytes < SPOILT_BYTES ? s->bytes : SPOILT_BYTES);
}

static void set_ours(struct net_guest *n, const struct net_held *h, bool ours)
{
    uint32_t frames = n->receive.sections - NET_GUEST_CONTROL_SECTIONS;
    uint16_t next;

    for (uint16_t i = h->first; i != NO_MORE; i = next) {
        next = n->sections[i].next;
        if (i < frames)
            n->n_frames_held += ours ? 1u : -1u;
        n->sections[i].is_ours = ours;
    }
}

/* The host may give a section again before vmbus_put() returns. */
static bool give_one(struct net_guest *n, unsigned channel, struct net_held *h)
{
    uint8_t message[40] = {0};
    struct wr w = wr_over(message, sizeof(message));

    for (uint16_t i = h->first; !h->looked_at && i != NO_MORE; i = n->sections[i].next)
        check_and_spoil(n, channel, &n->sections[i]);
    h->looked_at = true;
    wr_le32(&w, NVSP_RNDIS_COMPLETE);
    wr_le32(&w, 1);
    set_ours(n, h, false);
    if (vmbus_put(&n->queues[channel].channel, VRING_COMPLETION, h->transaction, message,
                  sizeof(message)) == 0)
        return true;
    set_ours(n, h, true);
    return false;
}

static bool take_held(struct net_queue *q, uint64_t random, struct net_held *ret)
{
    bool any;

    vmbus_lock(q->channel.guest, &q->lock);
    any = q->n_held > 0;
    if (any) {
        unsigned i = (unsigned)(random % q->n_held);

        *ret = q->held[i];
        q->held[i] = q->held[--q->n_held];
    }
    vmbus_unlock(q->channel.guest, &q->lock);
    return any;
}

unsigned net_give_back(struct net_guest *n, unsigned channel, uint64_t random, bool all)
{
    struct net_queue *q = &n->queues[channel];
    unsigned some = all ? q->n_held : (unsigned)(sim_random(&random) % (q->n_held + 1));
    struct net_held h;

    for (; some > 0 && take_held(q, sim_random(&random), &h); some--) {
        if (!give_one(n, channel, &h)) {
            hold(q, &h);
            break;
        }
    }
    return q->n_held;
}

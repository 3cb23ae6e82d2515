#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/wr.h"
#include "workers/net/net.h"

_Static_assert((int)RNDIS_PACKETS_MAX <= (int)FRAMES_PART + 1, "a part of a packet is storable");

enum {
    MAC_BYTES = 12, /* both: before a VLAN tag */
    VLAN_TYPE = 0x8100,
    STATUS_AT = 4, /* in NVSP_SEND_RNDIS_PACKET_COMPLETE */
};

static const uint64_t HOLD_MAX_NS = 1 * NS_PER_S;

/* True: done with that frame. */
static bool drop(struct nic *n, enum nic_drop why)
{
    n->drops[why]++;
    n->counters->tx_errors++;
    return true;
}

bool tx_is_held(const struct nic *n)
{
    return n->backend.full_ns != 0 && clock_now_ns() - n->backend.full_ns < HOLD_MAX_NS;
}

/* --- one frame --- */

static void put_tag(struct outgoing *o, uint16_t vlan)
{
    uint8_t *frame = outgoing_frame(o);
    struct wr w = wr_over(frame + MAC_BYTES, NIC_VLAN_BYTES);

    memmove(frame + MAC_BYTES + NIC_VLAN_BYTES, frame + MAC_BYTES, o->copied - MAC_BYTES);
    wr_be16(&w, VLAN_TYPE);
    wr_be16(&w, vlan);
    o->copied += NIC_VLAN_BYTES;
    o->len += NIC_VLAN_BYTES;
}

/* So many bytes are copied and not described: a short frame, for it is faster, and what is looked at. */
static uint32_t how_much_to_copy(const struct nic *n, const struct rndis_tx *tx)
{
    uint32_t most = n->backend.kind != NET_DISCARD && tx->frame_len <= OUTGOING_COPIED
                        ? OUTGOING_COPIED
                        : FRAME_HEAD_BYTES;

    return tx->frame_len < most ? tx->frame_len : most;
}

/* The frame at offset at of what is carried, with its VLAN tag put in. -EFAULT: not all is the guest's memory. */
static int make_outgoing(const struct net *s, const struct nic *n, const struct carried *c,
                         const struct rndis_tx *tx, uint32_t at, struct outgoing *ret)
{
    uint32_t copied = how_much_to_copy(n, tx);
    int parts;

    ret->len = tx->frame_len;
    ret->copied = copied;
    if (carried_copy(s, n, c, at, outgoing_frame(ret), copied) < 0)
        return -EFAULT;
    parts =
        carried_iovecs(s, n, c, at + copied, tx->frame_len - copied, &ret->pieces[1], NET_PIECES);
    if (parts < 0)
        return -EFAULT;
    ret->n = (unsigned)parts;
    if (tx->has_vlan)
        put_tag(ret, tx->vlan);
    return 0;
}

static bool wants_offload(const struct rndis_tx *tx)
{
    return tx->lso || tx->checksum_tcp || tx->checksum_udp || tx->checksum_ip;
}

static bool is_too_long(const struct nic *n, const struct rndis_tx *tx)
{
    uint32_t most =
        tx->lso ? NET_FRAME_MAX - NIC_VLAN_BYTES : n->nvsp.mtu + NIC_HEAD_BYTES + NIC_VLAN_BYTES;

    return tx->frame_len > most;
}

/* A tag moves what follows it. */
static void move_offsets(struct rndis_tx *tx)
{
    if (tx->has_vlan && wants_offload(tx))
        tx->transport_offset = (uint16_t)(tx->transport_offset + NIC_VLAN_BYTES);
}

static void count(struct nic *n, struct outgoing *out)
{
    struct nic_cast_counters *c = &n->counters->tx[frame_cast(outgoing_frame(out))];

    c->frames++;
    c->bytes += out->len;
    n->counters->tx_frames++;
    n->counters->tx_bytes += out->len;
}

/* False: there is no room for it now, and it is to stay. What is wrong with it is no reason to stay. */
static bool send_frame(struct net *s, struct nic *n, const struct carried *c, struct rndis_tx *tx,
                       uint32_t at)
{
    uint8_t header[VNET_HEADER_BYTES] = {0};
    struct outgoing *out = &s->outgoing;
    int r;

    if (!n->config.link_up)
        return drop(n, DROP_LINK);
    if (tx->frame_len < NIC_HEAD_BYTES || is_too_long(n, tx))
        return drop(n, DROP_TOO_LONG);
    if (make_outgoing(s, n, c, tx, at, out) < 0)
        return drop(n, DROP_MALFORMED);
    if (wants_offload(tx)) {
        move_offsets(tx);
        if (n->config.offloads == 0 ||
            frame_vnet_tx(tx, outgoing_frame(out), out->copied, out->len, header) < 0)
            return drop(n, DROP_OFFLOAD);
    }
    r = backend_send(&n->backend, header, out);
    if (r == -EAGAIN && tx_is_held(n))
        return false;
    if (r < 0)
        return drop(n, DROP_BACKEND);
    count(n, out);
    if (n->capture_bytes != 0)
        capture_sent(s, n, outgoing_frame(out), out->copied, c,
                     at + tx->frame_len - (out->len - out->copied), out->len);
    return true;
}

/*
 * The RNDIS messages of a packet, one after the other, but for those that are taken. 0, or -EBADMSG: one is wrong, or
 * one too many, and what follows is not looked at; -EAGAIN: those from *ret_part on are to stay.
 */
static int send_all(struct net *s, struct nic *n, const struct carried *c, unsigned *ret_part)
{
    uint8_t head[RNDIS_HEAD_MAX];
    uint32_t at = 0;

    for (unsigned i = 0; at < c->len; i++) {
        uint32_t left = c->len - at;
        uint32_t have = left < sizeof(head) ? left : (uint32_t)sizeof(head);
        struct rndis_tx tx;

        if (i == RNDIS_PACKETS_MAX || carried_copy(s, n, c, at, head, have) < 0 ||
            rndis_parse_tx(head, have, left, &tx) < 0) {
            drop(n, DROP_MALFORMED);
            return -EBADMSG;
        }
        if (i >= c->packet.part && !send_frame(s, n, c, &tx, at + tx.frame_at)) {
            *ret_part = i;
            return -EAGAIN;
        }
        at += tx.message_len;
    }
    return 0;
}

/* --- packets --- */

enum looked {
    LOOKED_TAKEN,
    LOOKED_FRAME,   /* s->carried has it */
    LOOKED_CONTROL, /* nothing more is taken before it is answered */
    LOOKED_END,
};

static enum looked take_frame(struct nic *n, struct line *l, const struct vmring_packet *p,
                              const struct nvsp_rndis_packet *rndis, struct carried *c)
{
    enum line_kind kind = (p->flags & VMRING_WANTS_COMPLETION) != 0 ? LINE_FRAME : LINE_NOTHING;
    int r = carried_by(n, l, p, rndis, c);

    line_take(l, p, kind, r == 0 ? NVSP_SUCCESS : NVSP_FAILURE);
    if (r < 0)
        drop(n, DROP_MALFORMED);
    return r == 0 ? LOOKED_FRAME : LOOKED_TAKEN;
}

/* A packet that only the first channel may have. */
static enum looked take_control(struct net *s, struct nic *n, unsigned channel,
                                const struct vmring_packet *p)
{
    struct line *l = &n->lines[channel];

    if (channel == 0) {
        control_execute(s, n, p);
        return LOOKED_CONTROL;
    }
    line_take(l, p, (p->flags & VMRING_WANTS_COMPLETION) != 0 ? LINE_FRAME : LINE_NOTHING,
              NVSP_FAILURE);
    return LOOKED_TAKEN;
}

/* alone: no frame is taken that may be put back, and with it what follows. */
static enum looked look_at(struct net *s, struct nic *n, unsigned channel, struct carried *c,
                           bool alone)
{
    struct line *l = &n->lines[channel];
    struct nvsp_rndis_packet rndis;
    uint8_t message[NVSP_MESSAGE_MAX];
    struct vmring_packet p UNINITIALIZED;
    uint32_t len;

    if (line_next(l, &p) < 0)
        return LOOKED_END;
    if (p.type == VMRING_COMPLETION) {
        line_take(l, &p, LINE_GIVEN_BACK, 0);
        return LOOKED_TAKEN;
    }
    len = p.payload_bytes < sizeof(message) ? p.payload_bytes : (uint32_t)sizeof(message);
    vmring_copy(&l->in, &p, p.head_bytes, message, len);
    if (nvsp_parse_rndis_packet(message, len, &rndis) && rndis.channel_type == NVSP_CHANNEL_DATA)
        return take_frame(n, l, &p, &rndis, c);
    return alone ? take_control(s, n, channel, &p) : LOOKED_END;
}

static void tell_frames(struct net *s, struct nic *n, unsigned channel)
{
    uint8_t completion[NVSP_HEAD_BYTES];
    uint32_t len = nvsp_rndis_complete(&n->nvsp, NVSP_SUCCESS, completion);

    if (line_complete(&n->lines[channel], completion, len, STATUS_AT))
        nic_interrupt(s, n, channel, false);
}

/* Frames of the packets that are taken. What the back end has no room for stays in the ring. How many are done with. */
static unsigned send_taken(struct net *s, struct nic *n, struct line *l, unsigned packets)
{
    for (unsigned i = 0; i < packets; i++) {
        const struct carried *c = &s->carried[i];
        unsigned part;
        int r = send_all(s, n, c, &part);

        if (r == -EBADMSG)
            line_set_status(l, c->packet.number, NVSP_INVALID_RNDIS);
        if (r == -EAGAIN) {
            line_put_back(l, &c->packet, part);
            n->held++;
            return i;
        }
    }
    return packets;
}

/* What the guest gives back is not held up by what it sends, nor by an answer that has no room. */
static void free_ahead(struct nic *n, struct line *l)
{
    if (line_free_ahead(l) > 0)
        n->rx_is_full = false;
}

static bool is_held(struct nic *n, struct line *l)
{
    if (!tx_is_held(n) || backend_has_room(&n->backend))
        return false;
    free_ahead(n, l);
    return true;
}

bool tx_work(struct net *s, struct nic *n, unsigned channel)
{
    struct line *l = &n->lines[channel];
    struct line_mark before = line_mark(l);
    unsigned frames = 0, done;

    if (!l->open || l->stopped || is_held(n, l))
        return false;
    if (channel == 0 && control_is_due(n))
        free_ahead(n, l);
    for (unsigned i = 0; i < NET_BATCH && !(channel == 0 && control_is_due(n)); i++) {
        enum looked looked = look_at(s, n, channel, &s->carried[frames], frames == 0);

        if (looked == LOOKED_END)
            break;
        frames += looked == LOOKED_FRAME;
    }
    if (frames > 0)
        shown_tx_begins(s, n, channel);
    line_taken(l);
    done = send_taken(s, n, l, frames);
    if (line_show_taken(l))
        nic_interrupt(s, n, channel, false);
    if (line_free_sections(l) > 0)
        n->rx_is_full = false;
    tell_frames(s, n, channel);
    shown_tx_ends(s, n, channel, done, done < frames);
    return l->taken != before.number || l->part != before.part;
}

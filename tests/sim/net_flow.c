#include "tests/sim/net_flow.h"

#include <string.h>

#include "base/clock.h"
#include "base/crc32c.h"
#include "base/rd.h"
#include "base/wr.h"

enum {
    HEAD_BYTES = 54,
    SAID_BYTES = 32, /* magic, flow, note, number, seen, filler */
    CRC_BYTES = 4,
    WINDOW = 64,
    PROBE = 4, /* frames, when there was no answer for long */
    GUEST_PORT = 1000,
    PEER_PORT = 20000,
    PORT_STEP = 7,
};

static const uint32_t MAGIC = 0x74656e62;
static const uint64_t PATIENCE_NS = 3 * NS_PER_MS;

void flows_init(struct flow flows[FLOWS], bool of_guest, unsigned nic)
{
    memset(flows, 0, FLOWS * sizeof(*flows));
    for (unsigned i = 0; i < FLOWS; i++) {
        flows[i].index = i;
        flows[i].of_guest = of_guest;
        flows[i].nic = nic;
    }
}

void flows_set_patient(struct flow flows[FLOWS])
{
    for (unsigned i = 0; i < FLOWS; i++)
        flows[i].patient = true;
}

bool flow_may_send(struct flow *f, uint64_t now_ns)
{
    uint64_t acknowledged = f->acknowledged;

    if (acknowledged > f->base) {
        f->base = acknowledged;
        f->moved_ns = now_ns;
    }
    if (f->sent < f->base + WINDOW)
        return true;
    if (f->patient)
        return f->seen > f->told;
    if (now_ns < f->moved_ns + PATIENCE_NS)
        return false;
    f->base = f->sent - WINDOW + PROBE;
    f->moved_ns = now_ns;
    return true;
}

/* Ethernet, IPv4 and TCP, as far as they say where it goes; sums are nobody's here. */
static void make_head(const struct flow *f, bool of_guest, uint32_t len, uint8_t head[HEAD_BYTES])
{
    const uint8_t nic = (uint8_t)(1 + f->nic);
    const uint8_t macs[2][6] = {
        {2, 0, 0, 0, 1, nic},
        {2, 0, 0, 0, 0, nic}
    };
    static const uint32_t addresses[2] = {0x0a000002, 0x0a000001};
    const uint16_t ports[2] = {(uint16_t)(PEER_PORT + f->index),
                               (uint16_t)(GUEST_PORT + PORT_STEP * f->index)};
    struct wr w = wr_over(head, HEAD_BYTES);

    memset(head, 0, HEAD_BYTES);
    wr_bytes(&w, macs[!of_guest], 6);
    wr_bytes(&w, macs[of_guest], 6);
    wr_be16(&w, 0x0800);
    wr_u8(&w, 0x45);
    wr_u8(&w, 0);
    wr_be16(&w, (uint16_t)(len - 14));
    wr_be32(&w, 0x4000); /* no identification, do not fragment */
    wr_u8(&w, 64);
    wr_u8(&w, 6);
    wr_be16(&w, 0);
    wr_be32(&w, addresses[of_guest]);
    wr_be32(&w, addresses[!of_guest]);
    wr_be16(&w, ports[of_guest]);
    wr_be16(&w, ports[!of_guest]);
    wr_be32(&w, 0);
    wr_be32(&w, 0);
    wr_be16(&w, 0x5010);
}

void flow_make(struct flow *f, uint8_t *frame, uint32_t len, uint32_t note)
{
    uint32_t filled = HEAD_BYTES + SAID_BYTES;
    struct wr w = wr_over(frame + HEAD_BYTES, len - HEAD_BYTES);

    make_head(f, f->of_guest, len, frame);
    wr_le32(&w, MAGIC);
    wr_le32(&w, f->index);
    wr_le32(&w, note);
    wr_le32(&w, len);
    wr_le64(&w, ++f->sent);
    f->told = f->seen;
    wr_le64(&w, f->told);
    memset(frame + filled, (int)(f->sent * 31 + f->index), len - filled - CRC_BYTES);
    w = wr_over(frame + len - CRC_BYTES, CRC_BYTES);
    wr_le32(&w, crc32c(0, frame, len - CRC_BYTES));
}

void flow_unmake(struct flow *f)
{
    f->sent--;
    f->told = 0;
}

bool flow_is_numbered(const uint8_t *frame, uint32_t len)
{
    struct rd r = rd_over(frame, len);

    (void)rd_span(&r, HEAD_BYTES);
    return rd_le32(&r) == MAGIC;
}

static uint32_t crc_of(const uint8_t *frame, uint32_t len)
{
    struct rd r = rd_over(frame + len - CRC_BYTES, CRC_BYTES);

    return rd_le32(&r);
}

static const char *parse(const struct flow flows[FLOWS], const uint8_t *frame, uint32_t len,
                         struct flow_frame *ret, uint64_t *ret_seen)
{
    struct rd r = rd_over(frame + HEAD_BYTES, SAID_BYTES);
    uint8_t head[HEAD_BYTES];
    uint32_t magic, said;

    if (len < FLOW_FRAME_MIN || len > FLOW_FRAME_MAX)
        return "a length that none has";
    magic = rd_le32(&r);
    ret->flow = rd_le32(&r);
    ret->note = rd_le32(&r);
    said = rd_le32(&r);
    ret->number = rd_le64(&r);
    *ret_seen = rd_le64(&r);
    if (magic != MAGIC || ret->flow >= FLOWS)
        return "no frame of ours";
    if (said != len)
        return "another length than it was sent with";
    make_head(&flows[ret->flow], !flows[ret->flow].of_guest, len, head);
    if (memcmp(head, frame, HEAD_BYTES) != 0)
        return "another head than it was sent with";
    if (crc32c(0, frame, len - CRC_BYTES) != crc_of(frame, len))
        return "other bytes than it was sent with";
    return NULL;
}

const char *flow_look(const struct flow flows[FLOWS], const uint8_t *frame, uint32_t len,
                      struct flow_frame *ret)
{
    uint64_t seen;

    return parse(flows, frame, len, ret, &seen);
}

const char *flow_take(struct flow flows[FLOWS], const uint8_t *frame, uint32_t len,
                      struct flow_frame *ret)
{
    uint64_t acknowledged = 0;
    const char *wrong = parse(flows, frame, len, ret, &acknowledged);
    struct flow *f;

    if (wrong != NULL)
        return wrong;
    f = &flows[ret->flow];
    if (ret->number == f->seen)
        return "a duplicate";
    if (ret->number < f->seen)
        return "a duplicate, or out of order";
    if (ret->number > f->seen + 1) {
        f->lost += ret->number - f->seen - 1;
        f->gaps++;
    }
    f->seen = ret->number;
    f->received++;
    if (acknowledged > f->acknowledged)
        f->acknowledged = acknowledged;
    return NULL;
}

struct flow_sums flows_sum(const struct flow flows[FLOWS])
{
    struct flow_sums s = {0};

    for (unsigned i = 0; i < FLOWS; i++) {
        s.sent += flows[i].sent;
        s.received += flows[i].received;
        s.lost += flows[i].lost;
        s.gaps += flows[i].gaps;
    }
    return s;
}

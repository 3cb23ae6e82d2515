#include "workers/net/rndis.h"

#include <errno.h>

#include "base/num.h"
#include "workers/net/oid.h"

enum rndis_type {
    RNDIS_PACKET = 1,
    RNDIS_INITIALIZE = 2,
    RNDIS_HALT = 3,
    RNDIS_QUERY = 4,
    RNDIS_SET = 5,
    RNDIS_RESET = 6,
    RNDIS_INDICATE = 7,
    RNDIS_KEEPALIVE = 8,
};

enum {
    HEAD_BYTES = 8, /* type, length: offsets are from behind them */
    MAX_TRANSFER = 0x4000,
    ALIGNMENT_SHIFT = 3,
    VALUE_MAX = RNDIS_ANSWER_MAX - 24, /* of a query, behind the head of its answer */
    VALUE_OFFSET = 16,                 /* of a query's answer: id, status, length, offset */
    INDICATED_OFFSET = 12,             /* of what is indicated: status, length, offset */
    REFUSAL_BYTES = 16,                /* of an answer with nothing but its status */
    QUERY_ANSWER_BYTES = 24,
    INITIALIZE_ANSWER_BYTES = 52,
    INFO_HEAD_BYTES = 12,
    INFO_CHECKSUM = 0,
    INFO_LSO = 2,
    INFO_VLAN = 6,
    INFO_HASH = 8,
    PART_VERSION = 1,
};

#define INFO_PART (UINT32_C(0x80000000) | 1) /* between us and the guest's driver: a packet's id */

#define RNDIS_COMPLETE         UINT32_C(0x80000000)
#define RNDIS_MEDIA_CONNECT    UINT32_C(0x4001000b)
#define RNDIS_MEDIA_DISCONNECT UINT32_C(0x4001000c)
#define RNDIS_OFFLOADS         UINT32_C(0x40020006) /* TASK_OFFLOAD_CURRENT_CONFIG */

static uint32_t length_of(const struct wr *w)
{
    size_t len = 0;

    return wr_finish(w, &len) < 0 ? 0 : (uint32_t)len;
}

/* --- control --- */

struct request {
    struct nvsp *n;
    const struct nic_config *config;
    const struct nic_counters *counters;
    struct span body; /* behind type and length */
    struct rd r;      /* in it, behind the id */
    uint32_t id;
    struct wr w; /* of the answer, from its status on */
};

static void begin(struct wr *w, uint32_t type, uint32_t len)
{
    wr_le32(w, type);
    wr_le32(w, len);
}

static void on_initialize(struct request *q)
{
    q->n->rndis_initialized = 1;
    wr_le32(&q->w, RNDIS_SUCCESS);
    wr_le32(&q->w, 1); /* version 1.0 */
    wr_le32(&q->w, 0);
    wr_le32(&q->w, 1); /* connectionless */
    wr_le32(&q->w, 0); /* 802.3 */
    wr_le32(&q->w, RNDIS_PACKETS_MAX);
    wr_le32(&q->w, MAX_TRANSFER);
    wr_le32(&q->w, ALIGNMENT_SHIFT);
    wr_le32(&q->w, 0);
    wr_le32(&q->w, 0);
    q->n->told_link_up = q->config->link_up; /* it asks for it */
}

/* What a query or set carries: oid, length, offset from behind the head. */
static bool read_value(struct request *q, uint32_t *ret_oid, struct span *ret)
{
    uint32_t len, offset;

    *ret_oid = rd_le32(&q->r);
    len = rd_le32(&q->r);
    offset = rd_le32(&q->r);
    *ret = (struct span){.at = q->body.at, .len = 0};
    if (!rd_ok(&q->r) || (len != 0 && !range_inside(offset, len, q->body.len)))
        return false;
    if (len != 0)
        *ret = (struct span){.at = q->body.at + offset, .len = len};
    return true;
}

static void on_query(struct request *q)
{
    uint8_t value[VALUE_MAX];
    struct wr w = wr_over(value, sizeof(value));
    enum rndis_status status = RNDIS_INVALID_LENGTH;
    struct span in;
    uint32_t oid, len;
    struct rd r;

    if (read_value(q, &oid, &in)) {
        r = rd_over(in.at, in.len);
        status = oid_query(q->n, q->config, q->counters, oid, &r, &w);
    }
    len = status == RNDIS_SUCCESS ? length_of(&w) : 0;
    wr_le32(&q->w, (uint32_t)status);
    wr_le32(&q->w, len);
    wr_le32(&q->w, len != 0 ? VALUE_OFFSET : 0);
    wr_bytes(&q->w, value, len);
}

static void on_set(struct request *q)
{
    enum rndis_status status = RNDIS_INVALID_LENGTH;
    struct span value;
    uint32_t oid;

    if (read_value(q, &oid, &value))
        status = oid_set(q->n, q->config, oid, value);
    wr_le32(&q->w, (uint32_t)status);
}

static void on_keepalive(struct request *q)
{
    wr_le32(&q->w, RNDIS_SUCCESS);
}

/* Its answer has no id. */
static void on_reset(struct request *q)
{
    wr_le32(&q->w, 0); /* no addressing information is lost */
}

/* Of what a driver has set nothing is left. */
static void halt(struct nvsp *n)
{
    n->rndis_initialized = 0;
    n->filter = 0;
    n->offloads = 0;
    n->offloads_are_due = 0;
    n->rss = (struct nic_rss){0};
}

uint32_t rndis_control(struct nvsp *n, const struct nic_config *c,
                       const struct nic_counters *counters, const uint8_t *message, uint32_t len,
                       uint8_t *answer)
{
    static const struct {
        enum rndis_type type;
        void (*handle)(struct request *q);
    } rows[] = {
        {RNDIS_INITIALIZE, on_initialize},
        {RNDIS_QUERY,      on_query     },
        {RNDIS_SET,        on_set       },
        {RNDIS_RESET,      on_reset     },
        {RNDIS_KEEPALIVE,  on_keepalive },
    };
    struct rd r = rd_over(message, len);
    uint32_t type = rd_le32(&r);
    uint32_t said = rd_le32(&r);
    struct request q = {.n = n, .config = c, .counters = counters};
    struct wr head;

    if (said > len) /* it waits for an answer all the same */
        said = len;
    if (!rd_ok(&r) || said < HEAD_BYTES + 4)
        return 0;
    q.body = (struct span){.at = message + HEAD_BYTES, .len = said - HEAD_BYTES};
    q.r = rd_over(q.body.at, q.body.len);
    q.id = rd_le32(&q.r);
    if (type == RNDIS_HALT)
        halt(n);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint32_t before = HEAD_BYTES + 4;
        uint32_t rest;

        if ((uint32_t)rows[i].type != type)
            continue;
        q.w = wr_over(answer + before, RNDIS_ANSWER_MAX - before);
        rows[i].handle(&q);
        rest = length_of(&q.w);
        head = wr_over(answer, before);
        begin(&head, type | RNDIS_COMPLETE, before + rest);
        wr_le32(&head, type == RNDIS_RESET ? RNDIS_SUCCESS : q.id);
        return before + rest;
    }
    return 0;
}

uint32_t rndis_refuse(const uint8_t *message, uint32_t len, uint8_t *answer)
{
    struct rd r = rd_over(message, len);
    struct wr w = wr_over(answer, RNDIS_ANSWER_MAX);
    uint32_t type = rd_le32(&r);
    uint32_t id, bytes;

    (void)rd_le32(&r);
    id = rd_le32(&r);
    bytes = type == RNDIS_INITIALIZE ? INITIALIZE_ANSWER_BYTES
            : type == RNDIS_QUERY    ? QUERY_ANSWER_BYTES
                                     : REFUSAL_BYTES;
    if (!rd_ok(&r) || type < RNDIS_INITIALIZE || type == RNDIS_HALT || type == RNDIS_INDICATE ||
        type > RNDIS_KEEPALIVE)
        return 0;
    begin(&w, type | RNDIS_COMPLETE, bytes);
    wr_le32(&w, type == RNDIS_RESET ? (uint32_t)RNDIS_FAILURE : id);
    wr_le32(&w, type == RNDIS_RESET ? 0 : (uint32_t)RNDIS_FAILURE);
    for (uint32_t at = REFUSAL_BYTES; at < bytes; at += 4)
        wr_le32(&w, 0);
    return length_of(&w);
}

/* A status, and what is said of it. */
static uint32_t indicate(uint8_t *message, uint32_t status, const void *value, uint32_t len)
{
    struct wr w = wr_over(message, RNDIS_ANSWER_MAX);

    begin(&w, RNDIS_INDICATE, HEAD_BYTES + INDICATED_OFFSET + len);
    wr_le32(&w, status);
    wr_le32(&w, len);
    wr_le32(&w, len != 0 ? INDICATED_OFFSET : 0);
    wr_bytes(&w, value, len);
    return length_of(&w);
}

uint32_t rndis_indicate_link(struct nvsp *n, const struct nic_config *c, uint8_t *message)
{
    n->told_link_up = c->link_up;
    return indicate(message, c->link_up ? RNDIS_MEDIA_CONNECT : RNDIS_MEDIA_DISCONNECT, NULL, 0);
}

uint32_t rndis_indicate_offloads(const struct nvsp *n, uint8_t *message)
{
    uint8_t value[VALUE_MAX];
    struct wr w = wr_over(value, sizeof(value));

    oid_put_offloads(n, &w);
    return indicate(message, RNDIS_OFFLOADS, value, length_of(&w));
}

/* --- frames from the guest --- */

/* Where TCP begins LSO says better, should both be there. */
static void take_checksum(uint32_t v, struct rndis_tx *ret)
{
    ret->checksum_tcp = (v & 4) != 0;
    ret->checksum_udp = (v & 8) != 0;
    ret->checksum_ip = (v & 16) != 0;
    if (ret->lso)
        return;
    ret->is_v6 = (v & 2) != 0;
    ret->transport_offset = (uint16_t)(v >> 16 & 0x3ff);
}

static void take_lso(uint32_t v, struct rndis_tx *ret)
{
    ret->lso = true;
    ret->mss = v & 0xfffff;
    ret->transport_offset = (uint16_t)(v >> 20 & 0x3ff);
    ret->is_v6 = v >> 31 != 0;
}

static int take_info(uint32_t type, struct rd *data, struct rndis_tx *ret)
{
    uint32_t v = rd_le32(data);

    switch (type) {
    case INFO_CHECKSUM:
        take_checksum(v, ret);
        break;
    case INFO_LSO:
        take_lso(v, ret);
        break;
    case INFO_VLAN: /* priority, CFI, id: in a frame they stand the other way round */
        ret->has_vlan = true;
        ret->vlan = (uint16_t)((v & 7) << 13 | (v >> 3 & 1) << 12 | (v >> 4 & 0xfff));
        break;
    case INFO_HASH:
        ret->has_hash = true;
        ret->hash = v;
        break;
    default: /* nothing that must be heeded */
        return 0;
    }
    return rd_ok(data) ? 0 : -EBADMSG;
}

/* Records that follow one another, each with its size: at least its head. */
static int parse_infos(struct span infos, struct rndis_tx *ret)
{
    while (infos.len > 0) {
        struct rd r = rd_over(infos.at, infos.len);
        uint32_t size = rd_le32(&r);
        uint32_t type = rd_le32(&r);
        uint32_t offset = rd_le32(&r);

        if (!rd_ok(&r) || size < INFO_HEAD_BYTES || size > infos.len || offset > size)
            return -EBADMSG;
        r = rd_over(infos.at + offset, size - offset);
        if (take_info(type, &r, ret) < 0)
            return -EBADMSG;
        infos.at += size;
        infos.len -= size;
    }
    return 0;
}

int rndis_parse_tx(const uint8_t *head, uint32_t head_len, uint32_t len, struct rndis_tx *ret)
{
    struct rd r = rd_over(head, head_len);
    struct rndis_tx tx = {0};
    uint32_t type = rd_le32(&r);
    uint32_t said = rd_le32(&r);
    uint32_t at = rd_le32(&r);
    uint32_t frame = rd_le32(&r);
    uint32_t info_at, info_len;

    (void)rd_span(&r, 12); /* out-of-band data: none that we know */
    info_at = rd_le32(&r);
    info_len = rd_le32(&r);
    if (!rd_ok(&r) || type != RNDIS_PACKET || said < RNDIS_PACKET_BYTES || said > len ||
        !range_inside(at, frame, said - HEAD_BYTES))
        return -EBADMSG;
    tx.frame_at = at + HEAD_BYTES;
    tx.frame_len = frame;
    tx.message_len = said;
    if (info_len != 0) {
        uint32_t seen = (said < head_len ? said : head_len) - HEAD_BYTES;

        if (!range_inside(info_at, info_len, seen) ||
            parse_infos((struct span){.at = head + HEAD_BYTES + info_at, .len = info_len}, &tx) < 0)
            return -EBADMSG;
    }
    *ret = tx;
    return 0;
}

/* --- frames for the guest --- */

static void put_info(struct wr *w, uint32_t type, uint32_t value)
{
    wr_le32(w, INFO_HEAD_BYTES + 4);
    wr_le32(w, type);
    wr_le32(w, INFO_HEAD_BYTES);
    wr_le32(w, value);
}

uint32_t rndis_rx_head(const struct rndis_rx *rx, uint8_t *head)
{
    bool is_part = rx->part != 0;
    uint32_t infos = (uint32_t)(rx->has_vlan + rx->has_checksum + rx->has_hash + is_part) * 16;
    uint32_t len = RNDIS_PACKET_BYTES + infos;
    struct wr w = wr_over(head, RNDIS_RX_HEAD_MAX);

    begin(&w, RNDIS_PACKET, len + rx->frame_len);
    wr_le32(&w, len - HEAD_BYTES);
    wr_le32(&w, rx->frame_len);
    wr_le32(&w, 0);
    wr_le32(&w, 0);
    wr_le32(&w, 0);
    wr_le32(&w, infos != 0 ? RNDIS_PACKET_BYTES - HEAD_BYTES : 0);
    wr_le32(&w, infos);
    wr_le32(&w, 0);
    wr_le32(&w, 0);
    if (rx->has_checksum)
        put_info(&w, INFO_CHECKSUM, rx->checksum_is_tcp ? 1u << 3 : 1u << 4);
    if (rx->has_vlan)
        put_info(&w, INFO_VLAN,
                 (uint32_t)(rx->vlan >> 13) | (uint32_t)(rx->vlan >> 12 & 1) << 3 |
                     (uint32_t)(rx->vlan & 0xfff) << 4);
    if (rx->has_hash)
        put_info(&w, INFO_HASH, rx->hash);
    if (is_part)
        put_info(&w, INFO_PART, PART_VERSION | (uint32_t)rx->part << 8);
    return length_of(&w);
}

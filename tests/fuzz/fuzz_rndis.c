/*
 * tests/fuzz/fuzz_rndis.c - RNDIS messages of a guest, and the heads that we put before its frames.
 *
 * Input: a byte that says what is tried, then a control message, or a message with a frame after two bytes that are added
 * to its length, or what is to be said about a frame.
 *
 * Promises: an answer is well-formed, and a refusal carries no value and changes nothing; a frame is inside of its message;
 * what cannot be parsed leaves no trace; the head of a frame can be read by a driver that has no patience with it.
 */
#include <stdlib.h>
#include <string.h>

#include "workers/net/rndis.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    TRIALS = 3,
    QUERY_COMPLETE = 4,
    SET_COMPLETE = 5,
    CHECKSUM = 0,
    VLAN = 6,
    HASH = 8,
};

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* As long as it is, and not a byte longer but for malloc(0). */
static uint8_t *exact(const uint8_t *at, size_t len)
{
    uint8_t *copy = malloc(len == 0 ? 1 : len);

    must(copy != NULL);
    if (len != 0)
        memcpy(copy, at, len);
    return copy;
}

/* --- control --- */

static void check_answer(const uint8_t *answer, uint32_t len, const struct nvsp *n,
                         const struct nvsp *before)
{
    struct rd r = rd_over(answer, len);
    uint32_t type = rd_le32(&r);
    uint32_t status, value_len, offset;

    must(len <= RNDIS_ANSWER_MAX && len >= 16 && rd_le32(&r) == len);
    must(type >> 31 == 1);
    type &= 0xff;
    (void)rd_le32(&r); /* id */
    status = rd_le32(&r);
    if (type == QUERY_COMPLETE) {
        value_len = rd_le32(&r);
        offset = rd_le32(&r);
        must(rd_ok(&r) && r.left == value_len && offset == (value_len != 0 ? 16 : 0));
        must(status == 0 || value_len == 0);
        must(memcmp(n, before, sizeof(*n)) == 0);
    }
    if (type == SET_COMPLETE && status != 0)
        must(memcmp(n, before, sizeof(*n)) == 0);
}

static void try_control(struct rd *r)
{
    const struct nic_counters counters = {1, 2, 3, 4, 5, 6, UINT64_MAX};
    struct nic_config c = {
        .mac = {2, 0, 0, 0, 0, 1},
          .mtu = 1500, .channels = NIC_CHANNELS
    };
    uint8_t answer[RNDIS_ANSWER_MAX];
    struct nvsp n, before;
    uint32_t len;
    uint8_t *message;

    c.offloads = rd_u8(r) % NIC_OFFLOADS;
    nvsp_reset(&n, &c);
    n.channels = c.channels;
    n.version = NVSP_VERSION_6_1;
    before = n;
    message = exact(r->at, r->left);
    len = rndis_control(&n, &c, &counters, message, (uint32_t)r->left, answer);
    free(message);
    if (len != 0)
        check_answer(answer, len, &n, &before);
    must((n.offloads & ~c.offloads) == 0);
}

/* --- frames from the guest --- */

static void try_tx(struct rd *r)
{
    uint32_t more = rd_le16(r);
    uint32_t len = (uint32_t)r->left + more;
    uint32_t head_len = (uint32_t)r->left < RNDIS_HEAD_MAX ? (uint32_t)r->left : RNDIS_HEAD_MAX;
    struct rndis_tx tx, before;
    uint8_t *head;

    if (head_len < RNDIS_HEAD_MAX)
        len = head_len;
    memset(&tx, 0x5a, sizeof(tx));
    memcpy(&before, &tx, sizeof(tx));
    head = exact(r->at, head_len);
    if (rndis_parse_tx(head, head_len, len, &tx) == 0) {
        must(tx.message_len >= RNDIS_PACKET_BYTES && tx.message_len <= len);
        must(tx.frame_at <= tx.message_len && tx.frame_len <= tx.message_len - tx.frame_at);
        must(tx.mss < 1 << 20 && tx.transport_offset < 1 << 10);
    } else {
        must(memcmp(&before, &tx, sizeof(tx)) == 0);
    }
    free(head);
}

/* --- frames for the guest --- */

static void read_info(const struct rndis_rx *rx, struct rd *r, unsigned *seen)
{
    uint32_t size = rd_le32(r);
    uint32_t type = rd_le32(r);
    uint32_t offset = rd_le32(r);
    uint32_t value = rd_le32(r);

    must(rd_ok(r) && size == 16 && offset == 12);
    switch (type) {
    case CHECKSUM:
        must(rx->has_checksum && value == (rx->checksum_is_tcp ? 8 : 16));
        break;
    case VLAN:
        must(rx->has_vlan && value >> 16 == 0);
        must(rx->vlan == ((value & 7) << 13 | (value & 8) << 9 | value >> 4));
        break;
    case HASH:
        must(rx->has_hash && value == rx->hash);
        break;
    default:
        abort();
    }
    must((*seen & 1u << type) == 0);
    *seen |= 1u << type;
}

static void check_head(const struct rndis_rx *rx, const uint8_t *head, uint32_t len)
{
    struct rd r = rd_over(head, len);
    uint32_t infos_at, infos_len;
    unsigned seen = 0;

    must(rd_le32(&r) == 1);
    must(rd_le32(&r) == len + rx->frame_len);
    must(rd_le32(&r) == len - 8);
    must(rd_le32(&r) == rx->frame_len);
    for (unsigned i = 0; i < 3; i++)
        must(rd_le32(&r) == 0);
    infos_at = rd_le32(&r);
    infos_len = rd_le32(&r);
    must(rd_le32(&r) == 0 && rd_le32(&r) == 0 && rd_ok(&r));
    must(r.left == infos_len && infos_at == (infos_len != 0 ? 36 : 0));
    while (r.left > 0)
        read_info(rx, &r, &seen);
    must((unsigned)__builtin_popcount(seen) ==
         (unsigned)(rx->has_checksum + rx->has_vlan + rx->has_hash));
}

static void try_rx(struct rd *r)
{
    uint8_t head[RNDIS_RX_HEAD_MAX];
    uint8_t what = rd_u8(r);
    struct rndis_rx rx = {
        .has_vlan = (what & 1) != 0,
        .has_checksum = (what & 2) != 0,
        .checksum_is_tcp = (what & 4) != 0,
        .has_hash = (what & 8) != 0,
    };
    uint32_t len;

    rx.frame_len = rd_le16(r);
    rx.vlan = rd_le16(r);
    rx.hash = rd_le32(r);
    len = rndis_rx_head(&rx, head);
    must(len <= sizeof(head));
    check_head(&rx, head, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const trials[TRIALS])(struct rd * r) = {try_control, try_tx, try_rx};
    struct rd r = rd_over(data, size);
    uint8_t which = rd_u8(&r);

    if (rd_ok(&r) && r.left > 0)
        trials[which % TRIALS](&r);
    return 0;
}

/*
 * tests/fuzz/fuzz_nvsp.c - what a guest agrees on with its NIC, one control message after the other, and what is kept
 * of it.
 *
 * Input: a byte of offloads, one of channels, as many bytes as a saved state has, which are loaded if they can be, then
 * messages: a byte that says of which kind, one that says how long, and so many.
 *
 * Promises: whatever the guest says, what is agreed on keeps to the configuration and to the memory that was lent; a
 * refusal changes nothing; an answer is as long as the version wants it; what is kept can be loaded, and is the same.
 */
#include <stdlib.h>
#include <string.h>

#include "workers/net/rndis.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    STATE_BYTES = 256,
    MESSAGES = 64,
    SHORT_BYTES = 28,
};

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* All sizes, and those around an edge: its low bytes say how many, its high one of what. */
static uint64_t lent_bytes(void *self, uint32_t gpadl)
{
    must(*(const uint32_t *)self == 7);
    return (uint64_t)(gpadl & 0xffffff) << (gpadl >> 24 & 31);
}

static void check_buffer(const struct nvsp_buffer *b, uint32_t least, uint32_t most)
{
    uint32_t self = 7;

    if (b->gpadl == 0) {
        must(b->id == 0 && b->section_bytes == 0 && b->sections == 0);
        return;
    }
    must(b->sections >= least && b->sections <= most && b->id <= UINT16_MAX);
    must((uint64_t)b->sections * b->section_bytes <= lent_bytes(&self, b->gpadl));
}

static void check_rss(const struct nvsp *n)
{
    must(n->rss.enabled <= 1 && n->rss.table_entries <= NIC_RSS_TABLE);
    must((n->rss.table_entries & (n->rss.table_entries - 1)) == 0);
    must(n->rss.enabled == 0 || n->rss.table_entries != 0);
    for (uint32_t i = 0; i < n->rss.table_entries; i++)
        must(n->rss.table[i] < n->channels);
}

/* What was loaded is not looked at for the memory it was lent: whoever lends it does that. */
static void check(const struct nvsp *n, const struct nic_config *c, bool was_loaded)
{
    must(n->mtu >= NIC_MTU_MIN && n->mtu <= NIC_MTU_MAX);
    must(n->channels >= 1 && n->channels <= c->channels);
    must((n->offloads & ~c->offloads) == 0 && (n->filter & ~(uint32_t)NIC_FILTERS) == 0);
    must(n->version != 0 || (n->receive.gpadl == 0 && n->send.gpadl == 0));
    if (!was_loaded) {
        check_buffer(&n->receive, NVSP_CONTROL_SECTIONS + 16, NVSP_RECEIVE_SECTIONS_MAX);
        check_buffer(&n->send, 1, NVSP_SEND_SECTIONS_MAX);
    }
    check_rss(n);
}

static void check_saved(const struct nvsp *n, const struct nic_config *c)
{
    uint8_t bytes[STATE_BYTES];
    struct wr w = wr_over(bytes, sizeof(bytes));
    struct rd r = rd_over(bytes, sizeof(bytes));
    struct nvsp loaded;
    size_t len = 0;

    nvsp_save(n, &w);
    must(wr_finish(&w, &len) == 0 && len == STATE_BYTES);
    must(nvsp_load(&loaded, c, &r) == 0 && rd_finish(&r) == 0);
    must(memcmp(&loaded, n, sizeof(loaded)) == 0);
}

static uint32_t word(const uint8_t *at)
{
    uint32_t v;

    memcpy(&v, at, sizeof(v));
    return v;
}

static void check_refusal(const struct nvsp *n, const struct nvsp *before, const uint8_t *answer)
{
    uint32_t type = word(answer);
    uint32_t status = word(answer + (type == NVSP_INIT_COMPLETE ? 12 : 4));

    if (type != 0 && status != NVSP_SUCCESS)
        must(memcmp(n, before, sizeof(*n)) == 0);
}

static void take_nvsp(struct nvsp *n, const struct nic_config *c, const uint8_t *message,
                      uint32_t len)
{
    uint8_t answer[NVSP_MESSAGE_MAX];
    struct nvsp_rndis_packet p = {.section = 77};
    struct nvsp before = *n;
    uint32_t self = 7;
    uint32_t answer_len = nvsp_message(n, c, message, len, lent_bytes, &self, answer);

    must(answer_len == (n->version == NVSP_VERSION_6_1 ? (uint32_t)NVSP_HEAD_BYTES : SHORT_BYTES));
    check_refusal(n, &before, answer);
    if (nvsp_parse_rndis_packet(message, len, &p))
        must(len >= 16 && p.channel_type <= NVSP_CHANNEL_CONTROL);
    else
        must(p.section == 77);
    must(nvsp_indirection_table(n, answer) == 76);
    for (unsigned i = 0; i < 16; i++)
        must(word(answer + 12 + 4 * i) < n->channels);
}

static void take_rndis(struct nvsp *n, const struct nic_config *c, const uint8_t *message,
                       uint32_t len)
{
    const struct nic_counters counters = {0};
    uint8_t answer[RNDIS_ANSWER_MAX];

    must(rndis_control(n, c, &counters, message, len, answer) <= sizeof(answer));
}

static void take(struct nvsp *n, const struct nic_config *c, bool is_rndis, struct span s)
{
    uint8_t *message = malloc(s.len + 1); /* as long as it is, but for malloc(0) */

    must(message != NULL);
    if (s.len != 0)
        memcpy(message, s.at, s.len);
    (is_rndis ? take_rndis : take_nvsp)(n, c, message, (uint32_t)s.len);
    free(message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rd r = rd_over(data, size);
    struct nic_config c = {
        .mac = {2, 0, 0, 0, 0, 1},
          .mtu = 1500
    };
    bool was_loaded;
    struct nvsp n;
    struct rd state;

    c.offloads = rd_u8(&r) % NIC_OFFLOADS;
    c.channels = rd_u8(&r) % NIC_CHANNELS + 1u;
    nvsp_reset(&n, &c);
    state = r;
    was_loaded = nvsp_load(&n, &c, &state) == 0;
    if (was_loaded)
        r = state;
    for (unsigned left = MESSAGES; left > 0 && rd_ok(&r) && r.left > 0; left--) {
        bool is_rndis = (rd_u8(&r) & 1) != 0;
        size_t len = rd_u8(&r);

        take(&n, &c, is_rndis, rd_span(&r, len < r.left ? len : r.left));
        check(&n, &c, was_loaded);
        check_saved(&n, &c);
    }
    check_saved(&n, &c);
    return 0;
}

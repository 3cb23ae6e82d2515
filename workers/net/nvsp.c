#include "workers/net/nvsp.h"

#include <errno.h>
#include <string.h>

enum {
    SHORT_BYTES = 28, /* of a message before version 6.1 */
    SECTION_ALIGN = 8,
    RECEIVE_SECTIONS_MIN = NVSP_CONTROL_SECTIONS + 16,
    TABLE_ENTRIES = 16, /* of the indirection table that the guest is told */
    TABLE_AT = 12,      /* from the beginning of that message */
    MAX_MDL_CHAIN = 34,
};

static const uint32_t REFUSED_VERSION = UINT32_MAX;

static uint32_t message_bytes(const struct nvsp *n)
{
    return n->version == NVSP_VERSION_6_1 ? NVSP_HEAD_BYTES : SHORT_BYTES;
}

/* What was written to w, padded with zeros to what the version wants. */
static uint32_t padded(const struct nvsp *n, struct wr *w, uint8_t *bytes)
{
    uint32_t want = message_bytes(n);
    size_t len = 0;

    if (wr_finish(w, &len) < 0)
        return 0;
    if (len < want) {
        memset(bytes + len, 0, want - len);
        len = want;
    }
    return (uint32_t)len;
}

void nvsp_reset(struct nvsp *n, const struct nic_config *c)
{
    *n = (struct nvsp){.mtu = c->mtu, .channels = 1, .told_link_up = c->link_up};
    memcpy(n->mac, c->mac, sizeof(n->mac));
}

void nvsp_forget(struct nvsp *n, const struct nic_config *c)
{
    struct nvsp before = *n;

    nvsp_reset(n, c);
    memcpy(n->mac, before.mac, sizeof(n->mac));
}

/* --- control messages --- */

struct call {
    struct nvsp *n;
    const struct nic_config *config;
    struct rd r; /* after the type */
    struct wr w; /* after the answer's type */
    nvsp_gpadl_bytes *gpadl_bytes;
    void *self;
};

static bool is_version(uint32_t v)
{
    static const uint32_t known[] = {NVSP_VERSION_1, NVSP_VERSION_2, NVSP_VERSION_4,
                                     NVSP_VERSION_5, NVSP_VERSION_6, NVSP_VERSION_6_1};

    for (size_t i = 0; i < COUNT_OF(known); i++) {
        if (known[i] == v)
            return true;
    }
    return false;
}

/* Linux asks for one after the other, from the newest on. */
static void on_init(struct call *c)
{
    uint32_t least = rd_le32(&c->r);
    uint32_t most = rd_le32(&c->r);
    bool good = rd_ok(&c->r) && least <= most && is_version(most) && c->n->receive.gpadl == 0 &&
                c->n->send.gpadl == 0;

    if (good)
        c->n->version = most;
    wr_le32(&c->w, good && most == NVSP_VERSION_1 ? NVSP_VERSION_1 : REFUSED_VERSION);
    wr_le32(&c->w, MAX_MDL_CHAIN);
    wr_le32(&c->w, good ? NVSP_SUCCESS : NVSP_FAILURE);
}

static void on_ndis_version(struct call *c)
{
    uint32_t major = rd_le32(&c->r);
    uint32_t minor = rd_le32(&c->r);

    if (!rd_ok(&c->r) || c->n->version == 0)
        return;
    c->n->ndis_major = major;
    c->n->ndis_minor = minor;
}

static void on_ndis_config(struct call *c)
{
    uint32_t mtu = rd_le32(&c->r);

    if (rd_ok(&c->r) && c->n->version >= NVSP_VERSION_2 && c->n->receive.gpadl == 0 &&
        mtu >= NIC_MTU_MIN + NIC_HEAD_BYTES && mtu <= NIC_MTU_MAX + NIC_HEAD_BYTES)
        c->n->mtu = mtu - NIC_HEAD_BYTES;
}

static uint32_t receive_section_bytes(const struct nvsp *n)
{
    return (n->mtu + NVSP_SECTION_EXTRA + SECTION_ALIGN - 1) & ~(uint32_t)(SECTION_ALIGN - 1);
}

static uint32_t min_u32(uint64_t a, uint32_t b)
{
    return a < b ? (uint32_t)a : b;
}

static bool take_buffer(struct call *c, struct nvsp_buffer *to, uint32_t section, uint32_t least,
                        uint32_t most)
{
    uint32_t gpadl = rd_le32(&c->r);
    uint32_t id = rd_le16(&c->r);
    uint64_t bytes = 0;
    uint32_t sections;

    if (rd_ok(&c->r) && c->n->version != 0 && to->gpadl == 0 && gpadl != 0)
        bytes = c->gpadl_bytes(c->self, gpadl);
    sections = min_u32(bytes / section, most);
    if (sections < least)
        return false;
    *to = (struct nvsp_buffer){
        .gpadl = gpadl, .id = id, .section_bytes = section, .sections = sections};
    return true;
}

static void on_receive_buffer(struct call *c)
{
    struct nvsp_buffer *b = &c->n->receive;
    bool good = take_buffer(c, b, receive_section_bytes(c->n), RECEIVE_SECTIONS_MIN,
                            NVSP_RECEIVE_SECTIONS_MAX);

    wr_le32(&c->w, good ? NVSP_SUCCESS : NVSP_FAILURE);
    wr_le32(&c->w, good ? 1 : 0);
    wr_le32(&c->w, 0);
    wr_le32(&c->w, good ? b->section_bytes : 0);
    wr_le32(&c->w, good ? b->sections : 0);
    wr_le32(&c->w, good ? b->section_bytes * b->sections : 0);
}

static void on_send_buffer(struct call *c)
{
    bool good = take_buffer(c, &c->n->send, NVSP_SEND_SECTION_BYTES, 1, NVSP_SEND_SECTIONS_MAX);

    wr_le32(&c->w, good ? NVSP_SUCCESS : NVSP_FAILURE);
    wr_le32(&c->w, good ? NVSP_SEND_SECTION_BYTES : 0);
}

static void revoke(struct call *c, struct nvsp_buffer *b)
{
    uint32_t id = rd_le16(&c->r);

    if (rd_ok(&c->r) && id == b->id)
        *b = (struct nvsp_buffer){0};
}

static void on_revoke_receive(struct call *c)
{
    revoke(c, &c->n->receive);
}

static void on_revoke_send(struct call *c)
{
    revoke(c, &c->n->send);
}

static void on_subchannel(struct call *c)
{
    struct nvsp *n = c->n;
    uint32_t op = rd_le32(&c->r);
    uint32_t asked = rd_le32(&c->r);
    bool good = rd_ok(&c->r) && op == 1 && n->version >= NVSP_VERSION_5 && n->channels == 1 &&
                n->receive.gpadl != 0 && n->send.gpadl != 0;
    uint32_t granted = good ? min_u32(asked, c->config->channels - 1) : 0;

    if (good && granted > 0) {
        n->channels = 1 + granted;
        n->table_is_due = 1;
    }
    wr_le32(&c->w, good ? NVSP_SUCCESS : NVSP_FAILURE);
    wr_le32(&c->w, granted);
}

/* There is no other path. */
static void on_switch(struct call *c)
{
    wr_le32(&c->w, NVSP_FAILURE);
}

struct row {
    enum nvsp_type type;
    uint32_t answer; /* its type; 0: none is due, but an empty one if the guest asks */
    void (*handle)(struct call *c);
};

static const struct row rows[] = {
    {NVSP_INIT,                  NVSP_INIT_COMPLETE,                on_init          },
    {NVSP_SEND_NDIS_VERSION,     0,                                 on_ndis_version  },
    {NVSP_SEND_NDIS_CONFIG,      0,                                 on_ndis_config   },
    {NVSP_SEND_RECEIVE_BUFFER,   NVSP_SEND_RECEIVE_BUFFER_COMPLETE, on_receive_buffer},
    {NVSP_REVOKE_RECEIVE_BUFFER, 0,                                 on_revoke_receive},
    {NVSP_SEND_SEND_BUFFER,      NVSP_SEND_SEND_BUFFER_COMPLETE,    on_send_buffer   },
    {NVSP_REVOKE_SEND_BUFFER,    0,                                 on_revoke_send   },
    {NVSP_SWITCH_DATA_PATH,      NVSP_SWITCH_DATA_PATH,             on_switch        },
    {NVSP_SUBCHANNEL,            NVSP_SUBCHANNEL,                   on_subchannel    },
};

uint32_t nvsp_message(struct nvsp *n, const struct nic_config *c, const uint8_t *message,
                      uint32_t len, nvsp_gpadl_bytes *gpadl_bytes, void *self, uint8_t *answer)
{
    struct call call = {.n = n,
                        .config = c,
                        .r = rd_over(message, len),
                        .w = wr_over(answer, NVSP_MESSAGE_MAX),
                        .gpadl_bytes = gpadl_bytes,
                        .self = self};
    uint32_t type = rd_le32(&call.r);

    for (size_t i = 0; rd_ok(&call.r) && i < COUNT_OF(rows); i++) {
        if ((uint32_t)rows[i].type != type)
            continue;
        wr_le32(&call.w, rows[i].answer);
        rows[i].handle(&call);
        return padded(n, &call.w, answer);
    }
    wr_le32(&call.w, 0);
    return padded(n, &call.w, answer);
}

uint32_t nvsp_refuse(const struct nvsp *n, const uint8_t *message, uint32_t len, uint8_t *answer)
{
    struct rd r = rd_over(message, len);
    struct wr w = wr_over(answer, NVSP_MESSAGE_MAX);
    uint32_t type = rd_le32(&r);
    uint32_t answered = 0;

    for (size_t i = 0; rd_ok(&r) && i < COUNT_OF(rows); i++) {
        if ((uint32_t)rows[i].type == type)
            answered = rows[i].answer;
    }
    wr_le32(&w, answered);
    if (answered == NVSP_INIT_COMPLETE) {
        wr_le32(&w, REFUSED_VERSION);
        wr_le32(&w, MAX_MDL_CHAIN);
    }
    wr_le32(&w, NVSP_FAILURE);
    return padded(n, &w, answer);
}

/* Spread over all channels; the guest picks one by a hash. */
uint32_t nvsp_indirection_table(const struct nvsp *n, uint8_t *message)
{
    struct wr w = wr_over(message, NVSP_MESSAGE_MAX);

    wr_le32(&w, NVSP_SEND_INDIRECTION_TABLE);
    wr_le32(&w, TABLE_ENTRIES);
    wr_le32(&w, TABLE_AT);
    for (uint32_t i = 0; i < TABLE_ENTRIES; i++)
        wr_le32(&w, i % n->channels);
    return padded(n, &w, message);
}

/* --- frames --- */

bool nvsp_parse_rndis_packet(const uint8_t *message, uint32_t len, struct nvsp_rndis_packet *ret)
{
    struct rd r = rd_over(message, len);
    struct nvsp_rndis_packet p;
    uint32_t type = rd_le32(&r);

    p.channel_type = rd_le32(&r);
    p.section = rd_le32(&r);
    p.section_bytes = rd_le32(&r);
    if (!rd_ok(&r) || type != NVSP_SEND_RNDIS_PACKET || p.channel_type > NVSP_CHANNEL_CONTROL)
        return false;
    *ret = p;
    return true;
}

uint32_t nvsp_rndis_packet(const struct nvsp *n, uint32_t channel_type, uint8_t *message)
{
    struct wr w = wr_over(message, NVSP_HEAD_BYTES);

    wr_le32(&w, NVSP_SEND_RNDIS_PACKET);
    wr_le32(&w, channel_type);
    wr_le32(&w, NVSP_NO_SECTION);
    wr_le32(&w, 0);
    return padded(n, &w, message);
}

uint32_t nvsp_rndis_complete(const struct nvsp *n, uint32_t status, uint8_t *message)
{
    struct wr w = wr_over(message, NVSP_HEAD_BYTES);

    wr_le32(&w, NVSP_SEND_RNDIS_PACKET_COMPLETE);
    wr_le32(&w, status);
    return padded(n, &w, message);
}

/* --- saved --- */

static void buffer_save(const struct nvsp_buffer *b, struct wr *w)
{
    wr_le32(w, b->gpadl);
    wr_le32(w, b->id);
    wr_le32(w, b->section_bytes);
    wr_le32(w, b->sections);
}

static bool buffer_load(struct nvsp_buffer *b, struct rd *r, uint32_t section, uint32_t least,
                        uint32_t most)
{
    b->gpadl = rd_le32(r);
    b->id = rd_le32(r);
    b->section_bytes = rd_le32(r);
    b->sections = rd_le32(r);
    if (b->gpadl == 0)
        return b->id == 0 && b->section_bytes == 0 && b->sections == 0;
    return b->id <= UINT16_MAX && b->section_bytes == section && b->sections >= least &&
           b->sections <= most;
}

void nvsp_save(const struct nvsp *n, struct wr *w)
{
    wr_le32(w, n->version);
    wr_le32(w, n->ndis_major);
    wr_le32(w, n->ndis_minor);
    wr_le32(w, n->mtu);
    buffer_save(&n->receive, w);
    buffer_save(&n->send, w);
    wr_le32(w, n->channels);
    wr_le32(w, n->table_is_due);
    wr_le32(w, n->rndis_initialized);
    wr_le32(w, n->filter);
    wr_le32(w, n->offloads);
    wr_bytes(w, n->mac, sizeof(n->mac));
    wr_u8(w, n->told_link_up);
    wr_u8(w, n->offloads_are_due);
    wr_le32(w, n->rss.enabled);
    wr_le32(w, n->rss.hash_types);
    wr_le32(w, n->rss.table_entries);
    wr_bytes(w, n->rss.key, sizeof(n->rss.key));
    wr_bytes(w, n->rss.table, sizeof(n->rss.table));
}

static bool rss_is_sound(const struct nvsp *n)
{
    const struct nic_rss *s = &n->rss;

    if (s->enabled > 1 || s->table_entries > NIC_RSS_TABLE ||
        (s->table_entries & (s->table_entries - 1)) != 0 ||
        (s->enabled != 0 && s->table_entries == 0))
        return false;
    for (uint32_t i = 0; i < s->table_entries; i++) {
        if (s->table[i] >= n->channels)
            return false;
    }
    return true;
}

static bool is_sound(const struct nvsp *n, const struct nic_config *c)
{
    bool has_buffer = n->receive.gpadl != 0 || n->send.gpadl != 0;

    return (n->version == 0 ? !has_buffer : is_version(n->version)) && n->mtu >= NIC_MTU_MIN &&
           n->mtu <= NIC_MTU_MAX && n->channels >= 1 && n->channels <= c->channels &&
           n->table_is_due <= 1 && n->rndis_initialized <= 1 && n->told_link_up <= 1 &&
           n->offloads_are_due <= 1 && (n->filter & ~(uint32_t)NIC_FILTERS) == 0 &&
           (n->offloads & ~c->offloads) == 0 && rss_is_sound(n);
}

int nvsp_load(struct nvsp *n, const struct nic_config *c, struct rd *r)
{
    struct nvsp m = {0};
    bool good;

    m.version = rd_le32(r);
    m.ndis_major = rd_le32(r);
    m.ndis_minor = rd_le32(r);
    m.mtu = rd_le32(r);
    good = m.mtu <= NIC_MTU_MAX &&
           buffer_load(&m.receive, r, receive_section_bytes(&m), RECEIVE_SECTIONS_MIN,
                       NVSP_RECEIVE_SECTIONS_MAX) &&
           buffer_load(&m.send, r, NVSP_SEND_SECTION_BYTES, 1, NVSP_SEND_SECTIONS_MAX);
    if (!good)
        return -EBADMSG;
    m.channels = rd_le32(r);
    m.table_is_due = rd_le32(r);
    m.rndis_initialized = rd_le32(r);
    m.filter = rd_le32(r);
    m.offloads = rd_le32(r);
    rd_copy(r, m.mac, sizeof(m.mac));
    m.told_link_up = rd_u8(r);
    m.offloads_are_due = rd_u8(r);
    m.rss.enabled = rd_le32(r);
    m.rss.hash_types = rd_le32(r);
    m.rss.table_entries = rd_le32(r);
    rd_copy(r, m.rss.key, sizeof(m.rss.key));
    rd_copy(r, m.rss.table, sizeof(m.rss.table));
    if (!rd_ok(r) || !is_sound(&m, c))
        return -EBADMSG;
    *n = m;
    return 0;
}

#include "workers/net/oid.h"

#include <string.h>

#include "base/num.h"

enum oid {
    OID_SUPPORTED_LIST = 0x00010101,
    OID_HARDWARE_STATUS = 0x00010102,
    OID_MEDIA_SUPPORTED = 0x00010103,
    OID_MEDIA_IN_USE = 0x00010104,
    OID_MAXIMUM_LOOKAHEAD = 0x00010105,
    OID_MAXIMUM_FRAME_SIZE = 0x00010106,
    OID_LINK_SPEED = 0x00010107,
    OID_TRANSMIT_BUFFER_SPACE = 0x00010108,
    OID_RECEIVE_BUFFER_SPACE = 0x00010109,
    OID_TRANSMIT_BLOCK_SIZE = 0x0001010a,
    OID_RECEIVE_BLOCK_SIZE = 0x0001010b,
    OID_VENDOR_ID = 0x0001010c,
    OID_VENDOR_DESCRIPTION = 0x0001010d,
    OID_PACKET_FILTER = 0x0001010e,
    OID_CURRENT_LOOKAHEAD = 0x0001010f,
    OID_DRIVER_VERSION = 0x00010110,
    OID_MAXIMUM_TOTAL_SIZE = 0x00010111,
    OID_MAC_OPTIONS = 0x00010113,
    OID_MEDIA_CONNECT_STATUS = 0x00010114,
    OID_MAXIMUM_SEND_PACKETS = 0x00010115,
    OID_VENDOR_DRIVER_VERSION = 0x00010116,
    OID_PHYSICAL_MEDIUM = 0x00010202,
    OID_RSS_CAPABILITIES = 0x00010203,
    OID_RSS_PARAMETERS = 0x00010204,
    OID_MAX_LINK_SPEED = 0x00010206,
    OID_LINK_STATE = 0x00010207,
    OID_CONFIG_PARAMETER = 0x0001021b,
    OID_XMIT_OK = 0x00020101,
    OID_RCV_OK = 0x00020102,
    OID_XMIT_ERROR = 0x00020103,
    OID_RCV_ERROR = 0x00020104,
    OID_RCV_NO_BUFFER = 0x00020105,
    /* Bytes and frames: of each kind in the order of enum nic_cast; sent, then received. */
    OID_CAST_COUNTERS = 0x00020201,
    OID_CAST_COUNTERS_END = OID_CAST_COUNTERS + 2 * 2 * NIC_CASTS,
    OID_802_3_PERMANENT_ADDRESS = 0x01010101,
    OID_802_3_CURRENT_ADDRESS = 0x01010102,
    OID_802_3_MULTICAST_LIST = 0x01010103,
    OID_802_3_MAXIMUM_LIST_SIZE = 0x01010104,
    OID_OFFLOAD_ENCAPSULATION = 0x0101010a,
};

/* Past the range of an enum of ISO C. */
#define OID_OFFLOAD_PARAMETERS   UINT32_C(0xfc01020c)
#define OID_OFFLOAD_CAPABILITIES UINT32_C(0xfc01020d)
#define OID_OFFLOAD_CURRENT      UINT32_C(0xfc01020b)

enum {
    LINK_SPEED = 100 * 1000 * 1000, /* 10 Gbit/s, in units of 100 bit/s */
    MULTICAST_LIST = 32,
    DRIVER_VERSION = 0x0600,
    VENDOR_ID = 0xffffff,
    MAC_OPTIONS = 0x0a, /* data is copied, no loopback */
    TYPE_OFFLOAD = 0xa7,
    TYPE_RSS_CAPABILITIES = 0x88,
    TYPE_DEFAULT = 0x80,
    LINK_STATE_BYTES = 40,
    DUPLEX_FULL = 2,
    PAUSE_UNKNOWN = 4,
    ENCAPSULATION_802_3 = 2,
    LSO_BYTES_MAX = 0xf53c,
    LSO_SEGMENTS_MIN = 2,
    CHECKSUM_V4_TX = 0x54, /* TCP and its options, UDP */
    CHECKSUM_V6_TX = 0x55, /* extension headers, TCP and its options, UDP */
    RSS_TOEPLITZ = 1,
    RSS_TYPES_CAPS = 0x700, /* TCP over IPv4 and IPv6 */
    /* Flags of the parameters */
    RSS_HASH_UNCHANGED = 2,
    RSS_TABLE_UNCHANGED = 4,
    RSS_KEY_UNCHANGED = 8,
    RSS_DISABLED = 0x10,
    RSS_FUNCTION = 0xff,   /* of the hash's kind */
    OFFLOAD_SWITCHES = 20, /* bytes that are read of the parameters, at least 11 */
    OFFLOAD_SWITCHES_MIN = 11,
    CONFIG_STRING = 2,
    MAC_DIGITS = 12,
};

/* --- queries --- */

struct query {
    const struct nvsp *n;
    const struct nic_config *config;
    const struct nic_counters *counters;
    struct wr *w;
};

static void offload_checksums(uint32_t offloads, struct wr *w)
{
    const struct {
        uint32_t offload, caps;
    } all[] = {
        {NIC_TX_CHECKSUM_V4, CHECKSUM_V4_TX},
        {NIC_RX_CHECKSUM_V4, CHECKSUM_V4_TX},
        {NIC_TX_CHECKSUM_V6, CHECKSUM_V6_TX},
        {NIC_RX_CHECKSUM_V6, CHECKSUM_V6_TX},
    };

    for (size_t i = 0; i < COUNT_OF(all); i++) {
        bool can = (offloads & all[i].offload) != 0;

        wr_le32(w, can ? ENCAPSULATION_802_3 : 0);
        wr_le32(w, can ? all[i].caps : 0);
    }
}

static void offload_lso(uint32_t offloads, struct wr *w)
{
    bool v4 = (offloads & NIC_LSO_V4) != 0;
    bool v6 = (offloads & NIC_LSO_V6) != 0;

    wr_le32(w, v4 ? ENCAPSULATION_802_3 : 0);
    wr_le32(w, v4 ? LSO_BYTES_MAX : 0);
    wr_le32(w, v4 ? LSO_SEGMENTS_MIN : 0);
    wr_le32(w, v6 ? ENCAPSULATION_802_3 : 0);
    wr_le32(w, v6 ? LSO_BYTES_MAX : 0);
    wr_le32(w, v6 ? LSO_SEGMENTS_MIN : 0);
    wr_le32(w, v6 ? 5 : 0); /* extension headers, TCP options */
}

static void zeros(struct wr *w, size_t n)
{
    for (size_t i = 0; i < n; i++)
        wr_u8(w, 0);
}

/* @spec NDIS_OFFLOAD, of the revision that goes with the version. */
static void put_offloads(const struct query *q, uint32_t offloads)
{
    uint32_t version = q->n->version;
    uint8_t revision = version >= NVSP_VERSION_5 ? 3 : version >= NVSP_VERSION_4 ? 2 : 1;
    uint16_t size = revision == 3 ? 156 : revision == 2 ? 144 : 112;

    wr_u8(q->w, TYPE_OFFLOAD);
    wr_u8(q->w, revision);
    wr_le16(q->w, size);
    offload_checksums(offloads, q->w);
    zeros(q->w, 16 + 28); /* LSO version 1, IPsec */
    offload_lso(offloads, q->w);
    zeros(q->w, (revision == 3 ? 144 : size) - 108u);
    if (revision == 3) {
        bool can = version >= NVSP_VERSION_6_1;

        wr_u8(q->w, can && (offloads & NIC_RSC_V4) != 0);
        wr_u8(q->w, can && (offloads & NIC_RSC_V6) != 0);
        zeros(q->w, size - 146u);
    }
}

static void offload_capabilities(const struct query *q)
{
    put_offloads(q, q->config->offloads);
}

static void offload_current(const struct query *q)
{
    put_offloads(q, q->n->offloads);
}

void oid_put_offloads(const struct nvsp *n, struct wr *w)
{
    const struct query q = {.n = n, .w = w};

    offload_current(&q);
}

static void rss_capabilities(const struct query *q)
{
    wr_u8(q->w, TYPE_RSS_CAPABILITIES);
    wr_u8(q->w, 2);
    wr_le16(q->w, 18); /* without what a compiler may add: Linux takes no more */
    wr_le32(q->w, RSS_TOEPLITZ | RSS_TYPES_CAPS);
    wr_le32(q->w, q->config->channels);
    wr_le32(q->w, q->config->channels);
    wr_le16(q->w, NIC_RSS_TABLE);
}

static uint64_t link_bits(const struct query *q)
{
    return q->config->link_up ? LINK_SPEED * UINT64_C(100) : 0;
}

/* @spec NDIS_LINK_SPEED */
static void max_link_speed(const struct query *q)
{
    wr_le64(q->w, LINK_SPEED * UINT64_C(100));
    wr_le64(q->w, LINK_SPEED * UINT64_C(100));
}

/* @spec NDIS_LINK_STATE */
static void link_state(const struct query *q)
{
    wr_u8(q->w, TYPE_DEFAULT);
    wr_u8(q->w, 1);
    wr_le16(q->w, LINK_STATE_BYTES);
    wr_le32(q->w, q->config->link_up ? 1 : 2); /* connected or not */
    wr_le32(q->w, DUPLEX_FULL);
    wr_le32(q->w, 0);
    wr_le64(q->w, link_bits(q));
    wr_le64(q->w, link_bits(q));
    wr_le32(q->w, PAUSE_UNKNOWN);
    wr_le32(q->w, 0);
}

static void permanent_address(const struct query *q)
{
    wr_bytes(q->w, q->config->mac, sizeof(q->config->mac));
}

static void current_address(const struct query *q)
{
    wr_bytes(q->w, q->n->mac, sizeof(q->n->mac));
}

static void vendor_description(const struct query *q)
{
    static const char text[] = "Bulkhead";

    wr_bytes(q->w, text, sizeof(text));
}

static void supported_list(const struct query *q);

/* Those of one 32-bit number, and those that are more. */
static const struct {
    uint32_t oid;
    void (*write)(const struct query *q); /* NULL: number() */
} queries[] = {
    {OID_SUPPORTED_LIST,          supported_list      },
    {OID_HARDWARE_STATUS,         NULL                },
    {OID_MEDIA_SUPPORTED,         NULL                },
    {OID_MEDIA_IN_USE,            NULL                },
    {OID_MAXIMUM_LOOKAHEAD,       NULL                },
    {OID_MAXIMUM_FRAME_SIZE,      NULL                },
    {OID_LINK_SPEED,              NULL                },
    {OID_TRANSMIT_BUFFER_SPACE,   NULL                },
    {OID_RECEIVE_BUFFER_SPACE,    NULL                },
    {OID_TRANSMIT_BLOCK_SIZE,     NULL                },
    {OID_RECEIVE_BLOCK_SIZE,      NULL                },
    {OID_VENDOR_ID,               NULL                },
    {OID_VENDOR_DESCRIPTION,      vendor_description  },
    {OID_PACKET_FILTER,           NULL                },
    {OID_CURRENT_LOOKAHEAD,       NULL                },
    {OID_DRIVER_VERSION,          NULL                },
    {OID_MAXIMUM_TOTAL_SIZE,      NULL                },
    {OID_MAC_OPTIONS,             NULL                },
    {OID_MEDIA_CONNECT_STATUS,    NULL                },
    {OID_MAXIMUM_SEND_PACKETS,    NULL                },
    {OID_VENDOR_DRIVER_VERSION,   NULL                },
    {OID_PHYSICAL_MEDIUM,         NULL                },
    {OID_RSS_CAPABILITIES,        rss_capabilities    },
    {OID_MAX_LINK_SPEED,          max_link_speed      },
    {OID_LINK_STATE,              link_state          },
    {OID_XMIT_OK,                 NULL                },
    {OID_RCV_OK,                  NULL                },
    {OID_XMIT_ERROR,              NULL                },
    {OID_RCV_ERROR,               NULL                },
    {OID_RCV_NO_BUFFER,           NULL                },
    {OID_802_3_PERMANENT_ADDRESS, permanent_address   },
    {OID_802_3_CURRENT_ADDRESS,   current_address     },
    {OID_802_3_MAXIMUM_LIST_SIZE, NULL                },
    {OID_OFFLOAD_CURRENT,         offload_current     },
    {OID_OFFLOAD_CAPABILITIES,    offload_capabilities},
};

static void supported_list(const struct query *q)
{
    for (size_t i = 0; i < COUNT_OF(queries); i++)
        wr_le32(q->w, queries[i].oid);
    for (uint32_t oid = OID_CAST_COUNTERS; oid < OID_CAST_COUNTERS_END; oid++)
        wr_le32(q->w, oid);
}

static bool is_cast_counter(uint32_t oid)
{
    return oid >= OID_CAST_COUNTERS && oid < OID_CAST_COUNTERS_END;
}

static void cast_counter(const struct query *q, uint32_t i)
{
    const struct nic_cast_counters *casts = i < 2 * NIC_CASTS ? q->counters->tx : q->counters->rx;
    const struct nic_cast_counters *c = &casts[i / 2 % NIC_CASTS];

    wr_le64(q->w, i % 2 == 0 ? c->bytes : c->frames);
}

static uint64_t number(const struct query *q, uint32_t oid)
{
    switch (oid) {
    case OID_MAXIMUM_LOOKAHEAD:
    case OID_CURRENT_LOOKAHEAD:
    case OID_MAXIMUM_FRAME_SIZE:
        return q->n->mtu;
    case OID_TRANSMIT_BLOCK_SIZE:
    case OID_RECEIVE_BLOCK_SIZE:
    case OID_MAXIMUM_TOTAL_SIZE:
        return q->n->mtu + NIC_HEAD_BYTES;
    case OID_LINK_SPEED:
        return LINK_SPEED;
    case OID_TRANSMIT_BUFFER_SPACE:
        return (uint64_t)q->n->send.sections * q->n->send.section_bytes;
    case OID_RECEIVE_BUFFER_SPACE:
        return (uint64_t)q->n->receive.sections * q->n->receive.section_bytes;
    case OID_VENDOR_ID:
        return VENDOR_ID;
    case OID_PACKET_FILTER:
        return q->n->filter;
    case OID_DRIVER_VERSION:
    case OID_VENDOR_DRIVER_VERSION:
        return DRIVER_VERSION;
    case OID_MAC_OPTIONS:
        return MAC_OPTIONS;
    case OID_MEDIA_CONNECT_STATUS:
        return q->config->link_up ? 0 : 1;
    case OID_MAXIMUM_SEND_PACKETS:
        return RNDIS_PACKETS_MAX;
    case OID_XMIT_OK:
        return q->counters->tx_frames;
    case OID_RCV_OK:
        return q->counters->rx_frames;
    case OID_XMIT_ERROR:
        return q->counters->tx_errors;
    case OID_RCV_ERROR:
        return q->counters->rx_errors;
    case OID_RCV_NO_BUFFER:
        return q->counters->rx_no_buffer;
    case OID_802_3_MAXIMUM_LIST_SIZE:
        return MULTICAST_LIST;
    default: /* status, media, medium: ready, 802.3, none in particular */
        return 0;
    }
}

enum rndis_status oid_query(const struct nvsp *n, const struct nic_config *c,
                            const struct nic_counters *counters, uint32_t oid, struct rd *in,
                            struct wr *w)
{
    const struct query q = {.n = n, .config = c, .counters = counters, .w = w};

    (void)in; /* what is asked with is a hint at most */
    if (is_cast_counter(oid)) {
        cast_counter(&q, oid - OID_CAST_COUNTERS);
        return RNDIS_SUCCESS;
    }
    for (size_t i = 0; i < COUNT_OF(queries); i++) {
        if (queries[i].oid != oid)
            continue;
        if (queries[i].write != NULL)
            queries[i].write(&q);
        else
            wr_le32(w, (uint32_t)number(&q, oid));
        return RNDIS_SUCCESS;
    }
    return RNDIS_NOT_SUPPORTED;
}

/* --- settings --- */

static enum rndis_status set_filter(struct nvsp *n, const struct nic_config *c, struct span value)
{
    struct rd r = rd_over(value.at, value.len);
    uint32_t filter = rd_le32(&r);

    (void)c;
    if (!rd_ok(&r))
        return RNDIS_INVALID_LENGTH;
    n->filter = filter & NIC_FILTERS;
    return RNDIS_SUCCESS;
}

/* A switch: 0 leaves it, 1 off, 2 transmit, 3 receive, 4 both. */
static void switch_checksum(uint32_t *offloads, uint8_t value, uint32_t tx, uint32_t rx)
{
    if (value < 1 || value > 4)
        return;
    *offloads &= ~(tx | rx);
    if (value == 2 || value == 4)
        *offloads |= tx;
    if (value >= 3)
        *offloads |= rx;
}

static void switch_one(uint32_t *offloads, uint8_t value, uint32_t offload)
{
    if (value == 1)
        *offloads &= ~offload;
    else if (value == 2)
        *offloads |= offload;
}

/* @spec NDIS_OFFLOAD_PARAMETERS: a header, then a byte for each. */
static enum rndis_status set_offloads(struct nvsp *n, const struct nic_config *c, struct span value)
{
    struct rd r = rd_over(value.at, value.len);
    uint8_t s[OFFLOAD_SWITCHES] = {0};
    uint32_t offloads = n->offloads;

    (void)rd_span(&r, 4);
    if (!rd_ok(&r) || r.left < OFFLOAD_SWITCHES_MIN)
        return RNDIS_INVALID_LENGTH;
    rd_copy(&r, s, r.left < sizeof(s) ? r.left : sizeof(s));
    switch_checksum(&offloads, s[1], NIC_TX_CHECKSUM_V4, NIC_RX_CHECKSUM_V4);
    switch_checksum(&offloads, s[2], NIC_TX_CHECKSUM_V4, NIC_RX_CHECKSUM_V4);
    switch_checksum(&offloads, s[3], NIC_TX_CHECKSUM_V6, NIC_RX_CHECKSUM_V6);
    switch_checksum(&offloads, s[4], NIC_TX_CHECKSUM_V6, NIC_RX_CHECKSUM_V6);
    switch_one(&offloads, s[7], NIC_LSO_V4);
    switch_one(&offloads, s[8], NIC_LSO_V6);
    if (n->version >= NVSP_VERSION_6_1) {
        switch_one(&offloads, s[18], NIC_RSC_V4);
        switch_one(&offloads, s[19], NIC_RSC_V6);
    }
    n->offloads = offloads & c->offloads;
    n->offloads_are_due = 1;
    return RNDIS_SUCCESS;
}

static struct span part(struct span of, uint32_t offset, uint32_t len)
{
    if (!range_inside(offset, len, of.len))
        return (struct span){.at = of.at, .len = 0};
    return (struct span){.at = of.at + offset, .len = len};
}

static bool read_table(const struct nvsp *n, struct span bytes, struct nic_rss *ret)
{
    struct rd r = rd_over(bytes.at, bytes.len);
    uint32_t entries = (uint32_t)(bytes.len / 4);

    if (entries == 0 || entries > NIC_RSS_TABLE || (entries & (entries - 1)) != 0 ||
        bytes.len % 4 != 0)
        return false;
    memset(ret->table, 0, sizeof(ret->table));
    ret->table_entries = entries;
    for (uint32_t i = 0; i < entries; i++) {
        uint32_t channel = rd_le32(&r);

        if (channel >= n->channels)
            return false;
        ret->table[i] = (uint8_t)channel;
    }
    return true;
}

static bool read_key(struct span bytes, struct nic_rss *ret)
{
    if (bytes.len != NIC_RSS_KEY_BYTES)
        return false;
    memcpy(ret->key, bytes.at, NIC_RSS_KEY_BYTES);
    return true;
}

/* That switches it off as well: so it does with OpenVMM, for the sake of drivers that Hyper-V lets do it. */
static bool has_no_hash(uint32_t flags, uint32_t hash_types)
{
    return (flags & RSS_HASH_UNCHANGED) == 0 && (hash_types & RSS_FUNCTION) == 0;
}

/* What flags call unchanged stays as it is, and has to be there. @spec NDIS_RECEIVE_SCALE_PARAMETERS */
static enum rndis_status set_rss(struct nvsp *n, const struct nic_config *c, struct span value)
{
    struct rd r = rd_over(value.at, value.len);
    struct nic_rss rss = n->rss;
    uint32_t flags, hash_types, table_len, table_at, key_len, key_at;

    (void)c;
    (void)rd_span(&r, 4);
    flags = rd_le16(&r);
    (void)rd_le16(&r);
    hash_types = rd_le32(&r);
    table_len = rd_le16(&r);
    (void)rd_le16(&r);
    table_at = rd_le32(&r);
    key_len = rd_le16(&r);
    (void)rd_le16(&r);
    key_at = rd_le32(&r);
    if (!rd_ok(&r))
        return RNDIS_INVALID_LENGTH;
    if ((flags & RSS_DISABLED) != 0 || has_no_hash(flags, hash_types)) {
        n->rss.enabled = 0;
        return RNDIS_SUCCESS;
    }
    rss.enabled = 1;
    if ((flags & RSS_HASH_UNCHANGED) == 0)
        rss.hash_types = hash_types;
    if (((flags & RSS_KEY_UNCHANGED) == 0 && !read_key(part(value, key_at, key_len), &rss)) ||
        ((flags & RSS_TABLE_UNCHANGED) == 0 &&
         !read_table(n, part(value, table_at, table_len), &rss)) ||
        (rss.hash_types & RSS_FUNCTION) != RSS_TOEPLITZ || rss.table_entries == 0)
        return RNDIS_INVALID_DATA;
    n->rss = rss;
    return RNDIS_SUCCESS;
}

static int digit(uint16_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool read_mac(struct span text, uint8_t mac[6])
{
    struct rd r = rd_over(text.at, text.len);

    for (unsigned i = 0; i < MAC_DIGITS; i++) {
        int d = digit(rd_le16(&r));

        if (!rd_ok(&r) || d < 0)
            return false;
        mac[i / 2] = (uint8_t)(i % 2 == 0 ? d << 4 : mac[i / 2] | d);
    }
    return (mac[0] & 1) == 0;
}

static bool is_name(struct span text, const char *name)
{
    struct rd r = rd_over(text.at, text.len);

    if (text.len != 2 * strlen(name))
        return false;
    for (; *name != '\0'; name++) {
        if (rd_le16(&r) != (uint16_t)(unsigned char)*name)
            return false;
    }
    return true;
}

static enum rndis_status set_address(struct nvsp *n, uint32_t type, struct span text)
{
    uint8_t mac[6];

    if (type != CONFIG_STRING || !read_mac(text, mac))
        return RNDIS_INVALID_DATA;
    memcpy(n->mac, mac, sizeof(n->mac));
    return RNDIS_SUCCESS;
}

/* Settings of Windows' that are offloads here: of checksums the first bit is out, the second in; LSO is on or off. */
static const struct keyword {
    const char *name;
    uint32_t tx, rx; /* rx 0: LSO */
} keywords[] = {
    {"*TCPChecksumOffloadIPv4", NIC_TX_CHECKSUM_V4, NIC_RX_CHECKSUM_V4},
    {"*TCPChecksumOffloadIPv6", NIC_TX_CHECKSUM_V6, NIC_RX_CHECKSUM_V6},
    {"*UDPChecksumOffloadIPv4", NIC_TX_CHECKSUM_V4, NIC_RX_CHECKSUM_V4},
    {"*UDPChecksumOffloadIPv6", NIC_TX_CHECKSUM_V6, NIC_RX_CHECKSUM_V6},
    {"*LsoV2IPv4",              NIC_LSO_V4,         0                 },
    {"*LsoV2IPv6",              NIC_LSO_V6,         0                 },
};

/* The switches of NDIS_OFFLOAD_PARAMETERS count from 1. */
static void switch_keyword(uint32_t *offloads, const struct keyword *k, int value)
{
    if (k->rx == 0)
        switch_one(offloads, value != 0 ? 2 : 1, k->tx);
    else
        switch_checksum(offloads, (uint8_t)(value % 4 + 1), k->tx, k->rx);
}

/* Of others, and of numbers, drivers are told that they are set, as OpenVMM does it. */
static enum rndis_status set_keyword(struct nvsp *n, const struct nic_config *c, struct span name,
                                     uint32_t type, struct span text)
{
    struct rd r = rd_over(text.at, text.len);
    int value = digit(rd_le16(&r));

    for (size_t i = 0; i < COUNT_OF(keywords); i++) {
        if (type != CONFIG_STRING || !is_name(name, keywords[i].name))
            continue;
        if (!rd_ok(&r) || value < 0 || value > 9)
            return RNDIS_INVALID_DATA;
        switch_keyword(&n->offloads, &keywords[i], value);
        n->offloads &= c->offloads;
    }
    return RNDIS_SUCCESS;
}

/* Parameters that a driver finds in its guest's configuration. */
static enum rndis_status set_parameter(struct nvsp *n, const struct nic_config *c,
                                       struct span value)
{
    struct rd r = rd_over(value.at, value.len);
    uint32_t name_at = rd_le32(&r);
    uint32_t name_len = rd_le32(&r);
    uint32_t type = rd_le32(&r);
    uint32_t text_at = rd_le32(&r);
    uint32_t text_len = rd_le32(&r);
    struct span name, text;

    if (!rd_ok(&r))
        return RNDIS_INVALID_LENGTH;
    name = part(value, name_at, name_len);
    text = part(value, text_at, text_len);
    if (name.len == 0)
        return RNDIS_INVALID_DATA;
    return is_name(name, "NetworkAddress") ? set_address(n, type, text)
                                           : set_keyword(n, c, name, type, text);
}

/* Multicast frames are filtered by their kind alone. */
static enum rndis_status accept(struct nvsp *n, const struct nic_config *c, struct span value)
{
    (void)n;
    (void)c;
    (void)value;
    return RNDIS_SUCCESS;
}

enum rndis_status oid_set(struct nvsp *n, const struct nic_config *c, uint32_t oid,
                          struct span value)
{
    static const struct {
        uint32_t oid;
        enum rndis_status (*set)(struct nvsp *n, const struct nic_config *c, struct span value);
    } all[] = {
        {OID_PACKET_FILTER,         set_filter   },
        {OID_OFFLOAD_PARAMETERS,    set_offloads },
        {OID_RSS_PARAMETERS,        set_rss      },
        {OID_CONFIG_PARAMETER,      set_parameter},
        {OID_802_3_MULTICAST_LIST,  accept       },
        {OID_CURRENT_LOOKAHEAD,     accept       },
        {OID_OFFLOAD_ENCAPSULATION, accept       },
    };

    for (size_t i = 0; i < COUNT_OF(all); i++) {
        if (all[i].oid == oid)
            return all[i].set(n, c, value);
    }
    return RNDIS_NOT_SUPPORTED;
}

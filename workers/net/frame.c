#include "workers/net/frame.h"

#include <errno.h>
#include <string.h>

#include "base/num.h"
#include "workers/net/checksum.h"

enum {
    MAC_BYTES = 6,
    TYPE_IPV4 = 0x0800,
    TYPE_IPV6 = 0x86dd,
    TYPE_VLAN = 0x8100,
    TYPE_QINQ = 0x88a8,
    IPV4_BYTES = 20,
    IPV6_BYTES = 40,
    TCP_BYTES = 20,
    UDP_BYTES = 8,
    PROTOCOL_UDP = 17,
    UDP_CHECKSUM_AT = 6,
    LSO_MSS_MIN = 64,       /* a frame makes a thousand segments at most */
    FRAGMENT_MASK = 0x3fff, /* more fragments, offset */
    EXTENSIONS_MAX = 4,
    EXTENSION_BYTES = 8, /* at least, and the unit of their lengths */
    EXTENSION_HOPS = 0,
    EXTENSION_FRAGMENT = 44,
    EXTENSION_DESTINATION = 60,
    IPV6_FRAGMENT_MASK = 0xfff9, /* offset, more fragments */
    /* @spec NDIS_HASH_* */
    HASH_IPV4 = 0x100,
    HASH_TCP_IPV4 = 0x200,
    HASH_IPV6 = 0x400,
    HASH_TCP_IPV6 = 0x1000,
    /* @spec virtio 1.1 5.1.6 */
    VNET_START_AT = 6,
    VNET_DATA_VALID = 2,
};

static uint16_t be16_at(const uint8_t *at, uint32_t offset)
{
    return (uint16_t)(at[offset] << 8 | at[offset + 1]);
}

static void put_be16(uint8_t *at, uint32_t offset, uint16_t v)
{
    at[offset] = (uint8_t)(v >> 8);
    at[offset + 1] = (uint8_t)v;
}

static void look_at_ipv4(const uint8_t *at, uint32_t have, struct frame_layout *l)
{
    uint32_t header;

    if (!range_inside(l->ip_at, IPV4_BYTES, have) || at[l->ip_at] >> 4 != 4)
        return;
    header = (at[l->ip_at] & 15u) * 4;
    if (header < IPV4_BYTES)
        return;
    l->is_fragment = (be16_at(at, l->ip_at + 6) & FRAGMENT_MASK) != 0;
    l->protocol = at[l->ip_at + 9];
    l->transport_at = l->ip_at + header;
}

static bool is_passed(uint8_t header)
{
    return header == EXTENSION_HOPS || header == EXTENSION_FRAGMENT ||
           header == EXTENSION_DESTINATION;
}

/* Those that leave the addresses as they are; at any other a frame ends here. */
static void pass_extensions(const uint8_t *at, uint32_t have, struct frame_layout *l)
{
    for (unsigned left = EXTENSIONS_MAX; left > 0 && is_passed(l->protocol); left--) {
        uint32_t bytes = EXTENSION_BYTES;
        const uint8_t *header;

        if (!range_inside(l->transport_at, EXTENSION_BYTES, have))
            return;
        header = at + l->transport_at;
        if (l->protocol != EXTENSION_FRAGMENT)
            bytes += header[1] * (uint32_t)EXTENSION_BYTES;
        else if ((be16_at(header, 2) & IPV6_FRAGMENT_MASK) != 0)
            l->is_fragment = true;
        l->protocol = header[0];
        l->transport_at += bytes;
    }
}

static void look_at_ipv6(const uint8_t *at, uint32_t have, struct frame_layout *l)
{
    if (!range_inside(l->ip_at, IPV6_BYTES, have) || at[l->ip_at] >> 4 != 6)
        return;
    l->is_v6 = true;
    l->protocol = at[l->ip_at + 6];
    l->transport_at = l->ip_at + IPV6_BYTES;
    pass_extensions(at, have, l);
}

struct frame_layout frame_look_at(const uint8_t *at, uint32_t have)
{
    struct frame_layout l = {0};
    uint32_t type_at = 2 * MAC_BYTES;
    uint16_t type;

    for (unsigned tags = 0; tags < 3; tags++) {
        if (!range_inside(type_at, 2, have))
            return l;
        type = be16_at(at, type_at);
        if (type == TYPE_VLAN || type == TYPE_QINQ) {
            type_at += NIC_VLAN_BYTES;
            continue;
        }
        l.ip_at = type_at + 2;
        if (type == TYPE_IPV4)
            look_at_ipv4(at, have, &l);
        else if (type == TYPE_IPV6)
            look_at_ipv6(at, have, &l);
        break;
    }
    return l;
}

/* --- for whom --- */

enum nic_cast frame_cast(const uint8_t *at)
{
    static const uint8_t broadcast[MAC_BYTES] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

    if (memcmp(at, broadcast, MAC_BYTES) == 0)
        return NIC_BROADCAST;
    return (at[0] & 1) != 0 ? NIC_MULTICAST : NIC_DIRECTED;
}

/* Another kernel after the one that set an address (kexec) has that of the configuration again. */
static bool is_address(const struct nvsp *n, const struct nic_config *c, const uint8_t *at)
{
    return memcmp(at, n->mac, MAC_BYTES) == 0 || memcmp(at, c->mac, MAC_BYTES) == 0;
}

bool frame_is_wanted(const struct nvsp *n, const struct nic_config *c, const uint8_t *at,
                     uint32_t have)
{
    static const uint32_t filters[NIC_CASTS] = {
        [NIC_DIRECTED] = NIC_FILTER_DIRECTED,
        [NIC_MULTICAST] = NIC_FILTER_MULTICAST | NIC_FILTER_ALL_MULTICAST,
        [NIC_BROADCAST] = NIC_FILTER_BROADCAST,
    };
    enum nic_cast cast;

    if (have < NIC_HEAD_BYTES)
        return false;
    if ((n->filter & NIC_FILTER_PROMISCUOUS) != 0)
        return true;
    cast = frame_cast(at);
    return (n->filter & filters[cast]) != 0 && (cast != NIC_DIRECTED || is_address(n, c, at));
}

/* --- hash --- */

static uint32_t toeplitz(const uint8_t key[NIC_RSS_KEY_BYTES], const uint8_t *in, unsigned len)
{
    uint32_t window =
        (uint32_t)key[0] << 24 | (uint32_t)key[1] << 16 | (uint32_t)key[2] << 8 | key[3];
    uint32_t hash = 0;

    for (unsigned i = 0; i < len; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            if ((in[i] >> (7 - bit) & 1) != 0)
                hash ^= window;
            window = window << 1 | ((uint32_t)key[i + 4] >> (7 - bit) & 1);
        }
    }
    return hash;
}

bool frame_hash(const struct nic_rss *rss, const uint8_t *at, uint32_t have, uint32_t *ret)
{
    struct frame_layout l;
    uint8_t in[36]; /* two addresses of IPv6, two ports */
    uint32_t addresses, addresses_at;
    bool has_ports;

    if (rss->enabled == 0)
        return false;
    l = frame_look_at(at, have);
    if (l.transport_at == 0)
        return false;
    addresses = l.is_v6 ? 32 : 8;
    addresses_at = l.ip_at + (l.is_v6 ? 8 : 12);
    has_ports = l.protocol == FRAME_TCP && !l.is_fragment &&
                range_inside(l.transport_at, 4, have) &&
                (rss->hash_types & (l.is_v6 ? HASH_TCP_IPV6 : HASH_TCP_IPV4)) != 0;
    if (!has_ports && (rss->hash_types & (l.is_v6 ? HASH_IPV6 : HASH_IPV4)) == 0)
        return false;
    memcpy(in, at + addresses_at, addresses);
    if (has_ports)
        memcpy(in + addresses, at + l.transport_at, 4);
    *ret = toeplitz(rss->key, in, addresses + (has_ports ? 4 : 0));
    return true;
}

unsigned frame_channel(const struct nvsp *n, bool has_hash, uint32_t hash)
{
    if (!has_hash || n->rss.enabled == 0 || n->rss.table_entries == 0)
        return 0;
    return n->rss.table[hash & (n->rss.table_entries - 1)];
}

/* --- checksums --- */

/* Over addresses, protocol and length, as TCP and UDP count it. */
static uint32_t pseudo_sum(const uint8_t *at, const struct frame_layout *l, uint32_t len)
{
    uint32_t s =
        l->is_v6 ? checksum_sum(at + l->ip_at + 8, 32, 0) : checksum_sum(at + l->ip_at + 12, 8, 0);

    return s + l->protocol + (len >> 16) + (len & 0xffff);
}

static bool is_asked_for(const struct rndis_tx *tx, const struct frame_layout *l)
{
    bool is_said = tx->transport_offset >= NIC_HEAD_BYTES; /* Windows does not, for UDP */

    return l->transport_at != 0 && !l->is_fragment &&
           (!is_said || l->transport_at == tx->transport_offset) &&
           (l->protocol == FRAME_TCP || l->protocol == PROTOCOL_UDP);
}

static uint32_t checksum_at(const struct frame_layout *l)
{
    return l->transport_at + (l->protocol == FRAME_TCP ? FRAME_TCP_CHECKSUM_AT : UDP_CHECKSUM_AT);
}

static uint32_t transport_bytes(const struct frame_layout *l)
{
    return l->protocol == FRAME_TCP ? TCP_BYTES : UDP_BYTES;
}

static void put_header(uint8_t header[VNET_HEADER_BYTES], uint8_t gso, uint16_t header_len,
                       uint16_t gso_size, uint16_t start, uint16_t offset)
{
    struct wr w = wr_over(header, VNET_HEADER_BYTES);

    wr_u8(&w, VNET_NEEDS_CSUM);
    wr_u8(&w, gso);
    wr_le16(&w, header_len);
    wr_le16(&w, gso_size);
    wr_le16(&w, start);
    wr_le16(&w, offset);
    wr_le16(&w, 0);
}

static void complete_ipv4(uint8_t *at, const struct frame_layout *l)
{
    uint32_t len = l->transport_at - l->ip_at;

    put_be16(at, l->ip_at + 10, 0);
    put_be16(at, l->ip_at + 10, (uint16_t)~checksum_folded(checksum_sum(at + l->ip_at, len, 0)));
}

static int vnet_lso(const struct rndis_tx *tx, uint8_t *at, uint32_t have, uint32_t frame_len,
                    const struct frame_layout *l, uint8_t header[VNET_HEADER_BYTES])
{
    uint32_t header_len;

    if (l->protocol != FRAME_TCP || tx->mss < LSO_MSS_MIN || tx->mss > UINT16_MAX ||
        frame_len - l->ip_at > UINT16_MAX)
        return -EBADMSG;
    header_len = l->transport_at + (at[l->transport_at + 12] >> 4) * 4u;
    if (header_len < l->transport_at + TCP_BYTES || header_len > frame_len || header_len > have)
        return -EBADMSG;
    put_be16(at, checksum_at(l), checksum_folded(pseudo_sum(at, l, frame_len - l->transport_at)));
    if (l->is_v6) {
        put_be16(at, l->ip_at + 4, (uint16_t)(frame_len - l->ip_at - IPV6_BYTES));
    } else {
        put_be16(at, l->ip_at + 2, (uint16_t)(frame_len - l->ip_at));
        complete_ipv4(at, l);
    }
    put_header(header, l->is_v6 ? VNET_GSO_TCPV6 : VNET_GSO_TCPV4, (uint16_t)header_len,
               (uint16_t)tx->mss, (uint16_t)l->transport_at, FRAME_TCP_CHECKSUM_AT);
    return 0;
}

int frame_vnet_tx(const struct rndis_tx *tx, uint8_t *at, uint32_t have, uint32_t frame_len,
                  uint8_t header[VNET_HEADER_BYTES])
{
    struct frame_layout l = frame_look_at(at, have);

    memset(header, 0, VNET_HEADER_BYTES);
    if (tx->checksum_ip && l.ip_at != 0 && l.transport_at != 0 && !l.is_v6 &&
        l.transport_at <= have)
        complete_ipv4(at, &l);
    if (!tx->lso && !tx->checksum_tcp && !tx->checksum_udp)
        return 0;
    if (!is_asked_for(tx, &l) || !range_inside(l.transport_at, transport_bytes(&l), have) ||
        (!tx->lso && tx->checksum_tcp != (l.protocol == FRAME_TCP)))
        return -EBADMSG;
    if (tx->lso)
        return vnet_lso(tx, at, have, frame_len, &l, header);
    put_header(header, VNET_GSO_NONE, 0, 0, (uint16_t)l.transport_at,
               l.protocol == FRAME_TCP ? FRAME_TCP_CHECKSUM_AT : UDP_CHECKSUM_AT);
    return 0;
}

/* Where a vnet header has a sum begin and be stored; false: not inside of the frame. */
static bool checksum_place(const uint8_t header[VNET_HEADER_BYTES], uint32_t len,
                           uint32_t *ret_start, uint32_t *ret_field)
{
    struct rd r = rd_over(header + VNET_START_AT, 4);
    uint32_t start = rd_le16(&r);
    uint32_t field = start + rd_le16(&r);

    if (start < NIC_HEAD_BYTES || !range_inside(field, 2, len))
        return false;
    *ret_start = start;
    *ret_field = field;
    return true;
}

int frame_vnet_rx(const struct nvsp *n, const uint8_t header[VNET_HEADER_BYTES], const uint8_t *at,
                  uint32_t have, uint32_t frame_len, struct rndis_rx *rx)
{
    bool is_partial = (header[0] & VNET_NEEDS_CSUM) != 0;
    uint32_t start, field, wanted;
    struct frame_layout l;

    if (header[1] != VNET_GSO_NONE || /* nobody asked for segments */
        (is_partial && !checksum_place(header, frame_len, &start, &field)))
        return -EBADMSG;
    if ((header[0] & (VNET_NEEDS_CSUM | VNET_DATA_VALID)) == 0)
        return 0;
    l = frame_look_at(at, have);
    wanted = l.is_v6 ? NIC_RX_CHECKSUM_V6 : NIC_RX_CHECKSUM_V4;
    /* Of a tunnel, it may be the inner one that is not there. */
    if ((n->offloads & wanted) == 0 || l.transport_at == 0 || l.is_fragment ||
        (l.protocol != FRAME_TCP && l.protocol != PROTOCOL_UDP) ||
        (is_partial && (start != l.transport_at || field != checksum_at(&l))))
        return is_partial ? -ENOTSUP : 0;
    rx->has_checksum = true;
    rx->checksum_is_tcp = l.protocol == FRAME_TCP;
    return 0;
}

static void put_checksum(uint8_t *frame, uint32_t field, uint32_t total)
{
    uint16_t value = (uint16_t)~checksum_folded(total);

    if (value == 0) /* which says, to UDP, that there is none */
        value = 0xffff;
    put_be16(frame, field, value);
}

int frame_complete(const uint8_t header[VNET_HEADER_BYTES], uint8_t *frame, uint32_t len)
{
    uint32_t start, field;

    if ((header[0] & VNET_NEEDS_CSUM) == 0 || !checksum_place(header, len, &start, &field))
        return -EBADMSG;
    put_checksum(frame, field, checksum_sum(frame + start, len - start, 0));
    return 0;
}

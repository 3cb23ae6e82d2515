#include "workers/net/segments.h"

#include <errno.h>
#include <string.h>

#include "base/num.h"
#include "base/rd.h"
#include "base/wr.h"
#include "workers/net/checksum.h"

enum {
    IPV4_LENGTH_AT = 2,
    IPV4_ID_AT = 4,
    IPV4_CHECKSUM_AT = 10,
    IPV6_LENGTH_AT = 4,
    IPV6_BYTES = 40,
    TCP_BYTES = 20,
    TCP_SEQUENCE_AT = 4,
    TCP_OFFSET_AT = 12,
    TCP_FLAGS_AT = 13,
    TCP_LAST_FLAGS = 0x09,  /* FIN, PSH: of the last one */
    TCP_FIRST_FLAGS = 0x80, /* CWR */
};

static uint32_t get_be(const uint8_t *at, unsigned bytes)
{
    struct rd r = rd_over(at, bytes);

    return bytes == 2 ? rd_be16(&r) : rd_be32(&r);
}

static void put_be16(uint8_t *at, uint32_t v)
{
    struct wr w = wr_over(at, 2);

    wr_be16(&w, (uint16_t)v);
}

static void put_be32(uint8_t *at, uint32_t v)
{
    struct wr w = wr_over(at, 4);

    wr_be32(&w, v);
}

int segments_of(const uint8_t header[VNET_HEADER_BYTES], const uint8_t *frame, uint32_t len,
                struct segments *ret)
{
    struct frame_layout l = frame_look_at(frame, len);
    struct rd r = rd_over(header, VNET_HEADER_BYTES);
    struct segments s = {.frame = frame, .len = len, .is_v6 = l.is_v6};
    uint8_t flags = rd_u8(&r);
    uint8_t gso = rd_u8(&r);

    (void)rd_le16(&r); /* how long the headers are: they say so themselves */
    s.mss = rd_le16(&r);
    if ((flags & VNET_NEEDS_CSUM) == 0 || gso != (l.is_v6 ? VNET_GSO_TCPV6 : VNET_GSO_TCPV4) ||
        l.protocol != FRAME_TCP || l.is_fragment || rd_le16(&r) != l.transport_at ||
        rd_le16(&r) != FRAME_TCP_CHECKSUM_AT || !range_inside(l.transport_at, TCP_BYTES, len))
        return -EBADMSG;
    s.ip_at = l.ip_at;
    s.tcp_at = l.transport_at;
    s.headers = s.tcp_at + (frame[s.tcp_at + TCP_OFFSET_AT] >> 4) * 4u;
    if (s.headers < s.tcp_at + TCP_BYTES || s.headers >= len || s.headers > SEGMENTS_HEADERS_MAX ||
        s.mss < SEGMENTS_MSS_MIN ||
        len - s.ip_at > UINT16_MAX + (s.is_v6 ? (uint32_t)IPV6_BYTES : 0))
        return -EBADMSG;
    s.n = (len - s.headers + s.mss - 1) / s.mss;
    *ret = s;
    return 0;
}

/* Lengths, and what counts the packets of IPv4. */
static void put_ip(const struct segments *s, unsigned i, uint8_t *out, uint32_t len)
{
    uint8_t *ip = out + s->ip_at;

    if (s->is_v6) {
        put_be16(ip + IPV6_LENGTH_AT, len - s->ip_at - IPV6_BYTES);
        return;
    }
    put_be16(ip + IPV4_LENGTH_AT, len - s->ip_at);
    put_be16(ip + IPV4_ID_AT, get_be(ip + IPV4_ID_AT, 2) + i);
    put_be16(ip + IPV4_CHECKSUM_AT, 0);
    put_be16(ip + IPV4_CHECKSUM_AT,
             ~(uint32_t)checksum_folded(checksum_sum(ip, s->tcp_at - s->ip_at, 0)));
}

static void put_tcp(const struct segments *s, unsigned i, uint8_t *out, uint32_t len)
{
    uint8_t *tcp = out + s->tcp_at;
    uint32_t bytes = len - s->tcp_at;
    uint32_t addresses = s->is_v6 ? 32 : 8;
    uint32_t sum;

    put_be32(tcp + TCP_SEQUENCE_AT, get_be(tcp + TCP_SEQUENCE_AT, 4) + i * s->mss);
    if (i + 1 != s->n)
        tcp[TCP_FLAGS_AT] &= (uint8_t)~TCP_LAST_FLAGS;
    if (i > 0)
        tcp[TCP_FLAGS_AT] &= (uint8_t)~TCP_FIRST_FLAGS;
    put_be16(tcp + FRAME_TCP_CHECKSUM_AT, 0);
    sum = checksum_sum(out + s->ip_at + (s->is_v6 ? 8 : 12), addresses, FRAME_TCP + bytes);
    put_be16(tcp + FRAME_TCP_CHECKSUM_AT,
             ~(uint32_t)checksum_folded(checksum_sum(tcp, bytes, sum)));
}

uint32_t segments_cut(const struct segments *s, unsigned i, uint8_t *out)
{
    uint32_t from = s->headers + i * s->mss;
    uint32_t data = s->len - from < s->mss ? s->len - from : s->mss;
    uint32_t len = s->headers + data;

    memcpy(out, s->frame, s->headers);
    memcpy(out + s->headers, s->frame + from, data);
    put_ip(s, i, out, len);
    put_tcp(s, i, out, len);
    return len;
}

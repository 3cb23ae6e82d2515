#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workers/net/frame.h"

enum {
    TCP = 6,
    UDP = 17,
    HASH_ADDRESSES = 0x501, /* Toeplitz; IPv4, IPv6 */
    HASH_ALL = 0x1701,      /* and TCP over both */
    NEEDS_CSUM = 1,
    DATA_VALID = 2,
    GSO_TCPV4 = 1,
    GSO_TCPV6 = 4,
    RX_BOTH = NIC_RX_CHECKSUM_V4 | NIC_RX_CHECKSUM_V6,
    TCP_CHECKSUM = 16,
    UDP_CHECKSUM = 6,
};

/* @spec NDIS "Verifying the RSS Hash Calculation" */
static const uint8_t known_key[NIC_RSS_KEY_BYTES] = {
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
    0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
    0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

static const uint8_t mac[6] = {0x02, 1, 2, 3, 4, 5};
static uint8_t frame[2048];
static uint32_t len, ip_at, transport_at;
static uint8_t header[VNET_HEADER_BYTES];
static struct nvsp nic;

static void set_up(void)
{
    memset(frame, 0, sizeof(frame));
    memset(header, 0, sizeof(header));
    memset(&nic, 0, sizeof(nic));
    memcpy(nic.mac, mac, sizeof(mac));
    nic.channels = 4;
    nic.rss.enabled = 1;
    nic.rss.hash_types = HASH_ALL;
    memcpy(nic.rss.key, known_key, sizeof(known_key));
}

/* --- a frame, layer by layer --- */

static void put16(uint32_t at, uint32_t v)
{
    frame[at] = (uint8_t)(v >> 8);
    frame[at + 1] = (uint8_t)v;
}

static uint32_t get16(uint32_t at)
{
    return (uint32_t)frame[at] << 8 | frame[at + 1];
}

static uint32_t header16(uint32_t at)
{
    return header[at] | (uint32_t)header[at + 1] << 8;
}

static void begin(unsigned tags)
{
    memset(frame, 0, sizeof(frame));
    memcpy(frame, mac, sizeof(mac));
    len = 12;
    for (unsigned i = 0; i < tags; i++) {
        put16(len, i + 1 < tags ? 0x88a8 : 0x8100);
        put16(len + 2, 0x2123);
        len += 4;
    }
    ip_at = len + 2;
}

static void put_ipv4(const char *from, const char *to, uint8_t protocol, uint32_t options)
{
    put16(len, 0x0800);
    frame[ip_at] = (uint8_t)(0x40 | (20 + options) / 4);
    frame[ip_at + 8] = 64;
    frame[ip_at + 9] = protocol;
    ck_assert_int_eq(inet_pton(AF_INET, from, frame + ip_at + 12), 1);
    ck_assert_int_eq(inet_pton(AF_INET, to, frame + ip_at + 16), 1);
    transport_at = len = ip_at + 20 + options;
}

static void put_ipv6(const char *from, const char *to, uint8_t next)
{
    put16(len, 0x86dd);
    frame[ip_at] = 0x60;
    frame[ip_at + 6] = next;
    ck_assert_int_eq(inet_pton(AF_INET6, from, frame + ip_at + 8), 1);
    ck_assert_int_eq(inet_pton(AF_INET6, to, frame + ip_at + 24), 1);
    transport_at = len = ip_at + 40;
}

/* An extension header of IPv6 with so many units beyond the first. */
static void put_extension(uint8_t next, uint8_t units)
{
    frame[transport_at] = next;
    frame[transport_at + 1] = units;
    transport_at += 8 + units * 8u;
    len = transport_at;
}

static void end(void)
{
    if (frame[ip_at] >> 4 == 4)
        put16(ip_at + 2, len - ip_at);
    else
        put16(ip_at + 4, len - ip_at - 40);
}

static void put_tcp(uint16_t from, uint16_t to, uint32_t data)
{
    put16(transport_at, from);
    put16(transport_at + 2, to);
    frame[transport_at + 12] = 5 << 4;
    for (uint32_t i = 0; i < data; i++)
        frame[transport_at + 20 + i] = (uint8_t)(i * 7 + 1);
    len = transport_at + 20 + data;
    end();
}

static void put_udp(uint32_t data)
{
    put16(transport_at, 1000);
    put16(transport_at + 2, 2000);
    put16(transport_at + 4, 8 + data);
    for (uint32_t i = 0; i < data; i++)
        frame[transport_at + 8 + i] = (uint8_t)(i * 5 + 3);
    len = transport_at + 8 + data;
    end();
}

static void make_tcp4(uint32_t data)
{
    begin(0);
    put_ipv4("10.0.0.1", "10.0.0.2", TCP, 0);
    put_tcp(1234, 80, data);
}

static void make_tcp6(uint32_t data)
{
    begin(0);
    put_ipv6("fd00::1", "fd00::2", TCP);
    put_tcp(1234, 80, data);
}

static void make_udp4(uint32_t data)
{
    begin(0);
    put_ipv4("10.0.0.1", "10.0.0.2", UDP, 0);
    put_udp(data);
}

/* Sum of 16-bit words, as the standards say it: another way than the one that is tested. */
static uint64_t words(uint32_t at, uint32_t n)
{
    uint64_t s = 0;

    for (uint32_t i = 0; i < n; i++)
        s += (uint64_t)frame[at + i] << (i % 2 == 0 ? 8 : 0);
    return s;
}

static uint64_t pseudo(uint32_t protocol, uint32_t transport_len)
{
    uint64_t addresses = frame[ip_at] >> 4 == 4 ? words(ip_at + 12, 8) : words(ip_at + 8, 32);

    return addresses + protocol + (transport_len >> 16) + (transport_len & 0xffff);
}

static uint32_t fold(uint64_t s)
{
    while (s >> 16 != 0)
        s = (s & 0xffff) + (s >> 16);
    return (uint32_t)s;
}

static bool is_right(uint32_t protocol, uint32_t transport_len)
{
    return fold(pseudo(protocol, transport_len) + words(transport_at, transport_len)) == 0xffff;
}

/* What there is of a frame is exactly that long, so that a sanitizer sees who reads on. */
static uint8_t *exact(uint32_t n)
{
    uint8_t *copy = malloc(n + 1);

    ck_assert_ptr_nonnull(copy);
    return memcpy(copy, frame, n);
}

/* --- for whom --- */

static bool wanted(const char *to, uint32_t filter)
{
    unsigned bytes[6];

    ck_assert_int_eq(sscanf(to, "%x:%x:%x:%x:%x:%x", &bytes[0], &bytes[1], &bytes[2], &bytes[3],
                            &bytes[4], &bytes[5]),
                     6);
    for (unsigned i = 0; i < 6; i++)
        frame[i] = (uint8_t)bytes[i];
    nic.filter = filter;
    return frame_is_wanted(&nic, frame, 60);
}

START_TEST(a_filter_is_heeded)
{
    static const char own[] = "2:1:2:3:4:5", other[] = "2:1:2:3:4:6", group[] = "1:0:5e:0:0:1",
                      everyone[] = "ff:ff:ff:ff:ff:ff";

    ck_assert(!wanted(own, 0));
    ck_assert(wanted(own, NIC_FILTER_DIRECTED));
    ck_assert(!wanted(own, NIC_FILTERS & ~(NIC_FILTER_DIRECTED | NIC_FILTER_PROMISCUOUS)));
    ck_assert(!wanted(other, NIC_FILTERS & ~NIC_FILTER_PROMISCUOUS));
    ck_assert(wanted(other, NIC_FILTER_PROMISCUOUS));
    ck_assert(wanted(group, NIC_FILTER_MULTICAST));
    ck_assert(wanted(group, NIC_FILTER_ALL_MULTICAST));
    ck_assert(!wanted(group, NIC_FILTER_DIRECTED | NIC_FILTER_BROADCAST));
    ck_assert(wanted(everyone, NIC_FILTER_BROADCAST));
    ck_assert(!wanted(everyone, NIC_FILTER_DIRECTED | NIC_FILTER_MULTICAST));
    nic.filter = NIC_FILTER_PROMISCUOUS;
    ck_assert(!frame_is_wanted(&nic, frame, 13)); /* it is none */
}
END_TEST

/* --- hash --- */

static const struct {
    const char *to, *from;
    uint16_t to_port, from_port;
    uint32_t addresses, tcp;
} known[] = {
    {"161.142.100.80",           "66.9.149.187",                        1766,  2794,  0x323e8fc2, 0x51ccc178},
    {"65.69.140.83",             "199.92.111.2",                        4739,  14230, 0xd718262a, 0xc626b0ea},
    {"12.22.207.184",            "24.19.198.95",                        38024, 12898, 0xd2d0a5de, 0x5c2b394a},
    {"209.142.163.6",            "38.27.205.30",                        2217,  48228, 0x82989176, 0xafc7327f},
    {"202.188.127.2",            "153.39.163.191",                      1303,  44251, 0x5d1809c5, 0x10e828a2},
    {"3ffe:2501:200:3::1",       "3ffe:2501:200:1fff::7",               1766,  2794,  0x2cc18cd5, 0x40207d3d},
    {"ff02::1",                  "3ffe:501:8::260:97ff:fe40:efab",      4739,  14230, 0x0f0c461c, 0xdde51bbf},
    {"fe80::200:f8ff:fe21:67cf", "3ffe:1900:4545:3:200:f8ff:fe21:67cf", 38024, 44251, 0x4b61e985,
     0x02d1feef                                                                                             },
};

static void make_known(unsigned i, unsigned tags)
{
    begin(tags);
    if (strchr(known[i].to, ':') != NULL)
        put_ipv6(known[i].from, known[i].to, TCP);
    else
        put_ipv4(known[i].from, known[i].to, TCP, 0);
    put_tcp(known[i].from_port, known[i].to_port, 10);
}

/* 0: it has none; no known one is 0. */
static uint32_t hash_of(uint32_t types, uint32_t have)
{
    uint8_t *copy = exact(have);
    uint32_t hash = 77;
    bool has;

    nic.rss.hash_types = types;
    has = frame_hash(&nic.rss, copy, have, &hash);
    free(copy);
    if (!has)
        ck_assert_uint_eq(hash, 77);
    return has ? hash : 0;
}

START_TEST(known_hashes_come_out)
{
    for (unsigned i = 0; i < COUNT_OF(known); i++) {
        for (unsigned tags = 0; tags < 3; tags++) {
            make_known(i, tags);
            ck_assert_uint_eq(hash_of(HASH_ADDRESSES, len), known[i].addresses);
            ck_assert_uint_eq(hash_of(HASH_ALL, len), known[i].tcp);
        }
    }
}
END_TEST

START_TEST(only_what_was_asked_for_is_hashed)
{
    make_known(0, 0);
    ck_assert_uint_eq(hash_of(0x1501, len), known[0].addresses); /* ports over IPv6 only */
    ck_assert_uint_eq(hash_of(0x0201, len), known[0].tcp);
    ck_assert_uint_eq(hash_of(0x1401, len), 0);
    frame[ip_at + 9] = UDP;
    ck_assert_uint_eq(hash_of(HASH_ALL, len), known[0].addresses);
    ck_assert_uint_eq(hash_of(0x0201, len), 0);
    make_known(5, 0);
    ck_assert_uint_eq(hash_of(0x0701, len), known[5].addresses);
    ck_assert_uint_eq(hash_of(0x1001, len), known[5].tcp);
    ck_assert_uint_eq(hash_of(0x0301, len), 0);
    nic.rss.enabled = 0;
    ck_assert_uint_eq(hash_of(HASH_ALL, len), 0);
}
END_TEST

START_TEST(pieces_of_a_datagram_have_no_ports)
{
    make_known(0, 0);
    put16(ip_at + 6, 0x4000); /* must not be fragmented: it is whole */
    ck_assert_uint_eq(hash_of(HASH_ALL, len), known[0].tcp);
    put16(ip_at + 6, 0x2000);
    ck_assert_uint_eq(hash_of(HASH_ALL, len), known[0].addresses);
    put16(ip_at + 6, 1);
    ck_assert_uint_eq(hash_of(HASH_ALL, len), known[0].addresses);
}
END_TEST

START_TEST(extension_headers_are_passed)
{
    begin(0);
    put_ipv6(known[5].from, known[5].to, 0);
    put_extension(60, 1);
    put_extension(44, 0);
    put_extension(TCP, 0);
    frame[transport_at - 7] = 9; /* reserved: that of a fragment is as long as any other */
    put_tcp(known[5].from_port, known[5].to_port, 0);
    ck_assert_uint_eq(hash_of(HASH_ALL, len), known[5].tcp);
    put16(transport_at - 6, 1); /* more fragments */
    ck_assert_uint_eq(hash_of(HASH_ALL, len), known[5].addresses);
    begin(0);
    put_ipv6(known[5].from, known[5].to, 43); /* a route: not passed */
    put_extension(TCP, 0);
    put_tcp(known[5].from_port, known[5].to_port, 0);
    ck_assert_uint_eq(hash_of(HASH_ALL, len), known[5].addresses);
}
END_TEST

START_TEST(endless_extension_headers_end)
{
    begin(0);
    put_ipv6(known[5].from, known[5].to, 60);
    for (unsigned i = 0; i < 20; i++)
        put_extension(60, 0);
    ck_assert_uint_eq(hash_of(HASH_ALL, len), known[5].addresses);
    for (uint32_t have = 0; have < len; have++)
        ck_assert_uint_eq(hash_of(HASH_ALL, have), have < 54 ? 0 : known[5].addresses);
}
END_TEST

START_TEST(a_frame_that_is_cut_off_has_no_more_than_it_has)
{
    make_known(0, 0);
    for (uint32_t have = 0; have < len; have++)
        ck_assert_uint_eq(hash_of(HASH_ALL, have), have < 34   ? 0
                                                   : have < 38 ? known[0].addresses
                                                               : known[0].tcp);
    frame[ip_at] = 0x44; /* shorter than any header is */
    ck_assert_uint_eq(hash_of(HASH_ALL, len), 0);
    frame[ip_at] = 0x65;
    ck_assert_uint_eq(hash_of(HASH_ALL, len), 0);
    frame[ip_at] = 0x4f; /* options up to beyond the end */
    ck_assert_uint_eq(hash_of(HASH_ALL, 54), known[0].addresses);
    make_known(0, 3);
    ck_assert_uint_eq(hash_of(HASH_ALL, len), 0); /* too many tags */
}
END_TEST

START_TEST(a_hash_chooses_a_channel)
{
    nic.rss.table_entries = 4;
    for (uint8_t i = 0; i < 4; i++)
        nic.rss.table[i] = (uint8_t)(3 - i);
    ck_assert_uint_eq(frame_channel(&nic, true, 0xfffffff1), 2);
    ck_assert_uint_eq(frame_channel(&nic, true, 0), 3);
    ck_assert_uint_eq(frame_channel(&nic, false, 0), 0);
    nic.rss.enabled = 0;
    ck_assert_uint_eq(frame_channel(&nic, true, 0), 0);
    nic.rss.enabled = 1;
    nic.rss.table_entries = 0;
    ck_assert_uint_eq(frame_channel(&nic, true, 0), 0);
}
END_TEST

/* --- from the guest --- */

static int vnet_tx(const struct rndis_tx *tx, uint32_t have)
{
    uint8_t *copy = exact(have);
    int e = frame_vnet_tx(tx, copy, have, len, header);

    memcpy(frame, copy, have);
    free(copy);
    return e;
}

START_TEST(a_frame_without_wishes_has_an_empty_header)
{
    static const uint8_t none[VNET_HEADER_BYTES];
    const struct rndis_tx tx = {.frame_len = 60};

    memset(header, 0xee, sizeof(header));
    make_tcp4(10);
    ck_assert_int_eq(vnet_tx(&tx, len), 0);
    ck_assert_mem_eq(header, none, sizeof(none));
    ck_assert_int_eq(frame_vnet_tx(&tx, frame, 0, 0, header), 0);
}
END_TEST

static void must_ask_for_checksum(uint32_t field)
{
    ck_assert_uint_eq(header[0], NEEDS_CSUM);
    ck_assert_uint_eq(header[1], 0);
    ck_assert_uint_eq(header16(2), 0);
    ck_assert_uint_eq(header16(4), 0);
    ck_assert_uint_eq(header16(6), transport_at);
    ck_assert_uint_eq(header16(8), field);
    ck_assert_uint_eq(header16(10), 0);
}

START_TEST(a_checksum_is_asked_for)
{
    struct rndis_tx tx = {.checksum_tcp = true};

    make_tcp4(10);
    tx.transport_offset = (uint16_t)transport_at;
    ck_assert_int_eq(vnet_tx(&tx, len), 0);
    must_ask_for_checksum(TCP_CHECKSUM);
    make_tcp6(10);
    tx.transport_offset = (uint16_t)transport_at;
    ck_assert_int_eq(vnet_tx(&tx, len), 0);
    must_ask_for_checksum(TCP_CHECKSUM);
    begin(1); /* with a VLAN tag */
    put_ipv4("10.0.0.1", "10.0.0.2", TCP, 12);
    put_tcp(1, 2, 10);
    tx.transport_offset = (uint16_t)transport_at;
    ck_assert_uint_eq(transport_at, 14 + 4 + 32);
    ck_assert_int_eq(vnet_tx(&tx, len), 0);
    must_ask_for_checksum(TCP_CHECKSUM);
    tx = (struct rndis_tx){.checksum_udp = true}; /* and where UDP begins need not be said */
    make_udp4(10);
    ck_assert_int_eq(vnet_tx(&tx, len), 0);
    must_ask_for_checksum(UDP_CHECKSUM);
}
END_TEST

static void must_not_fit(const struct rndis_tx *tx, uint32_t have)
{
    ck_assert_int_eq(vnet_tx(tx, have), -EBADMSG);
}

START_TEST(a_checksum_that_does_not_fit_the_frame_is_refused)
{
    struct rndis_tx tx = {.checksum_tcp = true, .transport_offset = 34};

    make_tcp4(10);
    for (uint32_t have = 0; have < 54; have++)
        must_not_fit(&tx, have);
    ck_assert_int_eq(vnet_tx(&tx, 54), 0);
    tx.transport_offset = 38;
    must_not_fit(&tx, len);
    tx.transport_offset = 34;
    put16(ip_at + 6, 0x2000); /* of a piece there is none */
    must_not_fit(&tx, len);
    make_udp4(20);
    must_not_fit(&tx, len);
    tx = (struct rndis_tx){.checksum_udp = true, .transport_offset = 34};
    make_tcp4(10);
    must_not_fit(&tx, len);
    frame[ip_at + 9] = 1;
    must_not_fit(&tx, len);
    make_tcp4(10);
    put16(12, 0x0806); /* not even IP */
    must_not_fit(&tx, len);
}
END_TEST

START_TEST(the_checksum_of_ip_is_completed)
{
    const struct rndis_tx tx = {.checksum_ip = true};

    begin(0);
    put_ipv4("10.0.0.1", "10.0.0.2", 1, 8);
    len += 20;
    end();
    put16(ip_at + 10, 0x1234);
    ck_assert_int_eq(vnet_tx(&tx, len), 0);
    ck_assert_uint_eq(header[0], 0);
    ck_assert_uint_eq(fold(words(ip_at, 28)), 0xffff);
}
END_TEST

/* A guest's sum without the length, as Windows leaves it, or with it, as Linux does: it is made right. */
static void check_lso(bool is_v6, uint32_t data, uint64_t left)
{
    struct rndis_tx tx = {.lso = true, .mss = 500, .is_v6 = is_v6};
    uint32_t before;

    if (is_v6)
        make_tcp6(data);
    else
        make_tcp4(data);
    before = len - data;
    tx.transport_offset = (uint16_t)transport_at;
    put16(transport_at + TCP_CHECKSUM, fold(left));
    put16(ip_at + (is_v6 ? 4 : 2), 0); /* nor the length of all of it */
    ck_assert_int_eq(vnet_tx(&tx, before), 0);
    ck_assert_uint_eq(header[0], NEEDS_CSUM);
    ck_assert_uint_eq(header[1], is_v6 ? GSO_TCPV6 : GSO_TCPV4);
    ck_assert_uint_eq(header16(2), before);
    ck_assert_uint_eq(header16(4), 500);
    ck_assert_uint_eq(header16(6), transport_at);
    ck_assert_uint_eq(header16(8), TCP_CHECKSUM);
    ck_assert_uint_eq(get16(transport_at + TCP_CHECKSUM), fold(pseudo(TCP, 20 + data)));
    if (is_v6) {
        ck_assert_uint_eq(get16(ip_at + 4), 20 + data);
    } else {
        ck_assert_uint_eq(get16(ip_at + 2), 40 + data);
        ck_assert_uint_eq(fold(words(ip_at, 20)), 0xffff);
    }
}

START_TEST(a_large_send_is_made_right)
{
    for (int is_v6 = 0; is_v6 <= 1; is_v6++) {
        check_lso(is_v6 != 0, 1900, 0);
        check_lso(is_v6 != 0, 1900, pseudo(TCP, 0));
        check_lso(is_v6 != 0, 1900, pseudo(TCP, 1920));
    }
}
END_TEST

START_TEST(a_large_send_that_cannot_be_is_refused)
{
    struct rndis_tx tx = {.lso = true, .transport_offset = 34};

    make_tcp4(1000);
    must_not_fit(&tx, len); /* no size of segments */
    tx.mss = 0x10000;
    must_not_fit(&tx, len);
    tx.mss = 500;
    for (uint32_t have = 0; have < 54; have++)
        must_not_fit(&tx, have);
    ck_assert_int_eq(vnet_tx(&tx, 54), 0);
    frame[transport_at + 12] = 4 << 4; /* a header shorter than one is */
    must_not_fit(&tx, len);
    frame[transport_at + 12] = 6 << 4;
    must_not_fit(&tx, 54); /* or longer than what there is of it */
    make_tcp4(2);
    frame[transport_at + 12] = 6 << 4;
    must_not_fit(&tx, len); /* or than the frame */
    make_tcp4(1000);
    len = 14 + 65536; /* what does not fit the header's length */
    must_not_fit(&tx, 54);
    len = 14 + 65535;
    ck_assert_int_eq(vnet_tx(&tx, 54), 0);
    make_udp4(1000);
    must_not_fit(&tx, len);
}
END_TEST

/* --- for the guest --- */

static void put_header(uint8_t flags, uint8_t gso, uint32_t start, uint32_t field)
{
    memset(header, 0, sizeof(header));
    header[0] = flags;
    header[1] = gso;
    header[6] = (uint8_t)start;
    header[7] = (uint8_t)(start >> 8);
    header[8] = (uint8_t)field;
    header[9] = (uint8_t)(field >> 8);
}

static int vnet_rx(uint32_t have, struct rndis_rx *rx)
{
    uint8_t *copy = exact(have);
    int e;

    *rx = (struct rndis_rx){0};
    e = frame_vnet_rx(&nic, header, copy, have, len, rx);
    free(copy);
    return e;
}

START_TEST(a_right_checksum_is_told_to_whoever_wants_to_know)
{
    struct rndis_rx rx;

    make_tcp4(10);
    put_header(NEEDS_CSUM, 0, 34, TCP_CHECKSUM);
    nic.offloads = RX_BOTH;
    ck_assert_int_eq(vnet_rx(len, &rx), 0);
    ck_assert(rx.has_checksum && rx.checksum_is_tcp);
    put_header(DATA_VALID, 0, 0, 0);
    ck_assert_int_eq(vnet_rx(len, &rx), 0);
    ck_assert(rx.has_checksum && rx.checksum_is_tcp);
    nic.offloads = NIC_RX_CHECKSUM_V6;
    ck_assert_int_eq(vnet_rx(len, &rx), 0);
    ck_assert(!rx.has_checksum);
    make_tcp6(10);
    ck_assert_int_eq(vnet_rx(len, &rx), 0);
    ck_assert(rx.has_checksum && rx.checksum_is_tcp);
    nic.offloads = RX_BOTH;
    make_udp4(10);
    ck_assert_int_eq(vnet_rx(len, &rx), 0);
    ck_assert(rx.has_checksum && !rx.checksum_is_tcp);
    put_header(0, 0, 0, 0);
    ck_assert_int_eq(vnet_rx(len, &rx), 0);
    ck_assert(!rx.has_checksum);
}
END_TEST

START_TEST(of_what_has_none_nothing_is_told)
{
    struct rndis_rx rx;

    nic.offloads = RX_BOTH;
    put_header(DATA_VALID, 0, 0, 0);
    make_tcp4(10);
    put16(ip_at + 6, 0x2000); /* a piece */
    ck_assert_int_eq(vnet_rx(len, &rx), 0);
    ck_assert(!rx.has_checksum);
    make_tcp4(10);
    frame[ip_at + 9] = 1;
    ck_assert_int_eq(vnet_rx(len, &rx), 0);
    ck_assert(!rx.has_checksum);
    put16(12, 0x0806);
    ck_assert_int_eq(vnet_rx(len, &rx), 0);
    ck_assert(!rx.has_checksum);
}
END_TEST

START_TEST(a_header_that_does_not_fit_is_refused)
{
    struct rndis_rx rx;

    make_tcp4(10);
    nic.offloads = RX_BOTH;
    put_header(NEEDS_CSUM, GSO_TCPV4, 34, TCP_CHECKSUM);
    ck_assert_int_eq(vnet_rx(len, &rx), -EBADMSG);
    put_header(0, GSO_TCPV6, 0, 0);
    ck_assert_int_eq(vnet_rx(len, &rx), -EBADMSG);
    put_header(NEEDS_CSUM, 0, len - 8, 7);
    ck_assert_int_eq(vnet_rx(len, &rx), -EBADMSG);
    ck_assert_int_eq(frame_complete(header, frame, len), -EBADMSG);
    put_header(NEEDS_CSUM, 0, 0xffff, 0xffff);
    ck_assert_int_eq(vnet_rx(len, &rx), -EBADMSG);
    put_header(NEEDS_CSUM, 0, 13, 10);
    ck_assert_int_eq(vnet_rx(len, &rx), -EBADMSG);
    ck_assert(!rx.has_checksum);
}
END_TEST

/* A sum over the pseudo header is there; the rest is left to us. */
static void check_completion(uint32_t protocol, uint32_t field)
{
    uint32_t n = len - transport_at;
    struct rndis_rx rx;
    uint8_t *copy;

    put16(transport_at + field, fold(pseudo(protocol, n)));
    put_header(NEEDS_CSUM, 0, transport_at, field);
    ck_assert_int_eq(vnet_rx(len, &rx), -ENOTSUP);
    ck_assert(!rx.has_checksum);
    copy = exact(len);
    ck_assert_int_eq(frame_complete(header, copy, len), 0);
    memcpy(frame, copy, len);
    free(copy);
    ck_assert(is_right(protocol, n));
}

START_TEST(a_checksum_is_completed_for_whoever_looks_at_it)
{
    nic.offloads = NIC_TX_CHECKSUM_V4;
    for (uint32_t data = 0; data < 6; data++) {
        make_tcp4(data);
        check_completion(TCP, TCP_CHECKSUM);
        make_tcp6(data);
        check_completion(TCP, TCP_CHECKSUM);
        make_udp4(data);
        check_completion(UDP, UDP_CHECKSUM);
    }
    put_header(0, 0, 34, TCP_CHECKSUM); /* none is left to us */
    ck_assert_int_eq(frame_complete(header, frame, len), -EBADMSG);
}
END_TEST

START_TEST(the_checksum_inside_of_a_tunnel_is_not_that_of_the_frame)
{
    struct rndis_rx rx;

    nic.offloads = RX_BOTH;
    make_udp4(100);
    put_header(NEEDS_CSUM, 0, transport_at + 50, TCP_CHECKSUM);
    ck_assert_int_eq(vnet_rx(len, &rx), -ENOTSUP);
    put_header(NEEDS_CSUM, 0, transport_at, TCP_CHECKSUM);
    ck_assert_int_eq(vnet_rx(len, &rx), -ENOTSUP);
    ck_assert(!rx.has_checksum);
    put_header(NEEDS_CSUM, 0, transport_at, UDP_CHECKSUM);
    ck_assert_int_eq(vnet_rx(len, &rx), 0);
    ck_assert(rx.has_checksum);
}
END_TEST

/* --- without a back end that does it --- */

static int checksum(const struct rndis_tx *tx)
{
    uint8_t *copy = exact(len);
    int e = frame_checksum(tx, copy, len);

    memcpy(frame, copy, len);
    free(copy);
    return e;
}

START_TEST(a_checksum_is_completed)
{
    struct rndis_tx tx = {.checksum_tcp = true};

    for (uint32_t data = 0; data < 6; data++) {
        make_tcp4(data);
        put16(transport_at + TCP_CHECKSUM, 0x4321);
        ck_assert_int_eq(checksum(&tx), 0);
        ck_assert(is_right(TCP, 20 + data));
        make_tcp6(data);
        tx.transport_offset = 54;
        ck_assert_int_eq(checksum(&tx), 0);
        ck_assert(is_right(TCP, 20 + data));
        tx.transport_offset = 0;
    }
    make_tcp4(0); /* what pads a frame does not count, whatever it is */
    memset(frame + len, 0xa5, 6);
    len += 6;
    ck_assert_int_eq(checksum(&tx), 0);
    ck_assert(is_right(TCP, 20));
    tx = (struct rndis_tx){.checksum_udp = true};
    make_udp4(33);
    ck_assert_int_eq(checksum(&tx), 0);
    ck_assert(is_right(UDP, 41));
}
END_TEST

START_TEST(a_sum_of_zero_is_written_as_ones)
{
    const struct rndis_tx tx = {.checksum_udp = true};

    make_udp4(2);
    put16(transport_at + 8, 0);
    put16(transport_at + 8, 0xffff - fold(pseudo(UDP, 10) + words(transport_at, 10)));
    ck_assert_int_eq(checksum(&tx), 0);
    ck_assert_uint_eq(get16(transport_at + UDP_CHECKSUM), 0xffff);
}
END_TEST

START_TEST(a_frame_that_is_not_all_there_is_refused)
{
    const struct rndis_tx tx = {.checksum_tcp = true};
    uint32_t all;

    make_tcp4(5);
    for (all = len; len > 0; len--)
        ck_assert_int_eq(checksum(&tx), len == all ? 0 : -EBADMSG);
    make_tcp4(5);
    put16(ip_at + 2, 39); /* not even its headers */
    ck_assert_int_eq(checksum(&tx), -EBADMSG);
    put16(ip_at + 2, 0);
    ck_assert_int_eq(checksum(&tx), -EBADMSG);
    make_udp4(20);
    ck_assert_int_eq(checksum(&tx), -EBADMSG);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("frame");
    TCase *c = tcase_create("all");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(c, set_up, NULL);
    tcase_add_test(c, a_filter_is_heeded);
    tcase_add_test(c, known_hashes_come_out);
    tcase_add_test(c, only_what_was_asked_for_is_hashed);
    tcase_add_test(c, pieces_of_a_datagram_have_no_ports);
    tcase_add_test(c, extension_headers_are_passed);
    tcase_add_test(c, endless_extension_headers_end);
    tcase_add_test(c, a_frame_that_is_cut_off_has_no_more_than_it_has);
    tcase_add_test(c, a_hash_chooses_a_channel);
    tcase_add_test(c, a_frame_without_wishes_has_an_empty_header);
    tcase_add_test(c, a_checksum_is_asked_for);
    tcase_add_test(c, a_checksum_that_does_not_fit_the_frame_is_refused);
    tcase_add_test(c, the_checksum_of_ip_is_completed);
    tcase_add_test(c, a_large_send_is_made_right);
    tcase_add_test(c, a_large_send_that_cannot_be_is_refused);
    tcase_add_test(c, a_right_checksum_is_told_to_whoever_wants_to_know);
    tcase_add_test(c, of_what_has_none_nothing_is_told);
    tcase_add_test(c, a_header_that_does_not_fit_is_refused);
    tcase_add_test(c, a_checksum_is_completed_for_whoever_looks_at_it);
    tcase_add_test(c, the_checksum_inside_of_a_tunnel_is_not_that_of_the_frame);
    tcase_add_test(c, a_checksum_is_completed);
    tcase_add_test(c, a_sum_of_zero_is_written_as_ones);
    tcase_add_test(c, a_frame_that_is_not_all_there_is_refused);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

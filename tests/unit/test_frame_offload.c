#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/frame_case.h"
#include "workers/net/frame.h"

enum {
    NEEDS_CSUM = 1,
    DATA_VALID = 2,
    GSO_TCPV4 = 1,
    GSO_TCPV6 = 4,
    RX_BOTH = NIC_RX_CHECKSUM_V4 | NIC_RX_CHECKSUM_V6,
    TCP_CHECKSUM = 16,
    UDP_CHECKSUM = 6,
};

static struct nvsp nic;

static uint8_t header[VNET_HEADER_BYTES];

static void set_up(void)
{
    memset(header, 0, sizeof(header));
    memset(&nic, 0, sizeof(nic));
}

static uint32_t get16(uint32_t at)
{
    return (uint32_t)frame[at] << 8 | frame[at + 1];
}

static uint32_t header16(uint32_t at)
{
    return header[at] | (uint32_t)header[at + 1] << 8;
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
    put_header(0, 0, transport_at, UDP_CHECKSUM); /* none is left to us */
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
    put_header(NEEDS_CSUM, 0, transport_at + 2, UDP_CHECKSUM - 2);
    ck_assert_int_eq(vnet_rx(len, &rx), -ENOTSUP);
    put_header(NEEDS_CSUM, 0, transport_at, UDP_CHECKSUM);
    ck_assert_int_eq(vnet_rx(len, &rx), 0);
    ck_assert(rx.has_checksum);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("frame_offload");
    TCase *c = tcase_create("all");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(c, set_up, NULL);
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
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/frame_case.h"
#include "workers/net/frame.h"

enum {
    HASH_ADDRESSES = 0x501, /* Toeplitz; IPv4, IPv6 */
    HASH_ALL = 0x1701,      /* and TCP over both */
};

static struct nvsp nic;
static struct nic_config config;

/* @spec NDIS "Verifying the RSS Hash Calculation" */
static const uint8_t known_key[NIC_RSS_KEY_BYTES] = {
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
    0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
    0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

static void set_up(void)
{
    memset(&nic, 0, sizeof(nic));
    memcpy(nic.mac, mac, sizeof(mac));
    memcpy(config.mac, mac, sizeof(mac));
    nic.channels = 4;
    nic.rss.enabled = 1;
    memcpy(nic.rss.key, known_key, sizeof(known_key));
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
    return frame_is_wanted(&nic, &config, frame, 60);
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
    ck_assert(!frame_is_wanted(&nic, &config, frame, 13)); /* it is none */
}
END_TEST

START_TEST(a_nic_has_the_address_that_was_set_and_its_own)
{
    const uint8_t set[6] = {2, 9, 8, 7, 6, 5};

    memcpy(nic.mac, set, sizeof(set));
    ck_assert(wanted("2:9:8:7:6:5", NIC_FILTER_DIRECTED));
    ck_assert(wanted("2:1:2:3:4:5", NIC_FILTER_DIRECTED));
    ck_assert(!wanted("2:1:2:7:6:5", NIC_FILTER_DIRECTED));
    ck_assert(!wanted("2:9:8:7:6:5", NIC_FILTER_BROADCAST));
}
END_TEST

START_TEST(whom_a_frame_is_for)
{
    ck_assert_int_eq(frame_cast((const uint8_t[]){2, 1, 2, 3, 4, 5}), NIC_DIRECTED);
    ck_assert_int_eq(frame_cast((const uint8_t[]){1, 0, 0x5e, 0, 0, 1}), NIC_MULTICAST);
    ck_assert_int_eq(frame_cast((const uint8_t[]){0xff, 0xff, 0xff, 0xff, 0xff, 0xfe}),
                     NIC_MULTICAST);
    ck_assert_int_eq(frame_cast((const uint8_t[]){0xff, 0xff, 0xff, 0xff, 0xff, 0xff}),
                     NIC_BROADCAST);
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
    for (unsigned n = 4; n <= 5; n++) {
        begin(0);
        put_ipv6(known[5].from, known[5].to, 60);
        for (unsigned i = 1; i < n; i++)
            put_extension(60, 0);
        put_extension(TCP, 0);
        put_tcp(known[5].from_port, known[5].to_port, 0);
        ck_assert_uint_eq(hash_of(HASH_ALL, len), n == 4 ? known[5].tcp : known[5].addresses);
    }
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
    make_known(5, 0);
    frame[ip_at] = 0x45;
    ck_assert_uint_eq(hash_of(HASH_ALL, len), 0);
    make_known(0, 0);
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

int main(void)
{
    Suite *s = suite_create("frame");
    TCase *c = tcase_create("all");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(c, set_up, NULL);
    tcase_add_test(c, a_filter_is_heeded);
    tcase_add_test(c, a_nic_has_the_address_that_was_set_and_its_own);
    tcase_add_test(c, whom_a_frame_is_for);
    tcase_add_test(c, known_hashes_come_out);
    tcase_add_test(c, only_what_was_asked_for_is_hashed);
    tcase_add_test(c, pieces_of_a_datagram_have_no_ports);
    tcase_add_test(c, extension_headers_are_passed);
    tcase_add_test(c, endless_extension_headers_end);
    tcase_add_test(c, a_frame_that_is_cut_off_has_no_more_than_it_has);
    tcase_add_test(c, a_hash_chooses_a_channel);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

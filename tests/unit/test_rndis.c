#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fakes/rndis.h"

/* --- control --- */

START_TEST(initialize_says_what_we_can)
{
    config.link_up = false;
    say(INITIALIZE, 1, 0);
    ck_assert_uint_eq(answer_len, 52);
    ck_assert_uint_eq(answer_at(0), COMPLETE | INITIALIZE);
    ck_assert_uint_eq(answer_at(8), ID);
    ck_assert_uint_eq(answer_at(12), 0);
    ck_assert_uint_eq(answer_at(16), 1);
    ck_assert_uint_eq(answer_at(20), 0);
    ck_assert_uint_eq(answer_at(24), 1);
    ck_assert_uint_eq(answer_at(28), 0);
    ck_assert_uint_eq(answer_at(32), RNDIS_PACKETS_MAX);
    ck_assert_uint_eq(answer_at(36), 0x4000);
    ck_assert_uint_eq(answer_at(40), 3);
    ck_assert_uint_eq(nic.rndis_initialized, 1);
    ck_assert_uint_eq(nic.told_link_up, 0);
}
END_TEST

START_TEST(halt_forgets_what_the_driver_has_set_and_has_no_answer)
{
    say(INITIALIZE, 1, 0);
    nic.filter = 1;
    nic.offloads = NIC_LSO_V4;
    nic.offloads_are_due = 1;
    nic.rss.enabled = 1;
    say(HALT, 0, 0);
    ck_assert_uint_eq(answer_len, 0);
    ck_assert_uint_eq(nic.rndis_initialized, 0);
    ck_assert_uint_eq(nic.filter, 0);
    ck_assert_uint_eq(nic.offloads, 0);
    ck_assert_uint_eq(nic.offloads_are_due, 0);
    ck_assert_uint_eq(nic.rss.enabled, 0);
}
END_TEST

START_TEST(keepalive_and_reset_are_answered)
{
    say(KEEPALIVE, 0, 0);
    ck_assert_uint_eq(answer_len, 16);
    ck_assert_uint_eq(answer_at(0), COMPLETE | KEEPALIVE);
    ck_assert_uint_eq(answer_at(8), ID);
    ck_assert_uint_eq(answer_at(12), 0);
    say(RESET, 0, 0);
    ck_assert_uint_eq(answer_len, 16);
    ck_assert_uint_eq(answer_at(0), COMPLETE | RESET);
    ck_assert_uint_eq(answer_at(8), 0); /* its status: it has no id */
    must_be_unchanged();
}
END_TEST

START_TEST(what_is_no_request_is_not_answered)
{
    static const uint32_t types[] = {0, 1, 7, 9, 0x80000002, UINT32_MAX};
    const uint32_t lying[] = {KEEPALIVE, 11, ID};

    for (unsigned i = 0; i < COUNT_OF(types); i++) {
        say(types[i], 0, 0);
        ck_assert_uint_eq(answer_len, 0);
        must_be_unchanged();
    }
    for (uint32_t len = 0; len < 12; len++) {
        send((const uint32_t[]){INITIALIZE, 12, ID}, len);
        ck_assert_uint_eq(answer_len, 0);
        must_be_unchanged();
    }
    send(lying, sizeof(lying));
    ck_assert_uint_eq(answer_len, 0);
}
END_TEST

START_TEST(a_request_that_is_cut_off_is_answered_with_a_refusal)
{
    const uint32_t filter[] = {SET, VALUE_AT + 4, ID, PACKET_FILTER, 4, VALUE_AT - 8, 0, 1};

    for (uint32_t len = 12; len < VALUE_AT + 4; len++) {
        send(filter, len);
        ck_assert_uint_eq(answer_len, 16);
        ck_assert_uint_eq(answer_at(8), ID);
        ck_assert_uint_eq(answer_at(12), INVALID_LENGTH);
        must_be_unchanged();
    }
    send(filter, sizeof(filter));
    ck_assert_uint_eq(answer_at(12), 0);
    ck_assert_uint_eq(nic.filter, 1);
}
END_TEST

START_TEST(a_value_outside_of_its_message_is_refused)
{
    static const uint32_t one = 1;
    static const uint32_t bad[] = {21, 24, 100, UINT32_MAX, UINT32_MAX - 3};

    for (unsigned i = 0; i < COUNT_OF(bad); i++) {
        ask_at(SET, PACKET_FILTER, &one, 4, bad[i]);
        ck_assert_uint_eq(answer_at(12), INVALID_LENGTH);
        must_be_unchanged();
        ask_at(QUERY, PACKET_FILTER, &one, 4, bad[i]);
        ck_assert_uint_eq(answer_len, 24);
        ck_assert_uint_eq(answer_at(12), INVALID_LENGTH);
        ck_assert_uint_eq(answer_at(16), 0);
    }
    send((const uint32_t[]){SET, 28, ID, PACKET_FILTER, UINT32_MAX, 20, 0}, 28);
    ck_assert_uint_eq(answer_at(12), INVALID_LENGTH);
}
END_TEST

/* --- queries --- */

START_TEST(numbers_are_told)
{
    nic.mtu = 4000;
    nic.filter = 5;
    ck_assert_uint_eq(query_number(0x00010106), 4000);
    ck_assert_uint_eq(query_number(0x00010111), 4014);
    ck_assert_uint_eq(query_number(0x00010107), 100000000); /* 10 Gbit/s */
    ck_assert_uint_eq(query_number(0x00010114), 0);
    config.link_up = false;
    ck_assert_uint_eq(query_number(0x00010114), 1);
    ck_assert_uint_eq(query_number(PACKET_FILTER), 5);
    ck_assert_uint_eq(query_number(0x00010102), 0);
    ck_assert_uint_eq(query_number(0x00010103), 0);
    ck_assert_uint_eq(query_number(0x00010104), 0);
    ck_assert_uint_eq(query_number(0x00010115), RNDIS_PACKETS_MAX);
    ck_assert_uint_eq(query_number(0x01010104), 32);
    ck_assert_uint_eq(query_number(0x00020101), counters.tx_frames);
    ck_assert_uint_eq(query_number(0x00020102), counters.rx_frames);
    ck_assert_uint_eq(query_number(0x00020103), counters.tx_errors);
    ck_assert_uint_eq(query_number(0x00020104), counters.rx_errors);
    ck_assert_uint_eq(query_number(0x00020105), counters.rx_no_buffer);
    nic.send.sections = 2;
    nic.send.section_bytes = 6144;
    ck_assert_uint_eq(query_number(0x00010108), 12288);
    ck_assert_uint_eq(query_number(0x00010109), 0);
}
END_TEST

/* 64 bits each, as Windows asks for them. @spec NDIS OID_GEN_DIRECTED_BYTES_XMIT, and so on */
START_TEST(frames_are_counted_by_whom_they_are_for)
{
    static const uint64_t wanted[] = {1u << 20,          21, 22, 23, 24, 25, 26, 27, 28, 29,
                                      UINT64_C(1) << 40, 31};

    for (uint32_t i = 0; i < COUNT_OF(wanted); i++) {
        uint32_t len;
        const uint8_t *v = query(0x00020201 + i, &len);

        ck_assert_uint_eq(len, 8);
        ck_assert_uint_eq(le32(v) | (uint64_t)le32(v + 4) << 32, wanted[i]);
    }
}
END_TEST

START_TEST(the_address_is_told_as_given_and_as_set)
{
    static const uint8_t other[6] = {0x06, 9, 8, 7, 6, 5};
    uint32_t len;

    memcpy(nic.mac, other, sizeof(other));
    ck_assert_mem_eq(query(0x01010101, &len), config.mac, 6);
    ck_assert_uint_eq(len, 6);
    ck_assert_mem_eq(query(0x01010102, &len), other, 6);
    ck_assert_uint_eq(len, 6);
}
END_TEST

START_TEST(the_state_of_the_link_is_told)
{
    uint32_t len;
    const uint8_t *v = query(0x00010207, &len);

    ck_assert_uint_eq(len, 40);
    ck_assert_uint_eq(v[0], 0x80);
    ck_assert_uint_eq(le32(v + 4), 1);
    ck_assert_uint_eq(le32(v + 16), (uint32_t)UINT64_C(10000000000));
    ck_assert_uint_eq(le32(v + 20), UINT64_C(10000000000) >> 32);
    config.link_up = false;
    v = query(0x00010207, &len);
    ck_assert_uint_eq(le32(v + 4), 2);
    ck_assert_uint_eq(le32(v + 16), 0);
    (void)query(0x00010206, &len);
    ck_assert_uint_eq(len, 16);
}
END_TEST

START_TEST(every_supported_one_is_answered)
{
    uint8_t list[512];
    uint32_t len, value_len;

    memcpy(list, query(0x00010101, &len), 4);
    ck_assert_uint_le(len, sizeof(list));
    memcpy(list, answer + 24, len);
    ck_assert_uint_eq(len, (35 + 12) * 4);
    ck_assert_uint_eq(len % 4, 0);
    for (uint32_t at = 0; at < len; at += 4) {
        (void)query(le32(list + at), &value_len);
        ck_assert_uint_gt(value_len, 0);
    }
}
END_TEST

START_TEST(what_is_not_known_is_not_supported)
{
    static const uint32_t all[] = {0,          0x00010100, 0x00020200, 0x0002020d,
                                   0x00020216, 0xffffffff, 0xfc010210};

    for (unsigned i = 0; i < COUNT_OF(all); i++) {
        ask_at(QUERY, all[i], NULL, 0, 0);
        ck_assert_uint_eq(answer_len, 24);
        ck_assert_uint_eq(answer_at(12), NOT_SUPPORTED);
        ck_assert_uint_eq(answer_at(16), 0);
        ck_assert_uint_eq(answer_at(20), 0);
        ck_assert_uint_eq(set(all[i], &nic, 4), NOT_SUPPORTED);
        must_be_unchanged();
    }
    ck_assert_uint_eq(set(0x01010101, config.mac, 6), NOT_SUPPORTED); /* can only be asked for */
}
END_TEST

START_TEST(offloads_are_told_as_the_version_has_them)
{
    static const struct {
        uint32_t version, revision, len;
    } all[] = {
        {NVSP_VERSION_1,   1, 112},
        {NVSP_VERSION_2,   1, 112},
        {NVSP_VERSION_4,   2, 144},
        {NVSP_VERSION_5,   3, 156},
        {NVSP_VERSION_6_1, 3, 156},
    };
    uint32_t len;

    for (unsigned i = 0; i < COUNT_OF(all); i++) {
        const uint8_t *v;

        nic.version = all[i].version;
        v = query(OFFLOAD_CAPABILITIES, &len);
        ck_assert_uint_eq(len, all[i].len);
        ck_assert_uint_eq(v[0], 0xa7);
        ck_assert_uint_eq(v[1], all[i].revision);
        ck_assert_uint_eq(v[2], all[i].len);
        ck_assert_uint_eq(le32(v + 4 + 4) & 0x54, 0x54);  /* TCP and UDP over IPv4, out */
        ck_assert_uint_eq(le32(v + 4 + 12) & 0x54, 0x54); /* in */
        ck_assert_uint_eq(le32(v + 4 + 20) & 0x55, 0x55); /* over IPv6, out */
        ck_assert_uint_eq(le32(v + 4 + 28) & 0x55, 0x55); /* in */
        ck_assert_uint_eq(le32(v + 36), 0);               /* no LSO of version 1 */
        ck_assert_uint_eq(le32(v + 80), 2);
        ck_assert_uint_eq(le32(v + 84), 0xf53c);
        ck_assert_uint_eq(le32(v + 88), 2);
        ck_assert_uint_eq(le32(v + 92), 2);
        ck_assert_uint_eq(le32(v + 96), 0xf53c);
        ck_assert_uint_eq(le32(v + 104), 5);
        if (all[i].revision == 3) {
            ck_assert_uint_eq(v[144], all[i].version == NVSP_VERSION_6_1); /* segments joined */
            ck_assert_uint_eq(v[145], all[i].version == NVSP_VERSION_6_1);
        }
    }
}
END_TEST

START_TEST(only_offloads_that_there_are_are_told)
{
    static const uint32_t at[] = {8, 24, 16, 32, 84, 96}; /* in the order of enum nic_offload */
    uint32_t len;

    for (unsigned i = 0; i < COUNT_OF(at); i++) {
        const uint8_t *v;

        config.offloads = 1u << i;
        v = query(OFFLOAD_CAPABILITIES, &len);
        for (unsigned j = 0; j < COUNT_OF(at); j++)
            ck_assert_int_eq(le32(v + at[j]) != 0, i == j);
    }
    config.offloads = ALL;
    nic.offloads = NIC_LSO_V6;
    (void)query(OFFLOAD_CURRENT, &len);
    ck_assert_uint_eq(le32(answer + 24 + 84), 0);
    ck_assert_uint_eq(le32(answer + 24 + 96), 0xf53c);
}
END_TEST

START_TEST(as_many_queues_as_there_are_channels)
{
    uint32_t len;
    const uint8_t *v = query(RSS_CAPABILITIES, &len);

    ck_assert_uint_eq(len, 18); /* Linux refuses a longer one */
    ck_assert_uint_eq(v[0], 0x88);
    ck_assert_uint_eq(v[1], 2);
    ck_assert_uint_eq(v[2], 18);
    ck_assert_uint_eq(le32(v + 4) & 0x301, 0x301);
    ck_assert_uint_eq(le32(v + 12), config.channels);
    ck_assert_uint_eq(v[16], NIC_RSS_TABLE);
}
END_TEST

/* --- settings --- */

START_TEST(a_filter_is_set)
{
    const uint32_t value = 0xffffffff;

    ck_assert_uint_eq(set(PACKET_FILTER, &value, 4), 0);
    ck_assert_uint_eq(nic.filter, 0x2f); /* what we know of it */
    for (uint32_t len = 0; len < 4; len++) {
        ck_assert_uint_eq(set(PACKET_FILTER, &value, len), INVALID_LENGTH);
        must_be_unchanged();
    }
    ck_assert_uint_eq(set(PACKET_FILTER, (const uint32_t[]){0}, 4), 0);
    ck_assert_uint_eq(nic.filter, 0);
}
END_TEST

START_TEST(offloads_are_switched_one_by_one)
{
    uint8_t v[28] = {0x80, 3, 28};

    v[5] = 4;  /* TCP over IPv4, both ways */
    v[7] = 2;  /* over IPv6, out */
    v[12] = 2; /* LSO over IPv6 */
    ck_assert_uint_eq(set(OFFLOAD_PARAMETERS, v, sizeof(v)), 0);
    ck_assert_uint_eq(nic.offloads,
                      NIC_TX_CHECKSUM_V4 | NIC_RX_CHECKSUM_V4 | NIC_TX_CHECKSUM_V6 | NIC_LSO_V6);
    ck_assert_uint_eq(nic.offloads_are_due, 1);
    memset(v + 4, 0, sizeof(v) - 4);
    v[5] = 3;                                             /* in only */
    v[11] = 2;                                            /* LSO over IPv4 too */
    ck_assert_uint_eq(set(OFFLOAD_PARAMETERS, v, 15), 0); /* shorter: what is missing stays */
    ck_assert_uint_eq(nic.offloads,
                      NIC_RX_CHECKSUM_V4 | NIC_TX_CHECKSUM_V6 | NIC_LSO_V4 | NIC_LSO_V6);
    memset(v + 4, 1, sizeof(v) - 4);
    ck_assert_uint_eq(set(OFFLOAD_PARAMETERS, v, sizeof(v)), 0);
    ck_assert_uint_eq(nic.offloads, 0);
}
END_TEST

/* What is joined comes in a way that older drivers do not know. */
START_TEST(segments_are_joined_from_a_version_on)
{
    uint8_t v[28] = {0x80, 3, 28};

    v[22] = 2; /* over IPv4 */
    nic.version = NVSP_VERSION_6;
    ck_assert_uint_eq(set(OFFLOAD_PARAMETERS, v, sizeof(v)), 0);
    ck_assert_uint_eq(nic.offloads, 0);
    nic.version = NVSP_VERSION_6_1;
    ck_assert_uint_eq(set(OFFLOAD_PARAMETERS, v, sizeof(v)), 0);
    ck_assert_uint_eq(nic.offloads, NIC_RSC_V4);
    v[22] = 1;
    v[23] = 2; /* over IPv6 */
    ck_assert_uint_eq(set(OFFLOAD_PARAMETERS, v, sizeof(v)), 0);
    ck_assert_uint_eq(nic.offloads, NIC_RSC_V6);
}
END_TEST

START_TEST(no_offload_is_switched_on_that_there_is_not)
{
    uint8_t v[28] = {0x80, 3, 28};

    config.offloads = NIC_TX_CHECKSUM_V4;
    memset(v + 4, 4, 5);
    memset(v + 9, 2, 6);
    ck_assert_uint_eq(set(OFFLOAD_PARAMETERS, v, sizeof(v)), 0);
    ck_assert_uint_eq(nic.offloads, NIC_TX_CHECKSUM_V4);
    for (uint32_t len = 0; len < 15; len++) {
        ck_assert_uint_eq(set(OFFLOAD_PARAMETERS, v, len), INVALID_LENGTH);
        must_be_unchanged();
    }
}
END_TEST

/* NDIS_RECEIVE_SCALE_PARAMETERS, a table of four, a key. */

static uint32_t put_text(uint8_t *at, const char *text)
{
    uint32_t len = 0;

    for (; *text != '\0'; text++) {
        at[len++] = (uint8_t)*text;
        at[len++] = 0;
    }
    return len;
}

static uint32_t set_text(const char *name, uint32_t type, const char *text, uint32_t missing)
{
    uint8_t v[256] = {0};
    uint32_t name_len = put_text(v + 20, name);
    uint32_t text_len = put_text(v + 20 + name_len, text);
    const uint32_t head[] = {20, name_len, type, 20 + name_len, text_len};

    memcpy(v, head, sizeof(head));
    return set(CONFIG_PARAMETER, v, 20 + name_len + text_len - missing);
}

START_TEST(the_address_is_set_as_text)
{
    static const uint8_t mac[6] = {0x02, 0xab, 0xcd, 0xef, 0x09, 0x10};

    ck_assert_uint_eq(set_text("NetworkAddress", 2, "02abCDef0910", 0), 0);
    ck_assert_mem_eq(nic.mac, mac, 6);
}
END_TEST

START_TEST(what_is_no_address_is_refused)
{
    static const char *const bad[] = {"02abCDef091", "02abCDef091g", "", "03abCDef0910",
                                      "02:ab:cd:ef:09:10"};

    for (unsigned i = 0; i < COUNT_OF(bad); i++) {
        ck_assert_uint_eq(set_text("NetworkAddress", 2, bad[i], 0), INVALID_DATA);
        must_be_unchanged();
    }
    ck_assert_uint_eq(set_text("NetworkAddress", 0, "02abCDef0910", 0), INVALID_DATA);
    ck_assert_uint_eq(set_text("NetworkAddress", 2, "02abCDef0910", 1), INVALID_DATA);
    ck_assert_uint_eq(set_text("", 2, "02abCDef0910", 0), INVALID_DATA);
    ck_assert_uint_eq(set(CONFIG_PARAMETER, &nic, 19), INVALID_LENGTH);
    must_be_unchanged();
    ck_assert_mem_eq(nic.mac, config.mac, 6);
}
END_TEST

START_TEST(settings_of_windows_switch_offloads)
{
    static const struct {
        const char *name;
        uint32_t tx, rx;
    } all[] = {
        {"*TCPChecksumOffloadIPv4", NIC_TX_CHECKSUM_V4, NIC_RX_CHECKSUM_V4},
        {"*UDPChecksumOffloadIPv4", NIC_TX_CHECKSUM_V4, NIC_RX_CHECKSUM_V4},
        {"*TCPChecksumOffloadIPv6", NIC_TX_CHECKSUM_V6, NIC_RX_CHECKSUM_V6},
        {"*UDPChecksumOffloadIPv6", NIC_TX_CHECKSUM_V6, NIC_RX_CHECKSUM_V6},
    };

    for (unsigned i = 0; i < COUNT_OF(all); i++) {
        nic.offloads = NIC_RSC_V4;
        ck_assert_uint_eq(set_text(all[i].name, 2, "1", 0), 0);
        ck_assert_uint_eq(nic.offloads, NIC_RSC_V4 | all[i].tx);
        ck_assert_uint_eq(set_text(all[i].name, 2, "2", 0), 0);
        ck_assert_uint_eq(nic.offloads, NIC_RSC_V4 | all[i].rx);
        ck_assert_uint_eq(set_text(all[i].name, 2, "3", 0), 0);
        ck_assert_uint_eq(nic.offloads, NIC_RSC_V4 | all[i].tx | all[i].rx);
        ck_assert_uint_eq(set_text(all[i].name, 2, "0", 0), 0);
        ck_assert_uint_eq(nic.offloads, NIC_RSC_V4);
    }
    ck_assert_uint_eq(set_text("*LsoV2IPv4", 2, "1", 0), 0);
    ck_assert_uint_eq(set_text("*LsoV2IPv6", 2, "1", 0), 0);
    ck_assert_uint_eq(nic.offloads, NIC_RSC_V4 | NIC_LSO_V4 | NIC_LSO_V6);
    ck_assert_uint_eq(set_text("*LsoV2IPv4", 2, "0", 0), 0);
    ck_assert_uint_eq(nic.offloads, NIC_RSC_V4 | NIC_LSO_V6);
    config.offloads = NIC_RX_CHECKSUM_V4;
    ck_assert_uint_eq(set_text("*TCPChecksumOffloadIPv4", 2, "3", 0), 0);
    ck_assert_uint_eq(nic.offloads, NIC_RX_CHECKSUM_V4); /* there is no other */
}
END_TEST

START_TEST(settings_that_are_none_of_ours_are_accepted)
{
    static const char *const others[] = {"*RSS", "*JumboPacket", "NetworkAddres", "NetworkAddressX",
                                         "*LsoV2IPv"};

    for (unsigned i = 0; i < COUNT_OF(others); i++) {
        ck_assert_uint_eq(set_text(others[i], 2, "02abCDef0910", 0), 0);
        must_be_unchanged();
    }
    ck_assert_uint_eq(set_text("*LsoV2IPv4", 0, "1", 0), 0); /* a number, of two bytes */
    must_be_unchanged();
    ck_assert_uint_eq(set_text("*LsoV2IPv4", 2, "a", 0), INVALID_DATA);
    ck_assert_uint_eq(set_text("*LsoV2IPv4", 2, "", 0), INVALID_DATA);
    ck_assert_uint_eq(set_text("*LsoV2IPv4", 2, "1", 1), INVALID_DATA);
    must_be_unchanged();
}
END_TEST

START_TEST(multicast_addresses_and_encapsulation_are_accepted)
{
    ck_assert_uint_eq(set(0x01010103, config.mac, 6), 0);
    ck_assert_uint_eq(set(0x0101010a, config.mac, 6), 0);
    must_be_unchanged();
}
END_TEST

/* As long as an answer to it is, with its id and no value. */
START_TEST(what_is_not_executed_is_refused_in_its_own_form)
{
    static const uint32_t forms[][2] = {
        {INITIALIZE, 52},
        {QUERY,      24},
        {SET,        16},
        {KEEPALIVE,  16},
        {RESET,      16},
    };

    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        const uint32_t request[] = {forms[i][0], 12, ID};

        answer_len = rndis_refuse((const uint8_t *)request, sizeof(request), answer);
        ck_assert_uint_eq(answer_len, forms[i][1]);
        ck_assert_uint_eq(answer_at(0), forms[i][0] | COMPLETE);
        ck_assert_uint_eq(answer_at(4), answer_len);
        ck_assert_uint_eq(answer_at(8), forms[i][0] == RESET ? FAILURE : ID);
        ck_assert_uint_eq(answer_at(12), forms[i][0] == RESET ? 0 : FAILURE);
    }
}
END_TEST

START_TEST(what_wants_no_answer_is_not_refused)
{
    static const uint32_t types[] = {0, 1, HALT, 7, 9, UINT32_MAX};

    for (size_t i = 0; i < COUNT_OF(types); i++) {
        const uint32_t request[] = {types[i], 12, ID};

        ck_assert_uint_eq(rndis_refuse((const uint8_t *)request, sizeof(request), answer), 0);
        ck_assert_uint_eq(rndis_refuse((const uint8_t *)request, 11, answer), 0);
    }
}
END_TEST

START_TEST(the_link_is_told)
{
    config.link_up = false;
    answer_len = rndis_indicate_link(&nic, &config, answer);
    ck_assert_uint_eq(answer_len, 20);
    ck_assert_uint_eq(answer_at(0), 7);
    ck_assert_uint_eq(answer_at(4), 20);
    ck_assert_uint_eq(answer_at(8), 0x4001000c);
    ck_assert_uint_eq(answer_at(12), 0);
    ck_assert_uint_eq(nic.told_link_up, 0);
    config.link_up = true;
    answer_len = rndis_indicate_link(&nic, &config, answer);
    ck_assert_uint_eq(answer_at(8), 0x4001000b);
    ck_assert_uint_eq(nic.told_link_up, 1);
}
END_TEST

/* As they are asked for: NDIS_STATUS_TASK_OFFLOAD_CURRENT_CONFIG. */
START_TEST(offloads_are_indicated)
{
    uint8_t value[156];
    uint32_t len;

    nic.offloads = NIC_LSO_V6;
    memcpy(value, query(OFFLOAD_CURRENT, &len), sizeof(value));
    ck_assert_uint_eq(len, sizeof(value));
    answer_len = rndis_indicate_offloads(&nic, answer);
    ck_assert_uint_eq(answer_len, 20 + len);
    ck_assert_uint_eq(answer_at(0), 7);
    ck_assert_uint_eq(answer_at(4), 20 + len);
    ck_assert_uint_eq(answer_at(8), 0x40020006);
    ck_assert_uint_eq(answer_at(12), len);
    ck_assert_uint_eq(answer_at(16), 12);
    ck_assert_mem_eq(answer + 20, value, len);
    nic.version = NVSP_VERSION_1;
    ck_assert_uint_eq(rndis_indicate_offloads(&nic, answer), 20 + 112);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("rndis");
    TCase *c = tcase_create("all");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(c, set_up, NULL);
    tcase_add_test(c, initialize_says_what_we_can);
    tcase_add_test(c, halt_forgets_what_the_driver_has_set_and_has_no_answer);
    tcase_add_test(c, what_is_not_executed_is_refused_in_its_own_form);
    tcase_add_test(c, what_wants_no_answer_is_not_refused);
    tcase_add_test(c, keepalive_and_reset_are_answered);
    tcase_add_test(c, what_is_no_request_is_not_answered);
    tcase_add_test(c, a_request_that_is_cut_off_is_answered_with_a_refusal);
    tcase_add_test(c, a_value_outside_of_its_message_is_refused);
    tcase_add_test(c, numbers_are_told);
    tcase_add_test(c, the_address_is_told_as_given_and_as_set);
    tcase_add_test(c, the_state_of_the_link_is_told);
    tcase_add_test(c, frames_are_counted_by_whom_they_are_for);
    tcase_add_test(c, every_supported_one_is_answered);
    tcase_add_test(c, what_is_not_known_is_not_supported);
    tcase_add_test(c, offloads_are_told_as_the_version_has_them);
    tcase_add_test(c, only_offloads_that_there_are_are_told);
    tcase_add_test(c, as_many_queues_as_there_are_channels);
    tcase_add_test(c, a_filter_is_set);
    tcase_add_test(c, offloads_are_switched_one_by_one);
    tcase_add_test(c, segments_are_joined_from_a_version_on);
    tcase_add_test(c, no_offload_is_switched_on_that_there_is_not);
    tcase_add_test(c, the_address_is_set_as_text);
    tcase_add_test(c, what_is_no_address_is_refused);
    tcase_add_test(c, settings_of_windows_switch_offloads);
    tcase_add_test(c, settings_that_are_none_of_ours_are_accepted);
    tcase_add_test(c, multicast_addresses_and_encapsulation_are_accepted);
    tcase_add_test(c, the_link_is_told);
    tcase_add_test(c, offloads_are_indicated);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

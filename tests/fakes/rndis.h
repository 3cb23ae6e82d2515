/*
 * tests/fakes/rndis.h - a driver's end of RNDIS control messages, one NIC, for unit tests.
 */
#pragma once

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "workers/net/rndis.h"

enum {
    INITIALIZE = 2,
    HALT = 3,
    QUERY = 4,
    SET = 5,
    RESET = 6,
    KEEPALIVE = 8,
    VALUE_AT = 28, /* in a query or a set */
    ID = 0x1234,
    ALL = NIC_OFFLOADS - 1,
};

static const uint32_t COMPLETE = 0x80000000;
static const uint32_t FAILURE = 0xc0000001;
static const uint32_t NOT_SUPPORTED = 0xc00000bb;
static const uint32_t INVALID_LENGTH = 0xc0010014;
static const uint32_t INVALID_DATA = 0xc0010015;
static const uint32_t OFFLOAD_CURRENT = 0xfc01020b;
static const uint32_t OFFLOAD_PARAMETERS = 0xfc01020c;
static const uint32_t OFFLOAD_CAPABILITIES = 0xfc01020d;
static const uint32_t RSS_CAPABILITIES = 0x00010203;
static const uint32_t RSS_PARAMETERS = 0x00010204;
static const uint32_t CONFIG_PARAMETER = 0x0001021b;
static const uint32_t PACKET_FILTER = 0x0001010e;

static const struct nic_counters counters = {
    11,
    12,
    13,
    14,
    15,
    16,
    17,
    .tx = {{1u << 20, 21}, {22, 23}, {24, 25}               },
    .rx = {{26, 27},       {28, 29}, {UINT64_C(1) << 40, 31}},
};
static struct nic_config config;
static struct nvsp nic, before;
static uint8_t answer[RNDIS_ANSWER_MAX];
static uint32_t answer_len;

static inline void set_up(void)
{
    config = (struct nic_config){
        .mac = {0x02, 1, 2, 3, 4, 5},
          .mtu = 1500, .offloads = ALL, .channels = 4, .link_up = true
    };
    memset(&nic, 0xee, sizeof(nic));
    nvsp_reset(&nic, &config);
    nic.version = NVSP_VERSION_6_1;
    nic.channels = 4;
}

static inline uint32_t le32(const uint8_t *at)
{
    uint32_t v;

    memcpy(&v, at, sizeof(v));
    return v;
}

static inline uint32_t answer_at(uint32_t at)
{
    ck_assert_uint_le(at + 4, answer_len);
    return le32(answer + at);
}

/* The message is exactly as long as it is, so that a sanitizer sees who reads on. */
static inline void send(const void *message, uint32_t len)
{
    uint8_t *exact = malloc(len + 1);

    ck_assert_ptr_nonnull(exact);
    memcpy(exact, message, len);
    before = nic;
    memset(answer, 0xee, sizeof(answer));
    answer_len = rndis_control(&nic, &config, &counters, exact, len, answer);
    free(exact);
    ck_assert_uint_le(answer_len, sizeof(answer));
    if (answer_len != 0)
        ck_assert_uint_eq(answer_at(4), answer_len);
}

static inline void say(uint32_t type, uint32_t a, uint32_t b)
{
    const uint32_t message[] = {type, 24, ID, a, b, 0};

    send(message, sizeof(message));
}

static inline void ask_at(uint32_t type, uint32_t oid, const void *value, uint32_t len,
                          uint32_t offset)
{
    uint8_t message[RNDIS_CONTROL_MAX];
    const uint32_t head[] = {type, VALUE_AT + len, ID, oid, len, offset, 0};

    memcpy(message, head, sizeof(head));
    if (len != 0)
        memcpy(message + VALUE_AT, value, len);
    send(message, VALUE_AT + len);
}

static inline uint32_t set(uint32_t oid, const void *value, uint32_t len)
{
    ask_at(SET, oid, value, len, VALUE_AT - 8);
    ck_assert_uint_eq(answer_len, 16);
    ck_assert_uint_eq(answer_at(0), COMPLETE | SET);
    ck_assert_uint_eq(answer_at(8), ID);
    return answer_at(12);
}

static inline void must_be_unchanged(void)
{
    ck_assert_mem_eq(&nic, &before, sizeof(nic));
}

/* The value of an OID, *ret_len bytes. */
static const uint8_t *query(uint32_t oid, uint32_t *ret_len)
{
    ask_at(QUERY, oid, NULL, 0, 0);
    must_be_unchanged();
    ck_assert_uint_eq(answer_at(0), COMPLETE | QUERY);
    ck_assert_uint_eq(answer_at(8), ID);
    ck_assert_uint_eq(answer_at(12), 0);
    *ret_len = answer_at(16);
    ck_assert_uint_eq(answer_at(20), 16);
    ck_assert_uint_eq(answer_len, 24 + *ret_len);
    return answer + 24;
}

static inline uint32_t query_number(uint32_t oid)
{
    uint32_t len;
    const uint8_t *value = query(oid, &len);

    ck_assert_uint_eq(len, 4);
    return le32(value);
}

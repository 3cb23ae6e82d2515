#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "workers/net/rndis.h"

enum {
    PACKET = 1,
    CHECKSUM = 0,
    LSO = 2,
    VLAN = 6,
    HASH = 8,
};

static uint32_t le32(const uint8_t *at)
{
    uint32_t v;

    memcpy(&v, at, sizeof(v));
    return v;
}

/* --- frames from the guest --- */

enum {
    FRAME = 60,
};

struct packet {
    uint32_t fields[11]; /* type, length, where the frame is, how long, ... */
    uint8_t rest[400];
};

/* A packet with so many bytes of records, then the frame. */
static struct packet packet_of(uint32_t infos)
{
    return (struct packet){
        .fields = {PACKET, 44 + infos + FRAME, 36 + infos, FRAME, 0, 0, 0, infos != 0 ? 36 : 0,
                   infos}
    };
}

static void put_info(struct packet *p, uint32_t at, uint32_t type, uint32_t value)
{
    const uint32_t info[] = {16, type, 12, value};

    memcpy(p->rest + at, info, sizeof(info));
}

static int parse(const struct packet *p, uint32_t len, struct rndis_tx *ret)
{
    uint32_t head = len < RNDIS_HEAD_MAX ? len : RNDIS_HEAD_MAX;
    uint8_t *exact = malloc(head + 1);
    int e;

    ck_assert_ptr_nonnull(exact);
    memcpy(exact, p, head);
    e = rndis_parse_tx(exact, head, len, ret);
    free(exact);
    return e;
}

START_TEST(a_frame_is_found)
{
    struct packet p = packet_of(0);
    struct rndis_tx tx;

    ck_assert_int_eq(parse(&p, 44 + FRAME + 20, &tx), 0); /* another message follows */
    ck_assert_uint_eq(tx.frame_at, 44);
    ck_assert_uint_eq(tx.frame_len, FRAME);
    ck_assert_uint_eq(tx.message_len, 44 + FRAME);
    ck_assert(!tx.has_vlan && !tx.lso && !tx.has_hash && !tx.checksum_tcp && !tx.checksum_udp &&
              !tx.checksum_ip);
}
END_TEST

START_TEST(what_is_said_about_a_frame_is_read)
{
    struct packet p = packet_of(64);
    struct rndis_tx tx;

    put_info(&p, 0, CHECKSUM, 1 | 8 | 16 | 34u << 16);
    put_info(&p, 16, VLAN, 5 | 1 << 3 | 0x123 << 4);
    put_info(&p, 32, HASH, 0xdeadbeef);
    put_info(&p, 48, 0x80000000 | LSO, UINT32_MAX); /* another's namespace */
    ck_assert_int_eq(parse(&p, 44 + 64 + FRAME, &tx), 0);
    ck_assert_uint_eq(tx.frame_at, 44 + 64);
    ck_assert(tx.checksum_udp && tx.checksum_ip && !tx.checksum_tcp && !tx.is_v6 && !tx.lso);
    ck_assert_uint_eq(tx.transport_offset, 34);
    ck_assert(tx.has_vlan);
    ck_assert_uint_eq(tx.vlan, 5 << 13 | 1 << 12 | 0x123);
    ck_assert(tx.has_hash);
    ck_assert_uint_eq(tx.hash, 0xdeadbeef);
    put_info(&p, 0, CHECKSUM, 2 | 4 | 54u << 16);
    ck_assert_int_eq(parse(&p, 44 + 64 + FRAME, &tx), 0);
    ck_assert(tx.checksum_tcp && tx.is_v6 && !tx.checksum_udp && !tx.checksum_ip);
}
END_TEST

START_TEST(a_large_send_is_read_wherever_its_record_is)
{
    struct packet p = packet_of(32);
    struct rndis_tx tx;

    for (uint32_t lso_at = 0; lso_at <= 16; lso_at += 16) {
        put_info(&p, lso_at, LSO, 1448u | 54u << 20 | 1u << 30 | 1u << 31);
        put_info(&p, 16 - lso_at, CHECKSUM, 1 | 16);
        ck_assert_int_eq(parse(&p, 44 + 32 + FRAME, &tx), 0);
        ck_assert(tx.lso && tx.is_v6 && tx.checksum_ip);
        ck_assert_uint_eq(tx.mss, 1448);
        ck_assert_uint_eq(tx.transport_offset, 54);
    }
}
END_TEST

static void must_be_malformed(const struct packet *p, uint32_t len)
{
    struct rndis_tx tx = {.mss = 99};

    ck_assert_int_eq(parse(p, len, &tx), -EBADMSG);
    ck_assert_uint_eq(tx.mss, 99);
}

START_TEST(a_frame_that_is_not_there_is_refused)
{
    static const uint32_t len = 44 + FRAME;
    struct packet p = packet_of(0);

    for (uint32_t cut = 0; cut < len; cut++)
        must_be_malformed(&p, cut);
    p.fields[0] = 2;
    must_be_malformed(&p, len);
    p = packet_of(0);
    p.fields[1] = 43;
    p.fields[2] = p.fields[3] =
        0; /* no frame at all, but a message must have room for its fields */
    must_be_malformed(&p, len);
    p = packet_of(0);
    p.fields[1] = len + 1;
    must_be_malformed(&p, len);
    p = packet_of(0);
    p.fields[2] = 37;
    must_be_malformed(&p, len);
    p.fields[2] = UINT32_MAX;
    must_be_malformed(&p, len);
    p = packet_of(0);
    p.fields[3] = FRAME + 1;
    must_be_malformed(&p, len);
    p.fields[3] = UINT32_MAX - 35;
    must_be_malformed(&p, len);
    p = packet_of(0);
    p.fields[1] = len - 1; /* the frame ends after its message */
    must_be_malformed(&p, len);
}
END_TEST

START_TEST(records_that_cannot_be_are_refused)
{
    static const uint32_t len = 44 + 32 + FRAME;
    static const uint32_t sizes[] = {0, 1, 11, 33, UINT32_MAX};
    struct packet good = packet_of(32);
    struct packet p;
    struct rndis_tx tx;

    put_info(&good, 0, CHECKSUM, 0);
    put_info(&good, 16, HASH, 0);
    ck_assert_int_eq(parse(&good, len, &tx), 0);
    for (unsigned i = 0; i < COUNT_OF(sizes); i++) {
        p = good;
        memcpy(p.rest, &sizes[i], 4);
        must_be_malformed(&p, len);
        p = good;
        memcpy(p.rest + 16, &sizes[i], 4);
        must_be_malformed(&p, len);
    }
    p = good;
    memset(p.rest, 0, 12); /* nothing, again and again */
    p.rest[4] = 99;
    must_be_malformed(&p, len);
    p = good;
    p.rest[8] = 17; /* its data begin after its end */
    must_be_malformed(&p, len);
    p.rest[8] = 13; /* or are cut off by it */
    must_be_malformed(&p, len);
    p = good;
    p.fields[8] = 20; /* the second record is cut off */
    must_be_malformed(&p, len);
    p = good;
    p.fields[8] = UINT32_MAX;
    must_be_malformed(&p, len);
    p.fields[8] = len; /* beyond the message */
    must_be_malformed(&p, len);
    p = good;
    p.fields[7] = UINT32_MAX;
    must_be_malformed(&p, len);
}
END_TEST

START_TEST(an_unknown_record_may_be_empty)
{
    struct packet p = packet_of(28);
    const uint32_t empty[] = {12, 99, 0};
    struct rndis_tx tx;

    memcpy(p.rest, empty, sizeof(empty));
    put_info(&p, 12, HASH, 7);
    ck_assert_int_eq(parse(&p, 44 + 28 + FRAME, &tx), 0);
    ck_assert_uint_eq(tx.hash, 7);
}
END_TEST

START_TEST(records_beyond_what_is_looked_at_are_refused)
{
    static uint8_t message[2000];
    const uint32_t fields[] = {PACKET, sizeof(message), 36, FRAME, 0, 0, 0, 496, 16};
    const uint32_t info[] = {16, HASH, 12, 1};
    static const uint32_t last = RNDIS_HEAD_MAX - 8 - 16;
    struct rndis_tx tx;

    memcpy(message, fields, sizeof(fields));
    memcpy(message + 8 + 496, info, sizeof(info));
    ck_assert_int_eq(rndis_parse_tx(message, RNDIS_HEAD_MAX, sizeof(message), &tx), -EBADMSG);
    memcpy(message + 28, &last, sizeof(last)); /* the last place */
    memcpy(message + 8 + last, info, sizeof(info));
    ck_assert_int_eq(rndis_parse_tx(message, RNDIS_HEAD_MAX, sizeof(message), &tx), 0);
    ck_assert_uint_eq(tx.hash, 1);
}
END_TEST

/* --- frames for the guest --- */

START_TEST(the_head_of_a_frame_is_well_formed)
{
    const struct rndis_rx all = {.frame_len = 1000,
                                 .has_vlan = true,
                                 .has_checksum = true,
                                 .checksum_is_tcp = true,
                                 .vlan = 5 << 13 | 1 << 12 | 0x123,
                                 .has_hash = true,
                                 .hash = 0xdeadbeef,
                                 .part = RNDIS_PART | RNDIS_PART_LAST};
    const uint32_t infos[] = {16, CHECKSUM, 12, 8,          16, VLAN,       12, 5 | 8 | 0x123 << 4,
                              16, HASH,     12, 0xdeadbeef, 16, 0x80000001, 12, 1 | 5 << 8};
    const struct rndis_rx none = {.frame_len = 60};
    const struct rndis_rx udp = {.frame_len = 60, .has_checksum = true};
    uint8_t head[RNDIS_RX_HEAD_MAX];

    ck_assert_uint_eq(rndis_rx_head(&all, head), RNDIS_RX_HEAD_MAX);
    ck_assert_uint_eq(le32(head), PACKET);
    ck_assert_uint_eq(le32(head + 4), RNDIS_RX_HEAD_MAX + 1000);
    ck_assert_uint_eq(le32(head + 8), RNDIS_RX_HEAD_MAX - 8);
    ck_assert_uint_eq(le32(head + 12), 1000);
    ck_assert_uint_eq(le32(head + 28), 36);
    ck_assert_uint_eq(le32(head + 32), 64);
    ck_assert_mem_eq(head + 44, infos, sizeof(infos));
    ck_assert_uint_eq(rndis_rx_head(&none, head), 44);
    ck_assert_uint_eq(le32(head + 4), 44 + 60);
    ck_assert_uint_eq(le32(head + 8), 36);
    ck_assert_uint_eq(le32(head + 32), 0);
    ck_assert_uint_eq(rndis_rx_head(&udp, head), 60);
    ck_assert_uint_eq(le32(head + 56), 16); /* UDP is right */
}
END_TEST

int main(void)
{
    Suite *s = suite_create("rndis_frame");
    TCase *c = tcase_create("all");
    SRunner *r;
    int failed;

    tcase_add_test(c, a_frame_is_found);
    tcase_add_test(c, what_is_said_about_a_frame_is_read);
    tcase_add_test(c, a_large_send_is_read_wherever_its_record_is);
    tcase_add_test(c, a_frame_that_is_not_there_is_refused);
    tcase_add_test(c, records_that_cannot_be_are_refused);
    tcase_add_test(c, an_unknown_record_may_be_empty);
    tcase_add_test(c, records_beyond_what_is_looked_at_are_refused);
    tcase_add_test(c, the_head_of_a_frame_is_well_formed);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

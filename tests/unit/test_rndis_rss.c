#include <check.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fakes/rndis.h"

struct rss {
    uint8_t type, revision;
    uint16_t size, flags, base_cpu;
    uint32_t hash;
    uint16_t table_len, pad;
    uint32_t table_at;
    uint16_t key_len, pad2;
    uint32_t key_at, masks[3];
    uint32_t table[4];
    uint8_t key[40];
};

static struct rss rss_of(void)
{
    struct rss v = {
        .type = 0x89,
        .revision = 2,
        .size = 40,
        .hash = 0x1701,
        .table_len = 16,
        .table_at = offsetof(struct rss, table),
        .key_len = 40,
        .key_at = offsetof(struct rss, key),
        .table = {3, 2, 1, 0},
    };

    for (uint8_t i = 0; i < 40; i++)
        v.key[i] = (uint8_t)(i + 1);
    return v;
}

START_TEST(rss_is_set_and_switched_off)
{
    struct rss v = rss_of();

    ck_assert_uint_eq(set(RSS_PARAMETERS, &v, sizeof(v)), 0);
    ck_assert_uint_eq(nic.rss.enabled, 1);
    ck_assert_uint_eq(nic.rss.hash_types & 0x1700, 0x1700);
    ck_assert_uint_eq(nic.rss.table_entries, 4);
    ck_assert_uint_eq(nic.rss.table[0], 3);
    ck_assert_uint_eq(nic.rss.table[3], 0);
    ck_assert_mem_eq(nic.rss.key, v.key, 40);
    v.flags = 0x10;
    ck_assert_uint_eq(set(RSS_PARAMETERS, &v, sizeof(v)), 0);
    ck_assert_uint_eq(nic.rss.enabled, 0);
}
END_TEST

/* Whatever else is said with it. */
START_TEST(rss_without_a_hash_is_off)
{
    struct rss v = rss_of();

    ck_assert_uint_eq(set(RSS_PARAMETERS, &v, sizeof(v)), 0);
    ck_assert_uint_eq(nic.rss.enabled, 1);
    v.hash = 0x1700; /* kinds of frames, and no function */
    v.table_len = v.key_len = 0;
    ck_assert_uint_eq(set(RSS_PARAMETERS, &v, sizeof(v)), 0);
    ck_assert_uint_eq(nic.rss.enabled, 0);
    v = rss_of();
    v.flags = 2 | 4 | 8; /* as it was */
    ck_assert_uint_eq(set(RSS_PARAMETERS, &v, sizeof(v)), 0);
    ck_assert_uint_eq(nic.rss.enabled, 1);
    ck_assert_uint_eq(nic.rss.hash_types, 0x1701);
}
END_TEST

START_TEST(what_is_unchanged_need_not_be_said)
{
    struct rss v = rss_of();

    v.flags = 4; /* the table, but there is none yet */
    ck_assert_uint_eq(set(RSS_PARAMETERS, &v, sizeof(v)), INVALID_DATA);
    must_be_unchanged();
    v.flags = 0;
    ck_assert_uint_eq(set(RSS_PARAMETERS, &v, sizeof(v)), 0);
    v.flags = 2 | 4 | 8;
    v.hash = 0;
    v.table_len = v.key_len = 0;
    ck_assert_uint_eq(set(RSS_PARAMETERS, &v, sizeof(v)), 0);
    must_be_unchanged();
    v.flags = 2 | 8;
    v.table_len = 8;
    ck_assert_uint_eq(set(RSS_PARAMETERS, &v, sizeof(v)), 0);
    ck_assert_uint_eq(nic.rss.table_entries, 2);
    ck_assert_uint_eq(nic.rss.key[39], 40);
    ck_assert_uint_eq(nic.rss.table[2], 0); /* nothing is left of the longer one */
}
END_TEST

static void must_be_refused(const struct rss *v)
{
    ck_assert_uint_eq(set(RSS_PARAMETERS, v, sizeof(*v)), INVALID_DATA);
    must_be_unchanged();
}

START_TEST(rss_that_cannot_be_is_refused)
{
    struct rss v = rss_of();

    ck_assert_uint_eq(set(RSS_PARAMETERS, &v, 27), INVALID_LENGTH);
    must_be_unchanged();
    v.table[2] = 4; /* there are four */
    must_be_refused(&v);
    v.table[2] = UINT32_MAX;
    must_be_refused(&v);
    v = rss_of();
    v.table_len = 12; /* no power of two */
    must_be_refused(&v);
    v.table_len = 0;
    must_be_refused(&v);
    v.table_len = 17;
    must_be_refused(&v);
    v.table_len = 1024;
    must_be_refused(&v);
    v = rss_of();
    v.table_at = sizeof(v) - 15;
    must_be_refused(&v);
    v.table_at = UINT32_MAX - 3;
    must_be_refused(&v);
    v = rss_of();
    v.key_len = 39;
    must_be_refused(&v);
    v.key_len = 41;
    must_be_refused(&v);
    v.key_at = offsetof(struct rss, table); /* where there is enough for it */
    must_be_refused(&v);
    v = rss_of();
    v.key_at = sizeof(v) - 39;
    must_be_refused(&v);
    v.key_at = UINT32_MAX;
    must_be_refused(&v);
    v = rss_of();
    v.hash = 0x1702; /* another function */
    must_be_refused(&v);
    v = rss_of();
    nic.channels = 1; /* as long as there are no others */
    must_be_refused(&v);
}
END_TEST

START_TEST(a_table_longer_than_any_is_refused)
{
    struct rss v = rss_of();
    uint8_t value[sizeof(v) + 2 * NIC_RSS_TABLE * 4] = {0};

    v.table_at = sizeof(v);
    v.table_len = NIC_RSS_TABLE * 4;
    memcpy(value, &v, sizeof(v));
    ck_assert_uint_eq(set(RSS_PARAMETERS, value, sizeof(value)), 0);
    ck_assert_uint_eq(nic.rss.table_entries, NIC_RSS_TABLE);
    v.table_len = 2 * NIC_RSS_TABLE * 4;
    memcpy(value, &v, sizeof(v));
    ck_assert_uint_eq(set(RSS_PARAMETERS, value, sizeof(value)), INVALID_DATA);
    must_be_unchanged();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("rndis_rss");
    TCase *c = tcase_create("all");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(c, set_up, NULL);
    tcase_add_test(c, rss_is_set_and_switched_off);
    tcase_add_test(c, rss_without_a_hash_is_off);
    tcase_add_test(c, what_is_unchanged_need_not_be_said);
    tcase_add_test(c, rss_that_cannot_be_is_refused);
    tcase_add_test(c, a_table_longer_than_any_is_refused);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

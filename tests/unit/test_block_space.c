#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "base/macro.h"
#include "drivers/block_space.h"
#include "drivers/block_table.h"

static struct block_space s;
static uint64_t at;

static void setup(void)
{
    s = (struct block_space){.slot = 10, .lead = 1, .align = 8, .limit = 1000};
    at = 77;
}

START_TEST(places_are_found_between_what_is_used)
{
    uint32_t starts[] = {47, 15};
    struct block_range ranges[] = {
        {100, 5},
        {0,   2}
    };
    uint32_t slots[8];

    ck_assert_int_eq(block_space_scan(&s, starts, 2, ranges, 2, &at), 0);
    ck_assert_uint_eq(s.end, 105);
    ck_assert_uint_eq(at, 77);
    /* 2 to 15 holds none: the first aligned one would be 7 to 17. */
    ck_assert_uint_eq(s.n_free, 3); /* 31, 63 and 79 */
    ck_assert_uint_eq(block_space_pick(&s, slots, 8), 8);
    for (size_t i = 0; i < 8; i++)
        ck_assert_uint_eq((slots[i] + 1) % 8, 0);
    ck_assert_uint_eq(slots[3], 111);
}
END_TEST

START_TEST(two_in_one_place_are_found)
{
    uint32_t starts[] = {30, 20, 29};
    struct block_range ranges[] = {
        {0, 20}
    };

    ck_assert_int_eq(block_space_scan(&s, starts, 2, ranges, 1, &at), 0);
    ck_assert_int_eq(block_space_scan(&s, starts, 3, ranges, 1, &at), -EBADMSG);
    ck_assert_uint_eq(at, 29);
    ranges[0].len = 21;
    ck_assert_int_eq(block_space_scan(&s, starts, 2, ranges, 1, &at), -EBADMSG);
    ck_assert_uint_eq(at, 20);
}
END_TEST

START_TEST(nothing_is_beyond_the_limit)
{
    uint32_t slots[BLOCK_SPACE_READY];

    s.limit = 40;
    ck_assert_int_eq(block_space_scan(&s, slots, 0, NULL, 0, &at), 0);
    ck_assert_uint_eq(block_space_pick(&s, slots, BLOCK_SPACE_READY), 2); /* 7 and 23 */
    ck_assert_uint_eq(block_space_pick(&s, slots, BLOCK_SPACE_READY), 0);
    s.limit = 41;
    ck_assert_uint_eq(block_space_pick(&s, slots, 1), 0);
    s.limit = 49;
    ck_assert_uint_eq(block_space_pick(&s, slots, 1), 1);
    ck_assert_uint_eq(slots[0], 39);
}
END_TEST

START_TEST(a_place_that_is_dropped_waits)
{
    uint32_t slots[2];
    uint32_t slot = 0;

    ck_assert_uint_eq(block_space_pick(&s, slots, 1), 1);
    ck_assert(!block_space_take(&s, &slot));
    block_space_ready(&s, slots, 1);
    ck_assert(block_space_take(&s, &slot));
    ck_assert_uint_eq(slot, 7);
    block_space_drop(&s, slot);
    ck_assert_uint_eq(block_space_pick(&s, slots, 1), 1);
    ck_assert_uint_eq(slots[0], 23);
    block_space_durable(&s);
    ck_assert_uint_eq(block_space_pick(&s, slots, 1), 1);
    ck_assert_uint_eq(slots[0], 7);
}
END_TEST

START_TEST(what_the_lists_cannot_hold_is_known_to_be_lost)
{
    for (uint32_t i = 0; i < BLOCK_SPACE_FREE; i++)
        block_space_drop(&s, i);
    ck_assert(!s.lost);
    block_space_drop(&s, 5);
    ck_assert(s.lost);
}
END_TEST

START_TEST(a_table_takes_memory_where_it_is_used)
{
    struct block_table t;

    ck_assert_int_eq(block_table_init(&t, UINT64_C(1) << 26, 9), 0);
    ck_assert_uint_eq(block_table_get(&t, (1 << 26) - 1), 9);
    ck_assert_uint_eq(block_table_next(&t, 0), 1 << 26);
    ck_assert_int_eq(block_table_reserve(&t, 5000), 0);
    block_table_set(&t, 5000, 1);
    ck_assert_uint_eq(block_table_get(&t, 5000), 1);
    ck_assert_uint_eq(block_table_get(&t, 4999), 9);
    ck_assert_uint_eq(block_table_next(&t, 0), 4096);
    ck_assert_uint_eq(t.n_used, 1);
    block_table_done(&t);
    block_table_done(&t);
    ck_assert_int_eq(block_table_init(&t, (UINT64_C(1) << 26) + 1, 9), -EOVERFLOW);
}
END_TEST

START_TEST(a_table_has_a_limit)
{
    const uint64_t most = BLOCK_TABLE_BYTES_MAX / 4;
    struct block_table t;

    ck_assert_int_eq(block_table_init(&t, 2 * most, 0), 0);
    for (uint64_t i = 0; i < most; i += BLOCK_TABLE_LEAF)
        ck_assert_int_eq(block_table_reserve(&t, i), 0);
    ck_assert_int_eq(block_table_reserve(&t, most), -EFBIG);
    ck_assert_int_eq(block_table_reserve(&t, most - 1), 0);
    block_table_done(&t);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("block_space");
    TCase *t = tcase_create("block_space");
    SRunner *r = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, places_are_found_between_what_is_used);
    tcase_add_test(t, two_in_one_place_are_found);
    tcase_add_test(t, nothing_is_beyond_the_limit);
    tcase_add_test(t, a_place_that_is_dropped_waits);
    tcase_add_test(t, what_the_lists_cannot_hold_is_known_to_be_lost);
    tcase_add_test(t, a_table_takes_memory_where_it_is_used);
    tcase_add_test(t, a_table_has_a_limit);
    suite_add_tcase(suite, t);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#include <errno.h>

#include "tests/fakes/vmbus.h"

static struct vmbus_lab lab;
static struct vmbus_lab *const l = &lab;

static void setup(void)
{
    lab_init(l);
    lab_connect(l, 0xf);
}

/* --- who owns which part of the pool --- */

static struct gpadls g;

static struct gpadl *add(uint32_t relid, uint32_t id, uint32_t pages)
{
    struct gpadl *one = NULL;

    ck_assert_int_eq(gpadls_add(&g, relid, id, pages, &one), 0);
    ck_assert_ptr_nonnull(one);
    return one;
}

static void forget(void)
{
    gpadls_free_all(&g);
}

START_TEST(parts_do_not_overlap_and_are_used_again)
{
    struct gpadl *a = add(1, 10, 100);
    struct gpadl *b = add(2, 11, 50);
    struct gpadl *c = add(1, 12, 7);

    ck_assert_uint_eq(a->pool_at, 0);
    ck_assert_uint_eq(b->pool_at, 100);
    ck_assert_uint_eq(c->pool_at, 150);
    ck_assert_uint_eq(a->state, GPADL_BUILDING);
    ck_assert_uint_eq(a->received, 0);
    gpadl_free(b);
    ck_assert_ptr_null(gpadls_find(&g, 11));
    ck_assert_uint_eq(add(3, 13, 51)->pool_at, 157); /* the gap is too small */
    ck_assert_uint_eq(add(3, 14, 50)->pool_at, 100);
    ck_assert_ptr_eq(gpadls_find(&g, 12), c);
}
END_TEST

START_TEST(refusals_leave_the_output)
{
    struct gpadl *one = NULL;

    (void)add(1, 10, 1);
    ck_assert_int_eq(gpadls_add(&g, 1, 10, 1, &one), -EEXIST);
    ck_assert_int_eq(gpadls_add(&g, 2, 10, 1, &one), -EEXIST);
    ck_assert_int_eq(gpadls_add(&g, 1, 11, 0, &one), -ENOBUFS);
    ck_assert_int_eq(gpadls_add(&g, 1, 11, GPADL_PAGES_MAX + 1, &one), -ENOBUFS);
    ck_assert_int_eq(gpadls_add(&g, 1, 11, UINT32_MAX, &one), -ENOBUFS);
    ck_assert_ptr_null(one);
}
END_TEST

START_TEST(a_channel_has_its_share_of_rows)
{
    struct gpadl *one = NULL;
    uint32_t id = 1;

    for (unsigned i = 0; i < GPADLS_PER_CHANNEL; i++)
        ck_assert_uint_eq(add(7, id++, 1)->pool_at, i);
    ck_assert_int_eq(gpadls_add(&g, 7, id, 1, &one), -ENOBUFS);
    for (uint32_t relid = 8; id <= GPADLS_MAX; relid++) {
        for (unsigned i = 0; i < GPADLS_PER_CHANNEL; i++)
            (void)add(relid, id++, 1);
    }
    ck_assert_int_eq(gpadls_add(&g, 20, id, 1, &one), -ENOBUFS); /* all rows */
    gpadls_free_of(&g, 7);
    ck_assert_ptr_null(gpadls_find(&g, 1));
    ck_assert_ptr_nonnull(gpadls_find(&g, GPADLS_PER_CHANNEL + 1));
    (void)add(20, id, 1);
}
END_TEST

START_TEST(the_pool_ends)
{
    struct gpadl *one = NULL;
    uint32_t id = 0;

    for (uint32_t left = VMBUS_POOL_PAGES; left > 0; id++) {
        uint32_t pages = left < GPADL_PAGES_MAX ? left : GPADL_PAGES_MAX;

        ck_assert_uint_eq(add(1 + id, id, pages)->pool_at, VMBUS_POOL_PAGES - left);
        left -= pages;
    }
    ck_assert_int_eq(gpadls_add(&g, 30, id, 1, &one), -ENOBUFS);
}
END_TEST

/* --- the guest's messages --- */

static void expect_refused(uint32_t relid, uint32_t id, uint32_t status)
{
    EXPECT(l, 10, relid, id, status);
    EXPECT_NOTHING(l);
    ck_assert_ptr_null(gpadls_find(&l->v.gpadls, id));
}

START_TEST(one_message_is_enough_for_26_pages)
{
    const struct gpadl *one;

    lab_gpadl(l, 1, 5, 26, UINT64_C(0x123456789));
    EXPECT(l, 10, 1, 5, 0);
    EXPECT_NOTHING(l);
    one = gpadls_find(&l->v.gpadls, 5);
    ck_assert_uint_eq(one->state, GPADL_CREATED);
    for (uint32_t i = 0; i < 26; i++)
        ck_assert_uint_eq(l->shared.pool[one->pool_at + i], UINT64_C(0x123456789) + i);
}
END_TEST

START_TEST(bodies_follow_in_order)
{
    const struct gpadl *one;

    lab_header(l, 1, 5, 60, 1000, 26);
    lab_body(l, 5, 1026, 28);
    EXPECT_NOTHING(l);
    ck_assert_uint_eq(gpadls_find(&l->v.gpadls, 5)->state, GPADL_BUILDING);
    lab_body(l, 5, 1054, 6);
    EXPECT(l, 10, 1, 5, 0);
    one = gpadls_find(&l->v.gpadls, 5);
    for (uint32_t i = 0; i < 60; i++)
        ck_assert_uint_eq(l->shared.pool[one->pool_at + i], 1000 + i);
}
END_TEST

/* UEFI sends bodies at full length whatever is left. */
START_TEST(numbers_past_the_end_are_padding)
{
    const struct gpadl *next;

    lab_header(l, 1, 5, 30, 1000, 26);
    lab_header(l, 9, 6, 3, 2000, 3); /* lies behind it in the pool */
    EXPECT(l, 10, 9, 6, 0);
    lab_body(l, 5, 1026, 28);
    EXPECT(l, 10, 1, 5, 0);
    next = gpadls_find(&l->v.gpadls, 6);
    ck_assert_uint_eq(next->pool_at, 30);
    ck_assert_uint_eq(l->shared.pool[29], 1029);
    ck_assert_uint_eq(l->shared.pool[30], 2000);
    lab_header(l, 1, 7, 2, 3000, 20); /* and in a first message */
    EXPECT(l, 10, 1, 7, 0);
    ck_assert_uint_eq(l->shared.pool[35], 0);
}
END_TEST

START_TEST(a_first_message_needs_no_numbers)
{
    lab_header(l, 1, 5, 2, 0, 0);
    EXPECT_NOTHING(l);
    lab_body(l, 5, 77, 2);
    EXPECT(l, 10, 1, 5, 0);
}
END_TEST

START_TEST(a_body_for_nobody_changes_nothing)
{
    lab_body(l, 5, 1, 28); /* unknown */
    ck_assert(!l->changed);
    lab_gpadl(l, 1, 5, 3, 1000);
    EXPECT(l, 10, 1, 5, 0);
    lab_body(l, 5, 9, 3); /* finished */
    ck_assert(!l->changed);
    ck_assert_uint_eq(l->shared.pool[0], 1000);
    lab_header(l, 1, 6, 2, 0, 0);
    SAY(l, 9, 0, 6); /* no numbers in it */
    ck_assert(!l->changed);
    SAY(l, 9, 0, 6, 1); /* half of one */
    ck_assert(!l->changed);
    EXPECT_NOTHING(l);
    ck_assert_uint_eq(l->v.counters.malformed, 2);
    ck_assert_uint_eq(l->v.counters.refused, 2);
}
END_TEST

START_TEST(the_largest_list_there_can_be)
{
    lab_gpadl(l, 1, 5, GPADL_PAGES_MAX, 0);
    EXPECT(l, 10, 1, 5, 0);
    lab_header(l, 1, 6, GPADL_PAGES_MAX + 1, 0, 26); /* its bytes do not fit into 16 bits */
    expect_refused(1, 6, invalid_parameter);
}
END_TEST

START_TEST(what_a_range_cannot_be_is_refused)
{
    static const struct {
        uint32_t said, ranges, bytes, offset;
    } cases[] = {
        {16,     1,     0,          0         }, /* no bytes */
        {8,      1,     0,          0         },
        {0,      1,     UINT32_MAX, 0         }, /* a million pages: 8 MiB of numbers */
        {8,      1,     UINT32_MAX, UINT32_MAX},
        {16,     0,     4096,       0         }, /* ranges */
        {16,     2,     4096,       0         },
        {16,     65535, 4096,       0         },
        {8,      1,     4096,       0         }, /* as long as they say */
        {15,     1,     4096,       0         },
        {17,     1,     4096,       0         },
        {24,     1,     4096,       0         },
        {0,      1,     4096,       0         },
        {65535,  1,     4096,       0         },
        {16,     1,     4096,       1         }, /* two pages, then */
        {16,     1,     4096,       4096      }, /* offset */
        {24,     1,     4096,       4096      },
        {0xfff8, 1,     1,          UINT32_MAX},
    };

    for (uint32_t i = 0; i < COUNT_OF(cases); i++) {
        SAY(l, 8, 1, i, cases[i].said | cases[i].ranges << 16, cases[i].bytes, cases[i].offset, 1,
            0, 2, 0);
        expect_refused(1, i, invalid_parameter);
    }
    ck_assert_uint_eq(l->v.counters.refused, COUNT_OF(cases));
}
END_TEST

START_TEST(an_offset_may_add_a_page)
{
    SAY(l, 8, 1, 5, 24 | 1 << 16, 4096, 4095, 1, 0, 2, 0);
    EXPECT(l, 10, 1, 5, 0);
    SAY(l, 8, 1, 6, 16 | 1 << 16, 1, 4095, 1, 0);
    EXPECT(l, 10, 1, 6, 0);
}
END_TEST

START_TEST(a_name_is_used_once_in_the_vm)
{
    lab_gpadl(l, 1, 5, 2, 1000);
    EXPECT(l, 10, 1, 5, 0);
    lab_gpadl(l, 1, 5, 2, 2000);
    EXPECT(l, 10, 1, 5, invalid_parameter);
    lab_gpadl(l, 9, 5, 2, 2000); /* another channel's: a body names no channel */
    EXPECT(l, 10, 9, 5, invalid_parameter);
    ck_assert_uint_eq(l->shared.pool[0], 1000);
    SAY(l, 11, 9, 5); /* nor does it own the first */
    EXPECT_NOTHING(l);
    SAY(l, 11, 1, 5);
    EXPECT(l, 12, 5);
    lab_gpadl(l, 9, 5, 2, 2000);
    EXPECT(l, 10, 9, 5, 0);
}
END_TEST

START_TEST(limits_are_told)
{
    for (uint32_t i = 0; i < GPADLS_PER_CHANNEL; i++) {
        lab_gpadl(l, 1, i, 1, i);
        EXPECT(l, 10, 1, i, 0);
    }
    lab_gpadl(l, 1, 100, 1, 0);
    expect_refused(1, 100, no_resources);
    SAY(l, 11, 1, 3);
    EXPECT(l, 12, 3);
    lab_gpadl(l, 1, 100, 1, 0);
    EXPECT(l, 10, 1, 100, 0);
}
END_TEST

START_TEST(channels_that_are_not_offered_have_no_memory)
{
    static const uint32_t relids[] = {0, 2, 33, 64, 65, UINT32_MAX};

    for (size_t i = 0; i < COUNT_OF(relids); i++) {
        lab_gpadl(l, relids[i], 5, 2, 0);
        expect_refused(relids[i], 5, invalid_parameter);
    }
}
END_TEST

START_TEST(teardowns_that_make_no_sense_are_ignored)
{
    lab_header(l, 1, 5, 30, 1000, 26);
    SAY(l, 11, 1, 5); /* not there yet */
    SAY(l, 11, 1, 6); /* never was */
    SAY(l, 11, 0, 5);
    SAY(l, 11, UINT32_MAX, UINT32_MAX);
    EXPECT_NOTHING(l);
    lab_body(l, 5, 1026, 4);
    EXPECT(l, 10, 1, 5, 0);
    SAY(l, 11, 1, 5);
    SAY(l, 11, 1, 5);
    EXPECT(l, 12, 5);
    EXPECT_NOTHING(l); /* once */
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vmbus_gpadl");
    TCase *pool = tcase_create("pool");
    TCase *t = tcase_create("messages");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(pool, forget, NULL);
    tcase_add_test(pool, parts_do_not_overlap_and_are_used_again);
    tcase_add_test(pool, refusals_leave_the_output);
    tcase_add_test(pool, a_channel_has_its_share_of_rows);
    tcase_add_test(pool, the_pool_ends);
    suite_add_tcase(s, pool);
    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, one_message_is_enough_for_26_pages);
    tcase_add_test(t, bodies_follow_in_order);
    tcase_add_test(t, numbers_past_the_end_are_padding);
    tcase_add_test(t, a_first_message_needs_no_numbers);
    tcase_add_test(t, a_body_for_nobody_changes_nothing);
    tcase_add_test(t, the_largest_list_there_can_be);
    tcase_add_test(t, what_a_range_cannot_be_is_refused);
    tcase_add_test(t, an_offset_may_add_a_page);
    tcase_add_test(t, a_name_is_used_once_in_the_vm);
    tcase_add_test(t, limits_are_told);
    tcase_add_test(t, channels_that_are_not_offered_have_no_memory);
    tcase_add_test(t, teardowns_that_make_no_sense_are_ignored);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

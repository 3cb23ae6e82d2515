#include <check.h>
#include <stdlib.h>

#include "base/num.h"

START_TEST(sums_and_products)
{
    uint64_t v = 77;

    ck_assert_int_eq(u64_add(UINT64_MAX - 1, 1, &v), 0);
    ck_assert_uint_eq(v, UINT64_MAX);
    ck_assert_int_eq(u64_mul(UINT64_C(1) << 32, UINT64_C(1) << 31, &v), 0);
    ck_assert_uint_eq(v, UINT64_C(1) << 63);
}
END_TEST

START_TEST(a_sum_that_does_not_fit)
{
    uint64_t v = 77;

    ck_assert_int_eq(u64_add(UINT64_MAX, 1, &v), -EOVERFLOW);
    ck_assert_int_eq(u64_add(1, UINT64_MAX, &v), -EOVERFLOW);
    ck_assert_uint_eq(v, 77);
}
END_TEST

START_TEST(a_product_that_does_not_fit)
{
    uint64_t v = 77;

    ck_assert_int_eq(u64_mul(UINT64_C(1) << 32, UINT64_C(1) << 32, &v), -EOVERFLOW);
    ck_assert_uint_eq(v, 77);
}
END_TEST

START_TEST(ranges_inside)
{
    ck_assert(range_inside(0, 10, 10));
    ck_assert(range_inside(10, 0, 10));
    ck_assert(range_inside(3, 7, 10));
    ck_assert(range_inside(0, UINT64_MAX, UINT64_MAX));
}
END_TEST

START_TEST(ranges_not_inside)
{
    ck_assert(!range_inside(0, 11, 10));
    ck_assert(!range_inside(11, 0, 10));
    ck_assert(!range_inside(4, 7, 10));
    ck_assert(!range_inside(10, 1, 10));
}
END_TEST

START_TEST(a_range_that_wraps_is_not_inside)
{
    ck_assert(!range_inside(8, UINT64_MAX - 7, 10));
    ck_assert(!range_inside(UINT64_MAX, 2, 10));
}
END_TEST

START_TEST(ranges_that_share_a_byte)
{
    ck_assert(range_overlap(0, 10, 9, 1));
    ck_assert(range_overlap(9, 1, 0, 10));
    ck_assert(range_overlap(5, 1, 0, 10));
    ck_assert(range_overlap(7, 3, 7, 3));
    ck_assert(range_overlap(UINT64_MAX - 1, 1, 0, UINT64_MAX));
}
END_TEST

START_TEST(ranges_that_do_not)
{
    ck_assert(!range_overlap(0, 10, 10, 1));
    ck_assert(!range_overlap(10, 1, 0, 10));
    ck_assert(!range_overlap(5, 0, 0, 10));
    ck_assert(!range_overlap(0, 10, 5, 0));
}
END_TEST

START_TEST(aligning_up)
{
    ck_assert_uint_eq(u64_align_up(0, 4096), 0);
    ck_assert_uint_eq(u64_align_up(1, 4096), 4096);
    ck_assert_uint_eq(u64_align_up(4096, 4096), 4096);
    ck_assert_uint_eq(u64_align_up(4097, 4096), 8192);
}
END_TEST

START_TEST(what_a_bus_without_a_device_answers)
{
    volatile unsigned eight = 8; /* not folded: a shift by 64 is undefined */

    ck_assert_uint_eq(all_ones(1), 0xff);
    ck_assert_uint_eq(all_ones(2), 0xffff);
    ck_assert_uint_eq(all_ones(4), 0xffffffff);
    ck_assert_uint_eq(all_ones(eight), UINT64_MAX);
    ck_assert_uint_eq(all_ones(9), UINT64_MAX);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("num");
    TCase *c = tcase_create("all");
    SRunner *r;
    int failed;

    tcase_add_test(c, sums_and_products);
    tcase_add_test(c, a_sum_that_does_not_fit);
    tcase_add_test(c, a_product_that_does_not_fit);
    tcase_add_test(c, ranges_inside);
    tcase_add_test(c, ranges_not_inside);
    tcase_add_test(c, a_range_that_wraps_is_not_inside);
    tcase_add_test(c, ranges_that_share_a_byte);
    tcase_add_test(c, ranges_that_do_not);
    tcase_add_test(c, aligning_up);
    tcase_add_test(c, what_a_bus_without_a_device_answers);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

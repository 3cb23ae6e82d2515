#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/gmem.h"

enum {
    LOW = 0x1000,
    HIGH = 0x9000,
    LEN = 16,
};

static _Alignas(uint32_t) uint8_t low[LEN];
static _Alignas(uint32_t) uint8_t high[LEN];
static struct gmem m;

static struct gpa at(uint64_t v)
{
    return (struct gpa){.v = v};
}

static void reset(void)
{
    memset(low, 1, sizeof(low));
    memset(high, 2, sizeof(high));
    m = (struct gmem){0};
    ck_assert_int_eq(gmem_add(&m, at(LOW), LEN, low), 0);
    ck_assert_int_eq(gmem_add(&m, at(HIGH), LEN, high), 0);
}

START_TEST(copies_go_both_ways)
{
    uint8_t buf[LEN];

    ck_assert_int_eq(gmem_copy_in(&m, at(HIGH), buf, LEN), 0);
    ck_assert_mem_eq(buf, high, LEN);
    ck_assert_int_eq(gmem_copy_out(&m, at(LOW + 4), "abc", 3), 0);
    ck_assert_mem_eq(low, "\1\1\1\1abc\1", 8);
    ck_assert_int_eq(gmem_copy_in(&m, at(LOW + LEN - 1), buf, 1), 0);
    ck_assert_uint_eq(buf[0], 1);
}
END_TEST

static void expect_fault(uint64_t addr, size_t len)
{
    uint8_t buf[2 * LEN];
    uint8_t before[2 * LEN];

    memset(buf, 7, sizeof(buf));
    memset(before, 7, sizeof(before));
    ck_assert_int_eq(gmem_copy_in(&m, at(addr), buf, len), -EFAULT);
    ck_assert_mem_eq(buf, before, sizeof(buf));
    ck_assert_int_eq(gmem_copy_out(&m, at(addr), buf, len), -EFAULT);
    for (unsigned i = 0; i < LEN; i++)
        ck_assert(low[i] == 1 && high[i] == 2);
}

START_TEST(one_byte_past_the_end)
{
    expect_fault(LOW, LEN + 1);
    expect_fault(LOW + 1, LEN);
    expect_fault(LOW + LEN, 1);
}
END_TEST

START_TEST(one_byte_before_the_start)
{
    expect_fault(LOW - 1, 1);
    expect_fault(LOW - 1, LEN);
}
END_TEST

START_TEST(between_the_ranges)
{
    expect_fault(LOW + LEN + 1, 1);
}
END_TEST

START_TEST(lengths_and_addresses_that_wrap)
{
    expect_fault(LOW, SIZE_MAX);
    expect_fault(LOW + 1, SIZE_MAX);
    expect_fault(UINT64_MAX, 1);
    expect_fault(UINT64_MAX, 2);
}
END_TEST

START_TEST(neighbours_are_not_one_range)
{
    uint8_t more[LEN];

    ck_assert_int_eq(gmem_add(&m, at(LOW + LEN), LEN, more), 0);
    expect_fault(LOW + LEN - 1, 2);
}
END_TEST

static void expect_refusal(uint64_t start, uint64_t len, void *host, int error)
{
    unsigned n = m.n_ranges;

    ck_assert_int_eq(gmem_add(&m, at(start), len, host), error);
    ck_assert_uint_eq(m.n_ranges, n);
}

START_TEST(overlapping_ranges_are_refused)
{
    uint8_t more[LEN];

    expect_refusal(LOW + LEN - 1, 1, more, -EINVAL);
    expect_refusal(LOW - 1, 2, more, -EINVAL);
    expect_refusal(HIGH, LEN, more, -EINVAL);
    expect_refusal(0, 0x100000, more, -EINVAL);
}
END_TEST

START_TEST(empty_ranges_are_refused)
{
    expect_refusal(0, 0, low, -EINVAL);
}
END_TEST

START_TEST(ranges_without_memory_are_refused)
{
    expect_refusal(0, LEN, NULL, -EINVAL);
}
END_TEST

START_TEST(ranges_past_the_end_of_addresses_are_refused)
{
    expect_refusal(UINT64_MAX, 2, low, -EOVERFLOW);
}
END_TEST

START_TEST(more_ranges_than_fit_are_refused)
{
    while (m.n_ranges < GMEM_MAX_RANGES)
        ck_assert_int_eq(gmem_add(&m, at(0x100000 + m.n_ranges * LEN), LEN, low), 0);
    expect_refusal(0, LEN, low, -ENOBUFS);
}
END_TEST

START_TEST(words_are_read_and_written_whole)
{
    uint32_t v = 0;

    ck_assert_int_eq(gmem_store_le32(&m, at(LOW + 4), 0x11223344), 0);
    ck_assert_mem_eq(low + 3, "\1\x44\x33\x22\x11\1", 6);
    ck_assert_int_eq(gmem_load_le32(&m, at(LOW + 4), &v), 0);
    ck_assert_uint_eq(v, 0x11223344);
    ck_assert_int_eq(gmem_load_le32(&m, at(HIGH + LEN - 4), &v), 0);
    ck_assert_uint_eq(v, 0x02020202);
}
END_TEST

START_TEST(words_are_aligned_and_inside)
{
    static const uint64_t bad[] = {LOW + 1, LOW + 2,    LOW + 3,        LOW + LEN,
                                   LOW - 4, HIGH + LEN, UINT64_MAX - 3, UINT64_MAX};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint32_t v = 7;

        ck_assert_int_eq(gmem_load_le32(&m, at(bad[i]), &v), -EFAULT);
        ck_assert_uint_eq(v, 7);
        ck_assert_int_eq(gmem_store_le32(&m, at(bad[i]), 0), -EFAULT);
    }
    for (unsigned i = 0; i < LEN; i++)
        ck_assert(low[i] == 1 && high[i] == 2);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("gmem");
    TCase *c = tcase_create("all");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(c, reset, NULL);
    tcase_add_test(c, copies_go_both_ways);
    tcase_add_test(c, words_are_read_and_written_whole);
    tcase_add_test(c, words_are_aligned_and_inside);
    tcase_add_test(c, one_byte_past_the_end);
    tcase_add_test(c, one_byte_before_the_start);
    tcase_add_test(c, between_the_ranges);
    tcase_add_test(c, lengths_and_addresses_that_wrap);
    tcase_add_test(c, neighbours_are_not_one_range);
    tcase_add_test(c, overlapping_ranges_are_refused);
    tcase_add_test(c, empty_ranges_are_refused);
    tcase_add_test(c, ranges_without_memory_are_refused);
    tcase_add_test(c, ranges_past_the_end_of_addresses_are_refused);
    tcase_add_test(c, more_ranges_than_fit_are_refused);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

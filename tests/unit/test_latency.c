#include <check.h>
#include <stdlib.h>

#include "base/latency.h"

START_TEST(of_nothing_there_is_no_percentile)
{
    const struct latency l = {0};

    ck_assert_uint_eq(latency_percentile_us(&l, 50), 0);
    ck_assert_uint_eq(latency_percentile_us(&l, 99), 0);
}
END_TEST

static const struct {
    uint64_t took_ns, us;
} ends[] = {
    {0,          1        },
    {999,        1        },
    {1000,       2        },
    {1999,       2        },
    {2000,       4        },
    {3999,       4        },
    {1000000,    1024     },
    {UINT64_MAX, 1u << 23u},
};

START_TEST(a_percentile_is_the_upper_end_of_its_bucket)
{
    struct latency l = {0};

    latency_count(&l, ends[_i].took_ns, 1);
    ck_assert_uint_eq(latency_percentile_us(&l, 0), ends[_i].us);
    ck_assert_uint_eq(latency_percentile_us(&l, 50), ends[_i].us);
    ck_assert_uint_eq(latency_percentile_us(&l, 99), ends[_i].us);
}
END_TEST

START_TEST(so_many_of_all_lie_before_it)
{
    struct latency l = {0};

    latency_count(&l, 500, 98);
    latency_count(&l, 5000, 1);
    latency_count(&l, 50000, 1);
    ck_assert_uint_eq(latency_percentile_us(&l, 50), 1);
    ck_assert_uint_eq(latency_percentile_us(&l, 97), 1);
    ck_assert_uint_eq(latency_percentile_us(&l, 98), 8);
    ck_assert_uint_eq(latency_percentile_us(&l, 99), 64);
}
END_TEST

START_TEST(two_are_added)
{
    struct latency l = {0}, other = {0};

    latency_count(&l, 500, 3);
    latency_count(&other, 5000, 7);
    latency_add(&l, &other);
    ck_assert_uint_eq(l.n, 10);
    ck_assert_uint_eq(latency_percentile_us(&l, 20), 1);
    ck_assert_uint_eq(latency_percentile_us(&l, 30), 8);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("latency");
    TCase *c = tcase_create("all");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_test(c, of_nothing_there_is_no_percentile);
    tcase_add_loop_test(c, a_percentile_is_the_upper_end_of_its_bucket, 0,
                        sizeof(ends) / sizeof(ends[0]));
    tcase_add_test(c, so_many_of_all_lie_before_it);
    tcase_add_test(c, two_are_added);
    suite_add_tcase(s, c);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

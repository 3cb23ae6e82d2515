#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/trace.h"

static struct trace_ring *ring;
static _Atomic uint32_t on;
static struct trace_writer writer;
static struct trace_reader reader;

static void reset(void)
{
    ring = calloc(1, sizeof(*ring));
    ck_assert_ptr_nonnull(ring);
    atomic_store(&on, 1);
    writer = (struct trace_writer){.on = &on, .ring = ring};
    trace_read_begin(&reader, ring);
}

static void done(void)
{
    free(ring);
}

static void add(uint64_t id)
{
    trace_add(&writer, TRACE_TPM, id, 1, 2, 3);
}

static uint64_t next(void)
{
    struct trace_record r;

    ck_assert_int_eq(trace_read(&reader, &r), 0);
    ck_assert_uint_eq(r.kind, TRACE_TPM);
    return r.id;
}

static void expect_none(void)
{
    struct trace_record r;

    ck_assert_int_eq(trace_read(&reader, &r), -EAGAIN);
}

START_TEST(nothing_is_told_while_nobody_watches)
{
    static const struct trace_writer none;

    atomic_store(&on, 0);
    add(1);
    trace_add(&none, TRACE_TPM, 1, 1, 2, 3);
    ck_assert_uint_eq(ring->written, 0);
    expect_none();
}
END_TEST

START_TEST(records_come_in_order_and_once)
{
    add(1);
    add(2);
    ck_assert_uint_eq(next(), 1);
    ck_assert_uint_eq(next(), 2);
    expect_none();
    ck_assert_uint_eq(reader.lost, 0);
}
END_TEST

START_TEST(what_does_not_fit_is_the_most_that_does)
{
    struct trace_record r;

    trace_add(&writer, TRACE_DISK_READ, 1, UINT64_MAX, 2, UINT64_MAX);
    ck_assert_int_eq(trace_read(&reader, &r), 0);
    ck_assert_uint_eq(r.value, UINT32_MAX);
    ck_assert_uint_eq(r.took_ns, UINT32_MAX);
}
END_TEST

START_TEST(who_is_overtaken_knows_how_many_were_lost)
{
    uint64_t told = 0;

    for (uint64_t i = 0; i < 3 * TRACE_RECORDS; i++)
        add(i);
    while (reader.at != ring->written) {
        ck_assert_uint_eq(next(), reader.lost + told);
        told++;
    }
    ck_assert_uint_gt(told, 0);
    ck_assert_uint_eq(reader.lost + told, 3 * TRACE_RECORDS);
}
END_TEST

START_TEST(a_full_ring_is_not_lost_but_for_the_one_that_is_written_next)
{
    for (uint64_t i = 0; i < TRACE_RECORDS - 1; i++)
        add(i);
    for (uint64_t i = 0; i < TRACE_RECORDS - 1; i++)
        ck_assert_uint_eq(next(), i);
    ck_assert_uint_eq(reader.lost, 0);
}
END_TEST

START_TEST(nonsense_is_passed_over_and_counted)
{
    add(1);
    add(2);
    add(3);
    ring->records[0].kind = TRACE_NONE;
    ring->records[1].kind = TRACE_KINDS;
    ck_assert_uint_eq(next(), 3);
    ck_assert_uint_eq(reader.lost, 2);
}
END_TEST

START_TEST(counts_that_no_writer_has_end_nobodys_reading)
{
    struct trace_record r;
    int n = 0;

    add(1);
    for (uint64_t written = UINT64_MAX; written >= 100000; written /= 1000) {
        ring->written = written;
        while (trace_read(&reader, &r) == 0)
            ck_assert_int_lt(n++, TRACE_RECORDS);
        expect_none();
    }
    ring->written = 5; /* backwards, and no less is any of the others' */
    expect_none();
    add(9);
    ck_assert_uint_eq(next(), 9);
}
END_TEST

START_TEST(who_has_rings_has_a_word_for_each_kind)
{
    for (unsigned kind = 1; kind < TRACE_KINDS; kind++)
        ck_assert_ptr_nonnull(trace_kind_name(kind));
    ck_assert_ptr_null(trace_kind_name(TRACE_NONE));
    ck_assert_ptr_null(trace_kind_name(TRACE_KINDS));
    for (enum process p = 0; p < PROCESS_COUNT; p++) {
        ck_assert_uint_le(trace_rings(p), TRACE_RINGS_MAX);
        ck_assert_int_eq(manifest_fd(p, OBJECT_TRACE, p) >= 0, trace_rings(p) > 0);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("trace");
    TCase *c = tcase_create("trace");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(c, reset, done);
    tcase_add_test(c, nothing_is_told_while_nobody_watches);
    tcase_add_test(c, records_come_in_order_and_once);
    tcase_add_test(c, what_does_not_fit_is_the_most_that_does);
    tcase_add_test(c, who_is_overtaken_knows_how_many_were_lost);
    tcase_add_test(c, a_full_ring_is_not_lost_but_for_the_one_that_is_written_next);
    tcase_add_test(c, nonsense_is_passed_over_and_counted);
    tcase_add_test(c, counts_that_no_writer_has_end_nobodys_reading);
    tcase_add_test(c, who_has_rings_has_a_word_for_each_kind);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

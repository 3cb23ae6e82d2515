#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "supervisor/tracing.h"

static struct board_page board_page;
static struct board board;
static struct port_page port_page;
static struct port_client port;
static struct tracing t;

static void reset(void)
{
    board_attach(&board, &board_page, 1);
    board_take_rows(&board);
    port_client_init(&port, &port_page, -1);
    t = (struct tracing){0};
    t.ports[PROCESS_STORAGE] = &port;
    tracing_init(&t, &board);
}

static void expect(uint32_t on)
{
    ck_assert_uint_eq(t.on, on);
    ck_assert_uint_eq(port_page.tracing, on);
    ck_assert_uint_eq(board_page.rows[0].value, on);
}

START_TEST(workers_are_told_and_it_ends_when_nobody_asks_again)
{
    const uint64_t lease_ns = TRACING_LEASE_MS * NS_PER_MS;

    expect(0);
    ck_assert_int_eq(tracing_set(&t, true, 100), 0);
    expect(1);
    tracing_tick(&t, 99 + lease_ns);
    expect(1);
    ck_assert_int_eq(tracing_set(&t, true, 50 + lease_ns), 0);
    tracing_tick(&t, 100 + lease_ns);
    expect(1);
    tracing_tick(&t, 50 + 2 * lease_ns);
    expect(0);
}
END_TEST

START_TEST(it_is_told_in_the_log_once)
{
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(tracing_set(&t, true, 100), 0);
    ck_assert_uint_eq(board_page.log_seq, 1);
    ck_assert_int_eq(tracing_set(&t, false, 100), 0);
    expect(0);
    ck_assert_uint_eq(board_page.log_seq, 2);
    board_page.log_seq = 0;
}
END_TEST

START_TEST(a_confidential_vm_refuses)
{
    t.refused = true;
    ck_assert_int_eq(tracing_set(&t, true, 100), -EPERM);
    expect(0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tracing");
    TCase *c = tcase_create("tracing");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(c, reset, NULL);
    tcase_add_test(c, workers_are_told_and_it_ends_when_nobody_asks_again);
    tcase_add_test(c, it_is_told_in_the_log_once);
    tcase_add_test(c, a_confidential_vm_refuses);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

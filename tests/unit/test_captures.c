#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "supervisor/captures.h"

enum {
    NIC = 2,
    BYTES = 128,
};

static const uint64_t LEASE_NS = CAPTURES_LEASE_MS * NS_PER_MS;
static const uint64_t NOW_NS = 1000 * NS_PER_S;

static struct board_page page;
static struct board board;
static struct nets_page nets;
static struct captures captures;

static void set_up(void)
{
    memset(&page, 0, sizeof(page));
    memset(&nets, 0, sizeof(nets));
    board_attach(&board, &page, 1);
    board_take_rows(&board);
    nets.rows[NIC].kind = NET_TAP;
    captures_init(&captures, &board, &nets);
}

static void expect(uint64_t until_ns, uint64_t shown, uint64_t lines)
{
    ck_assert_uint_eq(nets.rows[NIC].capture_until_ns, until_ns);
    ck_assert_uint_eq(captures.shown[NIC]->value, shown);
    ck_assert_uint_eq(page.log_seq, lines);
}

START_TEST(a_capture_ends_when_it_is_not_asked_for_again)
{
    ck_assert_int_eq(captures_set(&captures, NIC, BYTES, NOW_NS), 0);
    ck_assert_uint_eq(nets.rows[NIC].capture_bytes, BYTES);
    expect(NOW_NS + LEASE_NS, BYTES, 1);
    captures_tick(&captures, NOW_NS + LEASE_NS - 1);
    expect(NOW_NS + LEASE_NS, BYTES, 1);
    captures_tick(&captures, NOW_NS + LEASE_NS);
    expect(0, 0, 2);
    captures_tick(&captures, NOW_NS + 2 * LEASE_NS);
    expect(0, 0, 2);
}
END_TEST

/* And the log is not filled by it. */
START_TEST(what_is_asked_for_again_goes_on)
{
    for (uint64_t i = 0; i < 100; i++) {
        ck_assert_int_eq(captures_set(&captures, NIC, BYTES, NOW_NS + i * NS_PER_S), 0);
        captures_tick(&captures, NOW_NS + i * NS_PER_S + NS_PER_S / 2);
        expect(NOW_NS + i * NS_PER_S + LEASE_NS, BYTES, 1);
    }
    ck_assert_int_eq(captures_set(&captures, NIC, 2 * BYTES, NOW_NS), 0);
    ck_assert_uint_eq(nets.rows[NIC].capture_bytes, 2 * BYTES);
    expect(NOW_NS + LEASE_NS, 2 * BYTES, 2);
}
END_TEST

START_TEST(a_capture_is_ended)
{
    ck_assert_int_eq(captures_set(&captures, NIC, 0, NOW_NS), 0); /* there was none */
    expect(0, 0, 0);
    ck_assert_int_eq(captures_set(&captures, NIC, BYTES, NOW_NS), 0);
    ck_assert_int_eq(captures_set(&captures, NIC, 0, NOW_NS), 0);
    expect(0, 0, 2);
}
END_TEST

START_TEST(only_a_nic_is_captured)
{
    static const uint32_t others[] = {0, NIC + 1, NETS_MAX, UINT32_MAX};

    ck_assert_int_eq(captures_set(&captures, others[_i], BYTES, NOW_NS), -ENOENT);
    for (unsigned i = 0; i < NETS_MAX; i++)
        ck_assert_uint_eq(nets.rows[i].capture_until_ns, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("captures");
    TCase *tests = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_add_test(tests, a_capture_ends_when_it_is_not_asked_for_again);
    tcase_add_test(tests, what_is_asked_for_again_goes_on);
    tcase_add_test(tests, a_capture_is_ended);
    tcase_add_loop_test(tests, only_a_nic_is_captured, 0, 4);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

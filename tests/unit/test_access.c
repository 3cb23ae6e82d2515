/*
 * Accesses that the supervisor answers itself. Those that a worker answers are the simulators' to test.
 */
#include <check.h>

#include "supervisor/exit/access.h"
#include "tests/fakes/hv.h"

enum {
    CONNECTION = 0x2001, /* of the first device */
};

static struct fake_hv *f;
static struct vm vm;
static struct board_row unclaimed, forwarded;
static const struct access_rows rows = {.forwarded = &forwarded, .unclaimed = &unclaimed};

static void set_up(void)
{
    struct hv_config c;

    f = fake_hv_new();
    c = f->hv.config;
    vm.board = &f->board;
    ck_assert_int_eq(hv_init(&vm.hv, &c), 0);
}

static void tear_down(void)
{
    fake_hv_free(f);
}

static uint64_t answer(enum access_space space, bool write, uint8_t size, uint64_t data)
{
    const struct vm_access a = {
        .space = space, .write = write, .size = size, .addr = PARTITION_SIGNAL_PORT, .data = data};

    return access_answer(&vm, 0, &a, &rows);
}

/* Where the backend has no doorbells. */
START_TEST(a_signal_by_exit_rings_the_bell)
{
    ck_assert_uint_eq(answer(ACCESS_IO, true, 4, CONNECTION), 0);
    ck_assert_uint_eq(fake_hv_rings(f->hv.config.bells[0]), 1);
    ck_assert_uint_eq(atomic_load(&unclaimed.value), 0);
    ck_assert_uint_eq(atomic_load(&vm.hv.vps[0].row_signals->value), 1);
}
END_TEST

START_TEST(a_signal_to_nobody_is_counted)
{
    (void)answer(ACCESS_IO, true, 4, 0x2fff);
    (void)answer(ACCESS_IO, true, 4, 0);
    ck_assert_uint_eq(atomic_load(&unclaimed.value), 2);
    ck_assert_uint_eq(atomic_load(&vm.hv.vps[0].row_signals->value), 0);
}
END_TEST

START_TEST(nothing_else_at_that_address_is_a_signal)
{
    ck_assert_uint_eq(answer(ACCESS_IO, false, 4, CONNECTION), UINT32_MAX);
    (void)answer(ACCESS_IO, true, 2, CONNECTION);
    (void)answer(ACCESS_MMIO, true, 4, CONNECTION);
    (void)answer(ACCESS_MMIO, true, 8, CONNECTION);
    ck_assert_uint_eq(atomic_load(&unclaimed.value), 4);
    ck_assert_uint_eq(fake_hv_rings(f->hv.config.bells[0]), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("access");
    TCase *t = tcase_create("access");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, a_signal_by_exit_rings_the_bell);
    tcase_add_test(t, a_signal_to_nobody_is_counted);
    tcase_add_test(t, nothing_else_at_that_address_is_a_signal);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}

#include <check.h>
#include <stdlib.h>

#include "supervisor/exit/crb_front.h"

static struct crb_shared shared;
static struct crb_front front;

enum {
    EPOCH = 9,
};

static void set_up(void)
{
    const struct crb fresh = {0};

    crb_shared_publish(&shared, EPOCH, &fresh);
    ck_assert_int_eq(crb_front_init(&front, &shared), 0);
}

static bool put(uint32_t offset, uint8_t size, uint64_t data)
{
    const struct vm_access a = {
        .space = ACCESS_MMIO, .write = true, .addr = CRB_ADDR + offset, .size = size, .data = data};

    return crb_front_write(&front, &a);
}

static uint32_t get(uint32_t offset)
{
    return atomic_load(&shared.registers[offset / 4]);
}

static struct crb state(void)
{
    struct crb c;
    uint32_t epoch;

    ck_assert_int_eq(crb_shared_load(&shared, &epoch, &c), 0);
    ck_assert_uint_eq(epoch, EPOCH);
    return c;
}

static void run_command(void)
{
    struct crb c = state();

    ck_assert((crb_write(&c, CRB_CTRL_START, 4, 1) & CRB_STARTED) != 0);
    crb_shared_publish(&shared, EPOCH, &c);
}

/* What Linux writes around a command, but for START. */
START_TEST(registers_move_without_the_vtpm)
{
    ck_assert(put(CRB_LOC_CTRL, 4, CRB_LOC_CTRL_REQUEST));
    ck_assert_uint_ne(get(CRB_LOC_STATE) & CRB_LOC_STATE_ASSIGNED, 0);
    ck_assert(put(CRB_CTRL_REQ, 4, CRB_REQ_CMD_READY));
    ck_assert_uint_eq(get(CRB_CTRL_STS) & CRB_STS_IDLE, 0);
    ck_assert(put(CRB_CTRL_CANCEL, 4, 0));
    ck_assert(put(CRB_CTRL_REQ, 4, CRB_REQ_GO_IDLE));
    ck_assert_uint_ne(get(CRB_CTRL_STS) & CRB_STS_IDLE, 0);
    ck_assert(put(CRB_LOC_CTRL, 4, CRB_LOC_CTRL_RELINQUISH));
    ck_assert_uint_eq(get(CRB_LOC_STATE) & CRB_LOC_STATE_ASSIGNED, 0);
    ck_assert_uint_eq(crb_pack(&(struct crb){0}), (uint32_t)atomic_load(&shared.state));
}
END_TEST

START_TEST(start_is_forwarded_and_moves_nothing)
{
    uint64_t before;

    ck_assert(put(CRB_LOC_CTRL, 4, CRB_LOC_CTRL_REQUEST));
    ck_assert(put(CRB_CTRL_REQ, 4, CRB_REQ_CMD_READY));
    before = atomic_load(&shared.state);
    ck_assert(!put(CRB_CTRL_START, 4, 1));
    ck_assert(!put(CRB_CTRL_CANCEL, 8, UINT64_C(1) << 32)); /* CANCEL and START in one write */
    ck_assert_uint_eq(atomic_load(&shared.state), before);
    ck_assert_uint_eq(get(CRB_CTRL_START), 0);
}
END_TEST

START_TEST(all_is_the_vtpms_while_a_command_runs)
{
    uint64_t before;

    ck_assert(put(CRB_LOC_CTRL, 4, CRB_LOC_CTRL_REQUEST));
    ck_assert(put(CRB_CTRL_REQ, 4, CRB_REQ_CMD_READY));
    run_command();
    before = atomic_load(&shared.state);
    ck_assert(!put(CRB_CTRL_CANCEL, 4, 1));
    ck_assert(!put(CRB_CTRL_REQ, 4, CRB_REQ_GO_IDLE));
    ck_assert(!put(CRB_LOC_CTRL, 4, CRB_LOC_CTRL_RELINQUISH));
    ck_assert_uint_eq(atomic_load(&shared.state), before);
}
END_TEST

START_TEST(what_is_refused_is_forwarded)
{
    ck_assert(!put(CRB_CTRL_REQ, 4, CRB_REQ_CMD_READY)); /* no locality */
    ck_assert(!put(CRB_LOC_CTRL, 2, CRB_LOC_CTRL_REQUEST));
    ck_assert(!put(CRB_LOC_CTRL, 4, 7));
}
END_TEST

/* The vtpm may have executed it, and committed registers that it could not publish. */
START_TEST(after_an_unanswered_write_the_vtpm_is_asked_first)
{
    crb_front_forwarded(&front, false);
    ck_assert(!put(CRB_LOC_CTRL, 4, CRB_LOC_CTRL_REQUEST));
    crb_front_forwarded(&front, true);
    ck_assert(put(CRB_LOC_CTRL, 4, CRB_LOC_CTRL_REQUEST));
}
END_TEST

START_TEST(nonsense_from_the_vtpm_is_forwarded_to_it)
{
    atomic_store(&shared.state, UINT64_MAX);
    ck_assert(!put(CRB_LOC_CTRL, 4, CRB_LOC_CTRL_REQUEST));
    ck_assert_uint_eq(atomic_load(&shared.state), UINT64_MAX);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("crb_front");
    TCase *c = tcase_create("all");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(c, set_up, NULL);
    tcase_add_test(c, registers_move_without_the_vtpm);
    tcase_add_test(c, start_is_forwarded_and_moves_nothing);
    tcase_add_test(c, all_is_the_vtpms_while_a_command_runs);
    tcase_add_test(c, what_is_refused_is_forwarded);
    tcase_add_test(c, after_an_unanswered_write_the_vtpm_is_asked_first);
    tcase_add_test(c, nonsense_from_the_vtpm_is_forwarded_to_it);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

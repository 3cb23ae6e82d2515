#include <check.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "supervisor/vcpu/hold.h"

enum {
    VCPUS = 3,
    PATIENCE_MS = 5000,
};

/* vCPUs that look at the hold all the time, and count. */
struct vcpu {
    unsigned index;
    pthread_t thread;
    _Atomic uint64_t count;
    _Atomic bool steps; /* it is to make single steps */
    struct guest_regs regs;
};

static struct hold h;
static struct vcpu vcpus[VCPUS];
static _Atomic bool over;
static _Atomic unsigned kicks[VCPUS];

static void on_kick(void *self, unsigned vcpu)
{
    (void)self;
    kicks[vcpu]++;
}

static void *vcpu_main(void *arg)
{
    struct vcpu *v = arg;
    struct hold_debug d = {0};
    struct hold_debug fresh;

    while (!over) {
        if (hold_is_wanted(&h, v->index))
            (void)hold_stand(&h, v->index, &v->regs);
        if (hold_take_debug(&h, v->index, &fresh))
            d = fresh;
        v->regs.v[GUEST_RAX] = ++v->count;
        if (d.step)
            (void)hold_report(&h, &(struct hold_hit){.event = HOLD_STEP, .vcpu = v->index});
        d.step = false;
    }
    return NULL;
}

static void set_up(void)
{
    ck_assert_int_eq(hold_init(&h), 0);
    h.n_vcpus = VCPUS;
    h.kick = on_kick;
    over = false;
    for (unsigned i = 0; i < VCPUS; i++) {
        vcpus[i] = (struct vcpu){.index = i};
        kicks[i] = 0;
        ck_assert_int_eq(pthread_create(&vcpus[i].thread, NULL, vcpu_main, &vcpus[i]), 0);
    }
}

static void tear_down(void)
{
    over = true;
    hold_release(&h, HOLD_OPERATOR);
    hold_attach(&h, false);
    for (unsigned i = 0; i < VCPUS; i++)
        (void)pthread_join(vcpus[i].thread, NULL);
    (void)close(h.still_fd);
}

/* The bell rings when the last one stands. */
static void await_still(void)
{
    const uint64_t end_ns = clock_now_ns() + PATIENCE_MS * NS_PER_MS;

    while (!hold_is_still(&h)) {
        struct pollfd p = {.fd = h.still_fd, .events = POLLIN};
        uint64_t rings;

        ck_assert_uint_lt(clock_now_ns(), end_ns);
        ck_assert_int_eq(poll(&p, 1, PATIENCE_MS), 1);
        ck_assert_int_eq(read(h.still_fd, &rings, sizeof(rings)), sizeof(rings));
    }
}

static void expect_runs(unsigned i)
{
    const uint64_t before = vcpus[i].count;
    const uint64_t end_ns = clock_now_ns() + PATIENCE_MS * NS_PER_MS;

    while (vcpus[i].count == before)
        ck_assert_uint_lt(clock_now_ns(), end_ns);
}

static void expect_stands(unsigned i)
{
    const uint64_t before = vcpus[i].count;

    (void)usleep(20 * 1000);
    ck_assert_uint_eq(vcpus[i].count, before);
}

START_TEST(all_stand_and_go_on)
{
    hold_stop(&h, HOLD_OPERATOR);
    await_still();
    ck_assert_int_eq(hold_straggler(&h), -1);
    for (unsigned i = 0; i < VCPUS; i++) {
        expect_stands(i);
        ck_assert_uint_ge(kicks[i], 1);
    }
    hold_release(&h, HOLD_OPERATOR);
    ck_assert(!hold_is_still(&h)); /* though none may have woken yet */
    for (unsigned i = 0; i < VCPUS; i++)
        expect_runs(i);
}
END_TEST

/* Whoever lets go last lets it run. */
START_TEST(reasons_are_counted_each_for_itself)
{
    hold_attach(&h, true);
    hold_stop(&h, HOLD_OPERATOR);
    hold_stop(&h, HOLD_DEBUGGER);
    await_still();
    hold_attach(&h, false);
    expect_stands(0);
    ck_assert(hold_is_still(&h));
    hold_release(&h, HOLD_OPERATOR);
    expect_runs(0);
}
END_TEST

START_TEST(a_debugger_lets_one_run_and_the_others_not)
{
    hold_attach(&h, true);
    hold_stop(&h, HOLD_DEBUGGER);
    await_still();
    hold_go(&h, 1u << 1, 0);
    expect_runs(1);
    expect_stands(0);
    expect_stands(2);
    hold_stop(&h, HOLD_OPERATOR);
    await_still();
    expect_stands(1);
    hold_release(&h, HOLD_OPERATOR);
    expect_runs(1);
    hold_stop(&h, HOLD_DEBUGGER);
    await_still();
}
END_TEST

START_TEST(a_step_is_one_instruction_and_stops_all)
{
    struct hold_hit hit;
    struct guest_regs before, after;

    hold_attach(&h, true);
    hold_stop(&h, HOLD_DEBUGGER);
    await_still();
    ck_assert(!hold_take_hit(&h, &hit));
    ck_assert_int_eq(hold_read(&h, 2, &before), 0);
    hold_go(&h, 1u << 0, 1u << 2);
    await_still();
    ck_assert(hold_take_hit(&h, &hit));
    ck_assert_int_eq(hit.event, HOLD_STEP);
    ck_assert_uint_eq(hit.vcpu, 2);
    ck_assert(!hold_take_hit(&h, &hit));
    ck_assert_int_eq(hold_read(&h, 2, &after), 0);
    ck_assert_uint_eq(after.v[GUEST_RAX], before.v[GUEST_RAX] + 1);
}
END_TEST

START_TEST(registers_are_read_and_changed_only_while_all_stand)
{
    struct guest_regs regs = {0};

    ck_assert_int_eq(hold_read(&h, 0, &regs), -EBUSY);
    ck_assert_int_eq(hold_write(&h, 0, &regs), -EBUSY);
    hold_stop(&h, HOLD_OPERATOR);
    await_still();
    ck_assert_int_eq(hold_read(&h, 0, &regs), 0);
    regs.v[GUEST_RBX] = 42;
    regs.v[GUEST_CR3] = 43;
    ck_assert_int_eq(hold_write(&h, 0, &regs), 0);
    hold_release(&h, HOLD_OPERATOR);
    expect_runs(0);
    hold_stop(&h, HOLD_OPERATOR);
    await_still();
    ck_assert_int_eq(hold_read(&h, 0, &regs), 0);
    ck_assert_uint_eq(regs.v[GUEST_RBX], 42);
    ck_assert_uint_eq(regs.v[GUEST_CR3], 0); /* that one is no debugger's to change */
}
END_TEST

/* A break that is set while the guest runs is for those that run, too; with the debugger it goes. */
START_TEST(breaks_come_and_go_with_the_debugger)
{
    const struct guest_break b = {.address = 0x1000, .kind = GUEST_BREAK_EXECUTE, .len = 1};
    struct hold_debug d;

    over = true;
    for (unsigned i = 0; i < VCPUS; i++)
        (void)pthread_join(vcpus[i].thread, NULL);
    ck_assert(!hold_take_debug(&h, 0, &d));
    hold_attach(&h, true);
    hold_set_breaks(&h, &b, 1);
    ck_assert(hold_take_debug(&h, 0, &d));
    ck_assert_uint_eq(d.n_breaks, 1);
    ck_assert_uint_eq(d.breaks[0].address, 0x1000);
    ck_assert(!hold_take_debug(&h, 0, &d));
    hold_attach(&h, false);
    ck_assert(hold_take_debug(&h, 0, &d));
    ck_assert_uint_eq(d.n_breaks, 0);
    ck_assert(!hold_report(&h, &(struct hold_hit){.event = HOLD_BREAK, .vcpu = 0}));
    ck_assert(!hold_is_wanted(&h, 0));
    set_up();
}
END_TEST

/* 0: it met the trap before the debugger went, and says so now; 1: it has entered the guest since. */
START_TEST(a_trap_may_be_met_before_its_debugger_goes)
{
    over = true;
    for (unsigned i = 0; i < VCPUS; i++)
        (void)pthread_join(vcpus[i].thread, NULL);
    ck_assert(!hold_report_trap(&h, 0)); /* there never was one */
    hold_attach(&h, true);
    hold_enter(&h, 0);
    hold_attach(&h, false);
    if (_i == 1)
        hold_enter(&h, 0);
    ck_assert(hold_report_trap(&h, 0) == (_i == 0));
    ck_assert(!hold_is_wanted(&h, 0));
    ck_assert(hold_report_trap(&h, 1));
    hold_enter(&h, 1);
    ck_assert(!hold_report_trap(&h, 1));
    hold_attach(&h, true);
    ck_assert(hold_report_trap(&h, 1));
    ck_assert(hold_is_wanted(&h, 1));
    hold_attach(&h, false);
    set_up();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hold");
    TCase *tests = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, all_stand_and_go_on);
    tcase_add_test(tests, reasons_are_counted_each_for_itself);
    tcase_add_test(tests, a_debugger_lets_one_run_and_the_others_not);
    tcase_add_test(tests, a_step_is_one_instruction_and_stops_all);
    tcase_add_test(tests, registers_are_read_and_changed_only_while_all_stand);
    tcase_add_test(tests, breaks_come_and_go_with_the_debugger);
    tcase_add_loop_test(tests, a_trap_may_be_met_before_its_debugger_goes, 0, 2);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

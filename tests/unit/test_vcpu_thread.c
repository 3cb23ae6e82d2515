/*
 * A vCPU's thread, and a guest that the test plays: what it says to each run stands in a list.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/macro.h"
#include "supervisor/traps.h"
#include "supervisor/vcpu/vcpu_thread.h"

enum {
    RIP = 0x1000, /* behind what it came upon */
    EXITS_MAX = 4,
};

/* When the debugger goes. */
enum leaves {
    NEVER,
    AS_IT_EXITS,  /* before anybody was told of the exit */
    AS_IT_IS_TOLD /* and others are told to look, before the vCPU stands */
};

struct played {
    struct vm_exit exits[EXITS_MAX];
    unsigned n, next;
    enum leaves leaves[EXITS_MAX];
    int get_err; /* of vcpu_get_regs */
    unsigned n_set;
    struct guest_regs set; /* what was put into the vCPU last */
};

static struct board_page board_page;
static struct board board;
static struct start_gate gate = START_GATE_INIT;
static struct vm vm;
static struct vcpu_thread thread;
static struct played played;

static const struct vm_exit a_trap = {
    .kind = EXIT_ACCESS,
    .access = {.space = ACCESS_IO, .write = true, .size = 1, .addr = TRAP_PORT}
};

static enum leaves now(void)
{
    return played.next == 0 ? NEVER : played.leaves[played.next - 1];
}

static void on_kick(void *self, unsigned vcpu)
{
    (void)self;
    (void)vcpu;
    if (now() != AS_IT_IS_TOLD || !vm.hold.attached)
        return;
    hold_attach(&vm.hold, false);
}

int vcpu_bind(struct vcpu *v)
{
    (void)v;
    return 0;
}

void vcpu_run(struct vcpu *v, struct vm_exit *ret)
{
    (void)v;
    *ret = (struct vm_exit){.kind = EXIT_SHUTDOWN};
    if (played.next == played.n)
        return;
    *ret = played.exits[played.next++];
    if (now() == AS_IT_EXITS)
        hold_attach(&vm.hold, false);
}

void vcpu_finish(struct vcpu *v, uint64_t data)
{
    (void)v;
    (void)data;
}

void vcpu_finish_msr(struct vcpu *v, uint64_t data, bool fault)
{
    (void)v;
    (void)data;
    (void)fault;
}

int vcpu_get_regs(struct vcpu *v, struct guest_regs *ret)
{
    (void)v;
    if (played.get_err == 0)
        *ret = (struct guest_regs){.v = {[GUEST_RIP] = RIP}};
    return played.get_err;
}

int vcpu_set_regs(struct vcpu *v, const struct guest_regs *regs)
{
    (void)v;
    played.n_set++;
    played.set = *regs;
    return 0;
}

int vcpu_set_debug(struct vcpu *v, const struct guest_break *breaks, unsigned n, bool step)
{
    (void)v;
    (void)breaks;
    (void)n;
    (void)step;
    return 0;
}

static void set_up(void)
{
    board_attach(&board, &board_page, 1);
    vm.board = &board;
    vm.traps = true;
    vm.end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ck_assert_int_eq(hold_init(&vm.hold), 0);
    vm.hold.n_vcpus = 1;
    vm.hold.kick = on_kick;
    thread = (struct vcpu_thread){.vm = &vm, .gate = &gate};
}

static void tear_down(void)
{
    (void)close(vm.end_fd);
    (void)close(vm.hold.still_fd);
}

/* Until there is no exit left. */
static void run(void)
{
    ck_assert_int_eq(vcpu_thread_start(&thread), 0);
    start_gate_open(&gate);
    ck_assert_int_eq(pthread_join(thread.thread, NULL), 0);
    ck_assert_uint_eq(played.next, played.n);
}

static void play(enum leaves leaves)
{
    played.leaves[played.n] = leaves;
    played.exits[played.n++] = a_trap;
}

/* The instruction that was in the trap's place is executed, whenever the session ends. */
START_TEST(a_trap_is_gone_back_over_though_its_debugger_goes)
{
    hold_attach(&vm.hold, true);
    play(_i == 0 ? AS_IT_EXITS : AS_IT_IS_TOLD);
    run();
    ck_assert_uint_eq(played.n_set, 1);
    ck_assert_uint_eq(played.set.v[GUEST_RIP], RIP - TRAP_BYTES);
}
END_TEST

/* Without a debugger, and when it has gone and the guest was entered since. */
START_TEST(what_looks_like_a_trap_is_the_guests_own)
{
    if (_i == 1) {
        hold_attach(&vm.hold, true);
        play(AS_IT_EXITS);
    }
    play(NEVER);
    play(NEVER);
    run();
    ck_assert_uint_eq(played.n_set, (unsigned)_i);
}
END_TEST

START_TEST(registers_that_are_not_known_are_not_put_back)
{
    played.get_err = -EIO;
    hold_attach(&vm.hold, true);
    play(AS_IT_IS_TOLD);
    run();
    ck_assert_uint_eq(played.n_set, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("vcpu_thread");
    TCase *tests = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, a_trap_is_gone_back_over_though_its_debugger_goes, 0, 2);
    tcase_add_loop_test(tests, what_looks_like_a_trap_is_the_guests_own, 0, 2);
    tcase_add_test(tests, registers_that_are_not_known_are_not_put_back);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

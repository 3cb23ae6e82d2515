#include "supervisor/debugger.h"
#include "tests/unit/registry_case.h"

enum {
    VCPUS = 2,
    MEMORY = 1 << 20,
};

static struct hold hold;

static void nobody(void *self, unsigned vcpu)
{
    (void)self;
    (void)vcpu;
}

/* Of no vCPU, so that it is always still; tests that want one that does not stop say so. */
static void begin_vm(void)
{
    begin_running();
    ck_assert_int_eq(hold_init(&hold), 0);
    hold.kick = nobody;
    debugger_init(&s.reg, &hold, VCPUS, MEMORY);
}

static void ask(Bulkhead__AdminRequest__Action action, uint32_t session)
{
    Bulkhead__AdminRequest body = BULKHEAD__ADMIN_REQUEST__INIT;
    Bulkhead__Envelope e = BULKHEAD__ENVELOPE__INIT;

    body.tag = TAG;
    body.action = action;
    body.session = session;
    body.debug = BULKHEAD__DEBUG_KIND__DEBUG_GDB;
    e.body_case = BULKHEAD__ENVELOPE__BODY_ADMIN_REQUEST;
    e.admin_request = &body;
    ck_assert_int_eq(channel_send(s.workers[PROCESS_DIAG], &e, NULL, 0), 0);
    settle();
}

static void expect_state(const char *state)
{
    ck_assert_str_eq(s.reg.debugger.row_state->text, state);
}

/* What the debug worker hears; the caller frees it. */
static struct channel_msg debug_hears(Bulkhead__Envelope__BodyCase type)
{
    struct channel_msg m = {0};

    ck_assert_int_eq(channel_recv(s.workers[PROCESS_DEBUG], &m), 0);
    ck_assert_int_eq(m.envelope->body_case, type);
    return m;
}

static void request(const Bulkhead__DebugRequest *rq)
{
    Bulkhead__Envelope e = BULKHEAD__ENVELOPE__INIT;

    e.body_case = BULKHEAD__ENVELOPE__BODY_DEBUG_REQUEST;
    e.debug_request = (Bulkhead__DebugRequest *)(uintptr_t)rq;
    ck_assert_int_eq(channel_send(s.workers[PROCESS_DEBUG], &e, NULL, 0), 0);
    settle();
}

static void expect_answer(const char *error)
{
    struct channel_msg m = debug_hears(BULKHEAD__ENVELOPE__BODY_DEBUG_REPLY);

    ck_assert_str_eq(m.envelope->debug_reply->error, error);
    channel_msg_done(&m);
}

/* The first session, from an operator's wish to the worker's knowledge of it. */
static void begin_session(void)
{
    struct channel_msg m;

    begin_vm();
    ask(BULKHEAD__ADMIN_REQUEST__ACTION__DEBUG, 0);
    expect_spawn(PROCESS_DEBUG, 1, false);
    bring_up(PROCESS_DEBUG, 1);
    debugger_tick(&s.reg, clock_now_ns());
    m = debug_hears(BULKHEAD__ENVELOPE__BODY_DEBUG_BEGIN);
    ck_assert_uint_eq(m.envelope->debug_begin->session, 1);
    ck_assert_uint_eq(m.envelope->debug_begin->vcpus, VCPUS);
    ck_assert_uint_eq(m.envelope->debug_begin->memory_bytes, MEMORY);
    channel_msg_done(&m);
    expect_reply(TAG, "");
}

static Bulkhead__DebugRequest of_session(Bulkhead__DebugRequest__Action action)
{
    Bulkhead__DebugRequest rq = BULKHEAD__DEBUG_REQUEST__INIT;

    rq.session = 1;
    rq.action = action;
    return rq;
}

static void stop(void)
{
    Bulkhead__DebugRequest rq = of_session(BULKHEAD__DEBUG_REQUEST__ACTION__STOP);
    struct channel_msg m;

    request(&rq);
    expect_answer("");
    debugger_still(&s.reg);
    m = debug_hears(BULKHEAD__ENVELOPE__BODY_DEBUG_STOPPED);
    ck_assert_int_eq(m.envelope->debug_stopped->why, BULKHEAD__DEBUG_STOPPED__WHY__ASKED);
    channel_msg_done(&m);
    expect_state("stopped by a debugger");
}

START_TEST(an_operator_pauses_and_resumes_as_often_as_he_likes)
{
    begin_vm();
    expect_state("running");
    for (int i = 0; i < 2; i++) {
        ask(BULKHEAD__ADMIN_REQUEST__ACTION__PAUSE, 0);
        expect_reply(TAG, "");
        expect_state("paused");
    }
    for (int i = 0; i < 2; i++) {
        ask(BULKHEAD__ADMIN_REQUEST__ACTION__RESUME, 0);
        expect_reply(TAG, "");
        expect_state("running");
    }
}
END_TEST

START_TEST(a_vcpu_that_does_not_stop_is_told_of_and_left_alone)
{
    begin_vm();
    hold.n_vcpus = 1;
    ask(BULKHEAD__ADMIN_REQUEST__ACTION__PAUSE, 0);
    expect_reply(TAG, NULL);
    ask(BULKHEAD__ADMIN_REQUEST__ACTION__PAUSE, 0);
    expect_reply(TAG, "it is about to stop, for another operator");
    debugger_tick(&s.reg, clock_now_ns() + DEBUGGER_STOP_MS * NS_PER_MS - NS_PER_S);
    expect_reply(TAG, NULL);
    debugger_tick(&s.reg, clock_now_ns() + (DEBUGGER_STOP_MS + 1000) * NS_PER_MS);
    expect_reply(TAG, "vCPU 0 still waits for a device: the guest runs on, try again");
    expect_state("running");
    ck_assert_uint_eq(hold.reasons, 0);
}
END_TEST

static const Bulkhead__AdminRequest__Action closed[] = {
    BULKHEAD__ADMIN_REQUEST__ACTION__PAUSE, BULKHEAD__ADMIN_REQUEST__ACTION__RESUME,
    BULKHEAD__ADMIN_REQUEST__ACTION__DEBUG, BULKHEAD__ADMIN_REQUEST__ACTION__CAPTURE};

START_TEST(a_confidential_vm_refuses)
{
    begin_vm();
    s.reg.confidential = true;
    ask(closed[_i], 0);
    expect_reply(TAG, "this VM is confidential: nothing of the guest's is shown or touched");
    expect_nothing();
    expect_state("running");
}
END_TEST

START_TEST(one_debugs_at_a_time)
{
    begin_session();
    ask(BULKHEAD__ADMIN_REQUEST__ACTION__DEBUG, 0);
    expect_reply(TAG, "another operator is debugging this guest");
    ask(BULKHEAD__ADMIN_REQUEST__ACTION__DEBUG_END, 2); /* that is nobody's */
    ck_assert_uint_eq(s.reg.debugger.session, 1);
    ask(BULKHEAD__ADMIN_REQUEST__ACTION__DEBUG_END, 1);
    ck_assert_uint_eq(s.reg.debugger.session, 0);
}
END_TEST

/* It goes on as the operator, and not the debugger, wants it. */
START_TEST(the_worker_dies_and_only_its_stop_goes)
{
    begin_session();
    stop();
    if (_i == 1) {
        ask(BULKHEAD__ADMIN_REQUEST__ACTION__PAUSE, 0);
        expect_reply(TAG, "");
    }
    say_died(PROCESS_DEBUG, 1, STATUS_KILLED, false);
    debugger_tick(&s.reg, clock_now_ns());
    expect_reply(TAG, "the debug worker died; the guest is untouched");
    expect_state(_i == 1 ? "paused" : "running");
    ck_assert_uint_eq(hold.reasons, _i == 1 ? HOLD_OPERATOR : 0);
    ck_assert(!hold.attached);
}
END_TEST

START_TEST(diag_dies_and_the_session_is_over)
{
    struct channel_msg m;

    begin_session();
    stop();
    say_died(PROCESS_DIAG, 1, STATUS_KILLED, false);
    debugger_tick(&s.reg, clock_now_ns());
    m = debug_hears(BULKHEAD__ENVELOPE__BODY_DEBUG_END);
    ck_assert_uint_eq(m.envelope->debug_end->session, 1);
    channel_msg_done(&m);
    expect_state("running");
}
END_TEST

START_TEST(registers_and_breaks_are_asked_for)
{
    Bulkhead__DebugRequest rq = of_session(BULKHEAD__DEBUG_REQUEST__ACTION__READ);
    Bulkhead__GuestBreak b = BULKHEAD__GUEST_BREAK__INIT;
    Bulkhead__GuestBreak *list[] = {&b, &b, &b, &b, &b};
    struct channel_msg m;

    begin_session();
    stop();
    request(&rq);
    m = debug_hears(BULKHEAD__ENVELOPE__BODY_DEBUG_REPLY);
    ck_assert_uint_eq(m.envelope->debug_reply->n_registers, GUEST_REGS);
    channel_msg_done(&m);
    rq.vcpu = VCPUS;
    request(&rq);
    expect_answer("no such vCPU");
    rq = of_session(BULKHEAD__DEBUG_REQUEST__ACTION__WRITE);
    request(&rq);
    expect_answer("no such vCPU, or not its registers");
    rq = of_session(BULKHEAD__DEBUG_REQUEST__ACTION__BREAKS);
    rq.breaks = list;
    rq.n_breaks = 5;
    request(&rq);
    expect_answer("more breaks than the processor has");
    rq.n_breaks = 1;
    b.len = 3;
    request(&rq);
    expect_answer("a break that the processor cannot have");
    b.len = 1;
    b.address = 0x1234;
    request(&rq);
    expect_answer("");
    ck_assert_uint_eq(hold.n_breaks, 1);
    ck_assert_uint_eq(hold.breaks[0].address, 0x1234);
}
END_TEST

static uint8_t ram[GMEM_PAGE_BYTES] __attribute__((aligned(GMEM_PAGE_BYTES)));

/* A vCPU that is told of a debugger's end meets none of its traps from then on. */
static void expect_no_trap(void *self, unsigned vcpu)
{
    (void)self;
    (void)vcpu;
    ck_assert(hold.attached || ram[0x234] == 0x90);
}

START_TEST(its_traps_are_gone_when_vcpus_are_told)
{
    Bulkhead__DebugRequest rq = of_session(BULKHEAD__DEBUG_REQUEST__ACTION__BREAKS);
    Bulkhead__GuestBreak b = BULKHEAD__GUEST_BREAK__INIT;
    Bulkhead__GuestBreak *list[] = {&b};
    struct gmem memory = {0};

    memset(ram, 0x90, sizeof(ram));
    ck_assert_int_eq(gmem_add(&memory, (struct gpa){0}, sizeof(ram), ram), 0);
    begin_session();
    hold.n_vcpus = 1;
    hold.kick = expect_no_trap;
    debugger_use_traps(&s.reg, &memory);
    rq.breaks = list;
    rq.n_breaks = 1;
    b.len = 1;
    b.address = 0x1234;
    b.physical = 0x234;
    request(&rq);
    expect_answer("");
    ck_assert_uint_eq(ram[0x235], TRAP_PORT);
    ask(BULKHEAD__ADMIN_REQUEST__ACTION__DEBUG_END, 1);
    ck_assert_uint_eq(ram[0x234], 0x90);
    ck_assert(hold_report_trap(&hold, 0)); /* that was met before */
}
END_TEST

START_TEST(what_runs_is_one_of_its_vcpus)
{
    Bulkhead__DebugRequest rq = of_session(BULKHEAD__DEBUG_REQUEST__ACTION__GO);

    begin_session();
    rq.go = 1;
    stop();
    rq.go = 0;
    request(&rq);
    expect_answer("nothing is to run");
    rq.step = 1u << VCPUS;
    request(&rq);
    expect_answer("no such vCPU");
    rq.step = 1;
    request(&rq);
    expect_answer("");
    expect_state("running");
    request(&rq);
    expect_answer("the guest does not stand still");
}
END_TEST

/* 0: without a session; 1: of one that never was; 2: of another's channel. */
START_TEST(whoever_has_no_session_is_killed)
{
    Bulkhead__DebugRequest rq = of_session(BULKHEAD__DEBUG_REQUEST__ACTION__STOP);
    Bulkhead__Envelope e = BULKHEAD__ENVELOPE__INIT;

    begin_session();
    if (_i == 0)
        rq.session = 0;
    if (_i == 1)
        rq.session = 77;
    if (_i < 2) {
        request(&rq);
        expect_kill(PROCESS_DEBUG, 1);
        return;
    }
    e.body_case = BULKHEAD__ENVELOPE__BODY_DEBUG_REQUEST;
    e.debug_request = &rq;
    ck_assert_int_eq(channel_send(s.workers[PROCESS_NET], &e, NULL, 0), 0);
    settle();
    expect_kill(PROCESS_NET, 1);
}
END_TEST

/* It may have been under way when the session ended. */
START_TEST(a_request_of_the_session_before_is_dropped)
{
    Bulkhead__DebugRequest rq = of_session(BULKHEAD__DEBUG_REQUEST__ACTION__STOP);

    begin_session();
    ask(BULKHEAD__ADMIN_REQUEST__ACTION__DEBUG_END, 1);
    request(&rq);
    expect_nothing();
    expect_state("running");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("debugger");
    TCase *tests = tcase_create("all");
    SRunner *runner;
    int failed;

    if (dup2(STDIN_FILENO, FD_CONTROL) != FD_CONTROL) /* what check opens for itself comes above */
        return EXIT_FAILURE;
    runner = srunner_create(suite);

    tcase_add_test(tests, an_operator_pauses_and_resumes_as_often_as_he_likes);
    tcase_add_test(tests, a_vcpu_that_does_not_stop_is_told_of_and_left_alone);
    tcase_add_loop_test(tests, a_confidential_vm_refuses, 0, (int)COUNT_OF(closed));
    tcase_add_test(tests, one_debugs_at_a_time);
    tcase_add_loop_test(tests, the_worker_dies_and_only_its_stop_goes, 0, 2);
    tcase_add_test(tests, diag_dies_and_the_session_is_over);
    tcase_add_test(tests, registers_and_breaks_are_asked_for);
    tcase_add_test(tests, its_traps_are_gone_when_vcpus_are_told);
    tcase_add_test(tests, what_runs_is_one_of_its_vcpus);
    tcase_add_loop_test(tests, whoever_has_no_session_is_killed, 0, 3);
    tcase_add_test(tests, a_request_of_the_session_before_is_dropped);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

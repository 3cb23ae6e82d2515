#include "tests/unit/registry_case.h"

START_TEST(a_spare_takes_over)
{
    begin_with_spare();
    say_verified(PROCESS_VTPM, 2);
    ck_assert(!is_activated(PROCESS_VTPM));
    say_died(PROCESS_VTPM, 1, STATUS_KILLED, false);
    ck_assert(is_activated(PROCESS_VTPM));
    ck_assert_uint_eq(row(PROCESS_VTPM)->live.number, 2);
    expect_nothing();
}
END_TEST

static void replace_vtpm(int binary)
{
    const struct waiting_admin nobody = {0};

    lifecycle_replace(&s.reg, PROCESS_VTPM, binary, &nobody);
}

/* The spare makes room for the new program; that it was in order does not matter any more. */
START_TEST(a_killed_spare_that_was_in_order_replaces_nobody)
{
    int binary = open("/dev/null", O_RDONLY | O_CLOEXEC);

    begin_with_spare();
    replace_vtpm(binary);
    expect_kill(PROCESS_VTPM, 2);
    say_verified(PROCESS_VTPM, 2);
    expect_nothing(); /* the first one serves on until the new program is ready */
    say_died(PROCESS_VTPM, 2, STATUS_KILLED, false);
    expect_spawn(PROCESS_VTPM, 3, true);
    come_up(PROCESS_VTPM, 3);
    expect_nothing();
    say_verified(PROCESS_VTPM, 3);
    expect_kill(PROCESS_VTPM, 1);
    say_died(PROCESS_VTPM, 1, STATUS_KILLED, false);
    ck_assert(is_activated(PROCESS_VTPM));
    ck_assert_int_eq(row(PROCESS_VTPM)->binary, binary);
}
END_TEST

START_TEST(a_killed_spare_is_not_promoted)
{
    int binary = open("/dev/null", O_RDONLY | O_CLOEXEC);

    begin_with_spare();
    replace_vtpm(binary);
    expect_kill(PROCESS_VTPM, 2);
    say_died(PROCESS_VTPM, 1, STATUS_KILLED, false);
    say_verified(PROCESS_VTPM, 2);
    ck_assert(!is_activated(PROCESS_VTPM));
    ck_assert_int_eq(row(PROCESS_VTPM)->binary, -1); /* the new program has not served yet */
    say_died(PROCESS_VTPM, 2, STATUS_KILLED, false);
    expect_spawn(PROCESS_VTPM, 3, true);
    bring_up(PROCESS_VTPM, 3);
    ck_assert_int_eq(row(PROCESS_VTPM)->binary, binary);
}
END_TEST

/* A worker that has frames in its hands, with a spare in order, is to be replaced. */
static void ask_net_to_leave(void)
{
    const struct waiting_admin nobody = {0};

    begin_running();
    row(PROCESS_NET)->port = row(PROCESS_VTPM)->port;
    row(PROCESS_VTPM)->port = NULL;
    lifecycle_tick(&s.reg, clock_now_ns() + NS_PER_S);
    expect_spawn(PROCESS_NET, 2, false);
    come_up(PROCESS_NET, 2);
    say_verified(PROCESS_NET, 2);
    lifecycle_replace(&s.reg, PROCESS_NET, -1, &nobody);
    ck_assert_uint_eq(port_page.leaving, 1);
    expect_nothing(); /* it is not killed */
}

START_TEST(who_leaves_when_asked_was_replaced)
{
    ask_net_to_leave();
    say_died(PROCESS_NET, 1, 0, false);
    ck_assert(is_activated(PROCESS_NET));
    ck_assert_uint_eq(row(PROCESS_NET)->live.number, 2);
    ck_assert_uint_eq(row(PROCESS_NET)->health.n_faults, 0);
}
END_TEST

START_TEST(who_does_not_leave_is_killed)
{
    ask_net_to_leave();
    lifecycle_tick(&s.reg, clock_now_ns() + 50 * NS_PER_MS);
    expect_kill(PROCESS_NET, 1);
    say_died(PROCESS_NET, 1, STATUS_KILLED, false);
    ck_assert(is_activated(PROCESS_NET));
    ck_assert_uint_eq(row(PROCESS_NET)->health.n_faults, 0);
}
END_TEST

START_TEST(who_crashes_when_asked_to_leave_has_crashed)
{
    ask_net_to_leave();
    say_died(PROCESS_NET, 1, SIGSEGV, false);
    ck_assert_uint_eq(row(PROCESS_NET)->health.n_faults, 1);
}
END_TEST

START_TEST(who_is_never_ready_is_killed)
{
    begin();
    say_spawned(PROCESS_CHIPSET, 1);
    lifecycle_tick(&s.reg, clock_now_ns() + 29 * NS_PER_S);
    expect_nothing();
    lifecycle_tick(&s.reg, clock_now_ns() + 31 * NS_PER_S);
    expect_kill(PROCESS_CHIPSET, 1);
}
END_TEST

START_TEST(who_closes_its_channel_and_lives_is_killed)
{
    begin_running();
    fd_closep(&s.workers[PROCESS_CHIPSET]);
    settle();
    lifecycle_tick(&s.reg, clock_now_ns() + NS_PER_S);
    expect_spawn(PROCESS_VTPM, 2, false); /* a spare, by the way */
    expect_nothing();
    lifecycle_tick(&s.reg, clock_now_ns() + 9 * NS_PER_S);
    expect_nothing();
    lifecycle_tick(&s.reg, clock_now_ns() + 11 * NS_PER_S);
    expect_kill(PROCESS_CHIPSET, 1);
}
END_TEST

/* --- hangs --- */

/* A request that the vtpm does not answer; it gives no sign of life either. */
static uint64_t begin_hang(void)
{
    const struct port_request rq = {.addr = 0xfed4004c, .data = 1, .op = PORT_WRITE, .size = 4};

    begin_running();
    port_post(&s.port, 0, &rq);
    return clock_now_ns();
}

START_TEST(who_hangs_is_killed)
{
    uint64_t limit_ns = manifest[PROCESS_VTPM].deadline_ms * NS_PER_MS;
    uint64_t now = pass(begin_hang(), limit_ns - NS_PER_S);

    expect_nothing();
    (void)pass(now, 2 * NS_PER_S);
    expect_kill(PROCESS_VTPM, 1);
}
END_TEST

START_TEST(nobody_is_blamed_for_the_time_in_which_we_were_stopped)
{
    uint64_t limit_ns = manifest[PROCESS_VTPM].deadline_ms * NS_PER_MS;
    uint64_t now = pass(begin_hang(), NS_PER_S);

    now = pass(now + 60 * NS_PER_S, limit_ns - NS_PER_S);
    expect_nothing();
    (void)pass(now, 2 * NS_PER_S);
    expect_kill(PROCESS_VTPM, 1);
}
END_TEST

/* A worker with a deadline of a second. */
static uint64_t begin_vmbus(void)
{
    begin_running();
    row(PROCESS_VMBUS)->port = row(PROCESS_VTPM)->port;
    row(PROCESS_VTPM)->port = NULL;
    return clock_now_ns();
}

/* With the ping out all stands still for almost the deadline; then there was no time yet to answer it. */
START_TEST(a_stop_shorter_than_the_deadline_is_none_of_its_time)
{
    uint64_t now = begin_vmbus();

    watch_tick(&s.reg, now);
    watch_tick(&s.reg, now + 980 * NS_PER_MS);
    watch_tick(&s.reg, now + 1030 * NS_PER_MS);
    expect_nothing();
    (void)pass(now + 1080 * NS_PER_MS, NS_PER_S);
    expect_kill(PROCESS_VMBUS, 1);
}
END_TEST

static void expect_no_blame(uint64_t now)
{
    static const uint64_t ticks_ms[] = {0, 980, 1030};

    for (size_t i = 0; i < COUNT_OF(ticks_ms); i++) {
        port_page.pong = port_page.ping; /* only the request waits */
        watch_tick(&s.reg, now + ticks_ms[i] * NS_PER_MS);
    }
    expect_nothing();
}

START_TEST(a_stop_is_no_time_of_a_request_either)
{
    uint64_t now = begin_vmbus();

    port_post(&s.port, 0, &(struct port_request){.op = PORT_WRITE});
    expect_no_blame(now);
}
END_TEST

START_TEST(a_stop_is_no_time_of_a_request_to_the_generation_before)
{
    uint64_t now = begin_vmbus();

    port_post(&s.port, 0, &(struct port_request){.op = PORT_WRITE});
    s.port.posted_ns[0] -= 2 * NS_PER_S;
    expect_no_blame(now);
}
END_TEST

START_TEST(a_stop_is_no_time_of_a_start)
{
    uint64_t now;

    begin();
    say_spawned(PROCESS_CHIPSET, 1);
    now = clock_now_ns() + 60 * NS_PER_S;
    watch_tick(&s.reg, now);
    lifecycle_tick(&s.reg, now);
    expect_nothing();
    lifecycle_tick(&s.reg, now + 31 * NS_PER_S);
    expect_kill(PROCESS_CHIPSET, 1);
}
END_TEST

/* It was killed, its channel is closed, and init has not come to tell. */
START_TEST(the_dead_do_not_hang)
{
    uint64_t now = begin_vmbus();

    watch_tick(&s.reg, now);
    fd_closep(&s.workers[PROCESS_VMBUS]);
    settle();
    now = pass(now, 3 * NS_PER_S);
    expect_nothing();
    lifecycle_tick(&s.reg, now);
    expect_spawn(PROCESS_VMBUS, 2, false); /* a spare, by the way */
    expect_nothing();
    say_died(PROCESS_VMBUS, 1, STATUS_KILLED, false);
    ck_assert_uint_eq(row(PROCESS_VMBUS)->health.n_faults, 0);
}
END_TEST

/* --- deaths --- */

/* Its successor, too, was killed, and only then it is told to serve. */
START_TEST(who_dies_before_it_serves_has_not_spoken_wrongly)
{
    begin_with_spare();
    say_verified(PROCESS_VTPM, 2);
    fd_closep(&s.workers[PROCESS_VTPM]);
    lifecycle_died(&s.reg, &row(PROCESS_VTPM)->live, STATUS_KILLED);
    expect_nothing();
    settle();
    say_died(PROCESS_VTPM, 2, STATUS_KILLED, false);
    ck_assert_uint_eq(row(PROCESS_VTPM)->health.n_faults, 0);
    expect_spawn(PROCESS_VTPM, 3, false);
    bring_up(PROCESS_VTPM, 3);
}
END_TEST

/* No spare is made in between: each death is followed by a start. */
static void die_of(uint32_t process, int status, bool out_of_memory, unsigned times)
{
    for (uint32_t number = 1; number <= times; number++) {
        say_died(process, number, status, out_of_memory);
        lifecycle_tick(&s.reg, row(process)->retry_ns);
        expect_spawn(process, number + 1, false);
        bring_up(process, number + 1);
    }
}

START_TEST(kills_from_outside_never_park)
{
    begin_running();
    die_of(PROCESS_VTPM, STATUS_KILLED, false, 30);
    ck_assert_int_eq(row(PROCESS_VTPM)->state, ROW_RUNNING);
}
END_TEST

START_TEST(exits_park)
{
    begin_running();
    die_of(PROCESS_VTPM, STATUS_EXIT_1, false, HEALTH_BURST_FAULTS + 1);
    ck_assert_int_eq(row(PROCESS_VTPM)->state, ROW_PARKED);
}
END_TEST

/* It has one fault left, and is asked to be replaced: the new one is ready, and not looked at yet. */
static void park_meanwhile(void)
{
    begin_running();
    die_of(PROCESS_VTPM, STATUS_EXIT_1, false, HEALTH_BURST_FAULTS);
    ask_restart(PROCESS_VTPM);
    expect_spawn(PROCESS_VTPM, HEALTH_BURST_FAULTS + 2, false);
    come_up(PROCESS_VTPM, HEALTH_BURST_FAULTS + 2);
    say_died(PROCESS_VTPM, HEALTH_BURST_FAULTS + 1, STATUS_EXIT_1, false);
    expect_reply(TAG, NULL);
}

START_TEST(who_is_parked_meanwhile_was_not_replaced)
{
    park_meanwhile();
    say_verified(PROCESS_VTPM, HEALTH_BURST_FAULTS + 2);
    ck_assert(is_activated(PROCESS_VTPM));
    ck_assert_int_eq(row(PROCESS_VTPM)->state, ROW_PARKED);
    expect_reply(TAG, "it had too many faults meanwhile, and is parked: revive it");
}
END_TEST

START_TEST(who_is_parked_meanwhile_does_not_serve_on)
{
    park_meanwhile();
    say_died(PROCESS_VTPM, HEALTH_BURST_FAULTS + 2, STATUS_EXIT_1, false);
    ck_assert_int_eq(row(PROCESS_VTPM)->state, ROW_PARKED);
    expect_reply(TAG, "the new generation crash; it had too many faults meanwhile, and is parked: "
                      "revive it");
}
END_TEST

/* The kernel's SIGKILL for a full cgroup is the worker's own doing, unlike any other. */
START_TEST(taking_too_much_memory_parks)
{
    begin_running();
    die_of(PROCESS_VTPM, STATUS_KILLED, true, HEALTH_BURST_FAULTS + 1);
    ck_assert_int_eq(row(PROCESS_VTPM)->state, ROW_PARKED);
    ck_assert_ptr_nonnull(strstr(row(PROCESS_VTPM)->shown.last_death->text, "out of memory"));
}
END_TEST

/* Parked or dead, it could never be revived: operators come through it. */
START_TEST(diag_comes_back_for_ever)
{
    begin_running();
    s.reg.rows[PROCESS_VTPM].port = NULL; /* no spares by the way */
    die_of(PROCESS_DIAG, STATUS_EXIT_1, false, 3 * HEALTH_BURST_FAULTS);
    ck_assert_int_eq(row(PROCESS_DIAG)->state, ROW_RUNNING);
    say_died(PROCESS_DIAG, 3 * HEALTH_BURST_FAULTS + 1, STATUS_EXIT_1, false);
    ck_assert_int_eq(row(PROCESS_DIAG)->state, ROW_RESTARTING);
    ck_assert_uint_gt(row(PROCESS_DIAG)->retry_ns, clock_now_ns() + HEALTH_BACKOFF_MAX_NS / 2);
}
END_TEST

/* What we killed ourselves did not die of memory, whatever the cgroup says. */
START_TEST(a_planned_death_stays_planned)
{
    begin_running();
    lifecycle_kill(&s.reg, &row(PROCESS_DIAG)->live, DEATH_PLANNED);
    expect_kill(PROCESS_DIAG, 1);
    say_died(PROCESS_DIAG, 1, STATUS_KILLED, true);
    expect_spawn(PROCESS_DIAG, 2, false);
    ck_assert_uint_eq(row(PROCESS_DIAG)->health.n_faults, 0);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_spare_takes_over,
        a_killed_spare_that_was_in_order_replaces_nobody,
        who_leaves_when_asked_was_replaced,
        who_does_not_leave_is_killed,
        who_crashes_when_asked_to_leave_has_crashed,
        a_killed_spare_is_not_promoted,
        who_is_never_ready_is_killed,
        who_closes_its_channel_and_lives_is_killed,
        who_hangs_is_killed,
        nobody_is_blamed_for_the_time_in_which_we_were_stopped,
        a_stop_shorter_than_the_deadline_is_none_of_its_time,
        a_stop_is_no_time_of_a_request_either,
        a_stop_is_no_time_of_a_request_to_the_generation_before,
        a_stop_is_no_time_of_a_start,
        the_dead_do_not_hang,
        who_dies_before_it_serves_has_not_spoken_wrongly,
        kills_from_outside_never_park,
        exits_park,
        who_is_parked_meanwhile_was_not_replaced,
        who_is_parked_meanwhile_does_not_serve_on,
        taking_too_much_memory_parks,
        diag_comes_back_for_ever,
        a_planned_death_stays_planned,
    };

    return registry_case_run("registry", tests, COUNT_OF(tests));
}

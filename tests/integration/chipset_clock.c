/*
 * tests/integration/chipset_clock.c - the clock's interrupts from the real chipset worker, which
 * wakes for them by itself, dead or alive when they fall due.
 *
 * No test expects anything to be quick: each sets the guest's clock, which runs from when it is let
 * go, and waits. What has to be over waits until the guest's clock says so.
 */
#include <poll.h>

#include "tests/fakes/cmos_registers.h"
#include "tests/integration/chipset_process.h"

enum {
    A_8192_HZ = 0x23,
    B_24H_BINARY = 0x06,
    RING_MS = 60000, /* far more than a loaded machine needs */
};

static uint8_t cmos_in(uint8_t reg)
{
    out(0x70, reg);
    return in(0x71);
}

static void cmos_out(uint8_t reg, uint8_t v)
{
    out(0x70, reg);
    out(0x71, v);
}

/* How often it rang since the last call. */
static uint64_t rings(void)
{
    uint64_t n = 0;

    return read(object(OBJECT_IRQ, IRQ_RTC), &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static void await_ring(void)
{
    struct pollfd fd = {.fd = object(OBJECT_IRQ, IRQ_RTC), .events = POLLIN};

    ck_assert_int_eq(poll(&fd, 1, RING_MS), 1);
}

static void sleep_ms(uint64_t ms)
{
    struct timespec t = clock_timespec(ms * NS_PER_MS);

    (void)nanosleep(&t, NULL);
}

/* It runs from 00:00:00.5, with the alarm at that second and these interrupts. */
static void set_clock(uint8_t alarm_second, uint8_t enabled)
{
    cmos_out(A, A_NO_RATE);
    cmos_out(B, B_24H_BINARY); /* before SET: the date that is shown then is kept */
    cmos_out(B, B_24H_BINARY | B_SET);
    cmos_out(HOURS, 0);
    cmos_out(MINUTES, 0);
    cmos_out(SECONDS, 0);
    cmos_out(HOURS_ALARM, 0);
    cmos_out(MINUTES_ALARM, 0);
    cmos_out(SECONDS_ALARM, alarm_second);
    (void)cmos_in(C);
    (void)rings();
    cmos_out(B, B_24H_BINARY | enabled);
}

/* Seconds since midnight; whole, though the registers are read one by one. */
static unsigned guest_seconds(void)
{
    for (unsigned tries = 0; tries < 1000; tries++) {
        unsigned minute = cmos_in(MINUTES);
        unsigned second = cmos_in(SECONDS);

        if (cmos_in(MINUTES) == minute)
            return minute * 60 + second;
    }
    ck_abort_msg("the clock runs too fast");
    return 0;
}

/* The guest does nothing: the worker sleeps and has to wake by itself. */
START_TEST(an_alarm_rings)
{
    set_clock(2, AF);
    await_ring();
    ck_assert_uint_eq(rings(), 1);
    ck_assert_uint_eq(cmos_in(C), IRQF | AF | UF);
    ck_assert_uint_ge(guest_seconds(), 2);
    ck_assert_uint_eq(cmos_in(C) & (IRQF | AF), 0);
    ck_assert_uint_eq(rings(), 0);
    ck_assert_uint_eq(board_value("rtc/interrupts"), 1);
}
END_TEST

START_TEST(an_alarm_that_is_not_enabled_does_not_ring)
{
    set_clock(2, 0);
    while (guest_seconds() < 3)
        sleep_ms(100);
    ck_assert_uint_eq(rings(), 0);
    ck_assert_uint_eq(cmos_in(C), AF | UF);
}
END_TEST

/* Set an alarm and kill the worker before it comes. False: it was quicker, on a loaded machine. */
static bool killed_before_the_alarm(void)
{
    set_clock(2, AF);
    kill_worker();
    if (rings() == 0)
        return true;
    start();
    return false;
}

START_TEST(an_alarm_due_while_the_worker_is_dead_rings_exactly_once)
{
    for (unsigned tries = 0; !killed_before_the_alarm(); tries++)
        ck_assert_uint_lt(tries, 20);
    sleep_ms(2000);
    ck_assert_uint_eq(rings(), 0);
    start();
    await_ring();
    ck_assert_uint_eq(cmos_in(C), IRQF | AF | UF);
    ck_assert_uint_eq(rings(), 1);
    kill_worker();
    start();
    ck_assert_uint_eq(cmos_in(C) & (IRQF | AF), 0);
    ck_assert_uint_eq(rings(), 0);
}
END_TEST

START_TEST(an_alarm_of_a_dead_generation_rings_under_the_next)
{
    for (unsigned tries = 0; !killed_before_the_alarm(); tries++)
        ck_assert_uint_lt(tries, 20);
    start();
    await_ring();
    ck_assert_uint_eq(cmos_in(C), IRQF | AF | UF);
    ck_assert_uint_eq(rings(), 1);
    ck_assert_uint_ge(guest_seconds(), 2);
}
END_TEST

/* Whether the dead generation rang nobody can know: its successor does, until C has been read. */
START_TEST(an_alarm_that_nobody_took_rings_again)
{
    set_clock(1, AF);
    await_ring();
    kill_worker();
    ck_assert_uint_eq(rings(), 1);
    start();
    await_ring();
    ck_assert_uint_eq(rings(), 1);
    ck_assert_uint_eq(cmos_in(C), IRQF | AF | UF);
    kill_worker();
    start();
    ck_assert_uint_eq(cmos_in(C) & (IRQF | AF), 0);
    ck_assert_uint_eq(rings(), 0);
}
END_TEST

START_TEST(each_period_that_is_taken_rings)
{
    set_clock(0, PF);
    cmos_out(A, A_8192_HZ);
    for (unsigned i = 0; i < 100; i++) {
        await_ring();
        ck_assert_uint_eq(rings(), 1);
        ck_assert_uint_eq(cmos_in(C) & (IRQF | PF), IRQF | PF);
    }
    ck_assert_uint_ge(board_value("rtc/interrupts"), 100);
}
END_TEST

/* Periods that nobody takes are one, and cost no more than a worker that sleeps. */
START_TEST(periods_that_nobody_takes_cost_nothing)
{
    uint64_t before;

    set_clock(0, PF);
    cmos_out(A, A_8192_HZ);
    await_ring();
    kill_worker();
    start();
    before = cpu_us_of_children();
    sleep_ms(1000);
    ck_assert_uint_le(rings(), 2); /* one of either generation */
    kill_worker();
    ck_assert_uint_lt(cpu_us_of_children() - before, 250000);
    start();
}
END_TEST

START_TEST(an_armed_clock_sleeps)
{
    uint64_t before = cpu_us_of_children();

    set_clock(59, AF);
    sleep_ms(1000);
    kill_worker();
    ck_assert_uint_lt(cpu_us_of_children() - before, 250000);
    start();
}
END_TEST

/*
 * A kill may make it ring in vain, but each update is told, and told once: what was told after the
 * clock showed a second cannot be that second's.
 */
START_TEST(updates_under_kills_are_neither_lost_nor_doubled)
{
    unsigned told = 0, before = 0;
    pthread_t thread;

    set_clock(59, UF);
    thread = start_killing();
    while (told < 5 || world.kills < 10) {
        unsigned at;

        await_ring();
        (void)rings();
        at = guest_seconds();
        if ((cmos_in(C) & UF) == 0)
            continue;
        ck_assert_uint_gt(guest_seconds(), before);
        before = at;
        told++;
    }
    stop_killing(thread);
    ck_assert_uint_ge(guest_seconds(), 5);
}
END_TEST

START_TEST(parked_it_does_not_ring)
{
    for (unsigned tries = 0; !killed_before_the_alarm(); tries++)
        ck_assert_uint_lt(tries, 20);
    start_as(true, 0);
    sleep_ms(2000);
    ck_assert_uint_eq(cmos_in(C), 0xff);
    ck_assert_uint_eq(rings(), 0);
    kill_worker();
    start();
    await_ring(); /* revived, as it was */
    ck_assert_uint_eq(cmos_in(C), IRQF | AF | UF);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("chipset_clock");
    TCase *c = tcase_create("all");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_set_timeout(c, 120);
    tcase_add_test(c, an_alarm_rings);
    tcase_add_test(c, an_alarm_that_is_not_enabled_does_not_ring);
    tcase_add_test(c, an_alarm_due_while_the_worker_is_dead_rings_exactly_once);
    tcase_add_test(c, an_alarm_of_a_dead_generation_rings_under_the_next);
    tcase_add_test(c, an_alarm_that_nobody_took_rings_again);
    tcase_add_test(c, each_period_that_is_taken_rings);
    tcase_add_test(c, periods_that_nobody_takes_cost_nothing);
    tcase_add_test(c, an_armed_clock_sleeps);
    tcase_add_test(c, updates_under_kills_are_neither_lost_nor_doubled);
    tcase_add_test(c, parked_it_does_not_ring);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

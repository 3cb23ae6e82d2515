/*
 * tests/unit/test_rtc_interrupts.c - flags and rates of the clock, its line, and what a successor
 * makes of them. The clock itself: test_rtc.c; its alarm: test_rtc_alarm.c.
 */
#include <errno.h>
#include <stdlib.h>

#include "tests/fakes/cmos.h"

/* --- flags --- */

START_TEST(each_flag_comes_and_reading_clears_it)
{
    set_alarm(0x22, 0x13, 0x21);
    ck_assert_uint_eq(in(C), 0);
    ck_assert(!changed);
    pass_s(1);
    ck_assert_uint_eq(in(C), UF | AF);
    ck_assert(changed);
    ck_assert_uint_eq(in(C), 0);
    ck_assert(!changed);
    pass_s(1);
    ck_assert_uint_eq(in(C), UF);
    out(A, A_2_HZ);
    pass_ns(NS_IN_S / 2);
    ck_assert_uint_eq(in(C), PF);
    ck_assert_uint_eq(in(C), 0);
}
END_TEST

START_TEST(nothing_rings_that_is_not_enabled)
{
    static const uint8_t all = UF | AF | PF;

    set_alarm(ANY, ANY, ANY);
    out(A, A_2_HZ);
    ck_assert(!rtc_armed(&rtc));
    expect_silence();
    ck_assert_uint_eq(in(C), all);
    for (uint8_t flag = UF; flag <= PF; flag = (uint8_t)(flag << 1)) {
        out(B, B_24H | flag);
        pass_s(1);
        ck_assert(rtc_wake(&rtc, &now));
        ck_assert_uint_eq(in(C), IRQF | all);
        out(B, B_24H);
    }
}
END_TEST

START_TEST(updates_ring_each_second)
{
    pass_ns(250000000);
    out(B, B_24H | UF);
    ck_assert_uint_eq(in(C), 0);
    expect_ring_in(750000000);
    ck_assert_uint_eq(in(C), IRQF | UF);
    expect_ring_in(NS_IN_S);
}
END_TEST

START_TEST(a_line_that_is_up_neither_rings_nor_wakes_the_host)
{
    set_alarm(0x22, 0x13, 0x22);
    out(A, A_1024_HZ);
    out(B, B_24H | UF | AF | PF);
    pass_s(1);
    ck_assert(rtc_wake(&rtc, &now));
    ck_assert(rang());
    ck_assert(!rtc_armed(&rtc));
    expect_silence();
    (void)in(SECONDS);
    ck_assert(!changed);
    ck_assert(!rang());
    ck_assert_uint_eq(in(C), IRQF | UF | AF | PF);
    ck_assert(rtc_armed(&rtc));
    ck_assert_uint_eq(in(C), 0); /* a day of periods was one */
}
END_TEST

/* Any access to the clock looks at the time, and its commit goes before the edge. */
START_TEST(an_access_notices_what_is_due)
{
    out(B, B_24H | UF);
    pass_s(1);
    ck_assert_uint_eq(in(SECONDS), 0x21);
    ck_assert(rang());
    pass_s(1);
    (void)in(C);
    out(B, B_24H | UF);
    (void)access_port(0x70, true, SECONDS);
    pass_s(1);
    (void)access_port(0x71, false, 0);
    ck_assert(changed);
    ck_assert(rang());
}
END_TEST

/* What the guest reads in C it knows: no edge comes after it. */
START_TEST(reading_c_at_the_last_moment_takes_the_interrupt)
{
    out(B, B_24H | UF);
    (void)access_port(0x70, true, C);
    pass_s(1);
    ck_assert_uint_eq(access_port(0x71, false, 0), IRQF | UF);
    ck_assert(!rang());
    ck_assert(!rtc_wake(&rtc, &now));
    ck_assert(!rang());
}
END_TEST

START_TEST(enabling_what_happened_rings_and_disabling_lowers)
{
    pass_s(1);
    out(B, B_24H | UF);
    ck_assert(changed);
    ck_assert(rang());
    out(B, B_24H);
    ck_assert(!rang());
    out(B, B_24H | UF);
    ck_assert(rang());
    out(B, B_24H | UF | AF | PF);
    ck_assert(!rang()); /* it is up already */
    ck_assert_uint_eq(in(C), IRQF | UF);
}
END_TEST

START_TEST(register_c_cannot_be_written)
{
    out(B, B_24H | UF | AF | PF);
    out(C, 0xff);
    ck_assert(!rang());
    ck_assert_uint_eq(in(C), 0);
}
END_TEST

/* --- periods --- */

START_TEST(every_rate)
{
    static const uint32_t hz[16] = {0,   256, 128, 8192, 4096, 2048, 1024, 512,
                                    256, 128, 64,  32,   16,   8,    4,    2};

    out(B, B_24H | PF);
    for (uint8_t rate = 1; rate < 16; rate++) {
        out(A, A_NO_RATE | rate);
        (void)in(C);
        for (uint32_t n = 1; n <= hz[rate]; n++) {
            uint64_t due = rtc_due_ns(&rtc, &now);

            ck_assert_uint_le(due, NS_IN_S / hz[rate] + 1);
            pass_ns(due);
            ck_assert(rtc_wake(&rtc, &now));
            ck_assert(rang());
            ck_assert_uint_eq(in(C) & (IRQF | PF), IRQF | PF);
        }
        ck_assert_uint_eq(now.real_ns, 0); /* so many in a second, exactly */
    }
    out(A, A_NO_RATE);
    expect_silence();
    ck_assert_uint_eq(in(C)&PF, 0);
}
END_TEST

START_TEST(periods_go_on_while_set_is_on_but_not_while_the_divider_is_in_reset)
{
    out(A, A_2_HZ);
    out(B, B_24H | B_SET | PF);
    expect_ring_in(NS_IN_S / 2);
    ck_assert_uint_eq(in(C), IRQF | PF);
    out(A, A_RESET_2_HZ);
    expect_silence();
    ck_assert_uint_eq(in(C), 0);
}
END_TEST

/* --- successors --- */

struct state {
    uint8_t bytes[RTC_STATE_MAX];
};

static struct state save(void)
{
    struct state s = {0};
    struct wr w = wr_over(s.bytes, sizeof(s.bytes));
    size_t len;

    rtc_save(&rtc, &w);
    ck_assert_int_eq(wr_finish(&w, &len), 0);
    ck_assert_uint_eq(len, sizeof(s.bytes));
    return s;
}

static void succeed(const struct state *s)
{
    struct rd r = rd_over(s->bytes, sizeof(s->bytes));

    rtc = (struct rtc){.index = 99};
    ck_assert_int_eq(rtc_load(&r, CHIPSET_SCHEMA, &now, &rtc), 0);
    ck_assert_int_eq(rd_finish(&r), 0);
}

START_TEST(an_alarm_falls_due_while_nobody_lives)
{
    struct state s;

    set_alarm(0x22, 0x13, 0x30);
    out(B, B_24H | AF);
    pass_s(5);
    s = save();
    pass_s(100);
    succeed(&s);
    ck_assert(!rang()); /* first it is found out, then committed */
    ck_assert_uint_eq(rtc_due_ns(&rtc, &now), 0);
    ck_assert(rtc_wake(&rtc, &now));
    ck_assert(rang());
    ck_assert_uint_eq(in(C), IRQF | UF | AF);
    s = save();
    pass_s(100);
    succeed(&s);
    ck_assert(!rtc_wake(&rtc, &now)); /* once only */
    ck_assert(!rang());
    ck_assert_uint_eq(in(C), UF);
}
END_TEST

START_TEST(a_restart_in_the_middle_is_not_seen)
{
    struct state s;

    pass_ns(700000000);
    set_alarm(0x22, 0x13, 0x30);
    out(A, A_2_HZ);
    out(B, B_24H | AF);
    s = save();
    pass_ns(200000000);
    succeed(&s);
    ck_assert_uint_eq(rtc_due_ns(&rtc, &now), 9100000000);
    ck_assert_uint_eq(in(B), B_24H | AF);
    ck_assert_uint_eq(in(C), 0); /* it is the same half second */
    expect_ring_in(9100000000);
}
END_TEST

START_TEST(a_pending_edge_is_announced_once_more)
{
    struct state s;

    out(B, B_24H | UF);
    pass_s(1);
    ck_assert(rtc_wake(&rtc, &now));
    s = save();
    succeed(&s);
    ck_assert(rang());
    ck_assert(!rtc_wake(&rtc, &now));
    ck_assert_uint_eq(in(C), IRQF | UF);
    s = save();
    succeed(&s);
    ck_assert(!rang());
}
END_TEST

/* What a generation notices without an interrupt it does not commit. */
START_TEST(a_successor_from_an_older_state_finds_the_same)
{
    struct state before, after, again;

    set_alarm(0x22, 0x13, 0x25);
    out(A, A_2_HZ);
    before = save();
    for (unsigned i = 0; i < 10; i++) {
        pass_ns(777777777);
        (void)access_port(0x71, false, 0);
        ck_assert(!changed);
    }
    after = save();
    succeed(&before);
    ck_assert(!rtc_wake(&rtc, &now));
    again = save();
    ck_assert_mem_eq(&after, &again, sizeof(after));
    ck_assert_uint_eq(in(C), UF | AF | PF);
}
END_TEST

enum {
    AT_A = 1 + A,
    AT_B = 1 + B,
    AT_C = 1 + C,
    AT_SEEN_S = 1 + RTC_RAM_BYTES + 8 + 4,
    AT_SEEN_NS = AT_SEEN_S + 8,
};

/* Schema 1: without AT_SEEN_NS and all behind it. */
static void succeed_1(const struct state *s)
{
    struct rd r = rd_over(s->bytes, AT_SEEN_NS);

    ck_assert_int_eq(rtc_load(&r, 1, &now, &rtc), 0);
    ck_assert_int_eq(rd_finish(&r), 0);
}

START_TEST(schema_1_had_no_interrupts)
{
    struct state s;

    set_alarm(ANY, ANY, ANY);
    out(B, B_24H | AF);
    s = save();
    succeed_1(&s);
    ck_assert(!rang());
    ck_assert_uint_eq(in(C), 0);
    pass_ns(5500000000);
    succeed_1(&s);
    ck_assert_uint_eq(in(B), B_24H | AF);
    ck_assert_uint_eq(in(C), UF); /* an update it would have shown, no alarm of before */
    expect_ring_in(NS_IN_S / 2);
}
END_TEST

START_TEST(schema_1_ran_on_in_a_reset_divider)
{
    struct state s = save();

    s.bytes[AT_A] = A_RESET_2_HZ;
    pass_s(2);
    succeed_1(&s);
    ck_assert_uint_eq(in(SECONDS), 0x22);
    pass_s(2);
    ck_assert_uint_eq(in(SECONDS), 0x22);
}
END_TEST

START_TEST(schema_1_in_the_middle_of_setting)
{
    struct state s;

    out(B, B_24H | B_SET);
    out(SECONDS, 0x42);
    s = save();
    pass_s(9);
    succeed_1(&s);
    ck_assert_uint_eq(in(C), 0);
    out(B, B_24H);
    ck_assert_uint_eq(in(SECONDS), 0x42);
}
END_TEST

static void expect_refusal(size_t at, size_t len, uint64_t lie)
{
    struct state s = save();
    struct rd r = rd_over(s.bytes, sizeof(s.bytes));
    struct rtc target = {.index = 77};

    for (size_t i = 0; i < len; i++)
        s.bytes[at + i] = (uint8_t)(lie >> (8 * i));
    ck_assert_int_eq(rtc_load(&r, CHIPSET_SCHEMA, &now, &target), -EBADMSG);
    ck_assert_uint_eq(target.index, 77);
}

START_TEST(flags_that_do_not_exist_are_refused)
{
    expect_refusal(AT_C, 1, IRQF);
    expect_refusal(AT_C, 1, 0x01);
}
END_TEST

START_TEST(an_instant_out_of_time_is_refused)
{
    expect_refusal(AT_SEEN_S, 8, (uint64_t)CALENDAR_LAST_S + 1);
    expect_refusal(AT_SEEN_S, 8, (uint64_t)CALENDAR_FIRST_S - 1);
    expect_refusal(AT_SEEN_S, 8, (uint64_t)INT64_MIN);
    expect_refusal(AT_SEEN_NS, 4, NS_IN_S);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("rtc_interrupts");
    TCase *c = tcase_create("all");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(c, reset, NULL);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, each_flag_comes_and_reading_clears_it);
    tcase_add_test(c, nothing_rings_that_is_not_enabled);
    tcase_add_test(c, updates_ring_each_second);
    tcase_add_test(c, a_line_that_is_up_neither_rings_nor_wakes_the_host);
    tcase_add_test(c, an_access_notices_what_is_due);
    tcase_add_test(c, reading_c_at_the_last_moment_takes_the_interrupt);
    tcase_add_test(c, enabling_what_happened_rings_and_disabling_lowers);
    tcase_add_test(c, register_c_cannot_be_written);
    tcase_add_test(c, every_rate);
    tcase_add_test(c, periods_go_on_while_set_is_on_but_not_while_the_divider_is_in_reset);
    tcase_add_test(c, an_alarm_falls_due_while_nobody_lives);
    tcase_add_test(c, a_restart_in_the_middle_is_not_seen);
    tcase_add_test(c, a_pending_edge_is_announced_once_more);
    tcase_add_test(c, a_successor_from_an_older_state_finds_the_same);
    tcase_add_test(c, schema_1_had_no_interrupts);
    tcase_add_test(c, schema_1_ran_on_in_a_reset_divider);
    tcase_add_test(c, schema_1_in_the_middle_of_setting);
    tcase_add_test(c, flags_that_do_not_exist_are_refused);
    tcase_add_test(c, an_instant_out_of_time_is_refused);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/*
 * tests/unit/test_rtc_alarm.c - when the clock's alarm comes, and what setting a clock does to it.
 */
#include <stdlib.h>

#include "tests/fakes/cmos.h"

/* --- alarms --- */

START_TEST(an_alarm_rings_once_a_day)
{
    set_alarm(0x22, 0x15, 0x07);
    out(B, B_24H | AF);
    expect_ring_in(107ull * NS_IN_S);
    ck_assert_uint_eq(in(C), IRQF | UF | AF);
    expect_ring_in((uint64_t)CALENDAR_DAY_S * NS_IN_S);
    ck_assert_uint_eq(in(HOURS), 0x22);
    ck_assert_uint_eq(in(MINUTES), 0x15);
    ck_assert_uint_eq(in(SECONDS), 0x07);
}
END_TEST

START_TEST(the_present_second_is_too_late)
{
    set_alarm(0x22, 0x13, 0x20);
    out(B, B_24H | AF);
    expect_ring_in((uint64_t)CALENDAR_DAY_S * NS_IN_S);
}
END_TEST

START_TEST(alarm_bytes_that_match_every_time)
{
    static const struct {
        uint8_t hour, minute, second;
        unsigned s; /* after 22:13:20 */
    } cases[] = {
        {0xc0, 0xc0, 0xc0, 1                   },
        {0xff, 0xff, 0xff, 1                   },
        {0xff, 0xff, 0x19, 59                  },
        {0xff, 0xff, 0x21, 1                   },
        {0xff, 0x14, 0x00, 40                  },
        {0xff, 0x13, 0x20, 3600                },
        {0xff, 0x13, 0xff, 1                   },
        {0xff, 0x12, 0xff, 3540 - 20           },
        {0x23, 0xff, 0xff, 3600 - 13 * 60 - 20 },
        {0x22, 0xff, 0x00, 40                  },
        {0x21, 0xff, 0x00, 82800 - 13 * 60 - 20},
        {0x00, 0x00, 0xe7, 6400                },
    };

    for (unsigned i = 0; i < COUNT_OF(cases); i++) {
        reset();
        set_alarm(cases[i].hour, cases[i].minute, cases[i].second);
        out(B, B_24H | AF);
        expect_ring_in((uint64_t)cases[i].s * NS_IN_S);
    }
}
END_TEST

START_TEST(alarm_bytes_that_are_no_time_match_never)
{
    static const uint8_t lies[][3] = {
        {0x24, 0x00, 0x00},
        {0x00, 0x60, 0x00},
        {0x00, 0x00, 0x60},
        {0x00, 0x0a, 0x00},
        {0x00, 0x00, 0xbf},
        {0x00, 0xbf, 0x00},
        {0xbf, 0x00, 0x00}
    };

    for (unsigned i = 0; i < COUNT_OF(lies); i++) {
        reset();
        set_alarm(lies[i][0], lies[i][1], lies[i][2]);
        out(B, B_24H | AF);
        ck_assert(rtc_armed(&rtc));
        expect_silence();
        ck_assert_uint_eq(in(C), UF);
    }
}
END_TEST

/* Every hour of the day in the four ways to write it. */
START_TEST(alarm_hours_in_every_mode)
{
    static const uint8_t modes[] = {0, B_BINARY, B_24H, B_24H | B_BINARY};

    for (unsigned m = 0; m < COUNT_OF(modes); m++) {
        reset();
        out(B, modes[m]);
        for (unsigned hour = 0; hour < 24; hour++) {
            now.real_s = 1700006400 + hour * 3600; /* at 00:00:00 and hours */
            set_alarm(in(HOURS), ANY, ANY);
            now.real_s -= 1800;
            (void)in(C); /* the clock was set back */
            out(B, modes[m] | AF);
            expect_ring_in(1800ull * NS_IN_S);
            ck_assert_uint_eq(in(HOURS), in(HOURS_ALARM));
            (void)in(C);
            out(B, modes[m]);
        }
    }
}
END_TEST

START_TEST(a_bcd_12_hour_alarm)
{
    out(B, AF);
    set_alarm(0x90, 0x14, 0x00); /* 10 pm */
    expect_ring_in(40ull * NS_IN_S);
    (void)in(C);
    set_alarm(0x12, 0x14, 0x00); /* midnight */
    expect_ring_in(7200ull * NS_IN_S);
    (void)in(C);
    set_alarm(0x92, 0x14, 0x00); /* noon */
    expect_ring_in(43200ull * NS_IN_S);
    (void)in(C);
    set_alarm(0x00, 0x14, 0x00); /* there is no such hour */
    expect_silence();
}
END_TEST

static bool alarm_matches(const struct civil *alarm, int64_t s)
{
    struct civil t = calendar_civil(s);

    return (alarm->hour == CALENDAR_ANY || alarm->hour == t.hour) &&
           (alarm->minute == CALENDAR_ANY || alarm->minute == t.minute) &&
           (alarm->second == CALENDAR_ANY || alarm->second == t.second);
}

START_TEST(the_next_alarm_agrees_with_a_search)
{
    static const unsigned hours[] = {0, 1, 12, 22, 23, CALENDAR_ANY};
    static const unsigned sixtieths[] = {0, 1, 30, 58, 59, CALENDAR_ANY};

    for (unsigned i = 0; i < 6 * 6 * 6; i++) {
        struct civil alarm = {
            .hour = hours[i / 36], .minute = sixtieths[i / 6 % 6], .second = sixtieths[i % 6]};

        for (int64_t s = 1700006400; s < 1700006400 + CALENDAR_DAY_S; s += 7919) {
            int64_t found = s + 1;

            while (!alarm_matches(&alarm, found))
                found++;
            ck_assert_int_eq(calendar_next(s, &alarm), found);
            ck_assert_int_eq(calendar_next(found - 1, &alarm), found);
        }
    }
}
END_TEST

/* --- the clock is set --- */

START_TEST(set_inhibits_updates_and_alarms_and_clears_uie)
{
    set_alarm(ANY, ANY, ANY);
    out(B, B_24H | B_SET | UF | AF);
    ck_assert_uint_eq(in(B), B_24H | B_SET | AF);
    expect_silence();
    ck_assert_uint_eq(in(C), 0);
    out(B, B_24H | UF | AF);
    ck_assert_uint_eq(in(B), B_24H | UF | AF);
    ck_assert_uint_eq(in(C), 0); /* nor do they count later */
    expect_ring_in(NS_IN_S / 2);
}
END_TEST

START_TEST(a_clock_that_is_set_past_the_alarm_does_not_ring)
{
    set_alarm(0x22, 0x30, 0x00);
    out(B, B_24H | AF);
    out(MINUTES, 0x45);
    ck_assert(!rang());
    ck_assert_uint_eq(in(C), 0);
    out(B, B_24H | B_SET | AF);
    out(MINUTES, 0x29);
    out(SECONDS, 0x59);
    out(B, B_24H | AF);
    expect_ring_in(NS_IN_S / 2);
}
END_TEST

START_TEST(a_hosts_clock_that_jumps_ahead_over_the_alarm_rings)
{
    set_alarm(0x22, 0x30, 0x00);
    out(B, B_24H | AF);
    now.real_s += 100 * CALENDAR_DAY_S;
    ck_assert_uint_eq(rtc_due_ns(&rtc, &now), 0);
    ck_assert(rtc_wake(&rtc, &now));
    ck_assert_uint_eq(in(C), IRQF | UF | AF);
}
END_TEST

START_TEST(a_hosts_clock_that_jumps_back_loses_no_update)
{
    out(B, B_24H | UF);
    now.real_s -= 100 * CALENDAR_DAY_S;
    ck_assert_uint_eq(rtc_due_ns(&rtc, &now), NS_IN_S);
    ck_assert(rtc_wake(&rtc, &now));
    ck_assert(rang());
    (void)in(C);
    expect_ring_in(NS_IN_S);
}
END_TEST

START_TEST(at_the_ends_of_time_nothing_is_overdue_for_ever)
{
    static const int64_t ends[] = {INT64_MIN, INT64_MAX};

    set_alarm(ANY, ANY, ANY);
    out(B, B_24H | UF | AF);
    for (unsigned i = 0; i < COUNT_OF(ends); i++) {
        now.real_s = ends[i];
        now.real_ns = 999999999;
        (void)rtc_wake(&rtc, &now);
        (void)in(C);
        ck_assert(rtc_armed(&rtc));
        ck_assert_uint_gt(rtc_due_ns(&rtc, &now), 0);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("rtc_alarm");
    TCase *c = tcase_create("all");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(c, reset, NULL);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, an_alarm_rings_once_a_day);
    tcase_add_test(c, the_present_second_is_too_late);
    tcase_add_test(c, alarm_bytes_that_match_every_time);
    tcase_add_test(c, alarm_bytes_that_are_no_time_match_never);
    tcase_add_test(c, alarm_hours_in_every_mode);
    tcase_add_test(c, a_bcd_12_hour_alarm);
    tcase_add_test(c, the_next_alarm_agrees_with_a_search);
    tcase_add_test(c, set_inhibits_updates_and_alarms_and_clears_uie);
    tcase_add_test(c, a_clock_that_is_set_past_the_alarm_does_not_ring);
    tcase_add_test(c, a_hosts_clock_that_jumps_ahead_over_the_alarm_rings);
    tcase_add_test(c, a_hosts_clock_that_jumps_back_loses_no_update);
    tcase_add_test(c, at_the_ends_of_time_nothing_is_overdue_for_ever);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

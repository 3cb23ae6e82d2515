#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/macro.h"
#include "workers/chipset/chipset.h"

enum {
    SECONDS = 0x00,
    SECONDS_ALARM = 0x01,
    MINUTES = 0x02,
    HOURS = 0x04,
    WEEKDAY = 0x06,
    DAY = 0x07,
    MONTH = 0x08,
    YEAR = 0x09,
    A = 0x0a,
    B = 0x0b,
    C = 0x0c,
    D = 0x0d,
    CENTURY = 0x32,
    A_NO_RATE = 0x20,
    A_RESET = 0x70,
    B_24H = 0x02,
    B_BINARY = 0x04,
    B_SET = 0x80,
};

static struct rtc rtc;
static struct chipset_time now;

static void reset(void)
{
    now = (struct chipset_time){.real_s = 1700000000}; /* Tuesday 2023-11-14 22:13:20 */
    rtc_init(&rtc, &now);
}

static uint8_t port_in(uint16_t port, bool *ret_changed)
{
    struct io io = {.port = port, .size = 1};

    rtc_access(&rtc, &io, &now);
    ck_assert(!io.unknown);
    *ret_changed = io.changed;
    return (uint8_t)io.data;
}

static void port_out(uint16_t port, uint8_t v)
{
    struct io io = {.port = port, .size = 1, .write = true, .data = v};

    rtc_access(&rtc, &io, &now);
    ck_assert(io.changed);
}

static uint8_t in(uint8_t reg)
{
    bool changed;

    port_out(0x70, reg);
    return port_in(0x71, &changed);
}

static void out(uint8_t reg, uint8_t v)
{
    port_out(0x70, reg);
    port_out(0x71, v);
}

/* All at once, as a driver sets it; the values are raw. */
static void set_all(const uint8_t raw[7])
{
    static const uint8_t regs[] = {CENTURY, YEAR, MONTH, DAY, HOURS, MINUTES, SECONDS};
    uint8_t b = in(B);

    out(B, b | B_SET);
    for (unsigned i = 0; i < COUNT_OF(regs); i++)
        out(regs[i], raw[i]);
    out(B, b);
}

static void expect_all(const uint8_t raw[7])
{
    ck_assert_uint_eq(in(CENTURY), raw[0]);
    ck_assert_uint_eq(in(YEAR), raw[1]);
    ck_assert_uint_eq(in(MONTH), raw[2]);
    ck_assert_uint_eq(in(DAY), raw[3]);
    ck_assert_uint_eq(in(HOURS), raw[4]);
    ck_assert_uint_eq(in(MINUTES), raw[5]);
    ck_assert_uint_eq(in(SECONDS), raw[6]);
}

START_TEST(the_time_is_the_hosts_in_bcd)
{
    expect_all((uint8_t[]){0x20, 0x23, 0x11, 0x14, 0x22, 0x13, 0x20});
    ck_assert_uint_eq(in(WEEKDAY), 3); /* Sunday is 1 */
    ck_assert_uint_eq(in(D), 0x80);
    now.real_s++;
    ck_assert_uint_eq(in(SECONDS), 0x21);
}
END_TEST

START_TEST(binary_mode)
{
    out(B, B_24H | B_BINARY);
    expect_all((uint8_t[]){20, 23, 11, 14, 22, 13, 20});
}
END_TEST

START_TEST(twelve_hours)
{
    static const uint8_t bcd[] = {0x12, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07,
                                  0x08, 0x09, 0x10, 0x11, 0x92, 0x81, 0x82, 0x83,
                                  0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x90, 0x91};

    out(B, 0);
    now.real_s = 1700006400 - 1700006400 % 86400;
    for (unsigned hour = 0; hour < 24; hour++, now.real_s += 3600)
        ck_assert_uint_eq(in(HOURS), bcd[hour]);
    out(B, B_BINARY);
    now.real_s -= 3600;
    ck_assert_uint_eq(in(HOURS), 0x80 | 11);
}
END_TEST

START_TEST(twelve_hours_can_be_set)
{
    static const uint8_t raw[][2] = {
        {0x12, 0x00},
        {0x01, 0x01},
        {0x11, 0x11},
        {0x92, 0x12},
        {0x81, 0x13},
        {0x91, 0x23}
    };

    for (unsigned i = 0; i < COUNT_OF(raw); i++) {
        out(B, 0);
        set_all((uint8_t[]){0x20, 0x24, 0x02, 0x29, raw[i][0], 0x00, 0x00});
        ck_assert_uint_eq(in(HOURS), raw[i][0]);
        out(B, B_24H);
        ck_assert_uint_eq(in(HOURS), raw[i][1]);
    }
}
END_TEST

START_TEST(a_set_clock_runs_on)
{
    set_all((uint8_t[]){0x19, 0x99, 0x12, 0x31, 0x23, 0x59, 0x58});
    expect_all((uint8_t[]){0x19, 0x99, 0x12, 0x31, 0x23, 0x59, 0x58});
    ck_assert_uint_eq(in(WEEKDAY), 6); /* Friday */
    now.real_s += 2;
    expect_all((uint8_t[]){0x20, 0x00, 0x01, 0x01, 0x00, 0x00, 0x00});
    ck_assert_uint_eq(in(WEEKDAY), 7);
}
END_TEST

START_TEST(the_first_second_after_setting_is_a_half)
{
    now.real_ns = 700000000;
    set_all((uint8_t[]){0x20, 0x24, 0x01, 0x01, 0x00, 0x00, 0x00});
    now.real_s++;
    now.real_ns = 199999999;
    ck_assert_uint_eq(in(SECONDS), 0x00);
    now.real_ns = 200000000;
    ck_assert_uint_eq(in(SECONDS), 0x01);
    now.real_s++;
    now.real_ns = 199999999;
    ck_assert_uint_eq(in(SECONDS), 0x01);
}
END_TEST

START_TEST(half_a_second_may_have_to_be_added)
{
    now.real_ns = 100000000;
    set_all((uint8_t[]){0x20, 0x24, 0x01, 0x01, 0x00, 0x00, 0x00});
    now.real_ns = 599999999;
    ck_assert_uint_eq(in(SECONDS), 0x00);
    now.real_ns = 600000000;
    ck_assert_uint_eq(in(SECONDS), 0x01);
}
END_TEST

START_TEST(while_set_is_on_the_clock_stands_and_can_be_written)
{
    out(B, B_24H | B_SET);
    now.real_s += 100;
    ck_assert_uint_eq(in(SECONDS), 0x20);
    ck_assert_uint_eq(in(MINUTES), 0x13);
    now.real_ns = 999999999;
    ck_assert_uint_eq(in(A)&0x80, 0);
    out(SECONDS, 0x59);
    ck_assert_uint_eq(in(SECONDS), 0x59);
    out(B, B_24H);
    ck_assert_uint_eq(in(SECONDS), 0x59);
    ck_assert_uint_eq(in(MINUTES), 0x13);
}
END_TEST

/* As Linux sets it: SET ends first, then the divider runs again. */
START_TEST(while_the_divider_is_in_reset_the_clock_stands_too)
{
    out(B, B_24H | B_SET);
    out(A, A_RESET);
    out(SECONDS, 0x59);
    out(B, B_24H);
    now.real_s += 100;
    ck_assert_uint_eq(in(SECONDS), 0x59);
    out(MINUTES, 0x58);
    ck_assert_uint_eq(in(MINUTES), 0x58);
    now.real_ns = 999999999;
    ck_assert_uint_eq(in(A), A_RESET);
    out(A, A_NO_RATE);
    now.real_s++; /* half a second for the first one */
    expect_all((uint8_t[]){0x20, 0x23, 0x11, 0x14, 0x22, 0x59, 0x00});
}
END_TEST

START_TEST(a_single_register_can_be_set_while_it_runs)
{
    now.real_ns = 123456789;
    out(HOURS, 0x07);
    expect_all((uint8_t[]){0x20, 0x23, 0x11, 0x14, 0x07, 0x13, 0x20});
    now.real_s++;
    ck_assert_uint_eq(in(SECONDS), 0x21);
    now.real_ns = 0; /* the fraction was kept */
    ck_assert_uint_eq(in(SECONDS), 0x21);
}
END_TEST

START_TEST(dates_that_do_not_exist_are_not_taken)
{
    static const uint8_t lies[][7] = {
        {0x20, 0x23, 0x02, 0x29, 0x00, 0x00, 0x00}, /* no leap year */
        {0x21, 0x00, 0x02, 0x29, 0x00, 0x00, 0x00}, /* nor this */
        {0x20, 0x24, 0x02, 0x30, 0x00, 0x00, 0x00},
        {0x20, 0x24, 0x04, 0x31, 0x00, 0x00, 0x00},
        {0x20, 0x24, 0x13, 0x01, 0x00, 0x00, 0x00},
        {0x20, 0x24, 0x00, 0x01, 0x00, 0x00, 0x00},
        {0x20, 0x24, 0x01, 0x00, 0x00, 0x00, 0x00},
        {0x20, 0x24, 0x01, 0x32, 0x00, 0x00, 0x00},
        {0x20, 0x24, 0x01, 0x01, 0x24, 0x00, 0x00},
        {0x20, 0x24, 0x01, 0x01, 0x00, 0x60, 0x00},
        {0x20, 0x24, 0x01, 0x01, 0x00, 0x00, 0x60},
        {0x20, 0x24, 0x01, 0x01, 0x00, 0x00, 0x0a},
        {0x20, 0x24, 0x01, 0x01, 0x00, 0x00, 0xa0},
        {0x20, 0xff, 0x01, 0x01, 0x00, 0x00, 0x00},
        {0xff, 0x24, 0x01, 0x01, 0x00, 0x00, 0x00},
    };

    for (unsigned i = 0; i < COUNT_OF(lies); i++) {
        set_all(lies[i]);
        expect_all((uint8_t[]){0x20, 0x23, 0x11, 0x14, 0x22, 0x13, 0x20});
    }
}
END_TEST

START_TEST(binary_numbers_out_of_range_are_not_taken)
{
    out(B, B_24H | B_BINARY);
    set_all((uint8_t[]){20, 100, 1, 1, 0, 0, 0});
    set_all((uint8_t[]){100, 0, 1, 1, 0, 0, 0});
    expect_all((uint8_t[]){20, 23, 11, 14, 22, 13, 20});
}
END_TEST

START_TEST(hours_that_no_clock_shows_are_not_taken)
{
    static const uint8_t lies[] = {0x00, 0x80, 0x13, 0x93};

    out(B, 0);
    for (unsigned i = 0; i < COUNT_OF(lies); i++) {
        set_all((uint8_t[]){0x20, 0x24, 0x01, 0x01, lies[i], 0x00, 0x00});
        ck_assert_uint_eq(in(HOURS), 0x90); /* 10 pm */
    }
}
END_TEST

START_TEST(leap_days_exist)
{
    static const uint8_t dates[][7] = {
        {0x20, 0x24, 0x02, 0x29, 0x12, 0x34, 0x56},
        {0x20, 0x00, 0x02, 0x29, 0x12, 0x34, 0x56},
        {0x00, 0x00, 0x02, 0x29, 0x12, 0x34, 0x56},
    };

    for (unsigned i = 0; i < COUNT_OF(dates); i++) {
        set_all(dates[i]);
        expect_all(dates[i]);
    }
}
END_TEST

START_TEST(it_stops_at_the_end_of_year_9999)
{
    set_all((uint8_t[]){0x99, 0x99, 0x12, 0x31, 0x23, 0x59, 0x58});
    expect_all((uint8_t[]){0x99, 0x99, 0x12, 0x31, 0x23, 0x59, 0x58});
    now.real_s += 1000;
    expect_all((uint8_t[]){0x99, 0x99, 0x12, 0x31, 0x23, 0x59, 0x59});
}
END_TEST

START_TEST(it_begins_with_year_0)
{
    set_all((uint8_t[]){0x00, 0x00, 0x01, 0x01, 0x00, 0x00, 0x00});
    expect_all((uint8_t[]){0x00, 0x00, 0x01, 0x01, 0x00, 0x00, 0x00});
    ck_assert_uint_eq(in(WEEKDAY), 7);
    now.real_s -= 1000;
    expect_all((uint8_t[]){0x00, 0x00, 0x01, 0x01, 0x00, 0x00, 0x00});
}
END_TEST

START_TEST(no_host_clock_is_too_strange)
{
    now = (struct chipset_time){.real_s = INT64_MIN, .real_ns = UINT32_MAX};
    expect_all((uint8_t[]){0x00, 0x00, 0x01, 0x01, 0x00, 0x00, 0x00});
    set_all((uint8_t[]){0x99, 0x99, 0x12, 0x31, 0x23, 0x59, 0x59});
    now.real_s = INT64_MAX;
    expect_all((uint8_t[]){0x99, 0x99, 0x12, 0x31, 0x23, 0x59, 0x59});
    set_all((uint8_t[]){0x00, 0x00, 0x01, 0x01, 0x00, 0x00, 0x00});
    now.real_s = INT64_MIN;
    expect_all((uint8_t[]){0x00, 0x00, 0x01, 0x01, 0x00, 0x00, 0x00});
}
END_TEST

static const uint8_t calendar_regs[] = {CENTURY, YEAR,    MONTH,   DAY,
                                        HOURS,   MINUTES, SECONDS, WEEKDAY};

/* Without asserts: checks are slow, and there are millions. */
static bool shows(const uint8_t *expected)
{
    bool same = true;

    for (unsigned i = 0; i < COUNT_OF(calendar_regs); i++) {
        struct io io = {.port = 0x71, .size = 1};

        rtc.index = calendar_regs[i];
        rtc_access(&rtc, &io, &now);
        same = same && io.data == expected[i];
    }
    return same;
}

static void set_fast(const uint8_t *raw)
{
    rtc.ram[B] |= B_SET;
    for (unsigned i = 0; i < COUNT_OF(calendar_regs); i++)
        rtc.ram[calendar_regs[i]] = raw[i];
    out(B, B_24H | B_BINARY);
}

static void libc_says(time_t t, uint8_t ret[8])
{
    struct tm tm = {0};

    (void)gmtime_r(&t, &tm);
    ret[0] = (uint8_t)((tm.tm_year + 1900) / 100);
    ret[1] = (uint8_t)((tm.tm_year + 1900) % 100);
    ret[2] = (uint8_t)(tm.tm_mon + 1);
    ret[3] = (uint8_t)tm.tm_mday;
    ret[4] = (uint8_t)tm.tm_hour;
    ret[5] = (uint8_t)tm.tm_min;
    ret[6] = (uint8_t)tm.tm_sec;
    ret[7] = (uint8_t)(tm.tm_wday + 1);
}

/* Every fifth day of 10,000 years, so every day of the 400 that repeat; and setting every 97th. */
START_TEST(the_calendar_agrees_with_libc)
{
    uint8_t expected[8];
    unsigned n = 0;

    out(B, B_24H | B_BINARY);
    for (time_t t = -62167219200; t <= 253402300799; t += 5 * 86400 - 1, n++) {
        libc_says(t, expected);
        now.real_s = t;
        if (!shows(expected))
            ck_abort_msg("wrong at %lld", (long long)t);
        if (n % 97 != 0)
            continue;
        now.real_s = 0;
        set_fast(expected);
        if (rtc.offset_s != t)
            ck_abort_msg("set wrongly at %lld", (long long)t);
        rtc.offset_s = 0;
        rtc.offset_ns = 0;
    }
    ck_assert_uint_gt(n, 730485);
}
END_TEST

START_TEST(uip_is_up_before_an_update_only)
{
    now.real_ns = 999755999;
    ck_assert_uint_eq(in(A), 0x26);
    now.real_ns = 999756000;
    ck_assert_uint_eq(in(A), 0xa6);
    now.real_s++;
    now.real_ns = 0;
    ck_assert_uint_eq(in(A), 0x26);
}
END_TEST

START_TEST(uip_cannot_be_written)
{
    out(A, 0xff);
    ck_assert_uint_eq(in(A), 0x7f);
}
END_TEST

START_TEST(c_says_once_that_an_update_ended)
{
    bool changed;

    out(A, A_NO_RATE);
    port_out(0x70, C);
    ck_assert_uint_eq(port_in(0x71, &changed), 0);
    ck_assert(!changed);
    now.real_s++;
    ck_assert_uint_eq(port_in(0x71, &changed), 0x10);
    ck_assert(changed);
    ck_assert_uint_eq(port_in(0x71, &changed), 0);
    out(B, B_24H | B_SET);
    now.real_s++;
    ck_assert_uint_eq(in(C), 0);
}
END_TEST

START_TEST(c_and_d_cannot_be_written)
{
    out(C, 0xff);
    out(D, 0);
    ck_assert_uint_eq(in(C), 0);
    ck_assert_uint_eq(in(D), 0x80);
}
END_TEST

START_TEST(all_else_is_memory)
{
    for (unsigned reg = 0; reg < RTC_RAM_BYTES; reg++) {
        if (reg == SECONDS_ALARM || reg == 3 || reg == 5 || (reg > D && reg != CENTURY))
            out((uint8_t)reg, (uint8_t)(reg ^ 0x55));
    }
    for (unsigned reg = 0; reg < RTC_RAM_BYTES; reg++) {
        if (reg == SECONDS_ALARM || reg == 3 || reg == 5 || (reg > D && reg != CENTURY))
            ck_assert_uint_eq(in((uint8_t)reg), reg ^ 0x55);
    }
    expect_all((uint8_t[]){0x20, 0x23, 0x11, 0x14, 0x22, 0x13, 0x20});
}
END_TEST

START_TEST(the_index_has_seven_bits_and_cannot_be_read)
{
    bool changed;

    port_out(0x70, 0x80 | D);
    ck_assert_uint_eq(port_in(0x70, &changed), 0xff);
    ck_assert_uint_eq(port_in(0x71, &changed), 0x80);
    ck_assert(!changed);
}
END_TEST

static void save(uint8_t buf[RTC_STATE_MAX])
{
    struct wr w = wr_over(buf, RTC_STATE_MAX);
    size_t len;

    rtc_save(&rtc, &w);
    ck_assert_int_eq(wr_finish(&w, &len), 0);
    ck_assert_uint_eq(len, RTC_STATE_MAX);
}

START_TEST(state_survives)
{
    uint8_t buf[RTC_STATE_MAX] = {0};
    struct rd r = rd_over(buf, sizeof(buf));

    now.real_ns = 700000000;
    set_all((uint8_t[]){0x19, 0x70, 0x01, 0x01, 0x00, 0x00, 0x00}); /* a negative offset */
    out(0x40, 0x99);
    out(B, B_24H | B_SET);
    out(MONTH, 0x05);
    port_out(0x70, 0x40);
    save(buf);
    rtc_init(&rtc, &now);
    ck_assert_int_eq(rtc_load(&r, CHIPSET_SCHEMA, &now, &rtc), 0);
    ck_assert_int_eq(rd_finish(&r), 0);
    ck_assert_uint_eq(port_in(0x71, &(bool){0}), 0x99);
    ck_assert_uint_eq(in(MONTH), 0x05);
    ck_assert_int_eq(rtc.offset_s, -1700000001);
    ck_assert_uint_eq(rtc.offset_ns, 800000000);
}
END_TEST

static void expect_refusal(size_t at, size_t len, uint64_t lie)
{
    uint8_t buf[RTC_STATE_MAX] = {0};
    struct rd r = rd_over(buf, sizeof(buf));
    struct rtc target = {.index = 77};

    save(buf);
    for (size_t i = 0; i < len; i++)
        buf[at + i] = (uint8_t)(lie >> (8 * i));
    ck_assert_int_eq(rtc_load(&r, CHIPSET_SCHEMA, &now, &target), -EBADMSG);
    ck_assert_uint_eq(target.index, 77);
}

enum {
    AT_INDEX = 0,
    AT_A = 1 + A,
    AT_OFFSET_S = 1 + RTC_RAM_BYTES,
    AT_OFFSET_NS = AT_OFFSET_S + 8,
};

START_TEST(an_index_outside_memory_is_refused)
{
    expect_refusal(AT_INDEX, 1, RTC_RAM_BYTES);
}
END_TEST

START_TEST(a_stored_uip_is_refused)
{
    expect_refusal(AT_A, 1, 0xa6);
}
END_TEST

START_TEST(a_fraction_of_a_second_or_more_is_refused)
{
    expect_refusal(AT_OFFSET_NS, 4, 1000000000);
}
END_TEST

START_TEST(an_offset_out_of_time_is_refused)
{
    expect_refusal(AT_OFFSET_S, 8, INT64_MAX);
    expect_refusal(AT_OFFSET_S, 8, (uint64_t)INT64_MIN);
}
END_TEST

START_TEST(a_truncated_state_is_refused)
{
    uint8_t buf[RTC_STATE_MAX] = {0};

    save(buf);
    for (size_t cut = 0; cut < sizeof(buf); cut++) {
        struct rd r = rd_over(buf, cut);
        struct rtc target = {.index = 77};

        ck_assert_int_eq(rtc_load(&r, CHIPSET_SCHEMA, &now, &target), -EBADMSG);
        ck_assert_uint_eq(target.index, 77);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("rtc");
    TCase *c = tcase_create("all");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(c, reset, NULL);
    tcase_set_timeout(c, 30);
    tcase_add_test(c, the_time_is_the_hosts_in_bcd);
    tcase_add_test(c, binary_mode);
    tcase_add_test(c, twelve_hours);
    tcase_add_test(c, twelve_hours_can_be_set);
    tcase_add_test(c, a_set_clock_runs_on);
    tcase_add_test(c, the_first_second_after_setting_is_a_half);
    tcase_add_test(c, half_a_second_may_have_to_be_added);
    tcase_add_test(c, while_set_is_on_the_clock_stands_and_can_be_written);
    tcase_add_test(c, while_the_divider_is_in_reset_the_clock_stands_too);
    tcase_add_test(c, a_single_register_can_be_set_while_it_runs);
    tcase_add_test(c, dates_that_do_not_exist_are_not_taken);
    tcase_add_test(c, binary_numbers_out_of_range_are_not_taken);
    tcase_add_test(c, hours_that_no_clock_shows_are_not_taken);
    tcase_add_test(c, leap_days_exist);
    tcase_add_test(c, it_stops_at_the_end_of_year_9999);
    tcase_add_test(c, it_begins_with_year_0);
    tcase_add_test(c, no_host_clock_is_too_strange);
    tcase_add_test(c, the_calendar_agrees_with_libc);
    tcase_add_test(c, uip_is_up_before_an_update_only);
    tcase_add_test(c, uip_cannot_be_written);
    tcase_add_test(c, c_says_once_that_an_update_ended);
    tcase_add_test(c, c_and_d_cannot_be_written);
    tcase_add_test(c, all_else_is_memory);
    tcase_add_test(c, the_index_has_seven_bits_and_cannot_be_read);
    tcase_add_test(c, state_survives);
    tcase_add_test(c, an_index_outside_memory_is_refused);
    tcase_add_test(c, a_stored_uip_is_refused);
    tcase_add_test(c, a_fraction_of_a_second_or_more_is_refused);
    tcase_add_test(c, an_offset_out_of_time_is_refused);
    tcase_add_test(c, a_truncated_state_is_refused);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

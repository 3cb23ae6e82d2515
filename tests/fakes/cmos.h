/*
 * tests/fakes/cmos.h - a clock under test, the guest that reads and writes it, and time that passes
 * when the test says so.
 */
#pragma once

#include <check.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"
#include "tests/fakes/cmos_registers.h"
#include "workers/chipset/calendar.h"
#include "workers/chipset/chipset.h"

enum {
    A_2_HZ = 0x2f,
    A_1024_HZ = 0x26,
    A_RESET_2_HZ = 0x6f,
    B_24H = 0x02,
    B_BINARY = 0x04,
    ANY = 0xff,
    NS_IN_S = 1000000000,
};

static const uint64_t NEVER = UINT64_MAX;

static struct rtc rtc;
static struct chipset_time now;
static bool changed; /* what the last access said */

static inline uint8_t access_port(uint16_t port, bool write, uint8_t v)
{
    struct io io = {.port = port, .size = 1, .write = write, .data = v};

    rtc_access(&rtc, &io, &now);
    changed = io.changed;
    return (uint8_t)io.data;
}

static inline uint8_t in(uint8_t reg)
{
    (void)access_port(0x70, true, reg);
    return access_port(0x71, false, 0);
}

static inline void out(uint8_t reg, uint8_t v)
{
    (void)access_port(0x70, true, reg);
    (void)access_port(0x71, true, v);
}

/* Without a rate there is no PF, which would be in every value of register C. */
static inline void reset(void)
{
    now = (struct chipset_time){.real_s = 1700000000}; /* Tuesday 2023-11-14 22:13:20 */
    rtc_init(&rtc, &now);
    out(A, A_NO_RATE);
}

static inline void pass_ns(uint64_t ns)
{
    uint64_t sum = now.real_ns + ns;

    now.real_s += (int64_t)(sum / NS_IN_S);
    now.real_ns = (uint32_t)(sum % NS_IN_S);
}

static inline void pass_s(uint64_t s)
{
    pass_ns(s * NS_IN_S);
}

/* As the owner does it: did an edge come? */
static inline bool rang(void)
{
    bool edge = rtc.edge;

    rtc.edge = false;
    return edge;
}

/* The line rises ns from now, neither earlier nor without notice. */
static inline void expect_ring_in(uint64_t ns)
{
    ck_assert(rtc_armed(&rtc));
    ck_assert_uint_eq(rtc_due_ns(&rtc, &now), ns);
    pass_ns(ns - 1);
    ck_assert(!rtc_wake(&rtc, &now));
    ck_assert(!rang());
    ck_assert_uint_eq(rtc_due_ns(&rtc, &now), 1);
    pass_ns(1);
    ck_assert_uint_eq(rtc_due_ns(&rtc, &now), 0);
    ck_assert(rtc_wake(&rtc, &now));
    ck_assert(rang());
}

static inline void expect_silence(void)
{
    ck_assert_uint_eq(rtc_due_ns(&rtc, &now), NEVER);
    pass_s(CALENDAR_DAY_S);
    ck_assert(!rtc_wake(&rtc, &now));
    ck_assert(!rang());
}

static inline void set_alarm(uint8_t hour, uint8_t minute, uint8_t second)
{
    out(HOURS_ALARM, hour);
    out(MINUTES_ALARM, minute);
    out(SECONDS_ALARM, second);
}

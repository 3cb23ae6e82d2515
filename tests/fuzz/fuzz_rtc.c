/*
 * tests/fuzz/fuzz_rtc.c - a guest that writes what it likes to the clock under a host whose clock
 * jumps, and a successor that takes over after every step.
 *
 * Three bytes a step: what to do, and two of value. Promises checked: the successor's state is the
 * same; the time shown is always a date that exists, in the mode that register B asks for; a date
 * that was shown can be set again and is then shown; the line rises when rtc_due_ns() says so, not
 * before and only then; what a generation noticed on the way makes no difference.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "workers/chipset/calendar.h"
#include "workers/chipset/chipset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    A = 0x0a,
    B = 0x0b,
    C = 0x0c,
    A_RESET = 0x60,
    B_24H = 0x02,
    B_BINARY = 0x04,
    B_SET = 0x80,
    FLAGS = 0x70,
    C_INTERRUPTING = 0x80,
    NS_IN_S = 1000000000,
};

static const uint8_t time_regs[] = {0x00, 0x02, 0x04, 0x07, 0x08, 0x09, 0x32};
static const uint8_t alarm_regs[] = {0x01, 0x03, 0x05};

static uint8_t in(struct rtc *c, uint8_t reg, const struct chipset_time *now)
{
    struct io io = {.port = 0x71, .size = 1};

    c->index = reg;
    rtc_access(c, &io, now);
    if (io.data > 0xff || io.unknown || io.effect != PORT_EFFECT_NONE)
        abort();
    return (uint8_t)io.data;
}

static void out(struct rtc *c, uint8_t reg, uint8_t v, const struct chipset_time *now)
{
    struct io io = {.port = 0x70, .size = 1, .write = true, .data = reg};

    rtc_access(c, &io, now);
    io.port = 0x71;
    io.data = v;
    rtc_access(c, &io, now);
    if (!io.changed)
        abort();
}

static void save(const struct rtc *c, uint8_t buf[RTC_STATE_MAX])
{
    struct wr w = wr_over(buf, RTC_STATE_MAX);
    size_t len;

    rtc_save(c, &w);
    if (wr_finish(&w, &len) < 0 || len != RTC_STATE_MAX)
        abort();
}

static bool line_up(const struct rtc *c)
{
    return (c->ram[B] & c->ram[C] & FLAGS) != 0;
}

static bool same(const struct rtc *a, const struct rtc *b)
{
    uint8_t state_a[RTC_STATE_MAX] = {0};
    uint8_t state_b[RTC_STATE_MAX] = {0};

    save(a, state_a);
    save(b, state_b);
    return memcmp(state_a, state_b, sizeof(state_a)) == 0;
}

static void succeed(struct rtc *c, const struct chipset_time *now)
{
    uint8_t state[RTC_STATE_MAX] = {0};
    struct rd r = rd_over(state, sizeof(state));
    struct rtc next;

    save(c, state);
    if (rtc_load(&r, CHIPSET_SCHEMA, now, &next) < 0 || rd_finish(&r) < 0)
        abort();
    if (!same(c, &next) || next.edge != line_up(&next))
        abort();
    *c = next;
}

/* The number in a register that runs, or abort. */
static unsigned number(const struct rtc *c, uint8_t raw)
{
    if ((c->ram[B] & B_BINARY) != 0)
        return raw;
    if (raw >> 4 > 9 || (raw & 15) > 9)
        abort();
    return raw / 16u * 10 + raw % 16u;
}

static void check_shown(const struct rtc *c, const uint8_t shown[7])
{
    uint8_t hour = (c->ram[B] & B_24H) != 0 ? shown[2] : shown[2] & 0x7f;

    if (number(c, shown[0]) > 59 || number(c, shown[1]) > 59)
        abort();
    if (number(c, hour) > ((c->ram[B] & B_24H) != 0 ? 23 : 12))
        abort();
    if (number(c, shown[3]) - 1 > 30 || number(c, shown[4]) - 1 > 11)
        abort();
    if (number(c, shown[5]) > 99 || number(c, shown[6]) > 99)
        abort();
}

static void show(struct rtc *c, uint8_t ret[7], const struct chipset_time *now)
{
    for (unsigned i = 0; i < COUNT_OF(time_regs); i++)
        ret[i] = in(c, time_regs[i], now);
}

static void check(const struct rtc *c, const struct chipset_time *now)
{
    struct rtc copy = *c;
    uint8_t shown[7];
    uint8_t again[7];
    uint8_t b = c->ram[B];

    if ((b & B_SET) != 0 || (c->ram[A] & A_RESET) == A_RESET)
        return;
    show(&copy, shown, now);
    check_shown(&copy, shown);
    out(&copy, B, b | B_SET, now);
    for (unsigned i = 0; i < COUNT_OF(time_regs); i++)
        out(&copy, time_regs[i], shown[i], now);
    out(&copy, B, b, now);
    show(&copy, again, now);
    if (memcmp(shown, again, sizeof(shown)) != 0)
        abort();
}

/* Neither clock will stand at an end of time within two days. */
static bool far_from_ends(const struct rtc *c, const struct chipset_time *now)
{
    const int64_t margin_s = 2 * CALENDAR_DAY_S;

    return now->real_s > CALENDAR_FIRST_S && now->real_s < CALENDAR_LAST_S - margin_s &&
           c->seen.s > CALENDAR_FIRST_S && c->seen.s < CALENDAR_LAST_S - margin_s;
}

static struct chipset_time later(const struct chipset_time *now, uint64_t ns)
{
    uint64_t sum = now->real_ns + ns;

    return (struct chipset_time){.real_s = now->real_s + (int64_t)(sum / NS_IN_S),
                                 .real_ns = (uint32_t)(sum % NS_IN_S)};
}

/* Whoever looks more often sees the same. */
static void check_path(const struct rtc *c, const struct chipset_time *now, uint64_t ns)
{
    struct chipset_time half_way = later(now, ns / 2);
    struct chipset_time end = later(now, ns);
    struct rtc often = *c;
    struct rtc once = *c;
    bool rose = rtc_wake(&often, &half_way);

    rose |= rtc_wake(&often, &end);
    if (rtc_wake(&once, &end) != rose || !same(&once, &often))
        abort();
}

static void check_rise(const struct rtc *c, const struct chipset_time *now)
{
    struct rtc copy = *c;
    uint8_t v;

    if (!rtc_wake(&copy, now) || !line_up(&copy) || !copy.edge)
        abort();
    if (rtc_armed(&copy) || rtc_due_ns(&copy, now) != UINT64_MAX)
        abort();
    v = in(&copy, C, now);
    if ((v & C_INTERRUPTING) == 0 || (v & copy.ram[B] & FLAGS) == 0)
        abort();
    if (in(&copy, C, now) != 0 || line_up(&copy))
        abort();
}

static void check_due(const struct rtc *c, const struct chipset_time *now)
{
    struct rtc copy = *c;
    struct chipset_time at;
    uint64_t due;

    if (rtc_due_ns(c, now) == 0)
        check_rise(c, now);
    (void)rtc_wake(&copy, now); /* what a clock that was set back brings, comes now */
    if (!far_from_ends(&copy, now))
        return;
    due = rtc_due_ns(&copy, now);
    if (due == 0)
        abort();
    at = later(now, due == UINT64_MAX ? (uint64_t)CALENDAR_DAY_S * NS_IN_S : due - 1);
    if (rtc_wake(&copy, &at))
        abort();
    if (due == UINT64_MAX)
        return;
    at = later(now, due);
    check_rise(&copy, &at);
}

static void check_interrupts(const struct rtc *c, const struct chipset_time *now, uint64_t ns)
{
    struct rtc copy = *c;

    check_due(c, now);
    (void)rtc_wake(&copy, now);
    if (far_from_ends(&copy, now))
        check_path(&copy, now, ns);
}

static void step(struct rtc *c, struct chipset_time *now, const uint8_t *at)
{
    uint64_t value = (uint64_t)at[1] << 8 | at[2];

    switch (at[0] % 8) {
    case 0:
        out(c, at[1], at[2], now);
        break;
    case 1:
        (void)in(c, at[1] & 0x7f, now);
        break;
    case 2:
        now->real_s = (int64_t)((uint64_t)now->real_s + value);
        break;
    case 3: /* a jump: of any length, either way */
        now->real_s = (int64_t)((uint64_t)now->real_s + (value << at[0] / 8));
        break;
    case 4:
        now->real_ns = (uint32_t)(value * 15258);
        break;
    case 5:
        out(c, time_regs[at[1] % COUNT_OF(time_regs)], at[2], now);
        break;
    case 6:
        out(c, alarm_regs[at[1] % COUNT_OF(alarm_regs)], at[2], now);
        break;
    default:
        if (rtc_wake(c, now) && !line_up(c))
            abort();
        break;
    }
}

/* A predecessor that was taken over writes what it likes into its state. */
static void load_foreign(uint32_t schema, const uint8_t *data, size_t size)
{
    const struct chipset_time times[] = {
        {.real_s = INT64_MAX, .real_ns = 999999999},
        {.real_s = 1700000000                  }
    };
    struct rtc c;

    for (unsigned i = 0; i < COUNT_OF(times); i++) {
        struct rd r = rd_over(data, size);

        if (rtc_load(&r, schema, &times[i], &c) < 0)
            continue;
        check_interrupts(&c, &times[i], NS_IN_S);
        (void)rtc_wake(&c, &times[i]);
        check(&c, &times[i]);
        succeed(&c, &times[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct chipset_time now = {.real_s = 1700000000};
    struct rtc c;

    if (size == 0)
        return 0;
    if (data[0] >= 0xfe) {
        load_foreign(data[0] == 0xff ? CHIPSET_SCHEMA : 1, data + 1, size - 1);
        return 0;
    }
    rtc_init(&c, &now);
    for (size_t i = 0; i + 2 < size; i += 3) {
        step(&c, &now, data + i);
        check(&c, &now);
        check_interrupts(&c, &now, (uint64_t)data[i + 1] << data[i + 2] % 40);
        succeed(&c, &now);
    }
    return 0;
}

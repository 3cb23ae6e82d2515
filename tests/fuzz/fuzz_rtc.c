/*
 * tests/fuzz/fuzz_rtc.c - a guest that writes what it likes to the clock under a host whose clock
 * jumps, and a successor that takes over after every step.
 *
 * Three bytes a step: what to do, and two of value. Promises checked: the successor's state is the
 * same; the time shown is always a date that exists, in the mode that register B asks for; a date
 * that was shown can be set again and is then shown.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "workers/chipset/rtc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    B = 0x0b,
    B_24H = 0x02,
    B_BINARY = 0x04,
    B_SET = 0x80,
};

static const uint8_t time_regs[] = {0x00, 0x02, 0x04, 0x07, 0x08, 0x09, 0x32};

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

static void succeed(struct rtc *c)
{
    uint8_t before[RTC_STATE_MAX] = {0};
    uint8_t after[RTC_STATE_MAX] = {0};
    struct rd r = rd_over(before, sizeof(before));
    struct rtc next;

    save(c, before);
    if (rtc_load(&r, &next) < 0 || rd_finish(&r) < 0)
        abort();
    save(&next, after);
    if (memcmp(before, after, sizeof(before)) != 0)
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

    if ((b & B_SET) != 0)
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

static void step(struct rtc *c, struct chipset_time *now, const uint8_t *at)
{
    uint64_t value = (uint64_t)at[1] << 8 | at[2];

    switch (at[0] % 6) {
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
        now->real_s = (int64_t)((uint64_t)now->real_s + (value << at[0] / 6));
        break;
    case 4:
        now->real_ns = (uint32_t)(value * 15258);
        break;
    default:
        out(c, time_regs[at[1] % COUNT_OF(time_regs)], at[2], now);
        break;
    }
}

/* A predecessor that was taken over writes what it likes into its state. */
static void load_foreign(const uint8_t *data, size_t size)
{
    const struct chipset_time now = {.real_s = INT64_MAX, .real_ns = 999999999};
    struct rd r = rd_over(data, size);
    struct rtc c;

    if (rtc_load(&r, &c) == 0)
        check(&c, &now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct chipset_time now = {.real_s = 1700000000};
    struct rtc c;

    if (size == 0)
        return 0;
    if (data[0] == 0xff) {
        load_foreign(data + 1, size - 1);
        return 0;
    }
    rtc_init(&c);
    for (size_t i = 0; i + 2 < size; i += 3) {
        step(&c, &now, data + i);
        check(&c, &now);
        succeed(&c);
    }
    return 0;
}

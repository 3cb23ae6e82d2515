#include "workers/chipset/rtc.h"

#include <errno.h>
#include <stdbool.h>

#include "workers/chipset/calendar.h"

enum {
    REG_SECONDS = 0x00,
    REG_MINUTES = 0x02,
    REG_HOURS = 0x04,
    REG_WEEKDAY = 0x06, /* 1: Sunday */
    REG_DAY = 0x07,
    REG_MONTH = 0x08,
    REG_YEAR = 0x09,
    REG_A = 0x0a,
    REG_B = 0x0b,
    REG_C = 0x0c,
    REG_D = 0x0d,
    REG_CENTURY = 0x32,

    A_RUNNING = 0x26, /* 32 kHz crystal, 1 kHz square wave: what a PC's firmware leaves */
    A_UIP = 0x80,
    B_24H = 0x02,
    B_BINARY = 0x04,
    B_SET = 0x80,
    C_UPDATE_ENDED = 0x10,
    D_VALID = 0x80,
    HOUR_PM = 0x80,
    NO_NMI = 0x80, /* in the index port; there is no such NMI */

    NS_IN_S = 1000000000,
    UIP_NS = 244000, /* how long before an update UIP rises */
};

/* From the first moment to the last, and back: no offset is longer. */
static const int64_t OFFSET_MAX_S = 1000000000000;

/* The time registers, in the order of struct civil. */
static const uint8_t time_registers[] = {REG_SECONDS, REG_MINUTES, REG_HOURS, REG_WEEKDAY,
                                         REG_DAY,     REG_MONTH,   REG_YEAR,  REG_CENTURY};

void rtc_init(struct rtc *c)
{
    *c = (struct rtc){0};
    c->ram[REG_A] = A_RUNNING;
    c->ram[REG_B] = B_24H;
}

/* --- registers as numbers --- */

static uint8_t encode(const struct rtc *c, unsigned v)
{
    if ((c->ram[REG_B] & B_BINARY) != 0)
        return (uint8_t)v;
    return (uint8_t)(v / 10 << 4 | v % 10);
}

/* False for what is not a number below limit. */
static bool decode(const struct rtc *c, uint8_t raw, unsigned limit, unsigned *ret)
{
    unsigned v = raw;

    if ((c->ram[REG_B] & B_BINARY) == 0) {
        if ((raw & 15) > 9) /* ten tens or more are above every limit */
            return false;
        v = raw / 16u * 10 + raw % 16u;
    }
    if (v >= limit)
        return false;
    *ret = v;
    return true;
}

static uint8_t encode_hour(const struct rtc *c, unsigned hour)
{
    unsigned half = hour % 12 == 0 ? 12 : hour % 12;

    if ((c->ram[REG_B] & B_24H) != 0)
        return encode(c, hour);
    return encode(c, half) | (hour >= 12 ? HOUR_PM : 0);
}

static bool decode_hour(const struct rtc *c, uint8_t raw, unsigned *ret)
{
    unsigned half;

    if ((c->ram[REG_B] & B_24H) != 0)
        return decode(c, raw, 24, ret);
    if (!decode(c, raw & (uint8_t)~HOUR_PM, 13, &half) || half == 0)
        return false;
    *ret = half % 12 + ((raw & HOUR_PM) != 0 ? 12 : 0);
    return true;
}

static uint8_t encode_register(const struct rtc *c, const struct civil *t, uint8_t reg)
{
    switch (reg) {
    case REG_SECONDS:
        return encode(c, t->second);
    case REG_MINUTES:
        return encode(c, t->minute);
    case REG_HOURS:
        return encode_hour(c, t->hour);
    case REG_WEEKDAY:
        return encode(c, t->weekday + 1);
    case REG_DAY:
        return encode(c, t->day);
    case REG_MONTH:
        return encode(c, t->month);
    case REG_YEAR:
        return encode(c, t->year % 100);
    default:
        return encode(c, t->year / 100);
    }
}

/* What the time registers in ram say. False, and *ret untouched, if that is no date. */
static bool decode_registers(const struct rtc *c, struct civil *ret)
{
    struct civil t = {0};
    unsigned year, century;

    if (!decode(c, c->ram[REG_SECONDS], 60, &t.second) ||
        !decode(c, c->ram[REG_MINUTES], 60, &t.minute) ||
        !decode_hour(c, c->ram[REG_HOURS], &t.hour) || !decode(c, c->ram[REG_DAY], 32, &t.day) ||
        !decode(c, c->ram[REG_MONTH], 13, &t.month) || !decode(c, c->ram[REG_YEAR], 100, &year) ||
        !decode(c, c->ram[REG_CENTURY], 100, &century) || t.month == 0)
        return false;
    t.year = century * 100 + year;
    if (t.day == 0 || t.day > calendar_days_in_month(t.year, t.month))
        return false;
    *ret = t;
    return true;
}

/* --- the running clock --- */

struct instant {
    int64_t s;
    uint32_t ns;
};

static struct instant guest_now(const struct rtc *c, const struct chipset_time *now)
{
    uint32_t ns = now->real_ns % NS_IN_S + c->offset_ns;
    int64_t s = calendar_clamp(now->real_s) + c->offset_s + (ns >= NS_IN_S ? 1 : 0);

    return (struct instant){.s = calendar_clamp(s), .ns = ns % NS_IN_S};
}

static void set_clock(struct rtc *c, struct instant to, const struct chipset_time *now)
{
    uint32_t host_ns = now->real_ns % NS_IN_S;
    bool borrow = to.ns < host_ns;

    c->offset_s = to.s - calendar_clamp(now->real_s) - (borrow ? 1 : 0);
    c->offset_ns = to.ns + (borrow ? NS_IN_S : 0) - host_ns;
    c->seen_s = to.s;
}

static bool is_time(uint8_t reg)
{
    for (unsigned i = 0; i < COUNT_OF(time_registers); i++) {
        if (time_registers[i] == reg)
            return true;
    }
    return false;
}

/* Copy the running time into the registers. */
static void latch(struct rtc *c, const struct chipset_time *now)
{
    struct civil t = calendar_civil(guest_now(c, now).s);

    for (unsigned i = 0; i < COUNT_OF(time_registers); i++)
        c->ram[time_registers[i]] = encode_register(c, &t, time_registers[i]);
}

static bool is_set(const struct rtc *c)
{
    return (c->ram[REG_B] & B_SET) != 0;
}

static uint8_t read_a(const struct rtc *c, const struct chipset_time *now)
{
    bool updating = !is_set(c) && guest_now(c, now).ns >= NS_IN_S - UIP_NS;

    return c->ram[REG_A] | (updating ? A_UIP : 0);
}

static uint8_t read_c(struct rtc *c, const struct chipset_time *now, struct io *io)
{
    int64_t s = guest_now(c, now).s;

    if (is_set(c) || s == c->seen_s)
        return 0;
    c->seen_s = s; /* reading clears the flag */
    io->changed = true;
    return C_UPDATE_ENDED;
}

static uint8_t read_register(struct rtc *c, const struct chipset_time *now, struct io *io)
{
    struct civil t;

    switch (c->index) {
    case REG_A:
        return read_a(c, now);
    case REG_C:
        return read_c(c, now, io);
    case REG_D:
        return D_VALID;
    default:
        if (!is_time(c->index) || is_set(c))
            return c->ram[c->index];
        t = calendar_civil(guest_now(c, now).s);
        return encode_register(c, &t, c->index);
    }
}

/* SET rises: the registers stand still to be written. SET falls: they are the time. */
static void write_b(struct rtc *c, uint8_t v, const struct chipset_time *now)
{
    bool was_set = is_set(c);
    struct civil t;

    if (!was_set && (v & B_SET) != 0)
        latch(c, now);
    c->ram[REG_B] = v;
    if (was_set && (v & B_SET) == 0 && decode_registers(c, &t)) {
        /* The first update comes half a second later, as after a reset of the divider. */
        set_clock(c, (struct instant){.s = calendar_seconds(&t), .ns = NS_IN_S / 2}, now);
    }
}

static void write_time(struct rtc *c, uint8_t v, const struct chipset_time *now)
{
    struct civil t;

    if (!is_set(c))
        latch(c, now);
    c->ram[c->index] = v;
    if (!is_set(c) && decode_registers(c, &t))
        set_clock(c, (struct instant){.s = calendar_seconds(&t), .ns = guest_now(c, now).ns}, now);
}

static void write_register(struct rtc *c, uint8_t v, const struct chipset_time *now)
{
    switch (c->index) {
    case REG_A:
        c->ram[REG_A] = v & (uint8_t)~A_UIP;
        break;
    case REG_B:
        write_b(c, v, now);
        break;
    case REG_C:
    case REG_D: /* read-only */
        break;
    default:
        if (is_time(c->index))
            write_time(c, v, now);
        else
            c->ram[c->index] = v;
        break;
    }
}

void rtc_access(struct rtc *c, struct io *io, const struct chipset_time *now)
{
    bool index_port = io->port % 2 == 0;

    if (io->write) {
        io->changed = true;
        if (index_port)
            c->index = (uint8_t)io->data & (uint8_t)~NO_NMI;
        else
            write_register(c, (uint8_t)io->data, now);
        return;
    }
    io->data = index_port ? 0xff : read_register(c, now, io);
}

void rtc_save(const struct rtc *c, struct wr *w)
{
    wr_u8(w, c->index);
    wr_bytes(w, c->ram, sizeof(c->ram));
    wr_le64(w, (uint64_t)c->offset_s);
    wr_le32(w, c->offset_ns);
    wr_le64(w, (uint64_t)c->seen_s);
}

int rtc_load(struct rd *r, struct rtc *ret)
{
    struct rtc c = {0};

    c.index = rd_u8(r);
    rd_copy(r, c.ram, sizeof(c.ram));
    c.offset_s = (int64_t)rd_le64(r);
    c.offset_ns = rd_le32(r);
    c.seen_s = (int64_t)rd_le64(r);
    if (!rd_ok(r) || c.index >= RTC_RAM_BYTES || c.offset_ns >= NS_IN_S ||
        c.offset_s > OFFSET_MAX_S || c.offset_s < -OFFSET_MAX_S || (c.ram[REG_A] & A_UIP) != 0)
        return -EBADMSG;
    *ret = c;
    return 0;
}

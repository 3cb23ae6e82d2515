#include "workers/chipset/rtc.h"

#include <errno.h>
#include <stdbool.h>

#include "workers/chipset/calendar.h"

enum {
    REG_SECONDS = 0x00,
    REG_SECONDS_ALARM = 0x01,
    REG_MINUTES = 0x02,
    REG_MINUTES_ALARM = 0x03,
    REG_HOURS = 0x04,
    REG_HOURS_ALARM = 0x05,
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
    A_RATE = 0x0f,
    A_DIVIDER_RESET = 0x60, /* these two bits; the third does not matter then */
    A_UIP = 0x80,
    B_24H = 0x02,
    B_BINARY = 0x04,
    B_UPDATE_ENDED = 0x10, /* enables of the flags in register C */
    B_SET = 0x80,
    C_UPDATE_ENDED = 0x10,
    C_ALARM = 0x20,
    C_PERIODIC = 0x40,
    C_FLAGS = C_UPDATE_ENDED | C_ALARM | C_PERIODIC,
    C_INTERRUPTING = 0x80,
    D_VALID = 0x80,
    HOUR_PM = 0x80,
    ALARM_ANY = 0xc0, /* an alarm byte from here on matches every time */
    NO_NMI = 0x80,    /* in the index port; there is no such NMI */

    CRYSTAL_HZ = 32768,
    NS_IN_S = 1000000000,
    UIP_NS = 244000, /* how long before an update UIP rises */
};

/* From the first moment to the last, and back: no offset is longer. */
static const int64_t OFFSET_MAX_S = 1000000000000;

/* The time registers, in the order of struct civil. */
static const uint8_t time_registers[] = {REG_SECONDS, REG_MINUTES, REG_HOURS, REG_WEEKDAY,
                                         REG_DAY,     REG_MONTH,   REG_YEAR,  REG_CENTURY};

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

/* With SET on, or with the divider in reset, the time registers stand still to be written. */
static bool standing(uint8_t a, uint8_t b)
{
    return (b & B_SET) != 0 || (a & A_DIVIDER_RESET) == A_DIVIDER_RESET;
}

static bool stands(const struct rtc *c)
{
    return standing(c->ram[REG_A], c->ram[REG_B]);
}

static struct rtc_instant guest_now(const struct rtc *c, const struct chipset_time *now)
{
    uint32_t ns = now->real_ns % NS_IN_S + c->offset_ns;
    int64_t s = calendar_clamp(now->real_s) + c->offset_s + (ns >= NS_IN_S ? 1 : 0);

    return (struct rtc_instant){.s = calendar_clamp(s), .ns = ns % NS_IN_S};
}

static void set_clock(struct rtc *c, struct rtc_instant to, const struct chipset_time *now)
{
    uint32_t host_ns = now->real_ns % NS_IN_S;
    bool borrow = to.ns < host_ns;

    c->offset_s = to.s - calendar_clamp(now->real_s) - (borrow ? 1 : 0);
    c->offset_ns = to.ns + (borrow ? NS_IN_S : 0) - host_ns;
    c->seen = to;
}

static bool is_time(uint8_t reg)
{
    for (unsigned i = 0; i < COUNT_OF(time_registers); i++) {
        if (time_registers[i] == reg)
            return true;
    }
    return false;
}

/* Copy the running time, which is c->seen, into the registers. */
static void latch(struct rtc *c)
{
    struct civil t = calendar_civil(c->seen.s);

    for (unsigned i = 0; i < COUNT_OF(time_registers); i++)
        c->ram[time_registers[i]] = encode_register(c, &t, time_registers[i]);
}

/* --- flags: register C --- */

/* Periodic interrupts in a second; 0: none. */
static unsigned rate_hz(const struct rtc *c)
{
    unsigned rate = c->ram[REG_A] & A_RATE;

    if (rate == 0 || (c->ram[REG_A] & A_DIVIDER_RESET) == A_DIVIDER_RESET)
        return 0;
    return (unsigned)CRYSTAL_HZ >> (rate <= 2 ? rate + 6 : rate - 1); /* 1 and 2 are as 8 and 9 */
}

/* Whole periods from the beginning of time. */
static uint64_t periods(struct rtc_instant t, unsigned hz)
{
    return (uint64_t)(t.s - CALENDAR_FIRST_S) * hz + (uint64_t)t.ns * hz / NS_IN_S;
}

/* False when the alarm bytes are no time: they match never. */
static bool decode_alarm(const struct rtc *c, struct civil *ret)
{
    uint8_t second = c->ram[REG_SECONDS_ALARM];
    uint8_t minute = c->ram[REG_MINUTES_ALARM];
    uint8_t hour = c->ram[REG_HOURS_ALARM];

    ret->second = ret->minute = ret->hour = CALENDAR_ANY;
    return (second >= ALARM_ANY || decode(c, second, 60, &ret->second)) &&
           (minute >= ALARM_ANY || decode(c, minute, 60, &ret->minute)) &&
           (hour >= ALARM_ANY || decode_hour(c, hour, &ret->hour));
}

/* The first second after s in which the alarm comes. False: never. */
static bool alarm_after(const struct rtc *c, int64_t s, int64_t *ret)
{
    struct civil alarm = {0};

    if (!decode_alarm(c, &alarm))
        return false;
    *ret = calendar_next(s, &alarm);
    return true;
}

/* From one second to another. */
static void notice_update(struct rtc *c, int64_t s)
{
    int64_t alarm_s;

    c->ram[REG_C] |= C_UPDATE_ENDED;
    if (alarm_after(c, c->seen.s, &alarm_s) && alarm_s <= s)
        c->ram[REG_C] |= C_ALARM;
}

/*
 * Raise the flags of all that happened since c->seen, and bring c->seen to now. What happened is a
 * function of both alone: a successor that starts from an older c->seen finds the same.
 */
static void notice(struct rtc *c, const struct chipset_time *now)
{
    struct rtc_instant t = guest_now(c, now);
    unsigned hz = rate_hz(c);

    if (hz != 0 && periods(t, hz) != periods(c->seen, hz))
        c->ram[REG_C] |= C_PERIODIC;
    if (!stands(c) && t.s != c->seen.s)
        notice_update(c, t.s);
    c->seen = t;
}

static bool interrupting(const struct rtc *c)
{
    return (c->ram[REG_C] & c->ram[REG_B] & C_FLAGS) != 0;
}

/* --- when the next flag will interrupt --- */

static uint64_t until(struct rtc_instant from, struct rtc_instant to)
{
    int64_t ns;

    if (to.s < from.s)
        return 0;
    ns = (to.s - from.s) * NS_IN_S + to.ns - from.ns; /* a day and a second at most */
    return ns < 0 ? 0 : (uint64_t)ns;
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static struct rtc_instant earlier(struct rtc_instant a, struct rtc_instant b)
{
    return a.s < b.s || (a.s == b.s && a.ns < b.ns) ? a : b;
}

static struct rtc_instant next_period(struct rtc_instant t, unsigned hz)
{
    uint64_t n = (uint64_t)t.ns * hz / NS_IN_S + 1;

    t.ns = (uint32_t)((n * NS_IN_S + hz - 1) / hz);
    return t;
}

bool rtc_armed(const struct rtc *c)
{
    return (c->ram[REG_B] & C_FLAGS) != 0 && !interrupting(c);
}

uint64_t rtc_due_ns(const struct rtc *c, const struct chipset_time *now)
{
    struct rtc_instant t = guest_now(c, now);
    struct rtc_instant from = earlier(c->seen, t);
    struct rtc_instant to = {.s = from.s + 1};
    uint64_t due = UINT64_MAX;

    if (!rtc_armed(c))
        return due;
    if ((c->ram[REG_B] & C_PERIODIC) != 0 && rate_hz(c) != 0)
        due = until(t, next_period(from, rate_hz(c)));
    if ((c->ram[REG_B] & C_UPDATE_ENDED) != 0 && !stands(c))
        due = sooner(due, until(t, to));
    if ((c->ram[REG_B] & C_ALARM) != 0 && !stands(c) && alarm_after(c, from.s, &to.s))
        due = sooner(due, until(t, to));
    return due;
}

/* --- accesses: notice() has brought c->seen to now --- */

void rtc_init(struct rtc *c, const struct chipset_time *now)
{
    *c = (struct rtc){0};
    c->ram[REG_A] = A_RUNNING;
    c->ram[REG_B] = B_24H;
    c->seen = guest_now(c, now);
}

static uint8_t read_c(struct rtc *c, struct io *io)
{
    uint8_t v = c->ram[REG_C] | (interrupting(c) ? C_INTERRUPTING : 0);

    c->ram[REG_C] = 0;
    io->changed = v != 0;
    return v;
}

static uint8_t read_register(struct rtc *c, struct io *io)
{
    bool updating = !stands(c) && c->seen.ns >= NS_IN_S - UIP_NS;
    struct civil t;

    switch (c->index) {
    case REG_A:
        return c->ram[REG_A] | (updating ? A_UIP : 0);
    case REG_C:
        return read_c(c, io);
    case REG_D:
        return D_VALID;
    default:
        if (!is_time(c->index) || stands(c))
            return c->ram[c->index];
        t = calendar_civil(c->seen.s);
        return encode_register(c, &t, c->index);
    }
}

/* The clock comes to a stand: its registers can be written. It runs again: they are the time. */
static void control(struct rtc *c, uint8_t a, uint8_t b, const struct chipset_time *now)
{
    bool stood = stands(c);
    struct civil t;

    if (!stood && standing(a, b))
        latch(c);
    if ((b & ~c->ram[REG_B] & B_SET) != 0)
        b &= (uint8_t)~B_UPDATE_ENDED;
    c->ram[REG_A] = a;
    c->ram[REG_B] = b;
    if (stood && !stands(c) && decode_registers(c, &t)) {
        /* The first update comes half a second later, as after a reset of the divider. */
        set_clock(c, (struct rtc_instant){.s = calendar_seconds(&t), .ns = NS_IN_S / 2}, now);
    }
}

static void write_time(struct rtc *c, uint8_t v, const struct chipset_time *now)
{
    struct civil t;

    if (!stands(c))
        latch(c);
    c->ram[c->index] = v;
    if (!stands(c) && decode_registers(c, &t))
        set_clock(c, (struct rtc_instant){.s = calendar_seconds(&t), .ns = c->seen.ns}, now);
}

static void write_register(struct rtc *c, uint8_t v, const struct chipset_time *now)
{
    switch (c->index) {
    case REG_A:
        control(c, v & (uint8_t)~A_UIP, c->ram[REG_B], now);
        break;
    case REG_B:
        control(c, c->ram[REG_A], v, now);
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

static void access_port(struct rtc *c, struct io *io, const struct chipset_time *now)
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
    io->data = index_port ? 0xff : read_register(c, io);
}

/* The line is edge-triggered at the other end. True when it rose. */
static bool announce(struct rtc *c, bool before)
{
    bool rose = !before && interrupting(c);

    c->edge |= rose;
    return rose;
}

void rtc_access(struct rtc *c, struct io *io, const struct chipset_time *now)
{
    bool before = interrupting(c);

    notice(c, now);
    access_port(c, io, now);
    io->changed |= announce(c, before);
}

bool rtc_wake(struct rtc *c, const struct chipset_time *now)
{
    bool before = interrupting(c);

    notice(c, now);
    return announce(c, before);
}

void rtc_save(const struct rtc *c, struct wr *w)
{
    wr_u8(w, c->index);
    wr_bytes(w, c->ram, sizeof(c->ram));
    wr_le64(w, (uint64_t)c->offset_s);
    wr_le32(w, c->offset_ns);
    wr_le64(w, (uint64_t)c->seen.s);
    wr_le32(w, c->seen.ns);
}

/*
 * Schema 1 had one flag, which it found out when asked: was there an update since c->seen.s? Its
 * clock ran on while the divider was in reset.
 */
static void load_1(struct rtc *c, const struct chipset_time *now)
{
    int64_t seen_s = c->seen.s;

    c->seen = guest_now(c, now);
    if ((c->ram[REG_B] & B_SET) != 0)
        return;
    if (seen_s != c->seen.s)
        c->ram[REG_C] |= C_UPDATE_ENDED;
    if (stands(c))
        latch(c);
}

static bool valid(const struct rtc *c)
{
    return c->index < RTC_RAM_BYTES && (c->ram[REG_A] & A_UIP) == 0 &&
           (c->ram[REG_C] & ~C_FLAGS) == 0 && c->offset_ns < NS_IN_S &&
           c->offset_s <= OFFSET_MAX_S && c->offset_s >= -OFFSET_MAX_S;
}

int rtc_load(struct rd *r, uint32_t schema, const struct chipset_time *now, struct rtc *ret)
{
    struct rtc c = {0};

    c.index = rd_u8(r);
    rd_copy(r, c.ram, sizeof(c.ram));
    c.offset_s = (int64_t)rd_le64(r);
    c.offset_ns = rd_le32(r);
    c.seen.s = (int64_t)rd_le64(r);
    c.seen.ns = schema == 1 ? 0 : rd_le32(r);
    if (!rd_ok(r) || !valid(&c))
        return -EBADMSG;
    if (schema == 1)
        load_1(&c, now);
    if (calendar_clamp(c.seen.s) != c.seen.s || c.seen.ns >= NS_IN_S)
        return -EBADMSG;
    c.edge = interrupting(&c); /* one may have died with its generation */
    *ret = c;
    return 0;
}

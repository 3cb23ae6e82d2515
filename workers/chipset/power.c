#include "workers/chipset/power.h"

#include <errno.h>

#include "base/clock.h"

enum {
    PM1_STATUS = 0x600, /* 2 bytes each */
    PM1_ENABLE = 0x602,
    PM1_CONTROL = 0x604,
    PM_TIMER = 0x608, /* 4 bytes */
    PM_TIMER_END = 0x60c,
    I8042_DATA = 0x60,
    I8042_COMMAND = 0x64,
    PVPANIC = 0x505,
    RESET_CONTROL = 0xcf9,

    /* Timer, global lock, power button, sleep button, RTC. */
    PM1_ENABLE_BITS = 0x0721,
    PM1_SCI_EN = 0x0001,
    PM1_SLP_TYP = 0x1c00,
    PM1_SLP_TYP_SHIFT = 10,
    PM1_SLP_EN = 0x2000,
    PM1_CONTROL_BITS = PM1_SLP_TYP | 0x0002, /* bus master reload */
    SLP_TYP_S5 = 5,                          /* as the DSDT says */

    I8042_PULSE_RESET = 0xfe,
    RESET_CPU = 0x04,
    PVPANIC_PANICKED = 0x01,
    PVPANIC_CRASH_LOADED = 0x02,

    TIMER_HZ = 3579545,
};

void power_init(struct power *p, const struct chipset_time *now)
{
    *p = (struct power){.start_ns = now->mono_ns};
}

static uint32_t timer(const struct power *p, const struct chipset_time *now)
{
    uint64_t ns = now->mono_ns > p->start_ns ? now->mono_ns - p->start_ns : 0;

    return (uint32_t)(ns / NS_PER_S * TIMER_HZ + ns % NS_PER_S * TIMER_HZ / NS_PER_S);
}

static uint8_t byte_of(uint32_t v, unsigned i)
{
    return (uint8_t)(v >> (8 * i));
}

static uint8_t read_pm_byte(const struct power *p, uint16_t port, struct io *io,
                            const struct chipset_time *now)
{
    switch (port & ~1) {
    case PM1_STATUS:
        return 0;
    case PM1_ENABLE:
        return byte_of(p->pm1_enable, port & 1u);
    case PM1_CONTROL:
        return byte_of(p->pm1_control | PM1_SCI_EN, port & 1u);
    default:
        if (port >= PM_TIMER && port < PM_TIMER_END)
            return byte_of(timer(p, now), port - (unsigned)PM_TIMER);
        io->unknown = true;
        return 0xff;
    }
}

static void set_byte(uint16_t *reg, unsigned i, uint8_t v)
{
    *reg = (uint16_t)((*reg & ~(0xff << (8 * i))) | v << (8 * i));
}

/* *control collects what is written to PM1_CNT, with the bits that are not kept. */
static void write_pm_byte(struct power *p, uint16_t port, uint8_t v, uint16_t *control,
                          struct io *io)
{
    switch (port & ~1) {
    case PM1_STATUS: /* writing 1 clears what is 0 already */
        break;
    case PM1_ENABLE:
        set_byte(&p->pm1_enable, port & 1u, v);
        p->pm1_enable &= PM1_ENABLE_BITS;
        break;
    case PM1_CONTROL:
        set_byte(control, port & 1u, v);
        break;
    default: /* the timer is read-only */
        io->unknown = port < PM_TIMER || port >= PM_TIMER_END;
        break;
    }
}

static void write_pm(struct power *p, struct io *io)
{
    uint16_t control = p->pm1_control;

    for (unsigned i = 0; i < io->size; i++)
        write_pm_byte(p, (uint16_t)(io->port + i), byte_of(io->data, i), &control, io);
    p->pm1_control = control & PM1_CONTROL_BITS;
    if ((control & PM1_SLP_EN) != 0 && (control & PM1_SLP_TYP) >> PM1_SLP_TYP_SHIFT == SLP_TYP_S5)
        io->effect = PORT_EFFECT_POWER_OFF;
}

static void access_pm(struct power *p, struct io *io, const struct chipset_time *now)
{
    uint32_t data = 0;

    if (io->write) {
        io->changed = true;
        write_pm(p, io);
        return;
    }
    for (unsigned i = 0; i < io->size; i++)
        data |= (uint32_t)read_pm_byte(p, (uint16_t)(io->port + i), io, now) << (8 * i);
    io->data = data;
}

/* Writes that end the VM; each of these ports is otherwise without state. */
static enum port_effect effect_of_write(const struct io *io)
{
    if (io->port == I8042_COMMAND && io->data == I8042_PULSE_RESET)
        return PORT_EFFECT_RESET;
    if (io->port == RESET_CONTROL && (io->data & RESET_CPU) != 0)
        return PORT_EFFECT_RESET;
    if (io->port == PVPANIC && (io->data & PVPANIC_PANICKED) != 0)
        return PORT_EFFECT_PANIC;
    return PORT_EFFECT_NONE;
}

void power_access(struct power *p, struct io *io, const struct chipset_time *now)
{
    if (io->port >= PM1_STATUS && io->port < PM1_STATUS + 16)
        access_pm(p, io, now);
    else if (io->write)
        io->effect = effect_of_write(io);
    else /* an i8042 that is idle, and no reset under way */
        io->data = io->port == PVPANIC ? PVPANIC_PANICKED | PVPANIC_CRASH_LOADED : 0;
}

void power_save(const struct power *p, struct wr *w)
{
    wr_le16(w, p->pm1_enable);
    wr_le16(w, p->pm1_control);
    wr_le64(w, p->start_ns);
}

int power_load(struct rd *r, struct power *ret)
{
    struct power p;

    p.pm1_enable = rd_le16(r);
    p.pm1_control = rd_le16(r);
    p.start_ns = rd_le64(r);
    if (!rd_ok(r) || (p.pm1_enable & ~PM1_ENABLE_BITS) != 0 ||
        (p.pm1_control & ~PM1_CONTROL_BITS) != 0)
        return -EBADMSG;
    *ret = p;
    return 0;
}

#include "workers/chipset/chipset.h"

#include <errno.h>
#include <stdbool.h>

#include "base/num.h"

enum device {
    DEVICE_UART,
    DEVICE_RTC,
    DEVICE_POWER,
    DEVICE_PCI,
};

struct range {
    uint16_t first;
    uint16_t len;
    enum device device;
    uint8_t index;
    bool wide; /* takes an access of any size; else byte by byte, as on an 8-bit bus */
    const char *what;
};

/* The first row that holds the whole access is its device. */
static const struct range ranges[] = {
    {0x3f8, 8,  DEVICE_UART,  0, false, "COM1"                        },
    {0x2f8, 8,  DEVICE_UART,  1, false, "COM2"                        },
    {0x3e8, 8,  DEVICE_UART,  2, false, "COM3"                        },
    {0x2e8, 8,  DEVICE_UART,  3, false, "COM4"                        },
    {0x600, 16, DEVICE_POWER, 0, true,  "ACPI PM block"               },
    {0x70,  2,  DEVICE_RTC,   0, false, "CMOS RTC"                    },
    {0x60,  1,  DEVICE_POWER, 0, false, "i8042 data"                  },
    {0x64,  1,  DEVICE_POWER, 0, false, "i8042 command"               },
    {0x505, 1,  DEVICE_POWER, 0, false, "pvpanic"                     },
    {0xcf9, 1,  DEVICE_POWER, 0, false, "reset control, bytes only"   },
    {0xcf8, 8,  DEVICE_PCI,   0, true,  "PCI configuration, any other"},
};

static const struct range *find(uint64_t addr, unsigned size)
{
    for (unsigned i = 0; i < COUNT_OF(ranges); i++) {
        const struct range *r = &ranges[i];

        if (addr >= r->first && range_inside(addr - r->first, size, r->len) &&
            (size == 1 || r->wide))
            return r;
    }
    return NULL;
}

static void run(struct chipset *c, const struct range *r, struct io *io,
                const struct chipset_time *now)
{
    switch (r->device) {
    case DEVICE_UART:
        uart_access(&c->uarts[r->index], io);
        break;
    case DEVICE_RTC:
        rtc_access(&c->rtc, io, now);
        break;
    case DEVICE_POWER:
        power_access(&c->power, io, now);
        break;
    case DEVICE_PCI:
        pci_access(&c->pci, io);
        break;
    }
}

/* False when nobody is there. */
static bool access_whole(struct chipset *c, uint64_t addr, struct io *io,
                         const struct chipset_time *now)
{
    const struct range *r = find(addr, io->size);

    if (r == NULL)
        return false;
    io->port = (uint16_t)addr;
    run(c, r, io, now);
    return true;
}

static void access_bytes(struct chipset *c, uint64_t addr, struct io *io,
                         const struct chipset_time *now)
{
    uint32_t data = 0;

    for (unsigned i = 0; i < io->size; i++) {
        struct io byte = {.size = 1, .write = io->write, .data = io->data >> (8 * i) & 0xff};

        if (!access_whole(c, addr + i, &byte, now))
            byte = (struct io){.data = 0xff, .unknown = true};
        data |= (byte.data & 0xff) << (8 * i);
        io->changed |= byte.changed;
        io->unknown |= byte.unknown;
        if (byte.effect != PORT_EFFECT_NONE)
            io->effect = byte.effect;
    }
    io->data = data;
}

static bool size_valid(const struct port_request *rq)
{
    return rq->space == PORT_SPACE_IO && (rq->size == 1 || rq->size == 2 || rq->size == 4);
}

void chipset_init(struct chipset *c, const struct chipset_time *now)
{
    *c = (struct chipset){0};
    for (unsigned i = 0; i < COM_COUNT; i++)
        uart_init(&c->uarts[i]);
    rtc_init(&c->rtc, now);
    power_init(&c->power, now);
    pci_init(&c->pci);
}

bool chipset_access(struct chipset *c, const struct port_request *rq,
                    const struct chipset_time *now, struct port_response *ret)
{
    struct io io = {.size = rq->size, .write = rq->op == PORT_WRITE};

    if (!size_valid(rq)) {
        c->unknown++;
        ret->data = all_ones(rq->size);
        return false;
    }
    if (io.write)
        io.data = (uint32_t)(rq->data & all_ones(rq->size));
    if (!access_whole(c, rq->addr, &io, now))
        access_bytes(c, rq->addr, &io, now);
    if (io.unknown)
        c->unknown++;
    ret->data = io.write ? 0 : io.data & all_ones(rq->size);
    ret->effect = io.effect;
    return io.changed;
}

void chipset_access_parked(const struct port_request *rq, struct port_response *ret)
{
    const struct range *r = size_valid(rq) ? find(rq->addr, rq->size) : NULL;
    const struct chipset_time now = {0};
    struct power fresh;

    ret->data = rq->op == PORT_WRITE ? 0 : all_ones(rq->size);
    if (r != NULL && r->device == DEVICE_POWER && rq->op == PORT_WRITE) {
        struct io io = {.port = (uint16_t)rq->addr,
                        .size = rq->size,
                        .write = true,
                        .data = (uint32_t)(rq->data & all_ones(rq->size))};

        power_init(&fresh, &now);
        power_access(&fresh, &io, &now);
        ret->effect = io.effect;
    }
}

void chipset_save(const struct chipset *c, struct wr *w)
{
    for (unsigned i = 0; i < COM_COUNT; i++)
        uart_save(&c->uarts[i], w);
    rtc_save(&c->rtc, w);
    power_save(&c->power, w);
    pci_save(&c->pci, w);
}

int chipset_load(struct rd *r, uint32_t schema, const struct chipset_time *now, struct chipset *ret)
{
    struct chipset c = {0};

    for (unsigned i = 0; i < COM_COUNT; i++) {
        if (uart_load(r, &c.uarts[i]) < 0)
            return -EBADMSG;
    }
    if (rtc_load(r, schema, now, &c.rtc) < 0 || power_load(r, &c.power) < 0 ||
        pci_load(r, &c.pci) < 0 || rd_finish(r) < 0)
        return -EBADMSG;
    *ret = c;
    return 0;
}

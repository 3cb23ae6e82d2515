/*
 * workers/chipset/chipset.h - all devices of the chipset, by I/O port, as one state machine.
 *
 * Owned by main.c; the streams and interrupts of the serial lines are line.h's.
 */
#pragma once

#include <stdint.h>

#include "base/macro.h"
#include "base/rd.h"
#include "base/wr.h"
#include "ipc/manifest.h"
#include "ipc/port.h"
#include "workers/chipset/pci.h"
#include "workers/chipset/power.h"
#include "workers/chipset/rtc.h"
#include "workers/chipset/uart.h"

enum {
    CHIPSET_SCHEMA = 2,
    CHIPSET_SCHEMA_MIN = 1, /* a clock without interrupts */
    CHIPSET_STATE_MAX =
        COM_COUNT * UART_STATE_MAX + RTC_STATE_MAX + POWER_STATE_MAX + PCI_STATE_MAX,
};

struct chipset {
    struct uart uarts[COM_COUNT];
    struct rtc rtc;
    struct power power;
    struct pci pci;
    uint64_t unknown; /* accesses to where nobody is; not part of the state */
};

void chipset_init(struct chipset *c, const struct chipset_time *now);

/*
 * Execute one request and fill *ret but for its seq. An access that no device holds as a whole is
 * made byte by byte; a byte that no device holds reads all-ones.
 * True when state changed that a successor must know.
 */
bool chipset_access(struct chipset *c, const struct port_request *rq,
                    const struct chipset_time *now, struct port_response *ret);

/* The same for a parked device, without state: all-ones, but what ends the VM works. */
void chipset_access_parked(const struct port_request *rq, struct port_response *ret);

void chipset_save(const struct chipset *c, struct wr *w);

/* A state of one of these schemas. 0, or -EBADMSG with *ret untouched. */
int MUST_USE chipset_load(struct rd *r, uint32_t schema, const struct chipset_time *now,
                          struct chipset *ret);

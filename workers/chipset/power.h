/*
 * workers/chipset/power.h - what ends the VM, and the ACPI PM timer: PM1 event and control blocks,
 * PM_TMR, the i8042's and 0xcf9's reset, pvpanic.
 *
 * There is no SCI: status bits never rise, enable bits are only remembered.
 *
 * @spec ACPI 6.5 4.8.3
 * @spec QEMU pvpanic
 */
#pragma once

#include <stdint.h>

#include "base/macro.h"
#include "base/rd.h"
#include "base/wr.h"
#include "workers/chipset/io.h"

enum {
    POWER_STATE_MAX = 2 + 2 + 8, /* bytes of power_save() */
};

struct power {
    uint16_t pm1_enable;
    uint16_t pm1_control;
    uint64_t start_ns; /* CLOCK_MONOTONIC at which PM_TMR was 0; kept, so a restart is not seen */
};

void power_init(struct power *p, const struct chipset_time *now);

/* The PM block at 0x600 takes any size; i8042, pvpanic and 0xcf9 take bytes. */
void power_access(struct power *p, struct io *io, const struct chipset_time *now);

void power_save(const struct power *p, struct wr *w);

/* 0, or -EBADMSG with *ret untouched. */
int MUST_USE power_load(struct rd *r, struct power *ret);

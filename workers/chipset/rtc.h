/*
 * workers/chipset/rtc.h - the MC146818 clock with 128 bytes of CMOS memory, without interrupts.
 *
 * The time is the host's CLOCK_REALTIME plus an offset that the guest changes by setting the clock.
 * It runs from year 0 to year 9999; beyond, it stands still at the end. A date that does not exist
 * is not taken: the clock runs on as it was.
 *
 * @spec MC146818 registers
 */
#pragma once

#include <stdint.h>

#include "base/macro.h"
#include "base/rd.h"
#include "base/wr.h"
#include "workers/chipset/io.h"

enum {
    RTC_RAM_BYTES = 128,
    RTC_STATE_MAX = 1 + RTC_RAM_BYTES + 8 + 4 + 8, /* bytes of rtc_save() */
};

struct rtc {
    uint8_t index;              /* the register that port 0x71 reaches */
    uint8_t ram[RTC_RAM_BYTES]; /* registers too: time registers count only while SET is on */
    int64_t offset_s;           /* the guest's time minus CLOCK_REALTIME, */
    uint32_t offset_ns;         /* and what is above whole seconds */
    int64_t seen_s;             /* the second in which register C was read: no update since */
};

/* As after years on a good battery: right time, UTC, BCD, 24 hours. */
void rtc_init(struct rtc *c);

/* One byte access: port 0x70 is the index (write-only), 0x71 the register. */
void rtc_access(struct rtc *c, struct io *io, const struct chipset_time *now);

void rtc_save(const struct rtc *c, struct wr *w);

/* 0, or -EBADMSG with *ret untouched. */
int MUST_USE rtc_load(struct rd *r, struct rtc *ret);

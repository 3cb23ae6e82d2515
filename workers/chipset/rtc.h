/*
 * workers/chipset/rtc.h - the MC146818 clock with 128 bytes of CMOS memory and its interrupts.
 *
 * The time is the host's CLOCK_REALTIME plus an offset that the guest changes by setting the clock.
 * It runs from year 0 to year 9999; beyond, it stands still at the end. A date that does not exist
 * is not taken: the clock runs on as it was.
 *
 * Nothing ticks. The flags of register C are worked out from the instant up to which they were
 * counted and from now, at each access and when rtc_due_ns() is over. Until the guest has read C
 * its line stays up, and nothing else can raise it: what it misses, it misses as on hardware, and
 * it cannot make the host wake for it.
 *
 * @spec MC146818 registers
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"
#include "base/rd.h"
#include "base/wr.h"
#include "workers/chipset/io.h"

enum {
    RTC_RAM_BYTES = 128,
    RTC_STATE_MAX = 1 + RTC_RAM_BYTES + 8 + 4 + 8 + 4, /* bytes of rtc_save() */
};

struct rtc_instant {
    int64_t s;   /* since 1970, as the guest's clock has it */
    uint32_t ns; /* below 1 s */
};

struct rtc {
    uint8_t index;              /* the register that port 0x71 reaches */
    uint8_t ram[RTC_RAM_BYTES]; /* registers too: those of the time count only while it stands */
    int64_t offset_s;           /* the guest's time minus CLOCK_REALTIME, */
    uint32_t offset_ns;         /* and what is above whole seconds */
    struct rtc_instant seen;    /* what happened up to here is in the flags of register C */

    /* For the owner to act on; not part of the state. */
    bool edge; /* the interrupt line rose: raise it once, after the commit, and clear this */
};

/* As after years on a good battery: right time, UTC, BCD, 24 hours. */
void rtc_init(struct rtc *c, const struct chipset_time *now);

/* One byte access: port 0x70 is the index (write-only), 0x71 the register. */
void rtc_access(struct rtc *c, struct io *io, const struct chipset_time *now);

/* Can the line rise without an access? */
bool rtc_armed(const struct rtc *c);

/* When it does, from now: ns, 0 if it is overdue, UINT64_MAX for never. */
uint64_t rtc_due_ns(const struct rtc *c, const struct chipset_time *now);

/* Time has passed. True when the line rose: state changed that a successor must know. */
bool rtc_wake(struct rtc *c, const struct chipset_time *now);

void rtc_save(const struct rtc *c, struct wr *w);

/*
 * What a state of this schema (chipset.h) says, at an instant not before it was saved. The edge of
 * a line that is up is announced once more. 0, or -EBADMSG with *ret untouched.
 */
int MUST_USE rtc_load(struct rd *r, uint32_t schema, const struct chipset_time *now,
                      struct rtc *ret);

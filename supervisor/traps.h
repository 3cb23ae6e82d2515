/*
 * supervisor/traps.h - breakpoints of a debugger where the processor's debug registers stop nobody: an instruction in the
 * guest's memory that exits.
 *
 * QEMU's emulation of SVM takes the guest's debug registers over without looking at them, and tells nobody of int3 (7.2; the
 * same in what came later). Port writes exit, so the instruction is `out %al, $PORT`. It has two bytes: who jumps between
 * them, or sets a break where two instructions of one byte are and jumps to the second, goes astray. Real processors do
 * without this.
 *
 * What was there is put back when the break goes, whoever dies. One thread: the loop's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/gmem.h"
#include "base/macro.h"
#include "ipc/guest_regs.h"

enum {
    TRAP_PORT = 0xe5, /* nobody's */
    TRAP_BYTES = 2,
};

struct trap {
    struct gpa at;
    uint8_t before[TRAP_BYTES];
};

struct traps {
    const struct gmem *memory; /* borrowed; NULL: the processor's debug registers do it */
    struct trap list[GUEST_BREAKS_MAX];
    unsigned n;
};

/* -EFAULT: not RAM, or over the end of a page; -ENOBUFS: too many. */
int MUST_USE traps_add(struct traps *t, uint64_t at);

/* What was there is there again, unless somebody has changed it since. */
void traps_clear(struct traps *t);

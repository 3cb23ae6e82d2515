/*
 * workers/debug/gdb_target.h - the registers as GDB counts them, and the description that tells it so.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "ipc/guest_regs.h"

enum {
    GDB_TARGET_REGS = 48,
    GDB_TARGET_NONE = -1, /* a register of the x87: GDB wants it, we do not have it */
};

struct gdb_target_reg {
    int reg; /* enum guest_reg, or GDB_TARGET_NONE */
    unsigned bytes;
};

/* Register n of GDB's; n is below GDB_TARGET_REGS. */
struct gdb_target_reg gdb_target_reg(unsigned n);

/* target.xml. No character in it needs escapes. */
extern const char gdb_target_xml[];
extern const size_t gdb_target_xml_len;

/*
 * ipc/guest_regs.h - the registers of a vCPU, as the supervisor and the debug worker tell them each other.
 *
 * The first 24 are in the order in which GDB has them on amd64.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"

enum guest_reg {
    GUEST_RAX,
    GUEST_RBX,
    GUEST_RCX,
    GUEST_RDX,
    GUEST_RSI,
    GUEST_RDI,
    GUEST_RBP,
    GUEST_RSP,
    GUEST_R8,
    GUEST_R9,
    GUEST_R10,
    GUEST_R11,
    GUEST_R12,
    GUEST_R13,
    GUEST_R14,
    GUEST_R15,
    GUEST_RIP,
    GUEST_RFLAGS,
    GUEST_WRITABLE, /* those before can be changed */
    GUEST_CS = GUEST_WRITABLE,
    GUEST_SS,
    GUEST_DS,
    GUEST_ES,
    GUEST_FS,
    GUEST_GS,
    GUEST_FS_BASE,
    GUEST_GS_BASE,
    GUEST_CR0,
    GUEST_CR2,
    GUEST_CR3,
    GUEST_CR4,
    GUEST_CR8,
    GUEST_EFER,
    GUEST_REGS,
};

struct guest_regs {
    uint64_t v[GUEST_REGS];
};

static inline const char *guest_reg_name(enum guest_reg reg)
{
    static const char *const names[] = {
        "rax", "rbx", "rcx",     "rdx",     "rsi", "rdi", "rbp",    "rsp", "r8",  "r9",   "r10",
        "r11", "r12", "r13",     "r14",     "r15", "rip", "rflags", "cs",  "ss",  "ds",   "es",
        "fs",  "gs",  "fs_base", "gs_base", "cr0", "cr2", "cr3",    "cr4", "cr8", "efer",
    };

    _Static_assert(COUNT_OF(names) == GUEST_REGS, "a name for each");
    return names[reg];
}

/* What stops a vCPU when it comes there. */
enum guest_break_kind {
    GUEST_BREAK_EXECUTE = 0, /* as the processor's debug registers have it */
    GUEST_BREAK_WRITE = 1,
    GUEST_BREAK_ACCESS = 3,
};

enum {
    GUEST_BREAKS_MAX = 4, /* debug registers of the processor */
};

struct guest_break {
    uint64_t address; /* virtual */
    uint32_t kind;    /* enum guest_break_kind */
    uint32_t len;     /* bytes: 1, 2, 4 or 8, and the address a multiple; 1 to execute */
};

/* Can the processor have it? */
static inline bool guest_break_fits(const struct guest_break *b)
{
    bool power = b->len == 1 || b->len == 2 || b->len == 4 || b->len == 8;

    if (!power || b->address % b->len != 0)
        return false;
    return b->kind == GUEST_BREAK_EXECUTE
               ? b->len == 1
               : b->kind == GUEST_BREAK_WRITE || b->kind == GUEST_BREAK_ACCESS;
}

/*
 * workers/debug/registers.h - the registers of a vCPU, as JSON.
 */
#pragma once

#include <stddef.h>

#include "ipc/guest_regs.h"

enum {
    REGISTERS_TEXT_MAX = 1280, /* of one vCPU */
};

/* {"vcpu":0,"rax":"0x...",...}; how many characters. */
size_t registers_text(unsigned vcpu, const struct guest_regs *regs, char ret[REGISTERS_TEXT_MAX]);

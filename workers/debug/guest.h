/*
 * workers/debug/guest.h - the guest as the debug worker reaches it: memory by its own descriptor, vCPUs by the supervisor.
 *
 * Tests and fuzzers put a guest of their own behind it. All calls are of the loop's thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "ipc/guest_regs.h"

struct guest {
    /* Physical memory. -EFAULT, and nothing done, unless all of it is RAM of one range. */
    int (*read)(void *self, uint64_t gpa, void *out, size_t len);
    int (*write)(void *self, uint64_t gpa, const void *bytes, size_t len);
    /* Of a vCPU, while all stand still. */
    int (*get_regs)(void *self, unsigned vcpu, struct guest_regs *ret);
    int (*set_regs)(void *self, unsigned vcpu, const struct guest_regs *regs);
    /* What is to stop vCPUs. */
    int (*set_breaks)(void *self, const struct guest_break *breaks, unsigned n);
    /* Masks of vCPUs that run on, and that make one step. Whoever asked hears of the stop later. */
    int (*go)(void *self, uint64_t go, uint64_t step);
    int (*stop)(void *self);
    void *self;
    unsigned vcpus; /* 1 to VPS_MAX */
};

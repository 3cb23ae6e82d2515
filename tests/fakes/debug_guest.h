/*
 * tests/fakes/debug_guest.h - a guest of two vCPUs for what GDB asks: memory without paging, and a record of what was asked.
 */
#pragma once

#include <errno.h>
#include <string.h>

#include "workers/debug/guest.h"

enum {
    DEBUG_GUEST_BYTES = 16384,
    DEBUG_GUEST_VCPUS = 2,
};

struct debug_guest {
    uint8_t memory[DEBUG_GUEST_BYTES];
    struct guest_regs regs[DEBUG_GUEST_VCPUS];
    struct guest_break breaks[GUEST_BREAKS_MAX];
    unsigned n_breaks;
    unsigned stops, goes;
    uint64_t go, step;
    bool running;
    int fails; /* what every call says; 0: it works */
};

static int debug_guest_read(void *self, uint64_t gpa, void *out, size_t len)
{
    const struct debug_guest *g = self;

    if (gpa > DEBUG_GUEST_BYTES || len > DEBUG_GUEST_BYTES - gpa)
        return -EFAULT;
    memcpy(out, g->memory + gpa, len);
    return g->fails;
}

static int debug_guest_write(void *self, uint64_t gpa, const void *bytes, size_t len)
{
    struct debug_guest *g = self;

    if (gpa > DEBUG_GUEST_BYTES || len > DEBUG_GUEST_BYTES - gpa)
        return -EFAULT;
    memcpy(g->memory + gpa, bytes, len);
    return g->fails;
}

static int debug_guest_get(void *self, unsigned vcpu, struct guest_regs *ret)
{
    const struct debug_guest *g = self;

    if (vcpu >= DEBUG_GUEST_VCPUS || g->running)
        return -EIO;
    *ret = g->regs[vcpu];
    return g->fails;
}

static int debug_guest_set(void *self, unsigned vcpu, const struct guest_regs *regs)
{
    struct debug_guest *g = self;

    if (vcpu >= DEBUG_GUEST_VCPUS || g->running)
        return -EIO;
    g->regs[vcpu] = *regs;
    return g->fails;
}

static int debug_guest_breaks(void *self, const struct guest_break *breaks, unsigned n)
{
    struct debug_guest *g = self;

    if (n > GUEST_BREAKS_MAX)
        return -EINVAL;
    if (n > 0)
        memcpy(g->breaks, breaks, n * sizeof(*breaks));
    g->n_breaks = n;
    return g->fails;
}

static int debug_guest_go(void *self, uint64_t go, uint64_t step)
{
    struct debug_guest *g = self;

    if (g->running || (go | step) == 0 || (go | step) >> DEBUG_GUEST_VCPUS != 0)
        return -EINVAL;
    g->goes++;
    g->go = go;
    g->step = step;
    g->running = g->fails == 0;
    return g->fails;
}

static int debug_guest_stop(void *self)
{
    struct debug_guest *g = self;

    g->stops++;
    return g->fails;
}

static inline struct guest debug_guest_make(struct debug_guest *g)
{
    memset(g, 0, sizeof(*g));
    g->running = true;
    return (struct guest){.read = debug_guest_read,
                          .write = debug_guest_write,
                          .get_regs = debug_guest_get,
                          .set_regs = debug_guest_set,
                          .set_breaks = debug_guest_breaks,
                          .go = debug_guest_go,
                          .stop = debug_guest_stop,
                          .self = g,
                          .vcpus = DEBUG_GUEST_VCPUS};
}

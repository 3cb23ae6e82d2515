/*
 * workers/debug/guest_memory.h - the guest's RAM by its descriptor: read and written by calls, never mapped.
 *
 * What was never touched takes no memory, and does not by being read so.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

enum {
    GUEST_MEMORY_RANGES = 2, /* below and above the hole for devices: ipc/ram.h */
};

struct guest_memory_range {
    uint64_t start; /* guest physical */
    uint64_t len;
    uint64_t offset; /* in the descriptor's bytes */
};

struct guest_memory {
    int fd; /* borrowed */
    struct guest_memory_range ranges[GUEST_MEMORY_RANGES];
    unsigned n_ranges;
};

/* RAM of so many bytes. */
void guest_memory_init(struct guest_memory *m, int fd, uint64_t bytes);

/* -EFAULT unless one range holds all of it. */
int MUST_USE guest_memory_read(const struct guest_memory *m, uint64_t gpa, void *out, size_t len);
int MUST_USE guest_memory_write(const struct guest_memory *m, uint64_t gpa, const void *bytes,
                                size_t len);

/* By offset, as the ranges lie one after the other. */
int MUST_USE guest_memory_read_at(const struct guest_memory *m, uint64_t offset, void *out,
                                  size_t len);

/* The first offset from there on that was ever touched; -ENXIO: none. */
int64_t guest_memory_next(const struct guest_memory *m, uint64_t offset);

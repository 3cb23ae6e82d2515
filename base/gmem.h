/*
 * base/gmem.h - the only door to guest memory.
 *
 * A guest address range is copied, never pointed into: no pointer to guest memory leaves
 * base/gmem.c. What the guest changes while we copy is the guest's loss, never ours.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

/* A guest physical address. A type of its own, so that an offset does not compile in its place. */
struct gpa {
    uint64_t v;
};

enum {
    GMEM_MAX_RANGES = 8,
};

struct gmem_range {
    uint64_t start; /* guest physical */
    uint64_t len;   /* bytes */
    uint8_t *host;  /* borrowed mapping of len bytes */
};

struct gmem {
    struct gmem_range ranges[GMEM_MAX_RANGES];
    unsigned n_ranges;
};

/*
 * Add a mapped range. -EINVAL for an empty or overlapping one, -EOVERFLOW when it passes the end
 * of the address space, -ENOBUFS when there are GMEM_MAX_RANGES already.
 */
int MUST_USE gmem_add(struct gmem *m, struct gpa start, uint64_t len, void *host);

/* Copy len bytes from the guest. -EFAULT, and out untouched, unless one range holds all of it. */
int MUST_USE gmem_copy_in(const struct gmem *m, struct gpa from, void *out, size_t len);

/* Copy len bytes to the guest. -EFAULT, and the guest untouched, unless one range holds all. */
int MUST_USE gmem_copy_out(const struct gmem *m, struct gpa to, const void *bytes, size_t len);

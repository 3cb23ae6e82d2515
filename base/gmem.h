/*
 * base/gmem.h - the only door to guest memory.
 *
 * A guest address range is copied, never pointed into: no pointer to guest memory leaves
 * base/gmem.c. What the guest changes while we copy is the guest's loss, never ours.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

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

/* Fill with zeros. Errors as gmem_copy_out. */
int MUST_USE gmem_zero(const struct gmem *m, struct gpa to, size_t len);

/*
 * Where len bytes are in this process, for the kernel to read or write (preadv and the like), and for
 * nobody else. -EFAULT unless one range holds all of them.
 */
int MUST_USE gmem_iovec(const struct gmem *m, struct gpa at, size_t len, struct iovec *ret);

/* Set a bit of a 32-bit word that the guest changes at the same time: 1 when it was set before. */
int MUST_USE gmem_set_bit(const struct gmem *m, struct gpa word, unsigned bit);

/*
 * One aligned 32-bit word that the guest changes at the same time: read, so that what is read later is
 * not older than it; written, so that what was written before it is seen first. -EFAULT as above, and when
 * it is not aligned.
 */
int MUST_USE gmem_load_le32(const struct gmem *m, struct gpa from, uint32_t *ret);
int MUST_USE gmem_store_le32(const struct gmem *m, struct gpa to, uint32_t v);

/*
 * Whole pages of the guest, in an order it chose, resolved once: for rings that are looked at all the
 * time. Offsets are bytes into the pages as one stretch; the caller has checked that they are inside.
 */
struct gmem_pages {
    uint8_t **host; /* private to gmem.c */
    unsigned n;
};

enum {
    GMEM_PAGE_BYTES = 4096,
};

/*
 * Resolve n page frame numbers; host has room for n pointers and stays the caller's. -EFAULT, and *ret
 * untouched, when one is not RAM.
 */
int MUST_USE gmem_pages_init(struct gmem_pages *ret, const struct gmem *m, const uint64_t *pfns,
                             unsigned n, uint8_t **host);
uint32_t gmem_pages_load(const struct gmem_pages *p, size_t offset);
void gmem_pages_store(const struct gmem_pages *p, size_t offset, uint32_t value);
/*
 * Where [offset, offset + len) is in this process, for the kernel to read or write, as at most max parts. How many,
 * or -EFAULT: they are not inside, or are more.
 */
int MUST_USE gmem_pages_iovec(const struct gmem_pages *p, size_t offset, size_t len,
                              struct iovec *iov, unsigned max);
void gmem_pages_copy_in(const struct gmem_pages *p, size_t offset, void *out, size_t len);
void gmem_pages_copy_out(const struct gmem_pages *p, size_t offset, const void *bytes, size_t len);

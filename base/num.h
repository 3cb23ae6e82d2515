/*
 * base/num.h - arithmetic that says when it does not fit.
 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"

/* *ret = a + b. -EOVERFLOW, and *ret untouched, when the sum does not fit. */
static inline int MUST_USE u64_add(uint64_t a, uint64_t b, uint64_t *ret)
{
    uint64_t sum;

    if (__builtin_add_overflow(a, b, &sum))
        return -EOVERFLOW;
    *ret = sum;
    return 0;
}

/* *ret = a * b. -EOVERFLOW, and *ret untouched, when the product does not fit. */
static inline int MUST_USE u64_mul(uint64_t a, uint64_t b, uint64_t *ret)
{
    uint64_t product;

    if (__builtin_mul_overflow(a, b, &product))
        return -EOVERFLOW;
    *ret = product;
    return 0;
}

/* Is [off, off + len) inside [0, size)? No sum is formed, so none can wrap. */
static inline bool range_inside(uint64_t off, uint64_t len, uint64_t size)
{
    return off <= size && len <= size - off;
}

/* Do [a, a + a_len) and [b, b + b_len) share a byte? Neither range may wrap. */
static inline bool range_overlap(uint64_t a, uint64_t a_len, uint64_t b, uint64_t b_len)
{
    return a_len != 0 && b_len != 0 && (a < b ? b - a < a_len : a - b < b_len);
}

/* Round up to a multiple of align, a power of two. The caller knows that the result fits. */
static inline uint64_t u64_align_up(uint64_t v, uint64_t align)
{
    return (v + align - 1) & ~(align - 1);
}

/* The low size bytes (1, 2, 4 or 8) of all ones: what a bus without a device answers. */
static inline uint64_t all_ones(unsigned size)
{
    return size >= 8 ? UINT64_MAX : (UINT64_C(1) << (8 * size)) - 1;
}

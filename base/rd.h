/*
 * base/rd.h - a bounded, forward-only reader over bytes somebody else chose.
 *
 * Every rd_*() either returns the value or sets a sticky error and returns 0, so a parser reads
 * like the layout it parses. Nothing read may be acted on before rd_finish() or rd_ok() has
 * answered; the one exception: a length may go straight back into rd_span(), which checks it.
 *
 * Borrows: the bytes stay the caller's and must outlive the reader. They must be private memory:
 * copy from shared memory first. Never allocates, never logs, never fails but by the sticky error.
 */
#pragma once

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/macro.h"

struct rd {
    const uint8_t *at;
    size_t left; /* bytes */
    int err;     /* 0 or -EBADMSG; sticky */
};

struct span {
    const uint8_t *at;
    size_t len; /* bytes */
};

static inline struct rd rd_over(const void *bytes, size_t len)
{
    return (struct rd){.at = bytes, .left = len};
}

static inline struct span rd_span(struct rd *r, size_t len)
{
    struct span s = {.at = r->at, .len = len};

    if (r->err != 0 || len > r->left) {
        r->err = -EBADMSG;
        return (struct span){0};
    }
    r->at += len;
    r->left -= len;
    return s;
}

/* Copy len bytes to out. When they are not there, out is untouched and the error is set. */
static inline void rd_copy(struct rd *r, void *out, size_t len)
{
    struct span s = rd_span(r, len);

    if (s.len != 0)
        memcpy(out, s.at, s.len);
}

static inline uint64_t rd_le(struct rd *r, size_t bytes)
{
    uint64_t v = 0;

    rd_copy(r, &v, bytes);
    return le64toh(v);
}

static inline uint32_t rd_be(struct rd *r, size_t bytes)
{
    uint32_t v = 0;

    rd_copy(r, &v, bytes);
    return be32toh(v) >> (8 * (sizeof(v) - bytes));
}

static inline uint8_t rd_u8(struct rd *r)
{
    return (uint8_t)rd_le(r, 1);
}

static inline uint16_t rd_le16(struct rd *r)
{
    return (uint16_t)rd_le(r, 2);
}

static inline uint32_t rd_le32(struct rd *r)
{
    return (uint32_t)rd_le(r, 4);
}

static inline uint64_t rd_le64(struct rd *r)
{
    return rd_le(r, 8);
}

static inline uint16_t rd_be16(struct rd *r)
{
    return (uint16_t)rd_be(r, 2);
}

static inline uint32_t rd_be32(struct rd *r)
{
    return rd_be(r, 4);
}

/* True while no read has run past the end. For layouts with a free tail. */
static inline bool rd_ok(const struct rd *r)
{
    return r->err == 0;
}

/* 0 when all bytes were read and none was missing, else -EBADMSG. */
static inline int MUST_USE rd_finish(const struct rd *r)
{
    return r->err == 0 && r->left == 0 ? 0 : -EBADMSG;
}

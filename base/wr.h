/*
 * base/wr.h - a bounded, forward-only writer, the mirror of base/rd.h.
 *
 * A write that does not fit sets a sticky error and writes nothing; wr_finish() tells.
 * Borrows the buffer. Never allocates, never logs.
 */
#pragma once

#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/macro.h"

struct wr {
    uint8_t *start;
    uint8_t *at;
    size_t left; /* bytes */
    int err;     /* 0 or -ENOBUFS; sticky */
};

static inline struct wr wr_over(void *buf, size_t len)
{
    return (struct wr){.start = buf, .at = buf, .left = len};
}

static inline void wr_bytes(struct wr *w, const void *bytes, size_t len)
{
    if (w->err != 0 || len > w->left) {
        w->err = -ENOBUFS;
        return;
    }
    if (len != 0)
        memcpy(w->at, bytes, len);
    w->at += len;
    w->left -= len;
}

static inline void wr_le(struct wr *w, uint64_t v, size_t bytes)
{
    uint64_t raw = htole64(v);

    wr_bytes(w, &raw, bytes);
}

static inline void wr_u8(struct wr *w, uint8_t v)
{
    wr_le(w, v, 1);
}

static inline void wr_le16(struct wr *w, uint16_t v)
{
    wr_le(w, v, 2);
}

static inline void wr_le32(struct wr *w, uint32_t v)
{
    wr_le(w, v, 4);
}

static inline void wr_le64(struct wr *w, uint64_t v)
{
    wr_le(w, v, 8);
}

static inline void wr_be16(struct wr *w, uint16_t v)
{
    wr_le(w, __builtin_bswap16(v), 2);
}

static inline void wr_be32(struct wr *w, uint32_t v)
{
    wr_le(w, __builtin_bswap32(v), 4);
}

/* 0 and *ret_len = bytes written, or -ENOBUFS with *ret_len untouched. */
static inline int MUST_USE wr_finish(const struct wr *w, size_t *ret_len)
{
    if (w->err != 0)
        return w->err;
    *ret_len = (size_t)(w->at - w->start);
    return 0;
}

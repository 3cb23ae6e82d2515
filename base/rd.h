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

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

struct rd rd_over(const void *bytes, size_t len);
uint8_t rd_u8(struct rd *r);
uint16_t rd_le16(struct rd *r);
uint32_t rd_le32(struct rd *r);
uint64_t rd_le64(struct rd *r);
uint16_t rd_be16(struct rd *r);
uint32_t rd_be32(struct rd *r);
struct span rd_span(struct rd *r, size_t len);

/* Copy len bytes to out. When they are not there, out is untouched and the error is set. */
void rd_copy(struct rd *r, void *out, size_t len);

/* True while no read has run past the end. For layouts with a free tail. */
bool rd_ok(const struct rd *r);

/* 0 when all bytes were read and none was missing, else -EBADMSG. */
int MUST_USE rd_finish(const struct rd *r);

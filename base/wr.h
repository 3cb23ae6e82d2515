/*
 * base/wr.h - a bounded, forward-only writer, the mirror of base/rd.h.
 *
 * A write that does not fit sets a sticky error and writes nothing; wr_finish() tells.
 * Borrows the buffer. Never allocates, never logs.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

struct wr {
    uint8_t *start;
    uint8_t *at;
    size_t left; /* bytes */
    int err;     /* 0 or -ENOBUFS; sticky */
};

struct wr wr_over(void *buf, size_t len);
void wr_u8(struct wr *w, uint8_t v);
void wr_le16(struct wr *w, uint16_t v);
void wr_le32(struct wr *w, uint32_t v);
void wr_le64(struct wr *w, uint64_t v);
void wr_be16(struct wr *w, uint16_t v);
void wr_be32(struct wr *w, uint32_t v);
void wr_bytes(struct wr *w, const void *bytes, size_t len);

/* 0 and *ret_len = bytes written, or -ENOBUFS with *ret_len untouched. */
int MUST_USE wr_finish(const struct wr *w, size_t *ret_len);

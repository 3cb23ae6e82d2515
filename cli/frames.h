/*
 * cli/frames.h - length-prefixed messages cut out of a byte stream: u32 little-endian, then bytes.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "base/rd.h"

enum {
    FRAME_MAX_BYTES = 65536,
};

struct frames {
    uint8_t buf[4 + FRAME_MAX_BYTES];
    size_t len;
};

/*
 * Take up to len bytes; returns how many were taken. Fewer than len when the buffer is full: call
 * frames_next() until it has no more, then go on.
 */
size_t frames_feed(struct frames *f, const void *bytes, size_t len);

/*
 * The next whole message; it stays valid until frames_drop().
 *   1          *ret is it
 *   0          not yet
 *   -EBADMSG   longer than FRAME_MAX_BYTES: the stream is of no more use
 */
int MUST_USE frames_next(const struct frames *f, struct span *ret);

/* Forget the message that frames_next() returned. */
void frames_drop(struct frames *f);

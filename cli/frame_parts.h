/*
 * cli/frame_parts.h - frames put together from the parts in which diag sends them. diag may have been taken over: nothing of
 * them is believed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "admin.pb-c.h"
#include "base/macro.h"
#include "cli/pcapng.h"

struct frame_parts {
    struct pcapng_packet packet;
    uint32_t have; /* bytes of it */
    uint8_t bytes[CAPTURE_FRAME_MAX];
};

/* True: it is complete, and the next part begins another one. -EBADMSG: that part cannot come next. */
int MUST_USE frame_parts_take(struct frame_parts *f, const Bulkhead__FramePart *part,
                              bool *ret_complete);

/*
 * ipc/debug_stream.h - what diag and the debug worker say to each other, over a SEQPACKET pair that outlives both.
 *
 * A datagram is a head and bytes. What a dead one left there belongs to another session, and is dropped: the
 * supervisor numbers sessions, and tells both (control.proto). Neither believes the other anything.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

enum debug_frame_kind {
    DEBUG_FRAME_DATA = 1, /* of the session's byte stream, in its order */
    DEBUG_FRAME_END = 2,  /* from debug: no more comes. Bytes: what went wrong; none: nothing did */
};

enum {
    DEBUG_FRAME_MAX = 15 * 1024, /* bytes after the head */
    DEBUG_TEXT_MAX = 256,        /* of DEBUG_FRAME_END */
};

struct debug_head {
    uint32_t session;
    uint32_t kind; /* enum debug_frame_kind */
};

/* Send one; never blocks. 0, -EAGAIN: there is no room, or another negative errno. */
int MUST_USE debug_frame_send(int fd, struct debug_head head, const void *bytes, size_t len);

/*
 * Receive one of that session into bytes, which has room for DEBUG_FRAME_MAX; others are dropped. Never blocks.
 *   its length  *ret_kind is what it is
 *   -EAGAIN     there is none
 *   -EBADMSG    not a frame
 */
int MUST_USE debug_frame_receive(int fd, uint32_t session, uint32_t *ret_kind, void *bytes);

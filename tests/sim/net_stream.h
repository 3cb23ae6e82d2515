/*
 * tests/sim/net_stream.h - frames in a byte stream, each with its length before it: the end of who is no worker of ours.
 *
 * A frame that was begun is finished before the next one, however long the other end takes to read.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"

enum {
    NET_STREAM_IN = 2 * 65568,
    NET_STREAM_FRAME_MAX = 65568,
};

struct net_stream {
    uint8_t in[NET_STREAM_IN];
    uint32_t in_at, in_len;
    uint8_t out[4 + NET_STREAM_FRAME_MAX];
    uint32_t out_at, out_len;
    bool ended; /* out of step, or hung up */
};

/* Begin to send a frame of at most NET_STREAM_FRAME_MAX bytes. False: there is no room now. fd does not block. */
bool net_stream_send(struct net_stream *s, int fd, const uint8_t *frame, uint32_t len);
/* Go on with what was begun. False: it is not all gone. */
bool net_stream_flush(struct net_stream *s, int fd);

/* The next frame, valid until the next call; its length, 0: there is none now, -EBADMSG: a length that none has. */
int MUST_USE net_stream_receive(struct net_stream *s, int fd, const uint8_t **ret);

/*
 * tests/sim/vmbus_ring.h - the guest's end of a channel's rings, as Linux plays it; nothing of it is shared
 * with drivers/vmring.c, which it is to be an oracle for.
 *
 * @spec Linux drivers/hv/ring_buffer.c
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

enum {
    VRING_PAGES_MAX = 128,       /* of one direction */
    VRING_PAYLOAD_MAX = 256,     /* of a packet that is read */
    VRING_HEAD_MAX = 8 + 8 * 64, /* between its descriptor and its payload */
    VRING_IN_BAND = 6,           /* types */
    VRING_TRANSFER_PAGES = 7,
    VRING_GPA_DIRECT = 9,
    VRING_COMPLETION = 11,
    VRING_WANTS_COMPLETION = 1, /* a flag */
    VRING_AT_WRITE = 0,         /* of the control page */
    VRING_AT_READ = 4,
    VRING_AT_MASK = 8,
    VRING_AT_PENDING = 12,
    VRING_AT_FEATURES = 64,
};

/* One direction. */
struct vring {
    uint8_t
        *page[VRING_PAGES_MAX]; /* where its pages are in this process; the first is for control */
    uint32_t bytes;             /* of data */
    uint32_t read;              /* up to where this guest has read; shown at vring_end_packets() */
};

struct vring_packet {
    uint16_t type, flags;
    uint64_t transaction;
    uint32_t head_len; /* VRING_TRANSFER_PAGES: what is between descriptor and payload */
    uint32_t len;      /* of payload, as the descriptor says */
    uint8_t head[VRING_HEAD_MAX];
    uint8_t payload[VRING_PAYLOAD_MAX];
};

/* Both control pages as Linux leaves them before it opens the channel. */
void vring_reset(struct vring *r, unsigned pages);

volatile uint32_t *vring_field(const struct vring *r, size_t at);

/*
 * Put a packet in: descriptor, head (what is between it and the payload), payload; *ret_signal: the host is to be
 * signalled. -EAGAIN: no room; the caller says so with vring_wait_for().
 */
int MUST_USE vring_write(struct vring *r, uint16_t type, uint16_t flags, uint64_t transaction,
                         const void *head, uint32_t head_len, const void *payload,
                         uint32_t payload_len, bool *ret_signal);

/* Say how much room is waited for, 0: none; look again after it. */
void vring_wait_for(struct vring *r, uint32_t bytes);

/* No interrupts while packets are read; and again, true when there is something to read after all. */
void vring_begin_read(struct vring *r);
bool vring_end_read(struct vring *r);

/* The next packet: 1; 0 when there is none, -EBADMSG when it makes no sense. */
int MUST_USE vring_read(struct vring *r, struct vring_packet *ret);

/* Give the room of what was read back. True when the host waits for it and is to be signalled. */
bool vring_end_packets(struct vring *r);

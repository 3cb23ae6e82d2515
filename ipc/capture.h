/*
 * ipc/capture.h - frames that the net worker has sent or received, for operators who watch a NIC: OBJECT_CAPTURE.
 *
 * One ring for all NICs. net writes and waits for nobody: the oldest is overwritten. Each reader (the diag worker has one a
 * session) has a place of its own in it, notices that it was overtaken, and knows how many frames that cost. Which NICs are
 * captured is in ipc/nets.h; as long as none is, no page of this but the first is touched.
 *
 * Places are counts of bytes since the beginning; modulo CAPTURE_RING_BYTES they are offsets into ring. A record is a
 * struct capture_record and the first bytes of its frame, CAPTURE_ALIGN bytes a unit. The writer stores begun (what is more
 * than a ring before it is overwritten from here on), then the record, then the count of frames, then written. So
 *   - what lies before written, and not more than a ring before begun, is whole;
 *   - begun that differs from written is a record that is being written, or one whose writer died: a successor makes of
 *     it one that is nobody's.
 * The memory outlives each generation of net. A reader believes nothing in it: what it looks at was copied once.
 *
 * One writing thread; any number of readers.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "ipc/nets.h"

enum {
    CAPTURE_RING_BYTES = 8 << 20, /* a power of two */
    CAPTURE_ALIGN = 32,
    CAPTURE_FRAME_MAX = NET_FRAME_MAX,
    CAPTURE_NOBODY = UINT16_MAX, /* in the place of a NIC: a record to be passed over */
};

struct capture_record {
    uint64_t time_ns;  /* CLOCK_REALTIME */
    uint64_t number;   /* of that NIC's frames here, from 1 on */
    uint32_t len;      /* of the frame */
    uint32_t captured; /* of it, so many bytes follow */
    uint32_t nic;      /* row of struct nets_page */
    uint32_t outbound; /* 1: from the guest, 0: for it */
};
_Static_assert(sizeof(struct capture_record) == CAPTURE_ALIGN, "layout");

struct capture_page {
    _Atomic uint64_t begun;
    _Atomic uint64_t written;
    _Atomic uint64_t frames[NETS_MAX]; /* of each NIC so far: the number of the last one */
    uint8_t pad[4096 - 8 * (2 + NETS_MAX)];
    uint8_t ring[CAPTURE_RING_BYTES];
};
_Static_assert(sizeof(struct capture_page) == 4096 + CAPTURE_RING_BYTES, "layout");

/* --- the writer's end --- */

struct capture_writer {
    struct capture_page *page; /* borrowed */
    bool attached;
    uint64_t at, end; /* of the record that is being written */
};

/*
 * Begin a record: all of r but its number, which follows; captured is 1 to CAPTURE_FRAME_MAX and no more than len, nic is
 * one. The first one of a writer puts in order what its predecessor left.
 */
void capture_begin(struct capture_writer *w, const struct capture_record *r);

/* Where the next bytes of the frame go, len at most in one piece; *ret of them, and they count as put there. */
uint8_t *capture_room(struct capture_writer *w, size_t len, size_t *ret);

/* All captured bytes were put: the record is there. One that is not ended never was. */
void capture_end(struct capture_writer *w, uint32_t nic);

/* --- a reader's --- */

struct capture_reader {
    const struct capture_page *page; /* borrowed */
    uint32_t nic;
    bool counts;   /* next is known */
    uint64_t at;   /* where it is */
    uint64_t next; /* the number of the NIC's next frame */
    uint64_t lost; /* frames of the NIC that it was too slow for, as far as is known by now */
};

/* Read frames of that NIC from now on. */
void capture_read_begin(struct capture_reader *r, const struct capture_page *page, uint32_t nic);

/*
 * The next frame: what is known of it, and its first bytes, max or CAPTURE_FRAME_MAX at most; ret->captured says how many.
 *   0             *ret and bytes are valid
 *   -EAGAIN       there is none now; lost is exact if nobody is writing
 *   -EINPROGRESS  look again: frames of others were passed over, or it was overtaken, or what it saw was no record
 * Each call ends after a bounded number of steps, whatever is written. On failure *ret is untouched, bytes may not be.
 */
int MUST_USE capture_read(struct capture_reader *r, struct capture_record *ret, uint8_t *bytes,
                          uint32_t max);

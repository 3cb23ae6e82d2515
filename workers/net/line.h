/*
 * workers/net/line.h - one channel: packets out of the guest's ring, each taken once; completions and frames
 * into the other one, each shown once.
 *
 * The order of stores is what a successor relies on; a killed process loses none of them.
 *
 *   taken      kind and transaction in the packet's slot | offset and number of what was taken, in one store | a frame
 *              of the guest is sent, so a death may lose it, and never doubles it | read index: the guest may write
 *              over it
 *   put back   what was taken and is known not to have been sent, before the read index: that store once more, with
 *              less. It is the guest's ring that fills up then
 *   told       completions behind the write index | commit | write index | out, done, no commit
 *   given      commit, with the sections | they are the guest's (owners) | packets behind the write index | write
 *              index | out, no commit
 *   given back the slot says so, taken as above | the sections are ours | the slot says nothing
 *     ahead    in packets that are not taken, since what is before them was put back: the sections are ours | up to where
 *              that is so, which is never before what is taken. A successor does it once more before it gives the guest
 *              anything
 *
 * A successor (line_open) finds what was being published shown to the guest or not, by the guest's own write
 * index: frames that were not shown are lost, and their sections are ours again; completions are told. Slots that
 * are taken and not done are there still: completions are due for them.
 *
 * A channel whose guest breaks the ring's rules is stopped until it is closed. Others go on.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/gmem.h"
#include "base/macro.h"
#include "drivers/vmring.h"
#include "ipc/frames.h"
#include "ipc/vmbus.h"

enum line_kind {
    LINE_NOTHING,    /* no completion is due */
    LINE_FRAME,      /* its status is */
    LINE_CONTROL,    /* an answer is, which the caller keeps: line_tell() */
    LINE_GIVEN_BACK, /* the sections of that transaction, to be freed */
};

struct line {
    struct frames_channel *log; /* borrowed mapping, as the next */
    _Atomic uint16_t *owners;   /* of the NIC's receive buffer */
    struct vmring in, out;
    struct gmem_pages pages;
    uint8_t *hosts[VMBUS_RING_PAGES_MAX];
    bool open, stopped;
    bool stop_is_logged;        /* the caller's */
    bool waits;                 /* for room in out; the guest was told how much */
    uint32_t read, shown_read;  /* of in */
    uint32_t taken, done;       /* packets */
    uint8_t part;               /* messages of the next one that are taken */
    uint32_t ahead, ahead_read; /* what is given back before that packet is ours */
    uint32_t write;             /* of out */
};

/*
 * Open the rings of a channel. resume: the log is about this opening.
 *   0         open
 *   -EFAULT   a page is not the guest's memory
 *   -EINVAL   one of the rings has no page for data
 *   -EBADMSG  resume: the guest has changed what was being published; the line is open, and stopped
 */
int MUST_USE line_open(struct line *l, const struct gmem *memory, const struct vmbus_channel *c,
                       const uint64_t *pfns, bool resume);
void line_close(struct line *l);

/*
 * The next packet; it is not taken yet.
 *   0          *ret is a private copy of its descriptor
 *   -EAGAIN    there is none now
 *   -ENOBUFS   as many as there are slots are not done with
 *   -EBADMSG   the line is stopped
 */
int MUST_USE line_next(struct line *l, struct vmring_packet *ret);

/* Note what it is, and that all of it is taken. It counts with line_taken(). */
void line_take(struct line *l, const struct vmring_packet *p, enum line_kind kind, uint32_t status);

/* Another status of a packet that was taken, and not told yet; number as l->taken was before it. */
void line_set_status(struct line *l, uint32_t number, uint32_t status);

/* What was noted is taken: no successor looks at it. */
void line_taken(struct line *l);

/* Where a packet is: before line_take(). */
struct line_mark {
    uint32_t number, read;
    uint8_t part;
};

static inline struct line_mark line_mark(const struct line *l)
{
    return (struct line_mark){.number = l->taken, .read = l->read, .part = l->part};
}

/* Of that packet only the first part messages are taken, at most FRAMES_PART, and nothing that follows. Nothing of it
 * was shown or told. */
void line_put_back(struct line *l, const struct line_mark *packet, unsigned part);

/* The guest may write over what is taken. True when it waits for room and is to be signalled. */
bool line_show_taken(struct line *l);

/* Sections that the guest gave back are ours, as far as they are taken. How many came back with it; for counting. */
uint32_t line_free_sections(struct line *l);

/* The same of packets that are not taken yet: they are behind one that was put back. */
uint32_t line_free_ahead(struct line *l);

/*
 * Tell the guest of packets that are done with: completion, len bytes, for each frame (status is put where status_at
 * says), up to a control packet. True when it is to be signalled.
 */
bool line_complete(struct line *l, uint8_t *completion, uint32_t len, uint32_t status_at);

/* The oldest packet that is not done with is a control packet: its number, counted from the opening. False: it is none. */
bool line_control(const struct line *l, uint32_t *ret_number);
/* Tell its answer; len 0: it has none. False: there is no room now. */
bool line_tell(struct line *l, const void *answer, uint32_t len, bool *ret_signal);

/* Frames for the guest: each group is one packet, of sections that follow one another. */
struct line_group {
    uint16_t first, n; /* sections */
    uint16_t n_ranges;
    struct {
        uint32_t bytes, offset; /* in the buffer */
    } ranges[VMRING_TRANSFER_RANGES];
};

/*
 * Give the guest n groups, up to FRAMES_GROUPS; payload is that of each packet. replied: it is the RNDIS answer to that
 * packet number, else 0. How many there was room for; the others stay the caller's.
 */
unsigned line_give(struct line *l, const struct line_group *groups, unsigned n, uint16_t set,
                   const void *payload, uint32_t len, uint32_t replied, bool *ret_signal);

/* A packet that the guest has not asked for and need not answer. False: there is no room now. */
bool line_say(struct line *l, const void *payload, uint32_t len, bool *ret_signal);

/* Is there something to tell that waits for room? */
static inline bool line_is_blocked(const struct line *l)
{
    return l->open && !l->stopped && l->waits;
}

/* Is there room for so many bytes of packets, or is half the ring free? If not, the guest is asked for it. */
bool MUST_USE line_has_room(struct line *l, uint32_t bytes);

/* Look again: is there room now? True when it is not blocked any more, or was not. */
bool line_look_for_room(struct line *l);

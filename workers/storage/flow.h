/*
 * workers/storage/flow.h - one channel: requests from its ring into the log, answers from the log into
 * the other ring, each exactly once.
 *
 * The order of stores is what a successor relies on; a killed process loses none of them.
 *
 *   taken     slot filled, CLAIMED | offset and number of what was taken, in one store | read index
 *   answered  answer in the slot, DONE
 *   published packets behind the write index | commit record | write index | out, slots FREE, no record
 *
 * A successor (flow_resume) therefore finds a batch either shown to the guest or not, by the guest's
 * own write index; slots that were filled but not counted as taken are void; CLAIMED ones are to be
 * executed (again); DONE ones are to be published.
 *
 * A channel whose guest breaks the ring's rules is stopped: nothing more is taken or published until it
 * is closed. Others go on.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/gmem.h"
#include "base/macro.h"
#include "drivers/vmring.h"
#include "ipc/inflight.h"
#include "ipc/vmbus.h"

enum inflight_state {
    INFLIGHT_FREE = 0,
    INFLIGHT_CLAIMED = 1,
    INFLIGHT_DONE = 2,
};

enum inflight_flag {
    INFLIGHT_WANTS_COMPLETION = 1,
    INFLIGHT_BAD_DATA =
        2, /* its ranges make no sense: the request is refused, the channel goes on */
    INFLIGHT_DISK_GONE = 4,  /* it is not about the disk that is there now */
    INFLIGHT_KIND_SHIFT = 8, /* the rest: enum scsi_io_kind of its I/O, once it has begun */
};

struct flow {
    struct inflight_channel *log; /* borrowed mapping */
    struct vmring in, out;
    struct gmem_pages pages;
    uint8_t *hosts[VMBUS_RING_PAGES_MAX];
    bool open;
    bool stopped;
    bool waits;                       /* for room in out; the guest was told how much */
    uint32_t read, taken, shown_read; /* of in: what is taken, what the guest was shown */
    uint32_t write;                   /* of out */
    unsigned n_claimed;
    unsigned n_free, n_done, done_at;
    uint16_t free[INFLIGHT_SLOTS];
    uint16_t done[INFLIGHT_SLOTS]; /* a queue */
};

/*
 * Open the rings of a channel. resume: the log is about this opening; its CLAIMED slots are in use and
 * are the caller's to execute, in the order of their seq (flow_each_claimed).
 *   0         open
 *   -EFAULT   a page is not the guest's memory
 *   -EINVAL   one of the rings has no page for data
 *   -EBADMSG  resume: the guest has changed what a batch left behind; the flow is open, and stopped
 */
int MUST_USE flow_open(struct flow *f, const struct gmem *memory, const struct vmbus_channel *c,
                       const uint64_t *pfns, bool resume);
void flow_close(struct flow *f);

/*
 * Take the next request. Execute it only after flow_taken().
 *   0 or more  its slot
 *   -EAGAIN    there is none now
 *   -ENOBUFS   no slot is free: the guest waits in its ring
 *   -EBADMSG   the channel is stopped
 */
int MUST_USE flow_take(struct flow *f);

/* What was taken counts. True when the guest waits for room and is to be signalled. */
bool flow_taken(struct flow *f);

static inline struct inflight_slot *flow_slot(const struct flow *f, unsigned slot)
{
    return &f->log->slots[slot];
}

/* The request of slot is executed; its answer is len bytes. */
void flow_answer(struct flow *f, unsigned slot, const void *answer, uint32_t len);

/* Publish answers as far as there is room. True when the guest is to be signalled. */
bool flow_publish(struct flow *f);

/* Is a guest to be signalled that was by flow_publish(), or has it read all of it since? */
bool flow_is_unread(const struct flow *f);

/* Put a packet in that the guest did not ask for. False: there is no room now. */
bool flow_tell(struct flow *f, const void *payload, uint32_t len);

/* Are there answers that wait for room? */
static inline bool flow_is_blocked(const struct flow *f)
{
    return f->n_done > 0 && !f->stopped;
}

/* The lowest CLAIMED slot by seq that is from or above; -ENOENT. For resuming, in order. */
int MUST_USE flow_claimed_from(const struct flow *f, uint32_t from);

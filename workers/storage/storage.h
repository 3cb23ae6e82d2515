/*
 * workers/storage/storage.h - the storage worker: its channels, controllers, units and requests.
 *
 *   serve.c     the loop: rings, completions, bell, sleep; drains a dead generation's I/O first
 *   interrupt.c the guest is told of answers, some at a time
 *   request.c   one request: what it takes step by step, until its answer is in the log
 *   unit.c      disks by controller and number: opened, found, counted
 *   change.c    disks that come, go or change while the VM runs
 *   lock.c      which requests of a unit must not overlap
 *   data.c      a request's data in the guest's memory
 *   metadata.c  how an image's driver reads and writes while it is waited for
 *   state.c     what survives besides the log
 *   flow.c      a channel's rings and log      storvsp.c   the protocol      scsi*.c   the commands
 *
 * One thread; where the host has no io_uring for us some more, which only serve the ring
 * (drivers/uring_plain.h).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/board.h"
#include "base/latency.h"
#include "drivers/block.h"
#include "drivers/uring.h"
#include "drivers/uring_plain.h"
#include "ipc/disks.h"
#include "ipc/inflight.h"
#include "workers/bus.h"
#include "workers/storage/flow.h"
#include "workers/storage/scsi.h"
#include "workers/storage/storvsp.h"

enum {
    STORAGE_SCHEMA = 1,
    STORAGE_STATE_MAX = 96 * 1024,
    STORAGE_UNITS = DISK_CONTROLLERS * DISK_LUNS,
    STORAGE_RANGE_LISTS = 64,   /* requests with many ranges, at once */
    STORAGE_IOVECS = 4096,      /* prepared and not yet submitted */
    STORAGE_FILL_BYTES = 65536, /* of the buffer for zeros and patterns */
    /* Completions that came at a bad time: each request has one step on its way at most. */
    STORAGE_STASH = INFLIGHT_CHANNELS * INFLIGHT_SLOTS,
};
_Static_assert((int)INFLIGHT_CHANNELS <= 32, "masks of channels");
_Static_assert((int)INFLIGHT_CHANNELS == (int)DISK_CONTROLLERS * (int)VMBUS_SUBCHANNELS,
               "a log for each channel");

enum unit_op {
    UNIT_READ,
    UNIT_WRITE,
    UNIT_FLUSH,
    UNIT_DISCARD,
    UNIT_OPS,
};

struct unit_stats {
    uint64_t ops[UNIT_OPS], bytes[UNIT_OPS], errors[UNIT_OPS];
    struct latency latency[UNIT_OPS];
    struct board_row *row_ops[UNIT_OPS], *row_bytes[UNIT_OPS], *row_latency[UNIT_OPS], *row_errors;
};

/* A list of requests, in order. */
struct request_list {
    struct request *first, *last;
};

/* First in, first out, by queue_next: a request is in one at most. */
struct request_queue {
    struct request *first, *last;
};

struct unit {
    bool present;
    bool leaving;   /* takes no new requests */
    bool was_there; /* before it was taken over: row.identity and row.epoch say what */
    bool grows;     /* its image moves data when it discards: reads must not overlap that */
    unsigned controller, number;
    struct disk_row row;
    struct block *block; /* NULL: no medium */
    struct scsi_lun lun;
    struct request_list active, waiting; /* what takes part in locking */
    unsigned n_requests;                 /* on their way */
    struct unit_stats stats;
};

enum request_what {
    REQUEST_DATA, /* ranges, one step after the other */
    REQUEST_SYNC, /* the files of the unit, one after the other */
};

struct request {
    bool in_use;
    bool locked;
    bool fua;
    bool may_discard;
    bool must_write; /* zeros are to be written: the file system cannot make them */
    bool has_known;  /* the result of its first step is known from a dead generation */
    uint8_t channel;
    uint8_t what;  /* enum request_what */
    uint8_t doing; /* enum doing, and what of it: for operators, when it is fatal */
    uint8_t step;  /* of it, modulo 256, so that a completion is of the step that waits for one */
    uint16_t slot;
    uint16_t list; /* of ranges; STORAGE_RANGE_LISTS: one */
    uint32_t doing_code;
    int32_t known;
    uint32_t kind; /* enum scsi_io_kind */
    uint32_t n_ranges, range, member;
    uint32_t step_bytes; /* that the step in flight moves */
    uint64_t progress;   /* bytes of the range that are done */
    uint64_t began_ns;
    uint64_t lock_from, lock_to;
    struct scsi_range one;
    struct unit *unit;
    struct request *next, *prev; /* in a list of the unit */
    struct request_list *on;     /* that list */
    struct request *queue_next;  /* in a queue */
};

/* A command that changed a unit's state, and its answer: committed with the state. */
struct last_change {
    uint32_t channel, opening, seq;
    uint8_t answer[STORVSP_PACKET_BYTES];
    uint32_t answer_len; /* 0: none yet */
};

struct storage {
    struct worker *worker;
    struct bus bus;
    struct block_io metadata; /* of images: they keep a pointer to it */
    struct uring ring;
    struct uring_plain plain; /* its other end, where the host has no io_uring for us */
    const struct disks_page *disks;
    struct inflight_page *log;

    bool succeeds;    /* a dead generation, and a guest knows the disks */
    uint32_t to_tell; /* mask of controllers whose guest does not know of a change yet */
    uint64_t unsynced[DISK_FILES / 64]; /* files: see metadata_is_unsynced() */
    uint32_t disks_seq;                 /* of the page that was taken note of */
    struct disks_page page;             /* and a copy of it */
    struct controller controllers[DISK_CONTROLLERS];
    struct unit units[STORAGE_UNITS];
    struct flow flows[INFLIGHT_CHANNELS];
    uint32_t open;                                  /* mask of them */
    struct vmbus_channel opened[INFLIGHT_CHANNELS]; /* as acknowledged */
    struct request requests[INFLIGHT_CHANNELS][INFLIGHT_SLOTS];
    struct request_queue ready; /* can go on, as soon as the ring has room */
    struct last_change last;
    struct scsi_io io; /* of the command that is being looked at */
    struct scsi_answer answer;
    uint8_t out[SCSI_OUT_MAX];

    struct iovec iovecs[STORAGE_IOVECS];
    unsigned n_iovecs;
    struct scsi_range lists[STORAGE_RANGE_LISTS][SCSI_RANGES_MAX];
    bool list_used[STORAGE_RANGE_LISTS];
    struct request *fill_owner; /* whose pattern is in fill; NULL: nobody's */
    struct request_queue fill_waiting;
    uint8_t fill[STORAGE_FILL_BYTES];
    const uint8_t *zeros;                   /* STORAGE_FILL_BYTES */
    struct uring_done stash[STORAGE_STASH]; /* a queue: what came while metadata was awaited */
    uint32_t stash_at, n_stash;
    struct {
        uint32_t channels; /* mask: to be interrupted for answers that are published */
        unsigned answers;
        uint64_t since_ns;
    } owed;
    bool is_kernel_full; /* it did not take all that was prepared: try again soon */
    int32_t known[INFLIGHT_CHANNELS][INFLIGHT_SLOTS]; /* first steps of a dead generation */

    uint8_t random[16]; /* for identifiers that an image gets */
    uint64_t shown_ns;

    struct {
        struct board_row *stopped, *drained, *again;
    } rows;
};

/* --- data.c --- */

/* Copy from and to the data of a request. -EFAULT: not the guest's memory, or more than there is. */
int MUST_USE data_copy_in(const struct storage *s, const struct inflight_slot *slot, uint32_t at,
                          void *out, uint32_t len);
int MUST_USE data_copy_out(const struct storage *s, const struct inflight_slot *slot, uint32_t at,
                           const void *bytes, uint32_t len);
int MUST_USE data_zero(const struct storage *s, const struct inflight_slot *slot, uint32_t at,
                       uint32_t len);

/* Describe [at, at + len) for the kernel in iov, INFLIGHT_PAGES of them; how many, or -EFAULT. */
int MUST_USE data_iovecs(const struct storage *s, const struct inflight_slot *slot, uint32_t at,
                         uint32_t len, struct iovec *iov);

/* --- interrupt.c --- */

/* bus_interrupt() for a channel. */
void interrupt_now(struct storage *s, unsigned channel, bool anyway);

/* The same, for answers that have been published: as soon as it is worth it. */
void interrupt_owe(struct storage *s, unsigned channel, unsigned answers);

/* Is it worth it by now? now: there is nothing else to do, so it is. */
void interrupt_owed(struct storage *s, bool now);

/* --- lock.c --- */

/* May the request run now? If not it waits in the unit's list. */
bool MUST_USE lock_take(struct request *q);

/* It has run. Those that can run now, linked by queue_next, in order. */
struct request *lock_release(struct request *q);

void list_append(struct request_list *list, struct request *q);
void list_remove(struct request *q);

/* --- metadata.c --- */

struct block_io metadata_io(struct storage *s);

/* A completion of what an image's driver waited for, of this or a dead generation; false: it is none. */
bool metadata_note(struct storage *s, const struct uring_done *done);

/*
 * Has a sync of the file failed that no FLUSH was told of? The kernel tells it once, and it may have been
 * about data of anybody. metadata_failed(): one has. metadata_told(): a FLUSH is told now, and that is in
 * the log.
 */
bool metadata_is_unsynced(const struct storage *s, uint32_t file);
void metadata_failed(struct storage *s, uint32_t file);
void metadata_told(struct storage *s, uint32_t file);

/* --- unit.c --- */

/* Open the image of u.row. 0, or why not: it was logged. */
int MUST_USE unit_open_image(struct storage *s, struct unit *u);

/* What u's SCSI side says, from its row and its image. */
void unit_configure(const struct disks_page *page, struct unit *u);
void unit_add_rows(struct storage *s, struct unit *u);

/* The unit at an address of a controller; NULL: none. */
struct unit *unit_find(struct storage *s, unsigned controller, const struct storvsp_packet *p);
uint64_t unit_mask(const struct storage *s, unsigned controller);
uint32_t unit_controllers(const struct storage *s);
void unit_count(struct unit *u, enum unit_op op, uint64_t bytes, bool failed, uint64_t took_ns);
void units_show(struct storage *s);

/* --- change.c --- */

/*
 * Take note of init's page; running: guests have seen what was there before.
 *   1           done
 *   0           not yet: look again
 *   negative    a disk cannot be opened, and was not told of yet: it was logged
 */
int MUST_USE units_look(struct storage *s, bool running);

/* --- answer.c: the request is over, and its slot shows what the guest is told --- */

void answer_packet(struct storage *s, struct request *q, const uint8_t *bytes);
void answer_status(struct storage *s, struct request *q, uint32_t status);
void answer_result(struct storage *s, struct request *q, const struct storvsp_result *result);
void answer_wrong(struct storage *s, struct request *q, uint32_t status);
void answer_bad(struct storage *s, struct request *q);
void answer_busy(struct storage *s, struct request *q);

/* A command without I/O, as s->answer has it: its data goes to the guest first. */
void answer_scsi(struct storage *s, struct request *q);

/* For whoever looks for it: what went wrong; nothing did: nothing. */
void answer_note(struct storage *s, const struct unit *u, const struct scsi_answer *a);
struct storvsp_result answer_of(const struct scsi_answer *a, uint32_t data_len);

/* Is it the command whose answer was committed with what it changed? That is told again, and not done. */
bool answer_is_last(const struct storage *s, const struct request *q);

/* --- io.c --- */

/* Begin the I/O of a request whose unit is known. It is answered in the end, now or later. */
void io_begin(struct storage *s, struct request *q, const struct scsi_io *io);

/* Go on with a request of s->ready, and with what a step that was in flight has come to. */
void io_advance(struct storage *s, struct request *q, uint64_t now_ns);
void io_take_result(struct storage *s, struct request *q, int32_t res, uint64_t now_ns);

/* Does a completion belong to a request, and to which slot and step? */
bool io_tag(uint64_t user_data, unsigned *ret_channel, unsigned *ret_slot, uint8_t *ret_step);

/* Does the step in flight sync a file, and which, for a request that is no FLUSH? */
bool io_syncs(const struct storage *s, const struct request *q, uint32_t *ret_file);

/* A result of a step that is an error for good. */
bool io_is_final(int32_t res);

/*
 * And one that is told even if the one who asked has died. What a file system cannot do is asked of it again,
 * and then done otherwise. -EFAULT is what the kernel says of memory that a dying process had not touched.
 */
bool io_is_lasting(int32_t res);

/* --- request.c --- */

static inline struct inflight_slot *request_slot(const struct storage *s, const struct request *q)
{
    return flow_slot(&s->flows[q->channel], q->slot);
}

/* Begin the request in a slot that was taken. known: the result of its first step, or NULL. */
void request_begin(struct storage *s, unsigned channel, unsigned slot, uint64_t now_ns,
                   const int32_t *known);

/* What a dead generation had taken for the unit's disk, which is gone, is not about what comes in its place. */
void request_disk_gone(struct storage *s, const struct unit *u);

/* Whose completion of the ring that is; NULL: nobody's any more. */
struct request *request_of(struct storage *s, const struct uring_done *done);

/* With its result: before it is advanced over, note what must outlive us; then what follows. */
void request_note(struct storage *s, const struct request *q, int32_t res);
void request_completed(struct storage *s, struct request *q, int32_t res, uint64_t now_ns);

/* Go on with those that can. True when there were any. */
bool request_feed(struct storage *s, uint64_t now_ns);

/* --- state.c --- */

void state_save(const struct storage *s, struct wr *w);
int MUST_USE state_load(struct storage *s, struct rd *r);
/* As it was before there was any; for a load that failed half-way. */
void state_forget(struct storage *s);

/* --- serve.c --- */

/*
 * The loop, and what it is made of, for tests. storage_begin(): wait for a dead generation's I/O, open the
 * disks; 0, or why no disk can be served. storage_work(): requests, completions, answers; was there
 * anything? storage_look(): what others have changed; false: it must be looked at again, though nobody
 * rings. storage_has_work(): there is more to do, so do not sleep.
 */
void storage_serve(struct storage *s);
int MUST_USE storage_begin(struct storage *s);
bool storage_work(struct storage *s, uint64_t now_ns);
bool storage_look(struct storage *s, uint64_t now_ns);
bool storage_has_work(const struct storage *s);

/* --- worker.c: struct worker_ops, self is a struct storage --- */

int MUST_USE storage_setup(void *self, struct worker *w);
int MUST_USE storage_load(void *self, struct rd *state, uint32_t schema);
void storage_save(void *self, struct wr *w);
void storage_loop(void *self, struct worker *w);

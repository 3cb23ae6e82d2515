/*
 * workers/storage/io.c - a request's I/O: its ranges step by step, each a request to the ring or to the image.
 *
 * A step is known by its tag. Completions of earlier steps, and of earlier users of a slot, are nobody's.
 */
#include <errno.h>
#include <linux/falloc.h>
#include <string.h>

#include "workers/storage/storage.h"

static const uint64_t TAG = UINT64_C(0x5243) << 48; /* "CR" */
static const uint64_t TAG_MASK = UINT64_C(0xffff) << 48;

/* --- tags and results --- */

static uint64_t tag_of(const struct request *q)
{
    return TAG | (uint64_t)q->channel << 32 | (uint64_t)q->slot << 16 | q->step;
}

bool io_tag(uint64_t user_data, unsigned *ret_channel, unsigned *ret_slot, uint8_t *ret_step)
{
    unsigned channel = (unsigned)(user_data >> 32) & 0xffff;
    unsigned slot = (unsigned)(user_data >> 16) & 0xffff;

    if ((user_data & TAG_MASK) != TAG || channel >= INFLIGHT_CHANNELS || slot >= INFLIGHT_SLOTS)
        return false;
    *ret_channel = channel;
    *ret_slot = slot;
    *ret_step = (uint8_t)user_data;
    return true;
}

bool io_is_final(int32_t res)
{
    return res < 0 && res != -EINTR && res != -EAGAIN && res != -ECANCELED;
}

bool io_is_lasting(int32_t res)
{
    return io_is_final(res) && res != -EOPNOTSUPP && res != -EFAULT;
}

/* --- the end of I/O --- */

static const enum unit_op op_of_kind[] = {
    [SCSI_IO_NONE] = UNIT_OPS,    [SCSI_IO_READ] = UNIT_READ,    [SCSI_IO_WRITE] = UNIT_WRITE,
    [SCSI_IO_FLUSH] = UNIT_FLUSH, [SCSI_IO_ZERO] = UNIT_DISCARD, [SCSI_IO_SAME] = UNIT_WRITE,
};

static void queue_put(struct request_queue *queue, struct request *q)
{
    q->queue_next = NULL;
    if (queue->last != NULL)
        queue->last->queue_next = q;
    else
        queue->first = q;
    queue->last = q;
}

/* NULL: it is empty. */
static struct request *queue_take(struct request_queue *queue)
{
    struct request *q = queue->first;

    if (q == NULL)
        return NULL;
    queue->first = q->queue_next;
    if (queue->first == NULL)
        queue->last = NULL;
    return q;
}

/* The buffer for patterns is free: who waited longest for it goes on. */
static void release_fill(struct storage *s)
{
    struct request *next = queue_take(&s->fill_waiting);

    s->fill_owner = NULL;
    if (next != NULL)
        queue_put(&s->ready, next);
}

static void release(struct storage *s, struct request *q)
{
    struct request *next;

    for (struct request *r = lock_release(q); r != NULL; r = next) {
        next = r->queue_next;
        queue_put(&s->ready, r);
    }
    if (q->list < STORAGE_RANGE_LISTS)
        s->list_used[q->list] = false;
    if (s->fill_owner == q)
        release_fill(s);
    q->unit->n_requests--;
}

static uint64_t bytes_of(const struct request *q)
{
    return q->kind == SCSI_IO_READ || q->kind == SCSI_IO_WRITE ? q->one.len : 0;
}

static void trace(const struct storage *s, const struct request *q, uint64_t now_ns)
{
    static const enum trace_kind kinds[UNIT_OPS] = {[UNIT_READ] = TRACE_DISK_READ,
                                                    [UNIT_WRITE] = TRACE_DISK_WRITE,
                                                    [UNIT_FLUSH] = TRACE_DISK_OTHER,
                                                    [UNIT_DISCARD] = TRACE_DISK_OTHER};

    trace_write(&s->worker->trace, kinds[op_of_kind[q->kind]],
                (uint64_t)q->unit->controller << 32 | q->unit->number, bytes_of(q), q->began_ns,
                now_ns - q->began_ns);
}

static struct storvsp_result failed(struct storage *s, const struct request *q, int err)
{
    scsi_io_error((enum scsi_io_kind)q->kind, err, &s->answer);
    answer_note(s, q->unit, &s->answer);
    return answer_of(&s->answer, 0);
}

static void finish(struct storage *s, struct request *q, int err, uint64_t now_ns)
{
    struct storvsp_result result = {.srb_status = SRB_SUCCESS, .data_len = (uint32_t)bytes_of(q)};

    if (err < 0)
        result = failed(s, q, err);
    unit_count(q->unit, op_of_kind[q->kind], err < 0 ? 0 : bytes_of(q), err < 0,
               now_ns - q->began_ns);
    if (trace_is_on(&s->worker->trace))
        trace(s, q, now_ns);
    release(s, q);
    answer_result(s, q, &result);
}

/* --- steps --- */

enum step {
    STEP_PENDING, /* given to the ring */
    STEP_DONE,    /* nothing was to be done for it: go on */
    STEP_END,     /* there is no step any more */
    STEP_WAITS,   /* in a queue: whoever it waits for makes it ready */
};

static const struct scsi_range *range_of(const struct storage *s, const struct request *q)
{
    return q->list < STORAGE_RANGE_LISTS ? &s->lists[q->list][q->range] : &q->one;
}

static bool is_durable(const struct request *q)
{
    return q->kind == SCSI_IO_WRITE && q->fua && !q->unit->grows;
}

bool io_syncs(const struct storage *s, const struct request *q, uint32_t *ret_file)
{
    const struct scsi_range *range = range_of(s, q);
    struct block_extent e;

    if (q->kind == SCSI_IO_FLUSH || (q->what == REQUEST_DATA && !is_durable(q)))
        return false;
    if (q->what == REQUEST_SYNC) {
        *ret_file = q->unit->row.members[q->member];
        return true;
    }
    block_map(q->unit->block, range->offset + q->progress, range->len - q->progress, &e);
    *ret_file = e.file;
    return true;
}

/* Room for iovecs is given back when what names them has been submitted. */
static struct iovec *take_iovecs(struct storage *s)
{
    if (s->n_iovecs + INFLIGHT_PAGES > STORAGE_IOVECS) {
        if (uring_submit(&s->ring) != 0)
            return NULL;
        s->n_iovecs = 0;
    }
    return &s->iovecs[s->n_iovecs];
}

static int move_data(struct storage *s, struct request *q, const struct block_extent *e)
{
    struct iovec *iov = take_iovecs(s);
    int n;
    int r;

    if (iov == NULL)
        return -ENOBUFS;
    n = data_iovecs(s, request_slot(s, q), (uint32_t)q->progress, (uint32_t)e->len, iov);
    if (n < 0)
        return n;
    if (q->kind == SCSI_IO_READ)
        r = uring_readv(&s->ring, e->file, e->offset, iov, (uint32_t)n, tag_of(q));
    else
        r = uring_writev(&s->ring, e->file, e->offset, iov, (uint32_t)n, is_durable(q), tag_of(q));
    if (r < 0)
        return r;
    s->n_iovecs += (unsigned)n;
    q->step_bytes = (uint32_t)e->len;
    return STEP_PENDING;
}

/* Zeros, or the pattern of a WRITE SAME. */
static int write_fill(struct storage *s, struct request *q, const struct block_extent *e)
{
    struct iovec *iov = take_iovecs(s);
    /* A write may end anywhere, also inside of a block. */
    uint32_t at = (uint32_t)(q->progress % q->unit->lun.config.block_bytes);
    const uint8_t *from = (q->kind == SCSI_IO_SAME ? s->fill : s->zeros) + at;
    uint32_t most = STORAGE_FILL_BYTES - at;
    int r;

    if (iov == NULL)
        return -ENOBUFS;
    q->step_bytes = e->len < most ? (uint32_t)e->len : most;
    iov[0] = (struct iovec){.iov_base = (uint8_t *)(uintptr_t)from, .iov_len = q->step_bytes};
    r = uring_writev(&s->ring, e->file, e->offset, iov, 1, false, tag_of(q));
    if (r < 0)
        return r;
    s->n_iovecs++;
    return STEP_PENDING;
}

static int punch(struct storage *s, struct request *q, const struct block_extent *e)
{
    int mode = q->may_discard ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE;
    int r = uring_fallocate(&s->ring, e->file, mode | FALLOC_FL_KEEP_SIZE, e->offset, e->len,
                            tag_of(q));

    if (r < 0)
        return r;
    q->step_bytes = e->len < UINT32_MAX ? (uint32_t)e->len : UINT32_MAX;
    return STEP_PENDING;
}

static bool is_write(const struct request *q)
{
    return q->kind == SCSI_IO_WRITE || q->kind == SCSI_IO_SAME;
}

static int on_zeros(struct storage *s, struct request *q, const struct block_extent *e)
{
    int r = 0;

    if (is_write(q))
        return block_allocate(q->unit->block, range_of(s, q)->offset + q->progress, e->len);
    if (q->kind == SCSI_IO_READ)
        r = data_zero(s, request_slot(s, q), (uint32_t)q->progress, (uint32_t)e->len);
    q->progress += e->len;
    return r;
}

static int on_data(struct storage *s, struct request *q, const struct block_extent *e)
{
    if (q->kind == SCSI_IO_READ || q->kind == SCSI_IO_WRITE)
        return move_data(s, q, e);
    if (q->kind == SCSI_IO_SAME || q->must_write)
        return write_fill(s, q, e);
    return punch(s, q, e);
}

/* A range is done: its image gives back what it can. */
static int next_range(struct storage *s, struct request *q)
{
    const struct scsi_range *range = range_of(s, q);
    bool gives_back = q->kind == SCSI_IO_ZERO && q->may_discard;
    bool zeroed;
    int r = 0;

    if (gives_back && range->len > 0 && q->unit->grows)
        r = block_discard(q->unit->block, range->offset, range->len, &zeroed);
    q->range++;
    q->progress = 0;
    return r;
}

static int data_step(struct storage *s, struct request *q)
{
    const struct scsi_range *range = range_of(s, q);
    struct block_extent e;
    int r;

    if (q->range == q->n_ranges)
        return STEP_END;
    if (q->progress == range->len) {
        r = next_range(s, q);
        return r < 0 ? r : STEP_DONE;
    }
    block_map(q->unit->block, range->offset + q->progress, range->len - q->progress, &e);
    if (e.kind == BLOCK_DATA)
        return on_data(s, q, &e);
    r = on_zeros(s, q, &e);
    return r < 0 ? r : STEP_DONE;
}

/* That it is not what it seems is told once: by this request. */
static int tell_unsynced(struct storage *s, const struct request *q, uint32_t file)
{
    if (!metadata_is_unsynced(s, file))
        return 0;
    request_slot(s, q)->error = EIO; /* first: then it may be forgotten */
    metadata_told(s, file);
    return -EIO;
}

/* Data first, then what points to it. */
static int sync_step(struct storage *s, struct request *q)
{
    uint32_t file;
    int r;

    if (q->member == q->unit->row.n_members) {
        r = block_flush(q->unit->block);
        return r < 0 ? r : STEP_END;
    }
    file = q->unit->row.members[q->member];
    r = tell_unsynced(s, q, file);
    if (r == 0)
        r = uring_fdatasync(&s->ring, file, tag_of(q));
    return r < 0 ? r : STEP_PENDING;
}

/* One pattern at a time is in the buffer that is written from. */
static int take_pattern(struct storage *s, struct request *q)
{
    uint32_t len = q->unit->lun.config.block_bytes;
    int r;

    if (s->fill_owner == q)
        return STEP_DONE;
    if (s->fill_owner != NULL) {
        queue_put(&s->fill_waiting, q);
        return STEP_WAITS;
    }
    r = data_copy_in(s, request_slot(s, q), 0, s->fill, len);
    if (r < 0)
        return r;
    for (uint32_t at = len; at + len <= STORAGE_FILL_BYTES; at += len)
        memcpy(s->fill + at, s->fill, len);
    s->fill_owner = q;
    return STEP_DONE;
}

static int next_step(struct storage *s, struct request *q)
{
    int r;

    if (uring_room(&s->ring) == 0)
        return -ENOBUFS;
    if (q->kind == SCSI_IO_SAME) {
        r = take_pattern(s, q);
        if (r != STEP_DONE)
            return r;
    }
    if (q->what == REQUEST_SYNC)
        return sync_step(s, q);
    r = data_step(s, q);
    if (r != STEP_END || !q->fua || is_durable(q))
        return r;
    q->what = REQUEST_SYNC;
    return STEP_DONE;
}

/* The first step was done for a generation that died; it is not done again. */
static bool take_known(struct storage *s, struct request *q, uint64_t now_ns)
{
    const struct scsi_range *range = range_of(s, q);
    struct block_extent e;

    if (!q->has_known)
        return false;
    q->has_known = false;
    if (q->what == REQUEST_SYNC)
        return false; /* what failed may have been told to another */
    if (q->n_ranges == 0 || range->len == 0)
        return false;
    if (q->known == 0 && (q->kind == SCSI_IO_READ || is_write(q)))
        return false; /* its process died before any of it */
    block_map(q->unit->block, range->offset, range->len, &e);
    if (e.kind != BLOCK_DATA)
        return false;
    q->step_bytes = e.len < UINT32_MAX ? (uint32_t)e.len : UINT32_MAX;
    io_take_result(s, q, q->known, now_ns);
    return true;
}

void io_advance(struct storage *s, struct request *q, uint64_t now_ns)
{
    if (take_known(s, q, now_ns))
        return;
    for (;;) {
        int r = next_step(s, q);

        if (r == STEP_DONE)
            continue;
        if (r == STEP_PENDING || r == STEP_WAITS)
            return;
        if (r == -ENOBUFS)
            queue_put(&s->ready, q);
        else
            finish(s, q, r < 0 ? r : 0, now_ns);
        return;
    }
}

/* Where a file system cannot make zeros, they are written. */
static bool is_not_possible(const struct request *q, int32_t res)
{
    return res == -EOPNOTSUPP && q->what == REQUEST_DATA && q->kind == SCSI_IO_ZERO &&
           !q->must_write;
}

static void count_moved(struct request *q, int32_t res)
{
    bool all = q->kind == SCSI_IO_ZERO && !q->must_write;

    q->progress += all || (uint32_t)res > q->step_bytes ? q->step_bytes : (uint32_t)res;
}

void io_take_result(struct storage *s, struct request *q, int32_t res, uint64_t now_ns)
{
    q->step = (uint8_t)(q->step == UINT8_MAX ? 1 : q->step + 1); /* only the first is ever 0 */
    if (res >= 0 &&
        q->what == REQUEST_SYNC) /* another sync of the file may have failed meanwhile */
        res = tell_unsynced(s, q, q->unit->row.members[q->member]);
    if (is_not_possible(q, res)) {
        q->must_write = true;
    } else if (io_is_final(res)) {
        finish(s, q, res, now_ns);
        return;
    } else if (res >= 0 && q->what == REQUEST_SYNC) {
        q->member++;
    } else if (res == 0 && (q->kind == SCSI_IO_READ || is_write(q) || q->must_write)) {
        finish(s, q, -EIO, now_ns); /* the file is shorter than it was */
        return;
    } else if (res >= 0) {
        count_moved(q, res);
    }
    io_advance(s, q, now_ns);
}

/* --- beginning --- */

static bool copy_ranges(struct storage *s, struct request *q, const struct scsi_io *io)
{
    q->n_ranges = io->n_ranges;
    q->list = STORAGE_RANGE_LISTS;
    if (io->n_ranges <= 1) {
        q->one = io->ranges[0];
        return true;
    }
    for (uint16_t i = 0; i < STORAGE_RANGE_LISTS; i++) {
        if (s->list_used[i])
            continue;
        s->list_used[i] = true;
        q->list = i;
        memcpy(s->lists[i], io->ranges, io->n_ranges * sizeof(io->ranges[0]));
        return true;
    }
    return false;
}

static void lock_range(struct storage *s, struct request *q)
{
    q->lock_from = UINT64_MAX;
    q->lock_to = 0;
    for (uint32_t i = 0; i < q->n_ranges; i++) {
        const struct scsi_range *range =
            q->list < STORAGE_RANGE_LISTS ? &s->lists[q->list][i] : &q->one;

        q->lock_from = range->offset < q->lock_from ? range->offset : q->lock_from;
        q->lock_to =
            range->offset + range->len > q->lock_to ? range->offset + range->len : q->lock_to;
    }
    if (q->n_ranges == 0)
        q->lock_from = 0;
}

/* Of the guest's memory that its I/O is from or to. */
static uint64_t guest_bytes_of(const struct request *q)
{
    return q->kind == SCSI_IO_SAME ? q->unit->lun.config.block_bytes : bytes_of(q);
}

void io_begin(struct storage *s, struct request *q, const struct scsi_io *io)
{
    struct inflight_slot *slot = request_slot(s, q);

    q->kind = (uint32_t)io->kind;
    slot->flags = (slot->flags & ((1u << INFLIGHT_KIND_SHIFT) - 1)) | q->kind
                                                                          << INFLIGHT_KIND_SHIFT;
    q->fua = io->fua;
    q->may_discard = io->may_discard;
    q->what = io->kind == SCSI_IO_FLUSH ? REQUEST_SYNC : REQUEST_DATA;
    q->unit->n_requests++;
    if (!copy_ranges(s, q, io)) {
        release(s, q);
        answer_busy(s, q);
        return;
    }
    if (guest_bytes_of(q) > slot->data_len) {
        release(s, q);
        answer_bad(s, q);
        return;
    }
    lock_range(s, q);
    if (lock_take(q))
        io_advance(s, q, q->began_ns);
}

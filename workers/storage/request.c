#include <errno.h>
#include <linux/falloc.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "workers/journal.h"
#include "workers/storage/storage.h"

enum {
    SCSI_BUSY = 0x08,
    SRB_BUSY = 0x05,
    ID_CHANNEL_SHIFT = 56,
};

static const uint64_t TAG = UINT64_C(0x5243) << 48; /* "CR" */
static const uint64_t TAG_MASK = UINT64_C(0xffff) << 48;

/* --- names of things --- */

static uint64_t tag_of(const struct request *q)
{
    return TAG | (uint64_t)q->channel << 32 | (uint64_t)q->slot << 16 | q->step;
}

bool request_tag(uint64_t user_data, unsigned *ret_channel, unsigned *ret_slot, uint8_t *ret_step)
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

bool request_is_final(int32_t res)
{
    return res < 0 && res != -EINTR && res != -EAGAIN && res != -ECANCELED;
}

bool request_is_lasting(int32_t res)
{
    return request_is_final(res) && res != -EOPNOTSUPP && res != -EFAULT;
}

static struct inflight_slot *slot_of(const struct storage *s, const struct request *q)
{
    return flow_slot(&s->flows[q->channel], q->slot);
}

/* The same for a successor that tries it again: which packet of which opening it was. */
static uint64_t id_of(const struct storage *s, const struct request *q)
{
    const struct flow *f = &s->flows[q->channel];

    return (uint64_t)(q->channel + 1) << ID_CHANNEL_SHIFT |
           (uint64_t)(f->log->opening & 0xffffff) << 32 | slot_of(s, q)->seq;
}

/* --- answers --- */

static void answer(struct storage *s, struct request *q, const uint8_t *bytes)
{
    q->in_use = false;
    flow_answer(&s->flows[q->channel], q->slot, bytes, slot_of(s, q)->packet_len);
}

static void answer_status(struct storage *s, struct request *q, uint32_t status)
{
    const struct inflight_slot *slot = slot_of(s, q);
    uint8_t out[STORVSP_PACKET_BYTES];

    storvsp_answer_status(slot->packet, slot->packet_len, status, out);
    answer(s, q, out);
}

static void answer_result(struct storage *s, struct request *q, const struct storvsp_result *result)
{
    const struct inflight_slot *slot = slot_of(s, q);
    uint8_t out[STORVSP_PACKET_BYTES];

    storvsp_answer_srb(slot->packet, slot->packet_len, result, out);
    answer(s, q, out);
}

/*
 * Not one that could be executed: no sense tells why, because it is the transport's. The status of the SRB
 * must say so, too: to Linux all is well where that one and SCSI's are 0, as in the request.
 */
static void answer_wrong(struct storage *s, struct request *q, uint32_t status)
{
    const struct storvsp_result wrong = {.status = status, .srb_status = SRB_INVALID_REQUEST};

    answer_result(s, q, &wrong);
}

static void answer_bad(struct storage *s, struct request *q)
{
    answer_wrong(s, q, STORVSP_INVALID_REQUEST);
}

static struct storvsp_result result_of(const struct scsi_answer *a, uint32_t data_len)
{
    struct storvsp_result result = {
        .srb_status = SRB_SUCCESS, .scsi_status = (uint8_t)a->status, .data_len = data_len};

    if (a->status == SCSI_GOOD)
        return result;
    result.status = STORVSP_IO_ERROR;
    result.srb_status = SRB_ERROR;
    if (a->sense_len > 0) {
        result.srb_status |= SRB_AUTOSENSE_VALID;
        result.sense_len = a->sense_len;
        memcpy(result.sense, a->sense, a->sense_len);
    }
    return result;
}

/* What changed of a unit and the answer are one commit: a successor tells it and does not do it again. */
static void keep_change(struct storage *s, const struct request *q, const uint8_t *bytes)
{
    s->last.channel = q->channel;
    s->last.opening = s->flows[q->channel].log->opening;
    s->last.seq = slot_of(s, q)->seq;
    s->last.answer_len = slot_of(s, q)->packet_len;
    memcpy(s->last.answer, bytes, sizeof(s->last.answer));
    journal_commit(s->worker);
}

static bool is_last_change(const struct storage *s, const struct request *q)
{
    return s->last.answer_len != 0 && s->last.channel == q->channel &&
           s->last.opening == s->flows[q->channel].log->opening &&
           s->last.seq == slot_of(s, q)->seq;
}

/* A command without I/O: its data goes to the guest, then the answer. */
static void answer_scsi(struct storage *s, struct request *q)
{
    const struct inflight_slot *slot = slot_of(s, q);
    struct scsi_answer *a = &s->answer;
    struct storvsp_result result;
    uint8_t out[STORVSP_PACKET_BYTES];

    if (a->in_len > slot->data_len)
        a->in_len = slot->data_len;
    if (data_copy_out(s, slot, 0, a->in, a->in_len) < 0) {
        answer_bad(s, q);
        return;
    }
    result = result_of(a, a->in_len);
    storvsp_answer_srb(slot->packet, slot->packet_len, &result, out);
    if (a->changed)
        keep_change(s, q, out);
    answer(s, q, out);
}

static void answer_busy(struct storage *s, struct request *q)
{
    const struct storvsp_result busy = {
        .status = STORVSP_IO_ERROR, .srb_status = SRB_BUSY, .scsi_status = SCSI_BUSY};

    answer_result(s, q, &busy);
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

static void finish(struct storage *s, struct request *q, int err, uint64_t now_ns)
{
    const struct scsi_io io = {.kind = (enum scsi_io_kind)q->kind, .fua = q->fua};
    struct storvsp_result result = {.srb_status = SRB_SUCCESS, .data_len = (uint32_t)bytes_of(q)};

    if (err < 0) {
        scsi_io_error(&io, err, &s->answer);
        result = result_of(&s->answer, 0);
    }
    unit_count(q->unit, op_of_kind[q->kind], err < 0 ? 0 : bytes_of(q), err < 0,
               now_ns - q->began_ns);
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
    bool durable = q->fua && !q->unit->grows;
    int n;
    int r;

    if (iov == NULL)
        return -ENOBUFS;
    n = data_iovecs(s, slot_of(s, q), (uint32_t)q->progress, (uint32_t)e->len, iov);
    if (n < 0)
        return n;
    if (q->kind == SCSI_IO_READ)
        r = uring_readv(&s->ring, e->file, e->offset, iov, (uint32_t)n, tag_of(q));
    else
        r = uring_writev(&s->ring, e->file, e->offset, iov, (uint32_t)n, durable, tag_of(q));
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
        r = data_zero(s, slot_of(s, q), (uint32_t)q->progress, (uint32_t)e->len);
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
    if (metadata_is_unsynced(s, file)) {
        slot_of(s, q)->error = EIO; /* first: then it may be forgotten */
        metadata_told(s, file);
        return -EIO;
    }
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
    r = data_copy_in(s, slot_of(s, q), 0, s->fill, len);
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
    if (r != STEP_END || !q->fua || (q->kind == SCSI_IO_WRITE && !q->unit->grows))
        return r;
    q->what = REQUEST_SYNC;
    return STEP_DONE;
}

static void take_result(struct storage *s, struct request *q, int32_t res, uint64_t now_ns);

/* The first step was done for a generation that died; it is not done again. */
static bool take_known(struct storage *s, struct request *q, uint64_t now_ns)
{
    const struct scsi_range *range = range_of(s, q);
    struct block_extent e = {.len = 0};

    if (!q->has_known)
        return false;
    q->has_known = false;
    if (q->what == REQUEST_DATA && (q->n_ranges == 0 || range->len == 0))
        return false;
    if (q->known == 0 && (q->kind == SCSI_IO_READ || is_write(q)))
        return false; /* its process died before any of it */
    if (q->what == REQUEST_DATA) {
        block_map(q->unit->block, range->offset, range->len, &e);
        if (e.kind != BLOCK_DATA)
            return false;
    }
    q->step_bytes = e.len < UINT32_MAX ? (uint32_t)e.len : UINT32_MAX;
    take_result(s, q, q->known, now_ns);
    return true;
}

static void advance(struct storage *s, struct request *q, uint64_t now_ns)
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

static void take_result(struct storage *s, struct request *q, int32_t res, uint64_t now_ns)
{
    q->step = (uint8_t)(q->step == UINT8_MAX ? 1 : q->step + 1); /* only the first is ever 0 */
    if (is_not_possible(q, res)) {
        q->must_write = true;
    } else if (request_is_final(res)) {
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
    advance(s, q, now_ns);
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

static void begin_io(struct storage *s, struct request *q, const struct scsi_io *io)
{
    struct inflight_slot *slot = slot_of(s, q);

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
        advance(s, q, q->began_ns);
}

static bool is_plain_write(uint8_t opcode)
{
    static const uint8_t opcodes[] = {0x0a, 0x2a, 0xaa, 0x8a, 0x2e, 0xae, 0x8e};

    return memchr(opcodes, opcode, sizeof(opcodes)) != NULL;
}

/* Parameters of a command are copied; data of the medium is not. */
static int make_command(struct storage *s, const struct request *q, const struct storvsp_packet *p,
                        struct scsi_command *ret)
{
    static const enum scsi_direction directions[] = {SCSI_DATA_OUT, SCSI_DATA_IN, SCSI_NO_DATA};
    const struct inflight_slot *slot = slot_of(s, q);

    *ret = (struct scsi_command){.cdb_len = p->cdb_len,
                                 .direction = directions[p->data_in],
                                 .data_len =
                                     p->data_len < slot->data_len ? p->data_len : slot->data_len,
                                 .out = s->out,
                                 .initiator = 1};
    memcpy(ret->cdb, p->cdb, sizeof(ret->cdb));
    if (ret->direction != SCSI_DATA_OUT || is_plain_write(p->cdb[0]))
        return 0;
    ret->out_len = ret->data_len < SCSI_OUT_MAX ? ret->data_len : SCSI_OUT_MAX;
    return data_copy_in(s, slot, 0, s->out, ret->out_len);
}

static void to_nobody(struct storage *s, struct request *q, const struct scsi_command *c)
{
    static const struct storvsp_result nobody = {.status = STORVSP_NO_SUCH_LUN,
                                                 .srb_status = SRB_INVALID_LUN};

    if (scsi_absent(c, &s->answer))
        answer_scsi(s, q);
    else
        answer_result(s, q, &nobody);
}

static void to_unit(struct storage *s, struct request *q, const struct scsi_command *c)
{
    s->io.kind = SCSI_IO_NONE;
    if (id_of(s, q) == s->worker->poison)
        scsi_poisoned(&s->answer);
    else if (s->worker->parked)
        scsi_parked(&q->unit->lun, c, &s->answer);
    else
        scsi_execute(&q->unit->lun, c, &s->io, &s->answer);
    if (s->io.kind == SCSI_IO_NONE) {
        answer_scsi(s, q);
        return;
    }
    if (s->answer.changed) /* it may be done again: it changes the same to the same */
        journal_commit(s->worker);
    begin_io(s, q, &s->io);
}

/* A dead generation's I/O failed. That is told, whatever has become of the unit since. */
static void tell_error(struct storage *s, struct request *q)
{
    const struct inflight_slot *slot = slot_of(s, q);
    const struct scsi_io io = {.kind = (enum scsi_io_kind)(slot->flags >> INFLIGHT_KIND_SHIFT)};

    struct storvsp_result result;

    scsi_io_error(&io, -slot->error, &s->answer);
    result = result_of(&s->answer, 0);
    answer_result(s, q, &result);
}

static void execute_srb(struct storage *s, struct request *q, const struct storvsp_packet *p)
{
    unsigned controller = q->channel / VMBUS_SUBCHANNELS;
    struct scsi_command c;

    if (slot_of(s, q)->error != 0) {
        tell_error(s, q);
        return;
    }
    if (s->controllers[controller].phase != CONTROLLER_READY) {
        answer_wrong(s, q, STORVSP_INVALID_DEVICE_STATE);
        return;
    }
    if ((slot_of(s, q)->flags & INFLIGHT_BAD_DATA) != 0 || make_command(s, q, p, &c) < 0) {
        answer_bad(s, q);
        return;
    }
    q->unit = unit_find(s, controller, p);
    if (scsi_is_report_luns(&c)) {
        /* Never "no such unit": Linux takes that of any path for one of path 0, and removes it. */
        uint64_t mask = p->path == 0 && p->target == 0 ? unit_mask(s, controller) : 0;

        scsi_report_luns(mask, &c, &s->answer);
        answer_scsi(s, q);
    } else if (q->unit == NULL) {
        to_nobody(s, q, &c);
    } else {
        to_unit(s, q, &c);
    }
}

static void wake_vmbus(const struct storage *s)
{
    static const uint64_t one = 1;

    (void)!write(s->vmbus_bell_fd, &one, sizeof(one)); /* full means that it is rung already */
}

/* Requests that are on their way end as they would have: the guest waits for them. */
static void reset_units(struct storage *s, unsigned device, const struct storvsp_packet *p)
{
    for (unsigned i = 0; i < DISK_LUNS; i++) {
        struct unit *u = &s->units[device * DISK_LUNS + i];

        if (u->present && (p->op != STORVSP_RESET_LUN || u == unit_find(s, device, p)))
            scsi_reset(&u->lun);
    }
    journal_commit(s->worker);
}

/* Only on the primary channel; a subchannel has SRBs alone. */
static void execute_control(struct storage *s, struct request *q, const struct storvsp_packet *p)
{
    const struct inflight_slot *slot = slot_of(s, q);
    unsigned device = q->channel / VMBUS_SUBCHANNELS;
    struct controller *c = &s->controllers[device];
    uint8_t out[STORVSP_PACKET_BYTES];

    if (q->channel % VMBUS_SUBCHANNELS != 0) {
        answer_status(s, q, STORVSP_INVALID_DEVICE_STATE);
        return;
    }
    if (controller_execute(c, p, slot->packet, slot->packet_len, VMBUS_SUBCHANNELS - 1, out)) {
        journal_commit(s->worker);
        atomic_store(&s->acks->subchannels[device], c->subchannels);
        wake_vmbus(s);
    }
    if (storvsp_is_reset(p->op) && c->phase == CONTROLLER_READY)
        reset_units(s, device, p);
    answer(s, q, out);
}

void request_begin(struct storage *s, unsigned channel, unsigned slot, uint64_t now_ns,
                   const int32_t *known)
{
    struct request *q = &s->requests[channel][slot];
    const struct inflight_slot *sl = flow_slot(&s->flows[channel], slot);
    struct storvsp_packet p;

    *q = (struct request){.in_use = true,
                          .channel = (uint8_t)channel,
                          .slot = (uint16_t)slot,
                          .list = STORAGE_RANGE_LISTS,
                          .began_ns = now_ns,
                          .has_known = known != NULL,
                          .known = known == NULL ? 0 : *known};
    region_set_executing(&s->worker->region, id_of(s, q));
    if (is_last_change(s, q))
        answer(s, q, s->last.answer);
    else if (storvsp_parse(sl->packet, sl->packet_len, &p) < 0)
        answer_bad(s, q);
    else if (p.op == STORVSP_EXECUTE_SRB)
        execute_srb(s, q, &p);
    else
        execute_control(s, q, &p);
    region_set_executing(&s->worker->region, 0);
}

static struct request *of_completion(struct storage *s, const struct uring_done *done)
{
    unsigned channel, slot;
    uint8_t step;
    struct request *q;

    if (!request_tag(done->user_data, &channel, &slot, &step))
        return NULL;
    q = &s->requests[channel][slot];
    return q->in_use && q->step == step ? q : NULL;
}

void request_note(struct storage *s, const struct uring_done *done)
{
    const struct request *q = of_completion(s, done);

    if (q != NULL && request_is_lasting(done->res))
        slot_of(s, q)->error = -done->res;
}

void request_completed(struct storage *s, const struct uring_done *done, uint64_t now_ns)
{
    struct request *q = of_completion(s, done);

    if (q == NULL)
        return;
    region_set_executing(&s->worker->region, id_of(s, q));
    take_result(s, q, done->res, now_ns);
    region_set_executing(&s->worker->region, 0);
}

bool request_feed(struct storage *s, uint64_t now_ns)
{
    struct request *q = s->ready.first;
    struct request *next;
    bool any = q != NULL;

    if (uring_room(&s->ring) == 0) /* completions will make some */
        return false;
    s->ready = (struct request_queue){0};
    for (; q != NULL; q = next) {
        next = q->queue_next;
        region_set_executing(&s->worker->region, id_of(s, q));
        advance(s, q, now_ns);
    }
    region_set_executing(&s->worker->region, 0);
    return any;
}

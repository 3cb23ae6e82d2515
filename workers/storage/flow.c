#include "workers/storage/flow.h"

#include <errno.h>
#include <string.h>

#include "base/rd.h"

enum {
    HEAD_BYTES = 16, /* reserved, number of ranges; bytes and offset of the first */
    PFN_BYTES = 8,
    ERRNO_MAX = 4095,
    SKIPS_MAX = 256, /* of packets that are no requests, at once */
};

static uint64_t in_word(uint32_t taken, uint32_t read)
{
    return (uint64_t)read << 32 | taken;
}

/* --- open, resume --- */

static void begin(struct flow *f, uint32_t opening)
{
    struct inflight_channel *log = f->log;

    log->opening = 0; /* until all of it is new, it is about nothing */
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < INFLIGHT_SLOTS; i++) {
        if (atomic_load(&log->slots[i].state) != INFLIGHT_FREE)
            atomic_store(&log->slots[i].state, INFLIGHT_FREE);
    }
    atomic_store(&log->in, 0);
    atomic_store(&log->out, 0);
    atomic_store(&log->commit, 0);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    log->opening = opening;
}

/* A batch that was being published: shown or not? */
static int settle_commit(struct flow *f)
{
    struct inflight_channel *log = f->log;
    uint32_t n = atomic_load(&log->commit);
    uint32_t shown = vmring_shown(&f->out);

    if (n == 0)
        return 0;
    if (n > INFLIGHT_BATCH || (shown != log->commit_to && shown != log->commit_from))
        return -EBADMSG;
    if (shown == log->commit_to) {
        atomic_store(&log->out, log->commit_to);
        for (uint32_t i = 0; i < n; i++)
            atomic_store(&log->slots[log->commit_slots[i] % INFLIGHT_SLOTS].state, INFLIGHT_FREE);
    }
    atomic_store(&log->commit, 0);
    return 0;
}

/* A predecessor that was taken over may have written what cannot be. */
static bool is_sound(const struct inflight_slot *s)
{
    return s->packet_len <= sizeof(s->packet) && s->n_pages <= INFLIGHT_PAGES && s->error >= 0 &&
           s->error <= ERRNO_MAX && s->data_len <= INFLIGHT_DATA_MAX &&
           s->data_offset < GMEM_PAGE_BYTES &&
           (uint64_t)s->data_offset + s->data_len <= (uint64_t)s->n_pages * GMEM_PAGE_BYTES;
}

/* Is its number one of those below, which is taken up from one to the next? */
static bool is_taken(const struct flow *f, const struct inflight_slot *s)
{
    if (f->taken - s->seq - 1 >= INT32_MAX || !is_sound(s))
        return false;
    for (const struct inflight_slot *t = s + 1; t < f->log->slots + INFLIGHT_SLOTS; t++) {
        if (atomic_load(&t->state) == INFLIGHT_CLAIMED && t->seq == s->seq)
            return false;
    }
    return true;
}

static void sort_slots(struct flow *f)
{
    f->n_free = 0;
    f->n_done = 0;
    f->done_at = 0;
    f->n_claimed = 0;
    for (unsigned i = INFLIGHT_SLOTS; i-- > 0;) {
        struct inflight_slot *s = &f->log->slots[i];
        uint32_t state = atomic_load(&s->state);

        if (state == INFLIGHT_DONE && is_sound(s)) {
            f->done[f->n_done++] = (uint16_t)i;
        } else if (state == INFLIGHT_CLAIMED && is_taken(f, s)) {
            f->n_claimed++;
        } else {
            if (state != INFLIGHT_FREE)
                atomic_store(&s->state, INFLIGHT_FREE);
            f->free[f->n_free++] = (uint16_t)i;
        }
    }
}

static bool is_offset(const struct vmring *r, uint32_t at)
{
    return at < r->bytes && at % 8 == 0;
}

/* What the dead one kept counts; what the guest sees of it may be older. */
static int resume_log(struct flow *f)
{
    int r = settle_commit(f);
    uint64_t in = atomic_load(&f->log->in);

    f->taken = (uint32_t)in;
    f->read = (uint32_t)(in >> 32);
    f->write = atomic_load(&f->log->out);
    if (!is_offset(&f->in, f->read) || !is_offset(&f->out, f->write)) {
        f->read = 0;
        f->write = 0;
        r = -EBADMSG;
    }
    sort_slots(f);
    return r;
}

/* Each has a control page and one more at least: vmbus has looked, and may have been taken over. */
static bool are_rings(const struct vmbus_channel *c)
{
    return c->pages <= VMBUS_RING_PAGES_MAX && c->downstream >= 2 && c->downstream < c->pages &&
           c->pages - c->downstream >= 2;
}

int flow_open(struct flow *f, const struct gmem *memory, const struct vmbus_channel *c,
              const uint64_t *pfns, bool resume)
{
    int r = -EINVAL;

    if (are_rings(c))
        r = gmem_pages_init(&f->pages, memory, pfns, c->pages, f->hosts);
    if (r < 0)
        return r;
    f->open = true;
    f->waits = false;
    f->in = vmring_over(&f->pages, 0, c->downstream);
    f->out = vmring_over(&f->pages, c->downstream, c->pages - c->downstream);
    if (!resume)
        begin(f, c->opening);
    r = resume_log(f);
    f->stopped = r < 0;
    f->shown_read = f->read;
    vmring_show_read(&f->in, f->read);
    vmring_show_write(&f->out, f->write);
    return r;
}

void flow_close(struct flow *f)
{
    f->open = false;
}

int flow_claimed_from(const struct flow *f, uint32_t from)
{
    int found = -ENOENT;

    for (unsigned i = 0; i < INFLIGHT_SLOTS; i++) {
        const struct inflight_slot *s = &f->log->slots[i];

        if (atomic_load(&s->state) != INFLIGHT_CLAIMED || s->seq - from > INT32_MAX)
            continue;
        if (found < 0 || s->seq - from < f->log->slots[found].seq - from)
            found = (int)i;
    }
    return found;
}

/* --- taking --- */

/*
 * One range, its page frame numbers after it; all inside the head. The numbers are copied as they lie, for they are what a
 * little-endian machine makes of them.
 */
static int take_range(const struct flow *f, const struct vmring_packet *p, struct inflight_slot *s)
{
    uint32_t left = p->head_bytes - VMRING_HEAD_BYTES;
    uint8_t head[HEAD_BYTES];
    struct rd r = rd_over(head, left < HEAD_BYTES ? left : HEAD_BYTES);
    uint32_t n_ranges, bytes, offset, pages;

    vmring_copy(&f->in, p, VMRING_HEAD_BYTES, head, (uint32_t)r.left);
    (void)rd_le32(&r);
    n_ranges = rd_le32(&r);
    if (n_ranges == 0)
        return rd_ok(&r) ? 0 : -EBADMSG;
    bytes = rd_le32(&r);
    offset = rd_le32(&r);
    if (!rd_ok(&r) || n_ranges != 1 || offset >= GMEM_PAGE_BYTES || bytes > INFLIGHT_DATA_MAX)
        return -EBADMSG;
    pages = (offset + bytes + GMEM_PAGE_BYTES - 1) / GMEM_PAGE_BYTES;
    if (left - HEAD_BYTES < pages * PFN_BYTES)
        return -EBADMSG;
    vmring_copy(&f->in, p, VMRING_HEAD_BYTES + HEAD_BYTES, s->pages, pages * PFN_BYTES);
    s->data_len = bytes;
    s->data_offset = offset;
    s->n_pages = pages;
    return 0;
}

static void fill(const struct flow *f, const struct vmring_packet *p, struct inflight_slot *s)
{
    uint32_t len = p->payload_bytes < sizeof(s->packet) ? p->payload_bytes : sizeof(s->packet);

    s->transaction = p->transaction;
    s->error = 0;
    s->packet_len = len;
    s->data_len = 0;
    s->data_offset = 0;
    s->n_pages = 0;
    s->flags = (p->flags & VMRING_WANTS_COMPLETION) != 0 ? INFLIGHT_WANTS_COMPLETION : 0;
    vmring_copy(&f->in, p, p->head_bytes, s->packet, len);
    if (p->type == VMRING_GPA_DIRECT && take_range(f, p, s) < 0)
        s->flags |= INFLIGHT_BAD_DATA;
}

static int stop(struct flow *f)
{
    f->stopped = true;
    vmring_set_wanted(&f->in, false);
    return -EBADMSG;
}

int flow_take(struct flow *f)
{
    struct vmring_packet p UNINITIALIZED;
    struct inflight_slot *s;
    uint32_t available;
    unsigned slot;

    for (unsigned left = SKIPS_MAX;; left--) {
        if (f->stopped || vmring_available(&f->in, f->read, &available) < 0)
            return stop(f);
        if (available == 0 || left == 0)
            return -EAGAIN;
        if (f->n_free == 0)
            return -ENOBUFS;
        if (vmring_packet(&f->in, f->read, available, &p) < 0)
            return stop(f);
        if (p.type == VMRING_IN_BAND || p.type == VMRING_GPA_DIRECT)
            break;
        if (p.type != VMRING_COMPLETION) /* of what we told it unasked: not waited for */
            return stop(f);
        f->read = p.next;
    }
    slot = f->free[--f->n_free];
    s = &f->log->slots[slot];
    fill(f, &p, s);
    s->seq = f->taken;
    atomic_store_explicit(&s->state, INFLIGHT_CLAIMED, memory_order_release);
    f->taken++;
    f->read = p.next;
    f->n_claimed++;
    return (int)slot;
}

bool flow_taken(struct flow *f)
{
    uint32_t before = f->shown_read;

    if (f->read == before)
        return false;
    atomic_store_explicit(&f->log->in, in_word(f->taken, f->read), memory_order_release);
    f->shown_read = f->read;
    return vmring_consumed(&f->in, before, f->read);
}

/* --- answering --- */

static void set_free(struct flow *f, unsigned slot)
{
    atomic_store_explicit(&f->log->slots[slot].state, INFLIGHT_FREE, memory_order_release);
    f->free[f->n_free++] = (uint16_t)slot;
}

void flow_answer(struct flow *f, unsigned slot, const void *answer, uint32_t len)
{
    struct inflight_slot *s = &f->log->slots[slot];

    f->n_claimed--;
    if ((s->flags & INFLIGHT_WANTS_COMPLETION) == 0) {
        set_free(f, slot);
        return;
    }
    memcpy(s->answer, answer, len < sizeof(s->answer) ? len : sizeof(s->answer));
    s->packet_len = len < sizeof(s->answer) ? len : sizeof(s->answer);
    atomic_store_explicit(&s->state, INFLIGHT_DONE, memory_order_release);
    f->done[(f->done_at + f->n_done++) % INFLIGHT_SLOTS] = (uint16_t)slot;
}

/* Put as many as there is room for, and for one record, behind the write index. Their end. */
static uint32_t put_batch(struct flow *f, uint32_t room, uint32_t *ret_n)
{
    uint32_t at = f->write;
    uint32_t n = 0;

    while (n < INFLIGHT_BATCH && n < f->n_done) {
        unsigned slot = f->done[(f->done_at + n) % INFLIGHT_SLOTS];
        const struct inflight_slot *s = &f->log->slots[slot];
        uint32_t bytes = vmring_packet_bytes(s->packet_len);

        if (bytes > room)
            break;
        room -= bytes;
        at = vmring_put_completion(&f->out, at, s->transaction, s->answer, s->packet_len);
        f->log->commit_slots[n++] = (uint16_t)slot;
    }
    *ret_n = n;
    return at;
}

/* The answers did not fit: ask for a signal when they will. False: look once more. */
static bool waits_for_room(struct flow *f)
{
    static const uint32_t needed =
        VMRING_HEAD_BYTES + sizeof(f->log->slots[0].answer) + VMRING_TRAILER_BYTES;
    uint32_t room;

    vmring_set_pending(&f->out, needed);
    f->waits = true;
    if (vmring_room(&f->out, f->write, &room) < 0) {
        (void)stop(f);
        return true;
    }
    return room < needed;
}

static void stop_waiting(struct flow *f)
{
    if (f->waits)
        vmring_set_pending(&f->out, 0);
    f->waits = false;
}

static bool publish_batch(struct flow *f, uint32_t room, bool *ret_signal)
{
    struct inflight_channel *log = f->log;
    uint32_t from = f->write;
    uint32_t n;
    uint32_t to = put_batch(f, room, &n);

    if (n == 0)
        return false;
    log->commit_from = from;
    log->commit_to = to;
    atomic_store_explicit(&log->commit, n, memory_order_release);
    *ret_signal |= vmring_produced(&f->out, from, to); /* here it happens */
    atomic_store_explicit(&log->out, to, memory_order_release);
    f->write = to;
    for (uint32_t i = 0; i < n; i++)
        set_free(f, log->commit_slots[i]);
    atomic_store_explicit(&log->commit, 0, memory_order_release);
    f->done_at = (f->done_at + n) % INFLIGHT_SLOTS;
    f->n_done -= n;
    return true;
}

bool flow_publish(struct flow *f)
{
    bool signal = false;
    uint32_t room;

    while (flow_is_blocked(f)) {
        if (vmring_room(&f->out, f->write, &room) < 0) {
            (void)stop(f);
            break;
        }
        if (!publish_batch(f, room, &signal) && waits_for_room(f))
            return signal;
    }
    stop_waiting(f);
    return signal;
}

bool flow_is_unread(const struct flow *f)
{
    return f->open && vmring_is_unread(&f->out, f->write);
}

bool flow_tell(struct flow *f, const void *payload, uint32_t len)
{
    uint32_t from = f->write;
    uint32_t room, to;

    if (f->stopped || vmring_room(&f->out, from, &room) < 0 || vmring_packet_bytes(len) > room)
        return false;
    to = vmring_put_in_band(&f->out, from, payload, len);
    /* After a death it may be told twice or not at all: it only says "look again". */
    atomic_store_explicit(&f->log->out, to, memory_order_release);
    f->write = to;
    (void)vmring_produced(&f->out, from, to);
    return true;
}

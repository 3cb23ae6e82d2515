#include "workers/net/line.h"

#include <errno.h>
#include <string.h>

enum {
    COMMIT_TOLD =
        1 << 16, /* enum line_commit: what is being published; the low half says how many */
    COMMIT_GIVEN = 2 << 16,
    COMMIT_MASK = 0xffff,
    TELL_BATCH = 64,    /* completions that are published at once */
    ROOM_WANTED = 1024, /* more than any packet takes */
};

static struct frames_slot *slot_of(const struct line *l, uint32_t number)
{
    return &l->log->slots[number % FRAMES_SLOTS];
}

/* --- open, resume --- */

static void begin(struct line *l, uint32_t opening)
{
    struct frames_channel *log = l->log;

    log->opening = 0; /* until all of it is new, it is about nothing */
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    atomic_store(&log->in, 0);
    atomic_store(&log->ahead, 0);
    atomic_store(&log->done, 0);
    atomic_store(&log->out, 0);
    atomic_store(&log->commit, 0);
    atomic_store(&log->replied, 0);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    log->opening = opening;
}

/* Sections of a group, the guest's or ours; what a predecessor wrote may be anything. */
static void set_owner(struct line *l, unsigned first, unsigned n, bool guest)
{
    for (unsigned i = 0; i < n && first + i < FRAMES_SECTIONS; i++)
        atomic_store_explicit(&l->owners[first + i],
                              !guest   ? 0
                              : i == 0 ? (uint16_t)n
                                       : (uint16_t)FRAMES_MORE,
                              memory_order_release);
}

/* This may be done again by a successor, from any of its stores on. */
static void finish_told(struct frames_channel *log)
{
    atomic_store_explicit(&log->out, log->commit_to, memory_order_release);
    atomic_store_explicit(&log->done, log->commit_done, memory_order_release);
}

static void finish_given(struct frames_channel *log)
{
    if (log->commit_replied != 0)
        atomic_store_explicit(&log->replied, log->commit_replied, memory_order_release);
    atomic_store_explicit(&log->out, log->commit_to, memory_order_release);
}

/* What was being published when somebody died: shown or not? */
static int settle(struct line *l)
{
    struct frames_channel *log = l->log;
    uint32_t commit = atomic_load(&log->commit);
    uint32_t n = commit & COMMIT_MASK;
    uint32_t shown = vmring_shown(&l->out);
    bool was_shown = shown == log->commit_to;

    if (commit == 0)
        return 0;
    if (n > FRAMES_SLOTS || (!was_shown && shown != log->commit_from))
        return -EBADMSG;
    if ((commit & COMMIT_TOLD) != 0 && was_shown) {
        finish_told(log);
    } else if ((commit & COMMIT_GIVEN) != 0) {
        for (uint32_t i = 0; !was_shown && i < n && i < FRAMES_GROUPS; i++)
            set_owner(l, log->commit_groups[i].first, log->commit_groups[i].n, false);
        if (was_shown)
            finish_given(log);
    }
    atomic_store(&log->commit, 0);
    return 0;
}

static bool is_offset(const struct vmring *r, uint32_t at)
{
    return at < r->bytes && at % 8 == 0;
}

static int resume_log(struct line *l)
{
    int r = settle(l);
    uint64_t in = atomic_load(&l->log->in);
    uint64_t ahead = atomic_load(&l->log->ahead);

    l->taken = (uint32_t)in;
    l->part = in >> 32 & FRAMES_PART;
    l->read = (uint32_t)(in >> 32) & ~(uint32_t)FRAMES_PART;
    l->ahead = (uint32_t)ahead;
    l->ahead_read = (uint32_t)(ahead >> 32);
    l->done = atomic_load(&l->log->done);
    l->write = atomic_load(&l->log->out);
    if (!is_offset(&l->in, l->read) || !is_offset(&l->in, l->ahead_read) ||
        !is_offset(&l->out, l->write) || l->taken - l->done > FRAMES_SLOTS) {
        l->read = 0;
        l->ahead_read = 0;
        l->write = 0;
        l->done = l->taken;
        r = -EBADMSG;
    }
    return r;
}

static bool are_rings(const struct vmbus_channel *c)
{
    return c->pages <= VMBUS_RING_PAGES_MAX && c->downstream >= 2 && c->downstream < c->pages &&
           c->pages - c->downstream >= 2;
}

int line_open(struct line *l, const struct gmem *memory, const struct vmbus_channel *c,
              const uint64_t *pfns, bool resume)
{
    int r = -EINVAL;

    if (are_rings(c))
        r = gmem_pages_init(&l->pages, memory, pfns, c->pages, l->hosts);
    if (r < 0)
        return r;
    l->open = true;
    l->waits = false;
    l->in = vmring_over(&l->pages, 0, c->downstream);
    l->out = vmring_over(&l->pages, c->downstream, c->pages - c->downstream);
    if (!resume)
        begin(l, c->opening);
    r = resume_log(l);
    l->stopped = r < 0;
    l->stop_is_logged = false;
    l->shown_read = l->read;
    vmring_show_read(&l->in, l->read);
    vmring_show_write(&l->out, l->write);
    (void)line_free_ahead(l);
    return r;
}

void line_close(struct line *l)
{
    l->open = false;
}

/* --- taking --- */

static int stop(struct line *l)
{
    l->stopped = true;
    vmring_set_wanted(&l->in, false);
    return -EBADMSG;
}

int line_next(struct line *l, struct vmring_packet *ret)
{
    uint32_t available;

    if (l->stopped || vmring_available(&l->in, l->read, &available) < 0)
        return stop(l);
    if (available == 0)
        return -EAGAIN;
    if (l->taken - l->done >= FRAMES_SLOTS)
        return -ENOBUFS;
    return vmring_packet(&l->in, l->read, available, ret) < 0 ? stop(l) : 0;
}

static bool is_freed(const struct line *l, uint32_t number)
{
    return (int32_t)(l->ahead - number) > 0;
}

void line_take(struct line *l, const struct vmring_packet *p, enum line_kind kind, uint32_t status)
{
    struct frames_slot *s = slot_of(l, l->taken);

    if (kind == LINE_GIVEN_BACK && is_freed(l, l->taken))
        kind = LINE_NOTHING;
    s->transaction = p->transaction;
    s->status = status;
    atomic_store_explicit(&s->kind, (uint32_t)kind, memory_order_release);
    l->taken++;
    l->part = 0;
    l->read = p->next;
}

void line_set_status(struct line *l, uint32_t number, uint32_t status)
{
    slot_of(l, number)->status = status;
}

static void store_taken(struct line *l)
{
    atomic_store_explicit(&l->log->in, (uint64_t)(l->read | l->part) << 32 | l->taken,
                          memory_order_release);
}

void line_taken(struct line *l)
{
    if (l->read != l->shown_read)
        store_taken(l);
}

void line_put_back(struct line *l, const struct line_mark *packet, unsigned part)
{
    l->taken = packet->number;
    l->part = part & FRAMES_PART;
    l->read = packet->read;
    store_taken(l);
}

/* Of what is taken for good nothing is ahead. Packets are counted modulo 2^32: ahead must not be left behind. */
static void catch_up(struct line *l)
{
    if (is_freed(l, l->taken))
        return;
    l->ahead = l->taken;
    l->ahead_read = l->read;
}

static void store_ahead(struct line *l)
{
    atomic_store_explicit(&l->log->ahead, (uint64_t)l->ahead_read << 32 | l->ahead,
                          memory_order_release);
}

bool line_show_taken(struct line *l)
{
    uint32_t before = l->shown_read;

    if (l->read == before)
        return false;
    catch_up(l);
    store_ahead(l);
    l->shown_read = l->read;
    return vmring_consumed(&l->in, before, l->read);
}

/* What it says it gives back it must have, as it was given. */
static uint32_t free_group(struct line *l, uint64_t transaction)
{
    unsigned n;

    if (transaction == 0 || transaction > FRAMES_SECTIONS)
        return 0;
    n = atomic_load(&l->owners[transaction - 1]);
    if (n == 0 || n == FRAMES_MORE || transaction - 1 + n > FRAMES_SECTIONS)
        return 0;
    set_owner(l, (unsigned)transaction, n - 1,
              false); /* the first one last: a successor does it again */
    set_owner(l, (unsigned)transaction - 1, 1, false);
    return n;
}

uint32_t line_free_sections(struct line *l)
{
    uint32_t freed = 0;

    for (uint32_t i = l->done; i != l->taken; i++) {
        struct frames_slot *s = slot_of(l, i);

        if (atomic_load(&s->kind) != LINE_GIVEN_BACK)
            continue;
        freed += free_group(l, s->transaction);
        atomic_store_explicit(&s->kind, LINE_NOTHING, memory_order_release);
    }
    return freed;
}

/* What is wrong with a packet is noticed when it is its turn. */
uint32_t line_free_ahead(struct line *l)
{
    uint32_t freed = 0;
    uint32_t available;

    catch_up(l);
    if (l->stopped || vmring_available(&l->in, l->ahead_read, &available) < 0)
        return 0;
    while (available > 0) {
        struct vmring_packet p;

        if (vmring_packet(&l->in, l->ahead_read, available, &p) < 0)
            break;
        if (p.type == VMRING_COMPLETION)
            freed += free_group(l, p.transaction);
        available -= (p.next + l->in.bytes - l->ahead_read) % l->in.bytes;
        l->ahead_read = p.next;
        l->ahead++;
    }
    store_ahead(l);
    return freed;
}

/* --- telling --- */

/* It did not fit: ask for a signal when it will. False: look once more. */
static bool waits_for_room(struct line *l, uint32_t wanted)
{
    uint32_t room;

    vmring_set_pending(&l->out, wanted);
    l->waits = true;
    if (vmring_room(&l->out, l->write, &room) < 0) {
        (void)stop(l);
        return true;
    }
    return room < wanted;
}

static void stop_waiting(struct line *l)
{
    if (l->waits)
        vmring_set_pending(&l->out, 0);
    l->waits = false;
}

/* Room for a packet of that many bytes? If not, the guest is asked for it. */
static bool has_room(struct line *l, uint32_t bytes, uint32_t *ret_room)
{
    do {
        if (l->stopped || vmring_room(&l->out, l->write, ret_room) < 0) {
            (void)stop(l);
            return false;
        }
        if (*ret_room >= bytes) {
            stop_waiting(l);
            return true;
        }
    } while (!waits_for_room(l, bytes > ROOM_WANTED ? bytes : ROOM_WANTED));
    return false;
}

bool line_has_room(struct line *l, uint32_t bytes)
{
    uint32_t most = l->out.bytes / 2, room;

    return has_room(l, bytes < most ? bytes : most, &room);
}

bool line_look_for_room(struct line *l)
{
    uint32_t room;

    return !line_is_blocked(l) || has_room(l, ROOM_WANTED, &room) || l->stopped;
}

/* What is behind the write index up to to is being published; told: completions for packets. */
static void begin_commit(struct line *l, uint32_t commit, uint32_t to, uint32_t told)
{
    l->log->commit_from = l->write;
    l->log->commit_to = to;
    l->log->commit_done = l->done + told;
    atomic_store_explicit(&l->log->commit, commit, memory_order_release);
}

static void end_commit(struct line *l)
{
    atomic_store_explicit(&l->log->commit, 0, memory_order_release);
    l->write = l->log->commit_to;
    l->done = l->log->commit_done;
}

static void publish_told(struct line *l, uint32_t told, uint32_t to, bool *ret_signal)
{
    begin_commit(l, COMMIT_TOLD | told, to, told);
    *ret_signal |= vmring_produced(&l->out, l->write, to); /* here it happens */
    finish_told(l->log);
    end_commit(l);
}

static void skip_nothing(struct line *l)
{
    uint32_t was = l->done;

    while (l->done != l->taken && atomic_load(&slot_of(l, l->done)->kind) == LINE_NOTHING)
        l->done++;
    if (l->done != was)
        atomic_store_explicit(&l->log->done, l->done, memory_order_release);
}

bool line_complete(struct line *l, uint8_t *completion, uint32_t len, uint32_t status_at)
{
    uint32_t bytes = vmring_packet_bytes(len);
    bool signal = false;
    uint32_t room = 0;

    for (;;) {
        uint32_t at = l->write;
        uint32_t n = 0;

        skip_nothing(l);
        if (l->done == l->taken || atomic_load(&slot_of(l, l->done)->kind) != LINE_FRAME)
            return signal;
        if (!has_room(l, bytes, &room))
            return signal;
        for (; n < TELL_BATCH && l->done + n != l->taken && room >= bytes; n++, room -= bytes) {
            const struct frames_slot *s = slot_of(l, l->done + n);

            if (atomic_load(&s->kind) != LINE_FRAME)
                break;
            memcpy(completion + status_at, &s->status, sizeof(s->status));
            at = vmring_put_completion(&l->out, at, s->transaction, completion, len);
        }
        publish_told(l, n, at, &signal);
    }
}

bool line_control(const struct line *l, uint32_t *ret_number)
{
    *ret_number = l->done;
    return l->done != l->taken && atomic_load(&slot_of(l, l->done)->kind) == LINE_CONTROL;
}

bool line_tell(struct line *l, const void *answer, uint32_t len, bool *ret_signal)
{
    const struct frames_slot *s = slot_of(l, l->done);
    uint32_t room, to;

    if (len == 0) {
        l->done++;
        atomic_store_explicit(&l->log->done, l->done, memory_order_release);
        return true;
    }
    if (!has_room(l, vmring_packet_bytes(len), &room))
        return false;
    to = vmring_put_completion(&l->out, l->write, s->transaction, answer, len);
    publish_told(l, 1, to, ret_signal);
    return true;
}

/* --- giving --- */

static uint32_t put_group(struct line *l, uint32_t at, const struct line_group *g, uint16_t set,
                          const void *payload, uint32_t len)
{
    struct vmring_transfer t UNINITIALIZED;

    t.transaction = g->first + 1u;
    t.set = set;
    t.n = g->n_ranges;
    for (unsigned i = 0; i < g->n_ranges && i < VMRING_TRANSFER_RANGES; i++) {
        t.ranges[i].bytes = g->ranges[i].bytes;
        t.ranges[i].offset = g->ranges[i].offset;
    }
    return vmring_put_transfer(&l->out, at, &t, payload, len);
}

/* How many of them fit, and are within one commit. */
static unsigned that_fit(struct line *l, const struct line_group *groups, unsigned n, uint32_t len)
{
    uint32_t room;
    unsigned fit = 0;

    if (n == 0 ||
        !has_room(l, vmring_packet_bytes(len) + VMRING_TRANSFER_BYTES((uint32_t)groups[0].n_ranges),
                  &room))
        return 0;
    for (; fit < n && fit < FRAMES_GROUPS; fit++) {
        uint32_t bytes =
            vmring_packet_bytes(len) + VMRING_TRANSFER_BYTES((uint32_t)groups[fit].n_ranges);

        if (bytes > room)
            break;
        room -= bytes;
        l->log->commit_groups[fit].first = groups[fit].first;
        l->log->commit_groups[fit].n = groups[fit].n;
    }
    return fit;
}

unsigned line_give(struct line *l, const struct line_group *groups, unsigned n, uint16_t set,
                   const void *payload, uint32_t len, uint32_t replied, bool *ret_signal)
{
    struct frames_channel *log = l->log;
    unsigned fit = that_fit(l, groups, n, len);
    uint32_t at = l->write;

    if (fit == 0)
        return 0;
    for (unsigned i = 0; i < fit; i++)
        at = put_group(l, at, &groups[i], set, payload, len);
    log->commit_replied = replied;
    begin_commit(l, COMMIT_GIVEN | fit, at, 0);
    for (unsigned i = 0; i < fit; i++)
        set_owner(l, groups[i].first, groups[i].n, true);
    *ret_signal |= vmring_produced(&l->out, l->write, at); /* here it happens */
    finish_given(log);
    end_commit(l);
    return fit;
}

bool line_say(struct line *l, const void *payload, uint32_t len, bool *ret_signal)
{
    uint32_t room, to;

    if (!has_room(l, vmring_packet_bytes(len), &room))
        return false;
    to = vmring_put_in_band(&l->out, l->write, payload, len);
    /* After a death it may be said twice or not at all. */
    atomic_store_explicit(&l->log->out, to, memory_order_release);
    *ret_signal |= vmring_produced(&l->out, l->write, to);
    l->write = to;
    return true;
}

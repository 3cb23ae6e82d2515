#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "workers/journal.h"
#include "workers/storage/storage.h"

enum {
    BATCH = 16,         /* requests taken from a channel before others get their turn */
    BLOCKED_MS = 10,    /* a guest that does not say that it has made room */
    EXIT_NO_DISKS = 84, /* an image cannot be opened, or the ring cannot be used */
};

static const int32_t NOT_KNOWN = INT32_MIN;
static const uint32_t OLDEST = INT32_MAX; /* requests back, as flow_claimed_from() compares them */
static const uint64_t DRAIN_DEADLINE_NS = 300 * NS_PER_S; /* of a dead generation's I/O */
static const uint64_t DRAIN_LOOK_NS = 20 * NS_PER_MS;
static const uint64_t SHOW_NS = 100 * NS_PER_MS;
static const uint64_t LOOK_NS = 1 * NS_PER_MS; /* at others than requests, unless there are none */

/* --- channels --- */

/* Of a mask that is not empty. */
static unsigned first_of(uint32_t channels)
{
    return (unsigned)__builtin_ctz(channels);
}

static void acknowledge(struct storage *s, unsigned channel, const struct vmbus_channel *c,
                        int status)
{
    s->opened[channel] = *c;
    bus_acknowledge(&s->bus, channel, c->epoch, status);
}

/* The next of a channel's requests that the dead one had taken and not answered; NULL: none is left. */
static struct inflight_slot *next_of(const struct flow *f, uint32_t from)
{
    int slot = flow_claimed_from(f, from);

    return slot < 0 ? NULL : flow_slot(f, (unsigned)slot);
}

static void take_up_one(struct storage *s, unsigned channel, const struct inflight_slot *taken,
                        uint64_t now_ns)
{
    unsigned slot = (unsigned)(taken - s->flows[channel].log->slots);
    const int32_t *known = &s->known[channel][slot];

    board_inc(s->rows.again);
    request_begin(s, channel, slot, now_ns, *known == NOT_KNOWN ? NULL : known);
}

/*
 * What the dead one had taken of these channels (a mask), in its order: one that changed the disk already, and waits
 * for nothing, must not be done again after one that waited for it.
 */
static void take_up(struct storage *s, uint32_t channels, uint64_t now_ns)
{
    struct inflight_slot *next[INFLIGHT_CHANNELS] = {NULL};

    for (unsigned i = 0; i < INFLIGHT_CHANNELS; i++) {
        if ((channels & 1u << i) != 0) /* any number of others may have been answered since */
            next[i] = next_of(&s->flows[i], s->flows[i].taken - OLDEST);
    }
    for (unsigned left = INFLIGHT_CHANNELS * INFLIGHT_SLOTS; left > 0; left--) {
        unsigned first = INFLIGHT_CHANNELS;
        uint32_t seq;

        for (unsigned i = 0; i < INFLIGHT_CHANNELS; i++) {
            if (next[i] != NULL &&
                (first == INFLIGHT_CHANNELS || next[i]->taken_ns < next[first]->taken_ns))
                first = i;
        }
        if (first == INFLIGHT_CHANNELS)
            break;
        seq = next[first]->seq;
        take_up_one(s, first, next[first], now_ns);
        next[first] = next_of(&s->flows[first], seq + 1);
    }
}

static void begin_controller(struct storage *s, unsigned device, uint32_t opening)
{
    struct controller *c = &s->controllers[device];

    if (c->opening == opening)
        return;
    controller_open(c, opening);
    journal_commit(s->worker);
    atomic_store(&s->bus.acks->subchannels[device], 0);
}

/* True when there may be something to take up. */
static bool open_channel(struct storage *s, unsigned channel, const struct vmbus_channel *c)
{
    struct flow *f = &s->flows[channel];
    bool resume = f->log->opening == c->opening;
    int r;

    if (channel % VMBUS_SUBCHANNELS == 0)
        begin_controller(s, channel / VMBUS_SUBCHANNELS, c->opening);
    r = flow_open(f, &s->bus.memory, c, &s->bus.channels->pool[c->pool_at], resume);
    acknowledge(s, channel, c, f->open ? 0 : r);
    board_log(&s->worker->board, LOG_LEVEL_DEBUG, "channel %u: opening %u, resumed %d, result %d",
              channel + 1, c->opening, resume, f->open ? 0 : r);
    if (!f->open)
        return false;
    s->open |= 1u << channel;
    interrupt_now(s, channel, true); /* a signal may have died with its generation */
    return resume;
}

/* Nothing is taken any more. False while its requests are on their way. */
static bool close_channel(struct storage *s, unsigned channel)
{
    struct flow *f = &s->flows[channel];

    f->stopped = true;
    if (f->n_claimed > 0)
        return false;
    flow_close(f);
    s->open &= ~(1u << channel);
    return true;
}

/* Is there nothing left to take note of? Sets the channel's bit when there may be something to take up. */
static bool look_at_channel(struct storage *s, unsigned channel, uint32_t *resumed)
{
    struct flow *f = &s->flows[channel];
    struct vmbus_channel c;

    if (!vmbus_channel_read(s->bus.channels, channel, &c) || c.epoch == s->opened[channel].epoch)
        return true;
    if (f->open && (c.open == 0 || f->log->opening != c.opening) && !close_channel(s, channel))
        return false;
    if (c.open == 0)
        board_log(&s->worker->board, LOG_LEVEL_DEBUG, "channel %u: closed", channel + 1);
    if (c.open == 0 && channel % VMBUS_SUBCHANNELS == 0) /* the next opening asks for its own */
        atomic_store(&s->bus.acks->subchannels[channel / VMBUS_SUBCHANNELS], 0);
    if (f->open || c.open == 0)
        acknowledge(s, channel, &c, 0); /* another target of its interrupts, or closed */
    else if (open_channel(s, channel, &c))
        *resumed |= 1u << channel;
    return true;
}

/*
 * What a dead generation had taken is taken up in its order, of all channels: so none is opened while the entry of
 * another is being written. Where its writer has died of it, the next one writes it anew.
 */
static bool may_open(const struct storage *s)
{
    bool may = true;

    for (unsigned i = 0; s->open == 0 && i < INFLIGHT_CHANNELS; i++)
        may &= atomic_load(&s->bus.channels->channels[i].seq) % 2 == 0;
    return may;
}

/* False: there is more to look at, though nobody rings. */
static bool look_at_channels(struct storage *s, uint64_t now_ns)
{
    bool settled = true;
    uint32_t resumed = 0;

    if (!may_open(s))
        return false;
    for (unsigned i = 0; i < INFLIGHT_CHANNELS; i++)
        settled &= look_at_channel(s, i, &resumed);
    if (resumed != 0)
        take_up(s, resumed, now_ns);
    return settled;
}

/* False: there is no room in the guest's ring now. */
static bool tell_one(struct storage *s, unsigned controller)
{
    static const uint8_t packet[STORVSP_PACKET_BYTES] = {STORVSP_ENUMERATE_BUS};
    struct flow *f = &s->flows[controller * VMBUS_SUBCHANNELS];

    /* Whoever has not begun to use the controller looks at its units when he does. */
    if (!f->open || f->stopped || s->controllers[controller].phase != CONTROLLER_READY)
        return true;
    if (!flow_tell(f, packet, sizeof(packet)))
        return f->stopped;
    interrupt_now(s, controller * VMBUS_SUBCHANNELS, false);
    return true;
}

/*
 * The guests of these controllers look anew at all units. It is kept until they are told, so one may be told
 * twice. False: not all are told.
 */
static bool tell_guests(struct storage *s)
{
    uint32_t before = s->to_tell;

    for (unsigned i = 0; i < DISK_CONTROLLERS; i++) {
        if ((s->to_tell >> i & 1) != 0 && tell_one(s, i))
            s->to_tell &= ~(1u << i);
    }
    if (s->to_tell != before)
        journal_commit(s->worker);
    return s->to_tell == 0;
}

/* --- requests --- */

static bool take_requests(struct storage *s, unsigned channel, uint64_t now_ns)
{
    struct flow *f = &s->flows[channel];
    uint16_t slots[BATCH];
    unsigned n = 0;
    int r = 0;

    if (f->stopped)
        return false;
    while (n < BATCH) {
        r = flow_take(f);
        if (r < 0)
            break;
        flow_slot(f, (unsigned)r)->taken_ns = now_ns; /* not taken before flow_taken() */
        slots[n++] = (uint16_t)r;
    }
    if (f->stopped) {
        board_inc(s->rows.stopped);
        board_log(&s->worker->board, LOG_LEVEL_WARN,
                  "channel %u: the guest broke its ring: stopped until it is closed", channel + 1);
    }
    if (flow_taken(f))
        interrupt_now(s, channel, false);
    for (unsigned i = 0; i < n; i++)
        request_begin(s, channel, slots[i], now_ns, NULL);
    return n > 0;
}

static void give_to_kernel(struct storage *s)
{
    int r = uring_submit(&s->ring);

    s->is_kernel_full = r < 0;
    if (r == 0)
        s->n_iovecs = 0;
    if (r == 0 || r == -EAGAIN || r == -EBUSY)
        return;
    board_log(&s->worker->board, LOG_LEVEL_ERROR, "io_uring: %s", strerror(-r));
    _exit(EXIT_NO_DISKS); /* nothing would ever complete */
}

/*
 * What follows from a completion may wait for metadata, which takes completions out of the ring itself: so
 * it is advanced over before. All that a successor must know of it then is in the log.
 */
static bool take_completions(struct storage *s, uint64_t now_ns)
{
    struct uring_done done;
    struct request *q;
    bool any = s->n_stash > 0;

    /* Those that come in meanwhile have their turn the next time. */
    for (unsigned left = s->n_stash; left > 0; left--) {
        done = s->stash[s->stash_at++ % STORAGE_STASH];
        s->n_stash--;
        q = request_of(s, &done);
        if (q != NULL)
            request_completed(s, q, done.res, now_ns);
    }
    for (unsigned left = RING_COMPLETIONS; left > 0 && uring_peek(&s->ring, 0, &done); left--) {
        q = request_of(s, &done);
        if (q != NULL)
            request_note(s, q, done.res);
        uring_advance(&s->ring, 1);
        if (q != NULL)
            request_completed(s, q, done.res, now_ns);
        any = true;
    }
    return any;
}

static void publish(struct storage *s)
{
    for (uint32_t left = s->open; left != 0; left &= left - 1) {
        unsigned i = first_of(left);
        struct flow *f = &s->flows[i];
        unsigned before = f->n_done;

        if (flow_is_blocked(f) && flow_publish(f))
            interrupt_owe(s, i, before - f->n_done);
    }
}

bool storage_work(struct storage *s, uint64_t now_ns)
{
    bool any = false;

    for (uint32_t left = s->open; left != 0; left &= left - 1)
        any |= take_requests(s, first_of(left), now_ns);
    give_to_kernel(s);
    any |= take_completions(s, now_ns);
    any |= request_feed(s, now_ns);
    give_to_kernel(s);
    publish(s);
    interrupt_owed(s, !storage_has_work(s));
    return any;
}

bool storage_look(struct storage *s, uint64_t now_ns)
{
    bool settled = units_look(s, true) > 0;

    settled &= look_at_channels(s, now_ns);
    settled &= tell_guests(s);
    give_to_kernel(s); /* what a dead generation left to do */
    publish(s);
    interrupt_owed(s, true);
    return settled && !s->is_kernel_full;
}

/* --- sleeping --- */

static void want_signals(struct storage *s, bool wanted)
{
    for (uint32_t left = s->open; left != 0; left &= left - 1) {
        const struct flow *f = &s->flows[first_of(left)];

        if (!f->stopped)
            vmring_set_wanted(&f->in, wanted);
    }
    uring_bell(&s->ring, wanted);
}

bool storage_has_work(const struct storage *s)
{
    struct uring_done done;

    if (s->n_stash > 0 || (s->ready.first != NULL && uring_room(&s->ring) > 0))
        return true;
    for (uint32_t left = s->open; left != 0; left &= left - 1) {
        const struct flow *f = &s->flows[first_of(left)];
        uint32_t available;

        if (f->stopped || f->n_free == 0)
            continue;
        if (vmring_available(&f->in, f->read, &available) < 0 || available > 0)
            return true;
    }
    return uring_peek(&s->ring, 0, &done);
}

static bool is_blocked(const struct storage *s)
{
    for (uint32_t left = s->open; left != 0; left &= left - 1) {
        if (flow_is_blocked(&s->flows[first_of(left)]))
            return true;
    }
    return false;
}

/* Yielding lets a guest on the same CPU run; on another one it costs little. */
static bool spin(struct storage *s)
{
    uint64_t end_ns = clock_now_ns() + s->bus.spin_ns;

    do {
        if (storage_has_work(s))
            return true;
        (void)sched_yield();
    } while (clock_now_ns() < end_ns);
    board_inc(s->bus.rows.spins);
    return storage_has_work(s);
}

static void sleep_until_rung(struct storage *s, bool settled)
{
    struct pollfd bell = {.fd = s->bus.bell_fd, .events = POLLIN};
    uint64_t began_ns = clock_now_ns();
    uint64_t rings;

    if (!port_sleep_begin(&s->worker->port))
        return;
    want_signals(s, true);
    if (!storage_has_work(s)) {
        board_inc(s->bus.rows.sleeps);
        (void)poll(&bell, 1, is_blocked(s) || !settled ? BLOCKED_MS : -1);
        (void)!read(s->bus.bell_fd, &rings, sizeof(rings)); /* empty when the time was up */
        bus_tune(&s->bus, clock_now_ns() - began_ns);
    }
    want_signals(s, false);
    port_sleep_end(&s->worker->port);
}

/* --- the beginning --- */

static void note_completion(struct storage *s, const struct uring_done *done)
{
    unsigned channel, slot;
    uint8_t step;

    if (metadata_note(s, done) || !io_tag(done->user_data, &channel, &slot, &step))
        return;
    board_inc(s->rows.drained);
    if (io_is_lasting(done->res))
        flow_slot(&s->flows[channel], slot)->error = -done->res;
    else if (done->res >= 0 && step == 0)
        s->known[channel][slot] = done->res;
}

/*
 * What a dead generation submitted may still be written. Nothing of ours is submitted before all of that
 * has ended; what is known of it then is told, what is not is done again.
 */
static int drain(struct storage *s)
{
    uint64_t deadline_ns = clock_now_ns() + DRAIN_DEADLINE_NS;
    struct uring_done done;
    int r = uring_take_over(&s->ring);

    for (unsigned i = 0; i < INFLIGHT_CHANNELS; i++) {
        for (unsigned j = 0; j < INFLIGHT_SLOTS; j++)
            s->known[i][j] = NOT_KNOWN;
    }
    while (r == 0) {
        /* First: what completes between the two would be left, and be taken for ours. */
        bool has_ended = uring_fence(&s->ring) == 0;

        while (uring_peek(&s->ring, 0, &done)) {
            note_completion(s, &done);
            uring_advance(&s->ring, 1);
        }
        if (has_ended)
            return 0;
        port_pong(&s->worker->port);
        r = clock_now_ns() > deadline_ns ? -ETIMEDOUT
                                         : uring_wait(&s->ring, 1, clock_now_ns() + DRAIN_LOOK_NS);
        if (r == -ETIME || r == -EINTR)
            r = 0;
    }
    return r;
}

int storage_begin(struct storage *s)
{
    int r = drain(s);

    if (r < 0)
        board_log(&s->worker->board, LOG_LEVEL_ERROR, "I/O of the last generation: %s",
                  strerror(-r));
    if (s->worker->parked && r != -ETIMEDOUT)
        r = 0; /* a ring that cannot be used is not used; what is on its way could still write */
    if (r == 0)
        r = units_look(s, false);
    if (r < 0)
        return r;
    for (unsigned i = 0; i < DISK_CONTROLLERS; i++)
        atomic_store(&s->bus.acks->subchannels[i], s->controllers[i].subchannels);
    bus_ring_vmbus(&s->bus);
    return 0;
}

static void show(struct storage *s, uint64_t now_ns)
{
    if (now_ns < s->shown_ns + SHOW_NS)
        return;
    s->shown_ns = now_ns;
    units_show(s);
    board_set(s->bus.rows.spin_ns, s->bus.spin_ns);
}

void storage_serve(struct storage *s)
{
    uint64_t looked_ns = 0;

    if (storage_begin(s) < 0)
        _exit(EXIT_NO_DISKS);
    for (;;) {
        uint64_t now_ns = clock_now_ns();
        bool due = now_ns >= looked_ns + LOOK_NS;
        bool busy, settled;

        port_pong(&s->worker->port);
        busy = storage_work(s, now_ns);
        if (!due && (busy || spin(s)))
            continue;
        looked_ns = now_ns;
        settled = storage_look(s, now_ns);
        show(s, now_ns);
        if (storage_has_work(s) || (due && spin(s)))
            continue;
        sleep_until_rung(s, settled);
    }
}

/*
 * workers/chipset/main.c - the chipset worker: serial lines, clock, power, PCI configuration.
 *
 * Joins the devices (chipset.h) and the serial lines (line.h) to the skeleton (worker.h). One thread.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/filters.h"
#include "base/heap.h"
#include "base/num.h"
#include "workers/chipset/chipset.h"
#include "workers/chipset/line.h"
#include "workers/journal.h"

enum {
    HEAP_BYTES = 96 * 1024, /* more than all that is allocated later */
};

struct chipset_worker {
    struct worker *worker;
    struct chipset chipset;
    struct line lines[COM_COUNT];
    int bell_fd;
    int stream_fds[COM_COUNT];
    int irq_fds[COM_COUNT];
    int rtc_irq_fd;
    struct board_row *rtc_interrupts;
    struct board_row *unknown_accesses;
};

static struct chipset_time time_now(void)
{
    struct timespec real;

    (void)clock_gettime(CLOCK_REALTIME, &real); /* cannot fail; served by the vDSO */
    return (struct chipset_time){
        .real_s = real.tv_sec, .real_ns = (uint32_t)real.tv_nsec, .mono_ns = clock_now_ns()};
}

static int setup(void *self, struct worker *w)
{
    struct chipset_worker *cw = self;

    cw->worker = w;
    cw->bell_fd = worker_fd(w, OBJECT_BELL, PROCESS_CHIPSET);
    cw->rtc_irq_fd = worker_fd(w, OBJECT_IRQ, IRQ_RTC);
    if (cw->bell_fd < 0 || cw->rtc_irq_fd < 0)
        return -ENOENT;
    for (unsigned i = 0; i < COM_COUNT; i++) {
        cw->stream_fds[i] = worker_fd(w, OBJECT_COM, i);
        cw->irq_fds[i] = worker_fd(w, OBJECT_IRQ, IRQ_COM1 + i);
        if (cw->stream_fds[i] < 0 || cw->irq_fds[i] < 0)
            return -ENOENT;
    }
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR) /* a reader that left is an errno */
        return -errno;
    return heap_take(HEAP_BYTES);
}

static void add_rows(struct chipset_worker *cw)
{
    struct board *b = &cw->worker->board;

    for (unsigned i = 0; i < COM_COUNT; i++)
        line_add_rows(&cw->lines[i], b, i + 1);
    cw->rtc_interrupts = board_add(b, BOARD_COUNTER, "rtc/interrupts");
    cw->unknown_accesses = board_add(b, BOARD_COUNTER, "unknown_accesses");
}

static int load_devices(struct chipset_worker *cw, struct rd *state, uint32_t schema)
{
    const struct chipset_time now = time_now();

    if (state != NULL && chipset_load(state, schema, &now, &cw->chipset) == 0)
        return 0;
    chipset_init(&cw->chipset, &now);
    /* Parked, no state is used and none is committed: reset and power-off must work all the same. */
    return state == NULL || cw->worker->parked ? 0 : -EBADMSG;
}

/* As line_announce(), for the clock. */
static void announce_rtc(struct chipset_worker *cw)
{
    static const uint64_t one = 1;

    if (!cw->chipset.rtc.edge)
        return;
    cw->chipset.rtc.edge = false;
    (void)!write(cw->rtc_irq_fd, &one, sizeof(one)); /* full means that it is raised already */
    board_inc(cw->rtc_interrupts);
}

static void announce(struct chipset_worker *cw)
{
    for (unsigned i = 0; i < COM_COUNT; i++)
        line_announce(&cw->lines[i]);
    announce_rtc(cw);
}

static int load(void *self, struct rd *state, uint32_t schema)
{
    struct chipset_worker *cw = self;
    int r = load_devices(cw, state, schema);

    if (r < 0)
        return r;
    for (unsigned i = 0; i < COM_COUNT; i++)
        line_init(&cw->lines[i], &cw->chipset.uarts[i], cw->stream_fds[i], cw->irq_fds[i]);
    add_rows(cw);
    announce(cw); /* an edge may have died with its generation */
    return 0;
}

static enum access_result result(bool changed)
{
    return changed ? ACCESS_CHANGED : ACCESS_CLEAN;
}

/* What the guest sent before it ends the VM must be out before the VM ends. */
static bool collect(struct chipset_worker *cw, bool all)
{
    bool any = false;

    for (unsigned i = 0; i < COM_COUNT; i++)
        any |= line_collect(&cw->lines[i], all);
    return any;
}

static enum access_result access_device(void *self, const struct port_request *rq, bool poison,
                                        struct port_response *rs)
{
    struct chipset_worker *cw = self;
    struct chipset_time now;
    bool changed;

    if (cw->worker->parked) {
        chipset_access_parked(rq, rs);
        return ACCESS_CLEAN;
    }
    if (poison) {
        rs->data = all_ones(rq->size);
        return ACCESS_CHANGED; /* the answer is for good: it is never tried again */
    }
    now = time_now();
    changed = chipset_access(&cw->chipset, rq, &now, rs);
    board_set(cw->unknown_accesses, cw->chipset.unknown);
    if (changed || rs->effect != PORT_EFFECT_NONE)
        changed |= collect(cw, rs->effect != PORT_EFFECT_NONE);
    return result(changed);
}

static void save(void *self, struct wr *w)
{
    const struct chipset_worker *cw = self;

    chipset_save(&cw->chipset, w);
}

static void released(void *self)
{
    struct chipset_worker *cw = self;
    bool again = false;

    for (unsigned i = 0; i < COM_COUNT; i++)
        again |= line_flush(&cw->lines[i]);
    if (again)
        journal_commit(cw->worker);
    announce(cw);
}

static unsigned poll_fds(void *self, struct pollfd *fds, unsigned max)
{
    const struct chipset_worker *cw = self;
    unsigned n = 0;

    fds[n++] = (struct pollfd){.fd = cw->bell_fd, .events = POLLIN};
    for (unsigned i = 0; i < COM_COUNT && n < max && !cw->worker->parked; i++) {
        short events = line_events(&cw->lines[i]);

        if (events != 0)
            fds[n++] = (struct pollfd){.fd = cw->lines[i].stream_fd, .events = events};
    }
    return n;
}

static void drain_bell(const struct chipset_worker *cw)
{
    uint64_t rings;

    (void)!read(cw->bell_fd, &rings, sizeof(rings));
}

static bool polled_stream(struct chipset_worker *cw, const struct pollfd *fd)
{
    for (unsigned i = 0; i < COM_COUNT; i++) {
        if (cw->lines[i].stream_fd == fd->fd)
            return line_polled(&cw->lines[i], fd->revents);
    }
    return false;
}

/* The clock costs nothing, not even a look at the time, unless the guest waits for an interrupt. */
static bool rtc_waits(const struct chipset_worker *cw)
{
    return !cw->worker->parked && rtc_armed(&cw->chipset.rtc);
}

static bool polled_rtc(struct chipset_worker *cw)
{
    struct chipset_time now;

    if (!rtc_waits(cw))
        return false;
    now = time_now();
    return rtc_wake(&cw->chipset.rtc, &now);
}

/* The host's clock may be set while we sleep: that is noticed at the next heartbeat. */
static uint64_t next_ns(void *self)
{
    const struct chipset_worker *cw = self;
    struct chipset_time now;
    uint64_t due_ns;

    if (!rtc_waits(cw))
        return UINT64_MAX;
    now = time_now();
    due_ns = rtc_due_ns(&cw->chipset.rtc, &now);
    return due_ns == UINT64_MAX ? due_ns : now.mono_ns + due_ns;
}

static enum access_result polled(void *self, const struct pollfd *fds, unsigned n)
{
    struct chipset_worker *cw = self;
    bool changed = polled_rtc(cw);

    for (unsigned i = 0; i < n; i++) {
        if (fds[i].revents == 0)
            continue;
        if (fds[i].fd == cw->bell_fd)
            drain_bell(cw);
        else
            changed |= polled_stream(cw, &fds[i]);
    }
    return result(changed);
}

static const struct worker_ops chipset_ops = {
    .process = PROCESS_CHIPSET,
    .filter = &chipset_filter,
    .schema = CHIPSET_SCHEMA,
    .schema_min = CHIPSET_SCHEMA_MIN,
    .state_max = CHIPSET_STATE_MAX,
    .setup = setup,
    .load = load,
    .access = access_device,
    .save = save,
    .released = released,
    .poll_fds = poll_fds,
    .polled = polled,
    .next_ns = next_ns,
};

int main(int argc, char **argv)
{
    struct chipset_worker cw = {.bell_fd = -1};

    return worker_main(&chipset_ops, &cw, argc, argv);
}

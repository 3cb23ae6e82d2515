#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/code.h"
#include "base/fault.h"
#include "base/heap.h"
#include "base/shm.h"
#include "ipc/channel.h"
#include "ipc/levels.h"
#include "ipc/records.h"
#include "workers/journal.h"

enum {
    EXIT_SETUP = 80,    /* setup() failed */
    EXIT_SANDBOX = 81,  /* the run filter could not be entered */
    EXIT_PROTOCOL = 82, /* the supervisor spoke wrongly */
    EXIT_STATE = 83,    /* the region could not be read */
    MAX_POLL_FDS = 8,
    SERVE_BUDGET = PORT_SLOTS,
};

static const uint64_t IDLE_SLEEP_NS = 3600ull * 1000 * 1000 * 1000; /* rung earlier, by all */

int worker_fd(struct worker *w, enum object_kind kind, unsigned index)
{
    return manifest_fd(w->ops->process, kind, index);
}

static bool is_writable(const struct worker *w, int fd)
{
    return manifest[w->ops->process].grants[fd - FD_FIRST_GRANT].writable;
}

int worker_map(struct worker *w, enum object_kind kind, unsigned index, void **ret)
{
    int fd = worker_fd(w, kind, index);
    int r;

    if (fd < 0)
        return fd;
    r = shm_map(fd, manifest_object_bytes(kind, index), is_writable(w, fd), ret);
    if (r == 0)
        (void)close(fd); /* the mapping is enough */
    return r;
}

static int map_board(struct worker *w)
{
    const struct levels_page *levels;
    void *page;
    int r = worker_map(w, OBJECT_BOARD, w->ops->process, &page);

    if (r < 0)
        return r;
    board_attach(&w->board, page, w->generation);
    r = worker_map(w, OBJECT_LEVELS, 0, &page);
    if (r < 0)
        return r;
    levels = page;
    w->board.level = &levels->level[w->ops->process];
    return 0;
}

/* Only now: until the device is ours, the rows belong to the generation that serves. */
static void take_board(struct worker *w)
{
    board_take_rows(&w->board);
    if (w->ops->run != NULL)
        return;
    w->row_requests = board_add(&w->board, BOARD_COUNTER, "port/requests");
    w->row_commits = board_add(&w->board, BOARD_COUNTER, "port/commits");
    w->row_logged = board_add(&w->board, BOARD_COUNTER, "port/logged");
    w->row_repeats = board_add(&w->board, BOARD_COUNTER, "port/repeated_answers");
}

static int map_region(struct worker *w)
{
    void *map;
    int r = worker_map(w, OBJECT_REGION, w->ops->process, &map);

    if (r < 0)
        return r;
    r = region_attach(&w->region, map, manifest_object_bytes(OBJECT_REGION, w->ops->process));
    if (r == 0 && JOURNAL_BYTES + w->ops->state_max > w->region.cap)
        r = -ENOBUFS;
    return r;
}

/*
 * First of all no core, no ptrace: what is mapped next may hold secrets, and what a predecessor that
 * was taken over left in it may crash us. A core that goes to a program knows no RLIMIT_CORE.
 */
static int set_up(struct worker *w)
{
    int r = prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? -errno : map_board(w);

    if (r == 0)
        r = fault_watch(w->board.page, w->generation);
    if (r == 0 && w->ops->run == NULL)
        r = map_region(w);
    if (r == 0)
        r = w->ops->setup(w->self, w);
    if (r < 0)
        board_log(&w->board, LOG_LEVEL_ERROR, "set-up failed: %s", strerror(-r));
    return r;
}

/* What this worker cannot take over, it refuses before the old generation is touched. */
static bool can_take_over(const struct worker *w)
{
    uint32_t schema;

    if (w->ops->run != NULL)
        return true;
    schema = region_schema(&w->region);
    return schema == 0 || (schema >= w->ops->schema_min && schema <= w->ops->schema);
}

static int say_ready(const struct worker *w)
{
    char refusal[] = "cannot read the state schema of the running generation";
    Bulkhead__Ready ready;
    Bulkhead__Envelope e;

    bulkhead__ready__init(&ready);
    bulkhead__envelope__init(&e);
    ready.generation = w->generation;
    if (!can_take_over(w))
        ready.error = refusal;
    e.body_case = BULKHEAD__ENVELOPE__BODY_READY;
    e.ready = &ready;
    return channel_write(FD_CONTROL, &e);
}

/* The control socket blocks here: a standby sleeps until the supervisor needs it. */
static int await_activate(struct worker *w)
{
    struct channel_msg m = {0};
    const Bulkhead__Activate *activate;
    int r = channel_read(FD_CONTROL, &m);

    if (r < 0)
        return r;
    activate = m.envelope->activate;
    if (m.envelope->body_case != BULKHEAD__ENVELOPE__BODY_ACTIVATE ||
        activate->generation != w->generation) {
        channel_msg_done(&m);
        return -EPROTO;
    }
    w->poison = activate->poison;
    w->parked = activate->parked;
    w->confidential = activate->confidential;
    channel_msg_done(&m);
    return 0;
}

static const enum doing doings[] = {[PORT_SPACE_IO] = DOING_PORT_IO,
                                    [PORT_SPACE_MMIO] = DOING_MMIO,
                                    [PORT_SPACE_MESSAGE] = DOING_VMBUS};

/* A device that knows better says so. While it executes something long, that is the more likely cause of a death. */
static void say_doing(struct worker *w, const struct port_request *rq)
{
    if (rq->space < COUNT_OF(doings) && w->background == 0)
        region_set_doing(&w->region, doings[rq->space], (uint32_t)rq->addr);
}

static void serve_one(struct worker *w, unsigned slot, const struct port_request *rq)
{
    const struct port_response *last = &w->answered[slot];
    uint64_t id = worker_request_id(slot, rq->seq);
    struct port_response rs = {.seq = rq->seq};
    enum access_result result;

    board_inc(w->row_requests);
    if (last->seq == rq->seq) { /* a dead generation executed it; only the answer got lost */
        board_inc(w->row_repeats);
        port_answer(&w->port, slot, last);
        return;
    }
    say_doing(w, rq);
    region_set_executing(&w->region, id);
    result = w->ops->access(w->self, rq, id == w->poison, &rs);
    if (result != ACCESS_CLEAN) {
        journal_answer(w, slot, &rs, result);
        if (w->ops->released != NULL)
            w->ops->released(w->self);
    }
    region_set_executing(&w->region, w->background);
    port_answer(&w->port, slot, &rs);
}

/* Returns how many it served: at most SERVE_BUDGET, so that no guest keeps us from all else. */
static unsigned serve_pending(struct worker *w)
{
    struct port_request rq;
    unsigned slot;
    unsigned n = 0;

    while (n < SERVE_BUDGET && port_take(&w->port, &slot, &rq)) {
        (void)pthread_mutex_lock(&w->lock);
        serve_one(w, slot, &rq);
        (void)pthread_mutex_unlock(&w->lock);
        n++;
    }
    port_pong(&w->port);
    return n;
}

/*
 * How long poll() may sleep: rounded up, so that a time that is not quite reached is slept out
 * instead of polled for.
 */
static int poll_timeout_ms(const struct worker *w)
{
    uint64_t next_ns = w->ops->next_ns == NULL ? UINT64_MAX : w->ops->next_ns(w->self);
    uint64_t now_ns, ms;

    if (next_ns == UINT64_MAX)
        return -1;
    now_ns = clock_now_ns();
    if (next_ns <= now_ns)
        return 0;
    ms = (next_ns - now_ns - 1) / NS_PER_MS + 1;
    return ms < INT_MAX ? (int)ms : INT_MAX;
}

static void wait_descriptors(struct worker *w)
{
    struct pollfd fds[MAX_POLL_FDS];
    unsigned n = w->ops->poll_fds(w->self, fds, MAX_POLL_FDS);
    int timeout_ms = 0;

    if (port_sleep_begin(&w->port))
        timeout_ms = poll_timeout_ms(w);
    if (poll(fds, n, timeout_ms) < 0)
        n = 0;
    port_sleep_end(&w->port);
    (void)pthread_mutex_lock(&w->lock);
    if (w->ops->polled(w->self, fds, n) == ACCESS_CHANGED) {
        journal_commit(w);
        if (w->ops->released != NULL)
            w->ops->released(w->self);
    }
    (void)pthread_mutex_unlock(&w->lock);
}

/*
 * A guest that polls a register keeps the port busy without an end: descriptors get their turn
 * after SERVE_BUDGET requests at the latest, though then without sleeping.
 */
static _Noreturn void serve(struct worker *w)
{
    unsigned n = 0;

    for (;;) {
        n += serve_pending(w);
        if (port_poll(&w->port) && (w->ops->poll_fds == NULL || n < SERVE_BUDGET))
            continue;
        n = 0;
        if (w->ops->poll_fds != NULL)
            wait_descriptors(w);
        else
            port_sleep(&w->port, IDLE_SLEEP_NS);
    }
}

static int take_over(struct worker *w, struct port_page *page)
{
    int r = region_attach(&w->region, w->region.head,
                          manifest_object_bytes(OBJECT_REGION, w->ops->process));

    if (r == 0) {
        region_begin(&w->region, w->generation);
        r = journal_load(w);
    }
    if (r == 0)
        r = port_server_init(&w->port, page,
                             w->ops->poll_fds != NULL || w->ops->loop != NULL ? PORT_ASLEEP_EVENTFD
                                                                              : PORT_ASLEEP_FUTEX);
    if (r < 0)
        board_log(&w->board, LOG_LEVEL_ERROR, "cannot take over the device: %s", strerror(-r));
    else
        board_log(&w->board, LOG_LEVEL_DEBUG,
                  "took over: state of schema %u, %u requests answered before",
                  region_schema(&w->region), w->n_answered);
    return r;
}

static int map_trace(struct worker *w, const struct port_page *port)
{
    void *ring;
    int r = worker_map(w, OBJECT_TRACE, w->ops->process, &ring);

    if (r == 0)
        w->trace = (struct trace_writer){.on = &port->tracing, .ring = ring};
    return r == -ENOENT ? 0 : r; /* it has nothing to tell */
}

static int live(struct worker *w)
{
    void *page = NULL;

    if (set_up(w) < 0)
        return EXIT_SETUP;
    if (w->ops->run == NULL &&
        (worker_map(w, OBJECT_PORT, w->ops->process, &page) < 0 || map_trace(w, page) < 0))
        return EXIT_SETUP;
    code_forget();
    if (sbx_enter(&w->filter->run) < 0)
        return EXIT_SANDBOX;
    if (say_ready(w) < 0)
        return EXIT_PROTOCOL;
    if (!can_take_over(w))
        return EXIT_STATE;
    if (await_activate(w) < 0)
        return EXIT_PROTOCOL;
    take_board(w);
    if (w->ops->run != NULL)
        return w->ops->run(w->self, w);
    if (take_over(w, page) < 0)
        return EXIT_STATE;
    if (w->ops->loop != NULL)
        w->ops->loop(w->self, w);
    serve(w);
}

int worker_main(const struct worker_ops *ops, void *self, int argc, char **argv)
{
    struct worker w = {
        .ops = ops, .self = self, .filter = ops->filter, .lock = PTHREAD_MUTEX_INITIALIZER};

    if (argc != 2)
        return EXIT_PROTOCOL;
    heap_by_brk_only();
    w.generation = (uint32_t)strtoul(argv[1], NULL, 10);
    return live(&w);
}

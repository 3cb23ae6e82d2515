#include "supervisor/registry.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/code.h"
#include "base/fd.h"
#include "supervisor/admin.h"
#include "supervisor/lifecycle.h"
#include "supervisor/watch.h"

enum {
    PHASE_ANY = 1,      /* messages from init have one phase */
    PHASE_NONE = 0,     /* a generation that may say nothing */
    PHASE_STARTING = 2, /* one that has not said Ready */
    PHASE_SERVING = 4,  /* one that was looked at and serves */
    MAX_PER_WAKE = 32,  /* messages taken from one peer before others get their turn */
};

bool registry_can_have(uint32_t process)
{
    return process < PROCESS_COUNT && process != PROCESS_SUPERVISOR &&
           manifest[process].program != NULL;
}

bool registry_has(const struct registry *reg, uint32_t process)
{
    return registry_can_have(process) && !reg->rows[process].idle;
}

void registry_tell_init(struct registry *reg, const Bulkhead__Envelope *e, int fd)
{
    int r = channel_send(FD_CONTROL, e, &fd, fd >= 0 ? 1 : 0);

    if (r < 0) {
        board_log(reg->board, LOG_LEVEL_ERROR, "init does not listen: %s", strerror(-r));
        reg->callbacks.lost_init(reg->callbacks.self);
    }
}

/* --- what init says --- */

/* The generation that a message of init's is about; NULL for one that is gone already. */
static struct generation *about(struct registry *reg, uint32_t process, uint32_t number)
{
    return registry_has(reg, process) ? lifecycle_find(&reg->rows[process], number) : NULL;
}

static int on_spawned(void *self, struct channel_msg *m)
{
    const Bulkhead__Spawned *s = m->envelope->spawned;
    struct generation *g = about(self, s->process, s->generation);

    if (g == NULL || g->channel >= 0)
        return 0;
    g->pid = s->pid;
    g->channel = fd_steal(&m->fds[0]);
    (void)snprintf(g->build_id, sizeof(g->build_id), "%s", s->build_id);
    return lifecycle_spawned(self, g);
}

static int on_spawn_failed(void *self, struct channel_msg *m)
{
    struct registry *reg = self;
    const Bulkhead__SpawnFailed *s = m->envelope->spawn_failed;
    struct generation *g = about(reg, s->process, s->generation);

    if (g == NULL)
        return 0;
    board_log(reg->board, LOG_LEVEL_ERROR, "%s: %s", manifest[s->process].name, s->error);
    if (!g->killed)
        g->cause = DEATH_START;
    lifecycle_died(reg, g, 0);
    return 0;
}

static int on_verified(void *self, struct channel_msg *m)
{
    struct registry *reg = self;
    const Bulkhead__Verified *v = m->envelope->verified;
    struct generation *g = about(reg, v->process, v->generation);

    if (g == NULL)
        return 0;
    if (v->error[0] != '\0') {
        board_log(reg->board, LOG_LEVEL_ERROR, "%s: %s", manifest[v->process].name, v->error);
        history_process(&reg->history, EVENT_SANDBOX_FAILED, g, 0);
        lifecycle_kill(reg, g, DEATH_SANDBOX);
        return 0;
    }
    (void)snprintf(g->sandbox, sizeof(g->sandbox), "%s", v->sandbox);
    history_process(&reg->history, EVENT_SANDBOX_VERIFIED, g, 0);
    lifecycle_verified(reg, g);
    if (reg->announced) /* a spare or a successor, and most likely the last for long */
        code_forget();
    return 0;
}

static int on_died(void *self, struct channel_msg *m)
{
    struct registry *reg = self;
    const Bulkhead__Died *d = m->envelope->died;
    struct generation *g = about(reg, d->process, d->generation);

    if (g == NULL)
        return 0;
    if (d->out_of_memory && !g->killed)
        g->cause = DEATH_MEMORY;
    lifecycle_died(reg, g, d->wait_status);
    return 0;
}

static int on_disk_changed(void *self, struct channel_msg *m)
{
    return admin_disk_changed(self, m->envelope->disk_changed);
}

static const struct dispatch_row init_rows[] = {
    {BULKHEAD__ENVELOPE__BODY_SPAWNED,      1, 1, PHASE_ANY, on_spawned     },
    {BULKHEAD__ENVELOPE__BODY_SPAWN_FAILED, 0, 0, PHASE_ANY, on_spawn_failed},
    {BULKHEAD__ENVELOPE__BODY_VERIFIED,     0, 0, PHASE_ANY, on_verified    },
    {BULKHEAD__ENVELOPE__BODY_DIED,         0, 0, PHASE_ANY, on_died        },
    {BULKHEAD__ENVELOPE__BODY_DISK_CHANGED, 0, 0, PHASE_ANY, on_disk_changed},
};

static void init_readable(evutil_socket_t fd, short what, void *self)
{
    struct registry *reg = self;
    struct channel_msg m;
    int r = 0;

    (void)what;
    for (int i = 0; i < MAX_PER_WAKE && r == 0; i++) {
        r = channel_recv(fd, &m);
        if (r == 0)
            r = dispatch(init_rows, COUNT_OF(init_rows), PHASE_ANY, reg, &m);
    }
    if (r == 0 || r == -EAGAIN)
        return;
    board_log(reg->board, LOG_LEVEL_ERROR, "init: %s", strerror(-r));
    reg->callbacks.lost_init(reg->callbacks.self);
}

/* --- what a generation says --- */

static int on_ready(void *self, struct channel_msg *m)
{
    struct generation *g = self;
    const Bulkhead__Ready *ready = m->envelope->ready;
    Bulkhead__Verify verify;
    Bulkhead__Envelope e;

    if (ready->generation != g->number)
        return -EPROTO;
    if (ready->error[0] != '\0') {
        lifecycle_kill(g->registry, g, DEATH_REFUSED);
        return 0;
    }
    g->ready = true;
    bulkhead__verify__init(&verify);
    bulkhead__envelope__init(&e);
    verify.process = g->process;
    verify.generation = g->number;
    e.body_case = BULKHEAD__ENVELOPE__BODY_VERIFY;
    e.verify = &verify;
    registry_tell_init(g->registry, &e, -1);
    return 0;
}

static int on_admin_request(void *self, struct channel_msg *m)
{
    struct generation *g = self;

    return g->process == PROCESS_DIAG ? admin_request(g->registry, m) : -EPROTO;
}

static int on_debug_request(void *self, struct channel_msg *m)
{
    struct generation *g = self;

    return g->process == PROCESS_DEBUG ? debugger_request(g->registry, g->number, m) : -EPROTO;
}

static const struct dispatch_row generation_rows[] = {
    {BULKHEAD__ENVELOPE__BODY_READY,         0, 0, PHASE_STARTING, on_ready        },
    {BULKHEAD__ENVELOPE__BODY_ADMIN_REQUEST, 0, 1, PHASE_SERVING,  on_admin_request},
    {BULKHEAD__ENVELOPE__BODY_DEBUG_REQUEST, 0, 0, PHASE_SERVING,  on_debug_request},
};

/* Whoever is to die, or was not looked at yet, is not listened to. */
static unsigned phase_of(const struct generation *g)
{
    if (g->killed)
        return PHASE_NONE;
    if (!g->ready)
        return PHASE_STARTING;
    return g->active_ns != 0 ? PHASE_SERVING : PHASE_NONE;
}

/* One message a wake: a handler may end the generation, and its channel with it. */
static void generation_readable(evutil_socket_t fd, short what, void *self)
{
    struct generation *g = self;
    struct channel_msg m;
    int r = channel_recv(fd, &m);

    (void)what;
    if (r == 0)
        r = dispatch(generation_rows, COUNT_OF(generation_rows), phase_of(g), g, &m);
    if (r == 0 || r == -EAGAIN)
        return;
    (void)event_del(g->readable);
    lifecycle_unheard(g->registry, g, r);
}

int registry_watch(struct generation *g)
{
    if (g->readable != NULL)
        event_free(g->readable);
    g->readable =
        event_new(g->registry->base, g->channel, EV_READ | EV_PERSIST, generation_readable, g);
    if (g->readable == NULL || event_add(g->readable, NULL) < 0)
        return -ENOMEM;
    return 0;
}

/* --- set-up --- */

static void tick(evutil_socket_t fd, short what, void *self)
{
    uint64_t now = clock_now_ns();

    (void)fd;
    (void)what;
    watch_tick(self, now);
    lifecycle_tick(self, now);
    captures_tick(&((struct registry *)self)->captures, now);
    tracing_tick(&((struct registry *)self)->tracing, now);
    debugger_tick(self, now);
}

static void show_row(struct registry *reg, uint32_t process)
{
    struct registry_row *row = &reg->rows[process];
    const char *name = manifest[process].name;

    row->shown.state = board_addf(reg->board, BOARD_TEXT, "%s/state", name);
    row->shown.pid = board_addf(reg->board, BOARD_GAUGE, "%s/pid", name);
    row->shown.generation = board_addf(reg->board, BOARD_GAUGE, "%s/generation", name);
    row->shown.restarts = board_addf(reg->board, BOARD_COUNTER, "%s/restarts", name);
    row->shown.faults = board_addf(reg->board, BOARD_COUNTER, "%s/faults", name);
    row->shown.since_ns = board_addf(reg->board, BOARD_GAUGE, "%s/since_ns", name);
    row->shown.build_id = board_addf(reg->board, BOARD_TEXT, "%s/build_id", name);
    row->shown.last_death = board_addf(reg->board, BOARD_TEXT, "%s/last_death", name);
    row->shown.sandbox = board_addf(reg->board, BOARD_TEXT, "%s/sandbox", name);
    row->shown.spare = board_addf(reg->board, BOARD_TEXT, "%s/spare", name);
}

int registry_init(struct registry *reg, struct event_base *base, struct board *board,
                  const struct registry_callbacks *callbacks)
{
    reg->base = base;
    reg->board = board;
    reg->callbacks = *callbacks;
    for (uint32_t p = 0; p < PROCESS_COUNT; p++) {
        reg->rows[p].live.channel = -1;
        reg->rows[p].standby.channel = -1;
        reg->rows[p].binary = -1;
        reg->rows[p].standby_binary = -1;
        if (registry_has(reg, p))
            show_row(reg, p);
    }
    reg->from_init = event_new(base, FD_CONTROL, EV_READ | EV_PERSIST, init_readable, reg);
    reg->ticker = event_new(base, -1, EV_PERSIST, tick, reg);
    if (reg->from_init == NULL || reg->ticker == NULL || event_add(reg->from_init, NULL) < 0)
        return -ENOMEM;
    return 0;
}

int registry_start(struct registry *reg)
{
    const struct timeval period = {.tv_usec = WATCH_TICK_MS * 1000};

    reg->tick_ns = clock_now_ns();
    if (event_add(reg->ticker, &period) < 0)
        return -ENOMEM;
    for (uint32_t p = 0; p < PROCESS_COUNT; p++) {
        if (registry_has(reg, p))
            lifecycle_start(reg, p);
    }
    return 0;
}

void registry_need(struct registry *reg, uint32_t process)
{
    struct registry_row *row = &reg->rows[process];

    if (!row->idle)
        return;
    row->idle = false;
    show_row(reg, process);
    lifecycle_start(reg, process);
}

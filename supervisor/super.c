#include "supervisor/super.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/filters.h"
#include "base/heap.h"
#include "base/shm.h"
#include "ipc/ram.h"
#include "supervisor/debugger.h"
#include "supervisor/exit/forward.h"
#include "supervisor/lifecycle.h"

enum {
    CONFIG_DEADLINE_MS = 10000,
    EXIT_FAILED = 1,
};

static int map_object(enum object_kind kind, unsigned index, bool writable, void **ret)
{
    int fd = manifest_fd(PROCESS_SUPERVISOR, kind, index);

    return fd < 0 ? fd : shm_map(fd, manifest_object_bytes(kind, index), writable, ret);
}

static int map_worker(struct super *s, enum process p)
{
    void *page;
    void *region;
    int r;

    if (!manifest[p].has_port)
        return 0;
    r = map_object(OBJECT_PORT, p, true, &page);
    if (r == 0)
        r = map_object(OBJECT_REGION, p, false, &region);
    if (r < 0)
        return r;
    port_client_init(&s->ports[p], page, manifest_fd(PROCESS_SUPERVISOR, OBJECT_BELL, p));
    s->vm.ports[p] = &s->ports[p];
    s->registry.rows[p].port = &s->ports[p];
    s->registry.rows[p].region = region;
    return 0;
}

static int map_crb(struct super *s)
{
    void *shared;
    int r = map_object(OBJECT_CRB_REGISTERS, 0, true, &shared);

    return r < 0 ? r : crb_front_init(&s->vm.crb, shared);
}

static int map_hyperv(struct super *s)
{
    void *posts, *outbox, *synic;
    int r = map_object(OBJECT_POSTS, 0, true, &posts);

    if (r == 0)
        r = map_object(OBJECT_OUTBOX, 0, true, &outbox);
    if (r == 0)
        r = map_object(OBJECT_SYNIC, 0, true, &synic);
    if (r == 0)
        r = ram_map(manifest_fd(PROCESS_SUPERVISOR, OBJECT_RAM, 0), &s->vm.memory);
    if (r < 0)
        return r;
    s->hv_config.posts = posts;
    s->hv_config.outbox = outbox;
    s->hv_config.synic = synic;
    return 0;
}

static int map_levels(struct super *s)
{
    void *page;
    int r = map_object(OBJECT_LEVELS, 0, true, &page);

    if (r == 0)
        levels_init(&s->registry.levels, &s->board, page);
    return r;
}

static int map_nets(struct super *s)
{
    void *nets;
    int r = map_object(OBJECT_NETS, 0, true, &nets);

    if (r < 0)
        return r;
    links_init(&s->registry.links, &s->board, nets,
               manifest_fd(PROCESS_SUPERVISOR, OBJECT_BELL, PROCESS_NET));
    captures_init(&s->registry.captures, &s->board, nets);
    return 0;
}

static int map_traces(struct super *s)
{
    struct tracing *t = &s->registry.tracing;
    struct trace_ring *rings;
    void *page;
    int r = map_object(OBJECT_TRACE, PROCESS_SUPERVISOR, true, &page);

    if (r < 0)
        return r;
    rings = page;
    for (unsigned vp = 0; vp < VPS_MAX; vp++)
        s->vm.traces[vp] = (struct trace_writer){.on = &t->on, .ring = &rings[vp]};
    for (enum process p = 0; p < PROCESS_COUNT; p++)
        t->ports[p] = s->vm.ports[p];
    tracing_init(t, &s->board);
    return 0;
}

/* The boards of those whose deaths are told. */
static int map_history(struct super *s)
{
    void *page;
    int r = map_object(OBJECT_RECORDS, 0, true, &page);

    if (r < 0)
        return r;
    history_init(&s->registry.history, page);
    for (enum process p = 0; r == 0 && p < PROCESS_COUNT; p++) {
        if (!registry_can_have(p))
            continue;
        r = map_object(OBJECT_BOARD, p, false, &page);
        s->registry.history.boards[p] = page;
    }
    return r;
}

int super_set_up(struct super *s, int argc, char **argv)
{
    void *page;
    int r;

    heap_by_brk_only();
    r = map_object(OBJECT_BOARD, PROCESS_SUPERVISOR, true, &page);
    if (r < 0)
        return r;
    board_attach(&s->board, page, argc == 2 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0);
    board_take_rows(&s->board);
    s->vm.board = &s->board;
    r = map_levels(s);
    if (r < 0)
        return r;
    r = hold_init(&s->vm.hold);
    if (r < 0)
        return r;
    s->vm.end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->vm.end_fd < 0)
        return -errno;
    for (enum process p = 0; r == 0 && p < PROCESS_COUNT; p++)
        r = map_worker(s, p);
    if (r == 0)
        r = map_crb(s);
    if (r == 0)
        r = map_nets(s);
    if (r == 0)
        r = map_history(s);
    if (r == 0)
        r = map_traces(s);
    return r < 0 ? r : map_hyperv(s);
}

static int take_config(const Bulkhead__Envelope *e, struct super_config *ret)
{
    const Bulkhead__Configure *c = e->configure;

    if (e->body_case != BULKHEAD__ENVELOPE__BODY_CONFIGURE ||
        strlen(c->append) >= sizeof(ret->append))
        return -EPROTO;
    ret->vcpus = c->vcpus;
    ret->memory_bytes = c->memory_bytes;
    ret->has_initrd = c->has_initrd;
    ret->confidential = c->confidential;
    (void)snprintf(ret->append, sizeof(ret->append), "%s", c->append);
    return 0;
}

static void note_idle(struct super *s, uint32_t idle)
{
    for (enum process p = 0; p < PROCESS_COUNT; p++)
        s->registry.rows[p].idle = (idle & 1u << p) != 0;
}

int super_await_config(struct super *s, struct super_config *ret)
{
    struct pollfd p = {.fd = FD_CONTROL, .events = POLLIN};
    struct channel_msg m = {0};
    int r = poll(&p, 1, CONFIG_DEADLINE_MS) == 1 ? channel_recv(FD_CONTROL, &m) : -ETIMEDOUT;

    if (r == 0)
        r = take_config(m.envelope, ret);
    if (r == 0) {
        note_idle(s, m.envelope->configure->idle);
        s->registry.confidential = ret->confidential;
    }
    channel_msg_done(&m);
    if (r < 0)
        board_log(&s->board, LOG_LEVEL_ERROR, "no configuration from init: %s", strerror(-r));
    return r;
}

/* --- Hyper-V's surface --- */

/* On the vCPU's thread: its message to the vmbus worker, as an exit goes to a device's. */
static uint32_t post_message(void *self, unsigned vp)
{
    struct super *s = self;
    const struct port_request rq = {
        .addr = vp, .op = PORT_WRITE, .space = PORT_SPACE_MESSAGE, .size = 4};
    struct port_response rs;

    if (forward_request(&s->vm, PROCESS_VMBUS, vp, &rq, &rs) < 0)
        return HV_INVALID_CONNECTION;
    return (uint16_t)rs.data;
}

static bool has_ended(void *self)
{
    const struct super *s = self;

    return vm_has_ended(&s->vm);
}

static void deliver_later(void *self)
{
    static const uint64_t one = 1;

    (void)self;
    (void)!write(manifest_fd(PROCESS_SUPERVISOR, OBJECT_BELL, PROCESS_SUPERVISOR), &one,
                 sizeof(one));
}

int super_start_hyperv(struct super *s, const struct super_config *config,
                       const struct super_guest *guest)
{
    struct hv_config *c = &s->hv_config;

    c->n_vps = config->vcpus;
    c->memory = &s->vm.memory;
    for (unsigned vp = 0; vp < config->vcpus; vp++)
        c->vp_irqs[vp] = manifest_fd(PROCESS_SUPERVISOR, OBJECT_VP_IRQ, vp);
    for (unsigned i = 0; i < VMBUS_DEVICES; i++) {
        const struct vmbus_device *d = &vmbus_devices[i];

        c->bells[i] =
            d->name == NULL ? -1 : manifest_fd(PROCESS_SUPERVISOR, OBJECT_BELL, d->process);
        if (d->name != NULL)
            c->writers[d->process] = &s->ports[d->process];
    }
    c->tsc_khz = guest->tsc_khz;
    c->tsc_invariant = guest->tsc_invariant;
    c->board = &s->board;
    c->confidential = config->confidential;
    s->registry.history.confidential = c->confidential;
    s->registry.tracing.refused = c->confidential;
    c->history = &s->registry.history;
    c->backend = guest->backend;
    c->vmbus = (struct hv_vmbus){
        .post = post_message, .ended = has_ended, .deliver_later = deliver_later, .self = s};
    return hv_init(&s->vm.hv, c);
}

static void deliver_messages(struct super *s)
{
    struct generation *worker = &s->registry.rows[PROCESS_VMBUS].live;
    int64_t r = hv_deliver(&s->vm.hv);
    struct timeval delay;

    if (r > 0) {
        delay = (struct timeval){.tv_usec = (suseconds_t)(r / 1000)};
        (void)event_add(s->outbox_retry, &delay);
    }
    if (r < 0 && worker->number != 0)
        lifecycle_kill(&s->registry, worker, DEATH_PROTOCOL);
}

static void on_outbox(evutil_socket_t fd, short what, void *self)
{
    uint64_t rings;

    (void)what;
    (void)!read(fd, &rings, sizeof(rings));
    deliver_messages(self);
}

static void on_outbox_retry(evutil_socket_t fd, short what, void *self)
{
    (void)fd;
    (void)what;
    deliver_messages(self);
}

static void on_still(evutil_socket_t fd, short what, void *self)
{
    struct super *s = self;
    uint64_t rings;

    (void)what;
    (void)!read(fd, &rings, sizeof(rings));
    debugger_still(&s->registry);
}

static int listen_to_hold(struct super *s)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < s->vm.memory.n_ranges; i++)
        bytes += s->vm.memory.ranges[i].len;
    debugger_init(&s->registry, &s->vm.hold, s->vm.hold.n_vcpus, bytes);
    if (s->vm.traps)
        debugger_use_traps(&s->registry, &s->vm.memory);
    s->still = event_new(s->base, s->vm.hold.still_fd, EV_READ | EV_PERSIST, on_still, s);
    return s->still == NULL || event_add(s->still, NULL) < 0 ? -ENOMEM : 0;
}

static int listen_to_outbox(struct super *s)
{
    int bell = manifest_fd(PROCESS_SUPERVISOR, OBJECT_BELL, PROCESS_SUPERVISOR);

    s->outbox = event_new(s->base, bell, EV_READ | EV_PERSIST, on_outbox, s);
    s->outbox_retry = event_new(s->base, -1, 0, on_outbox_retry, s);
    if (s->outbox == NULL || s->outbox_retry == NULL || event_add(s->outbox, NULL) < 0)
        return -ENOMEM;
    return 0;
}

/* --- the end --- */

static const enum event_kind end_events[] = {
    [BULKHEAD__GUEST_END__GUEST_END_UNKNOWN] = EVENT_FAILED,
    [BULKHEAD__GUEST_END__GUEST_END_POWER_OFF] = EVENT_POWER_OFF,
    [BULKHEAD__GUEST_END__GUEST_END_RESET] = EVENT_RESET,
    [BULKHEAD__GUEST_END__GUEST_END_PANIC] = EVENT_PANIC,
    [BULKHEAD__GUEST_END__GUEST_END_TRIPLE_FAULT] = EVENT_TRIPLE_FAULT,
    [BULKHEAD__GUEST_END__GUEST_END_INTERNAL] = EVENT_FAILED,
};

static int tell_end(struct super *s)
{
    Bulkhead__GuestEnded ended;
    Bulkhead__Envelope e;

    bulkhead__guest_ended__init(&ended);
    bulkhead__envelope__init(&e);
    ended.how = (Bulkhead__GuestEnd)atomic_load(&s->vm.ended);
    ended.text = s->vm.end_text;
    e.body_case = BULKHEAD__ENVELOPE__BODY_GUEST_ENDED;
    e.guest_ended = &ended;
    history_vm(&s->registry.history, end_events[ended.how], 0, 0);
    board_log(&s->board, LOG_LEVEL_INFO, "the VM has ended: %s", s->vm.end_text);
    return channel_send(FD_CONTROL, &e, NULL, 0);
}

int super_fail(struct super *s, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(s->vm.end_text, sizeof(s->vm.end_text), fmt, args);
    va_end(args);
    atomic_store(&s->vm.ended, BULKHEAD__GUEST_END__GUEST_END_INTERNAL);
    (void)tell_end(s); /* init sees our exit in any case */
    return EXIT_FAILED;
}

static void on_ended(evutil_socket_t fd, short what, void *self)
{
    struct super *s = self;

    (void)fd;
    (void)what;
    (void)tell_end(s); /* a lost init kills us anyway */
    (void)event_base_loopbreak(s->base);
}

static void on_all_running(void *self)
{
    struct super *s = self;
    Bulkhead__Started started;
    Bulkhead__Envelope e;

    bulkhead__started__init(&started);
    bulkhead__envelope__init(&e);
    started.ready_ns = clock_now_ns();
    e.body_case = BULKHEAD__ENVELOPE__BODY_STARTED;
    e.started = &started;
    registry_tell_init(&s->registry, &e, -1);
    s->all_running(s->self);
}

static void on_cannot_start(void *self, const char *text)
{
    struct super *s = self;

    vm_end(&s->vm, BULKHEAD__GUEST_END__GUEST_END_INTERNAL, "%s", text);
}

static void on_lost_init(void *self)
{
    struct super *s = self;

    (void)event_base_loopbreak(s->base);
}

/* epoll without its timerfd: fewer kinds of system calls. */
static struct event_base *new_base(void)
{
    struct event_config *config = event_config_new();
    struct event_base *base = NULL;

    if (config != NULL && event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK) == 0 &&
        event_config_avoid_method(config, "select") == 0 &&
        event_config_avoid_method(config, "poll") == 0)
        base = event_base_new_with_config(config);
    if (config != NULL)
        event_config_free(config);
    return base;
}

static int make_loop(struct super *s)
{
    const struct registry_callbacks callbacks = {.all_running = on_all_running,
                                                 .cannot_start = on_cannot_start,
                                                 .lost_init = on_lost_init,
                                                 .self = s};
    int r;

    s->base = new_base();
    if (s->base == NULL)
        return -ENOMEM;
    s->ended = event_new(s->base, s->vm.end_fd, EV_READ, on_ended, s);
    if (s->ended == NULL || event_add(s->ended, NULL) < 0 || listen_to_outbox(s) < 0)
        return -ENOMEM;
    r = registry_init(&s->registry, s->base, &s->board, &callbacks);
    return r < 0 ? r : listen_to_hold(s);
}

int super_run(struct super *s)
{
    int r = make_loop(s);

    if (r == 0 && s->made_loop != NULL)
        s->made_loop(s->self);
    if (r == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        r = -errno;
    if (r == 0)
        r = sbx_enter(&supervisor_filter.run);
    if (r == 0)
        r = registry_start(&s->registry);
    if (r < 0)
        return super_fail(s, "the supervisor cannot start: %s", strerror(-r));
    (void)event_base_dispatch(s->base);
    return vm_has_ended(&s->vm) ? 0 : EXIT_FAILED;
}

#include <poll.h>
#include <unistd.h>

#include "base/clock.h"
#include "workers/net/net.h"

enum {
    BLOCKED_MS = 10, /* a guest that does not say that it has made room */
    FDS = NETS_MAX + 1,
};

static const uint64_t LOOK_NS = 1 * NS_PER_MS; /* at others than frames, unless there are none */

/* --- work --- */

/* What ends without anybody's wish is told once, wherever it was noticed. */
static void log_ends(struct net *s, struct nic *n)
{
    for (unsigned i = 0; i < VMBUS_SUBCHANNELS; i++) {
        struct line *l = &n->lines[i];

        if (!l->open || !l->stopped || l->stop_is_logged)
            continue;
        l->stop_is_logged = true;
        board_inc(s->rows.stopped);
        board_log(&s->worker->board, LOG_LEVEL_WARN,
                  "nic %u: the guest broke ring %u: stopped until it is closed", n->index, i);
    }
    if (!n->backend.is_gone || n->gone_is_logged)
        return;
    n->gone_is_logged = true;
    board_log(
        &s->worker->board, LOG_LEVEL_ERROR,
        "nic %u: its back end is gone, or out of step: no frames until the VM is started again",
        n->index);
}

static uint64_t frames_of(const struct nic *n)
{
    return n->counters->tx_frames + n->counters->rx_frames;
}

static bool work_on(struct net *s, struct nic *n)
{
    bool any = false;

    capture_look(s, n);
    for (unsigned i = 0; i < VMBUS_SUBCHANNELS; i++)
        any |= tx_work(s, n, i);
    (void)control_tell(s, n);
    return any | rx_work(s, n);
}

/* The same, told. */
static bool work_traced(struct net *s, struct nic *n)
{
    uint64_t began_ns = clock_now_ns(), before = frames_of(n);
    bool any = work_on(s, n);

    if (frames_of(n) != before)
        trace_write(&s->worker->trace, TRACE_NET, n->index, frames_of(n) - before, began_ns,
                    clock_now_ns() - began_ns);
    return any;
}

/* When the next round begins is known if this one ended with telling the guest. */
bool net_work(struct net *s)
{
    uint64_t seen_ns = s->seen_ns;
    bool any = false;

    for (unsigned i = 0; i < NETS_MAX; i++) {
        if (s->nics[i].present)
            any |= trace_is_on(&s->worker->trace) ? work_traced(s, &s->nics[i])
                                                  : work_on(s, &s->nics[i]);
    }
    if (s->seen_ns == seen_ns)
        s->seen_ns = 0;
    return any;
}

static void look_at_link(struct net *s, struct nic *n)
{
    bool up = atomic_load(&s->nets->rows[n->index].link_up) != 0;

    if (up == n->config.link_up)
        return;
    n->config.link_up = up;
    shown_link(n);
}

bool net_look(struct net *s)
{
    bool settled = true;

    for (unsigned i = 0; i < NETS_MAX; i++) {
        struct nic *n = &s->nics[i];

        if (!n->present)
            continue;
        look_at_link(s, n);
        settled &= nic_look(s, n);
        control_tell_link(s, n);
        log_ends(s, n);
    }
    return settled & nic_look_at_memory(s);
}

/* --- sleeping --- */

static void want_signals(struct net *s, bool wanted)
{
    for (unsigned i = 0; i < NETS_MAX * VMBUS_SUBCHANNELS; i++) {
        struct line *l = &s->nics[i / VMBUS_SUBCHANNELS].lines[i % VMBUS_SUBCHANNELS];

        if (l->open && !l->stopped)
            vmring_set_wanted(&l->in, wanted);
    }
}

static bool has_packets(const struct line *l)
{
    uint32_t available;

    return l->open && !l->stopped && l->taken - l->done < FRAMES_SLOTS &&
           (vmring_available(&l->in, l->read, &available) < 0 || available > 0);
}

static bool has_work(const struct net *s)
{
    for (unsigned i = 0; i < NETS_MAX; i++) {
        const struct nic *n = &s->nics[i];

        if (!n->present)
            continue;
        if (rx_is_ready(n))
            return true;
        for (unsigned j = 0; !tx_is_held(n) && j < VMBUS_SUBCHANNELS; j++) {
            if (has_packets(&n->lines[j]) && !(j == 0 && control_is_due(n)))
                return true;
        }
    }
    return false;
}

static bool is_blocked(const struct net *s)
{
    for (unsigned i = 0; i < NETS_MAX; i++) {
        const struct nic *n = &s->nics[i];

        for (unsigned j = 0; n->present && j < VMBUS_SUBCHANNELS; j++) {
            if (line_is_blocked(&n->lines[j]))
                return true;
        }
        if (n->present && (control_is_due(n) || tx_is_held(n)))
            return true;
    }
    return false;
}

/* The bell first, and the back ends from which something can be taken, or that are to make room. */
static nfds_t waited_for(const struct net *s, struct pollfd fds[FDS])
{
    nfds_t n = 0;

    fds[n++] = (struct pollfd){.fd = s->bus.bell_fd, .events = POLLIN};
    for (unsigned i = 0; !s->worker->parked && i < NETS_MAX; i++) {
        const struct nic *nic = &s->nics[i];
        int events = (rx_can_wait(nic) ? POLLIN : 0) | (tx_is_held(nic) ? POLLOUT : 0);

        if (events != 0)
            fds[n++] = (struct pollfd){.fd = nic->backend.fd, .events = (short)events};
    }
    return n;
}

/* It says: look. Before the next sleep there is a look. */
static void hear_bell(struct net *s)
{
    uint64_t rings;

    if (read(s->bus.bell_fd, &rings, sizeof(rings)) > 0) /* empty when it was not rung */
        s->rings += rings;
}

static bool spin(struct net *s)
{
    uint64_t end_ns = clock_now_ns() + s->bus.spin_ns;
    struct pollfd fds[FDS];
    nfds_t n = waited_for(s, fds);

    s->seen_ns = 0; /* what comes is seen when it has come */
    do {
        if (has_work(s))
            return true;
        if (poll(fds, n, 0) > 0) {
            if (fds[0].revents != 0)
                hear_bell(s);
            return true;
        }
    } while (clock_now_ns() < end_ns);
    board_inc(s->bus.rows.spins);
    return false;
}

static void sleep_until_rung(struct net *s, bool settled)
{
    uint64_t began_ns = clock_now_ns();
    struct pollfd fds[FDS];

    if (!port_sleep_begin(&s->worker->port))
        return;
    want_signals(s, true);
    if (!has_work(s)) {
        board_inc(s->bus.rows.sleeps);
        (void)poll(fds, waited_for(s, fds), is_blocked(s) || !settled ? BLOCKED_MS : -1);
        s->seen_ns = clock_now_ns();
        bus_tune(&s->bus, s->seen_ns - began_ns);
    }
    hear_bell(s);
    want_signals(s, false);
    port_sleep_end(&s->worker->port);
}

/* Between two rounds nothing is lost by going but what was taken from a back end and not given. */
static bool may_leave(const struct net *s)
{
    for (unsigned i = 0; i < NETS_MAX; i++) {
        const struct nic *n = &s->nics[i];

        if (n->present && (backend_has_more(&n->backend) || n->large.len != 0))
            return false;
    }
    return true;
}

void net_serve(struct net *s)
{
    uint64_t looked_ns = 0;

    for (;;) {
        uint64_t now_ns = clock_now_ns();
        bool due = now_ns >= looked_ns + LOOK_NS;
        bool parked = s->worker->parked;
        bool busy, settled;

        port_pong(&s->worker->port);
        if (port_is_to_leave(&s->worker->port, s->worker->generation) && may_leave(s))
            _exit(0);
        busy = !parked && net_work(s);
        if (!due && (busy || (!parked && spin(s))))
            continue;
        looked_ns = now_ns;
        settled = parked || net_look(s);
        shown_look(s, now_ns);
        if (!parked && (has_work(s) || (due && spin(s))))
            continue;
        sleep_until_rung(s, settled);
    }
}

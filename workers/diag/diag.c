#include "workers/diag/diag.h"

#include <errno.h>
#include <event2/event.h>
#include <string.h>

#include "base/clock.h"
#include "ipc/dispatch.h"
#include "workers/diag/local.h"
#include "workers/diag/operator.h"
#include "workers/diag/session.h"

enum {
    PHASE_RUN = 1,
};

/* Followers decide how often. */
void diag_schedule(struct diag *d)
{
    struct timeval pause = {.tv_usec = DIAG_FOLLOW_MS * 1000};
    bool any = d->network != NULL && d->network->has_peers(&d->https);

    for (unsigned i = 0; i < DIAG_SESSIONS; i++) {
        any |= d->sessions[i].state != SESSION_FREE;
        if (session_watches(&d->sessions[i]))
            pause.tv_usec = CAPTURE_LOOK_MS * 1000;
    }
    if (any && event_pending(&d->tick, EV_TIMEOUT, NULL) == 0)
        (void)event_add(&d->tick, &pause);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct diag *d = arg;
    uint64_t now_ns = clock_now_ns();

    (void)fd;
    (void)what;
    for (unsigned i = 0; i < DIAG_SESSIONS; i++) {
        if (d->sessions[i].state != SESSION_FREE)
            session_tick(&d->sessions[i], now_ns);
    }
    capture_ask(d, now_ns);
    trace_ask(d, now_ns);
    if (d->network != NULL)
        d->network->tick(&d->https, now_ns);
    diag_schedule(d);
}

static void on_connect(evutil_socket_t listener, short what, void *arg)
{
    struct diag *d = arg;
    int fd = operator_accept(listener);

    (void)what;
    if (fd >= 0)
        local_open(d, fd);
}

/* --- the supervisor --- */

static int on_reply(void *self, struct channel_msg *m)
{
    struct diag *d = self;
    const Bulkhead__AdminReply *reply = m->envelope->admin_reply;

    for (unsigned i = 0; i < DIAG_SESSIONS; i++) {
        struct session *s = &d->sessions[i];

        if ((s->state == SESSION_WAITING || session_debugs(s)) && s->tag == reply->tag) {
            session_reply(s, reply);
            return 0;
        }
    }
    if (reply->session != 0) /* whoever wanted to debug has left */
        debug_tell_end(d, reply->session);
    return 0; /* nobody waits for it any more: fine */
}

static const struct dispatch_row from_supervisor[] = {
    {BULKHEAD__ENVELOPE__BODY_ADMIN_REPLY, 0, 0, PHASE_RUN, on_reply},
};

static void on_supervisor(evutil_socket_t fd, short what, void *arg)
{
    struct diag *d = arg;
    struct channel_msg m;
    int r = channel_recv(fd, &m);

    (void)what;
    if (r == 0)
        r = dispatch(from_supervisor, COUNT_OF(from_supervisor), PHASE_RUN, d, &m);
    if (r == 0 || r == -EAGAIN)
        return;
    d->failed = r;
    (void)event_base_loopbreak(d->base);
}

/* --- life --- */

/* poll: one system call, and no descriptor of its own. */
static struct event_base *make_base(void)
{
    static const char *const others[] = {"epoll", "select"};
    struct event_config *config = event_config_new();
    struct event_base *base = NULL;
    int r = 0;

    if (config == NULL)
        return NULL;
    for (size_t i = 0; r == 0 && i < COUNT_OF(others); i++)
        r = event_config_avoid_method(config, others[i]);
    if (r == 0)
        r = event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV);
    if (r == 0)
        base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

int diag_init(struct diag *d, int listener, int control)
{
    d->listener = listener;
    d->control = control;
    d->base = make_base();
    if (d->base == NULL)
        return -ENOMEM;
    if (event_assign(&d->accepting, d->base, listener, EV_READ | EV_PERSIST, on_connect, d) < 0 ||
        event_assign(&d->from_supervisor, d->base, control, EV_READ | EV_PERSIST, on_supervisor,
                     d) < 0 ||
        evtimer_assign(&d->tick, d->base, on_tick, d) < 0)
        return -EINVAL;
    return debug_init(d);
}

int diag_let_in(struct diag *d, const struct network *network, int listener,
                const struct tls_page *page, const char **ret_why)
{
    d->network = network;
    return network->init(&d->https, d, listener, page, ret_why);
}

int diag_run(struct diag *d, struct board *board)
{
    d->board = board;
    d->next_tag = board->generation << 16; /* what a dead generation asked for is not ours */
    d->row_sessions = board_add(board, BOARD_GAUGE, "sessions");
    d->row_calls = board_add(board, BOARD_COUNTER, "calls");
    d->row_refused = board_add(board, BOARD_COUNTER, "sessions_refused");
    d->row_dropped = board_add(board, BOARD_COUNTER, "sessions_dropped");
    d->row_denied = board_add(board, BOARD_COUNTER, "calls_denied");
    audit_show(&d->audit, board);
    if (d->network != NULL) {
        d->row_peers = board_add(board, BOARD_GAUGE, "network/connections");
        d->row_strangers = board_add(board, BOARD_COUNTER, "network/strangers");
        if (d->network->start(&d->https) < 0)
            return -ENOMEM;
    }
    if (event_add(&d->accepting, NULL) < 0 || event_add(&d->from_supervisor, NULL) < 0)
        return -ENOMEM;
    if (event_base_dispatch(d->base) < 0)
        return -EIO;
    return d->failed != 0 ? d->failed : -EIO;
}

void diag_done(struct diag *d)
{
    for (unsigned i = 0; i < DIAG_SESSIONS; i++)
        session_close(&d->sessions[i]);
    if (d->network != NULL)
        d->network->done(&d->https);
    if (d->base != NULL)
        event_base_free(d->base);
    d->base = NULL;
}

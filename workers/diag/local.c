#include "workers/diag/local.h"

#include <errno.h>
#include <event2/event.h>
#include <stddef.h>

#include "base/fd.h"
#include "workers/diag/operator.h"
#include "workers/diag/session.h"

static int local_send(struct session *s, const struct datagram *d)
{
    const struct local *l = s->carried;

    return operator_send(l->fd, d);
}

static void local_wait(struct session *s)
{
    struct local *l = s->carried;

    (void)event_add(&l->writable, NULL);
}

static void local_closed(struct session *s)
{
    struct local *l = s->carried;

    (void)event_del(&l->readable);
    (void)event_del(&l->writable);
    fd_closep(&l->fd);
    l->session = NULL;
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct local *l = arg;

    (void)fd;
    (void)what;
    session_resume(l->session);
}

static void local_hear(struct session *s)
{
    struct local *l = s->carried;

    (void)event_add(&l->readable, NULL);
}

static const struct carrier local_carrier = {
    .send = local_send,
    .wait = local_wait,
    .hear = local_hear,
    .closed = local_closed,
};

/* Whoever does not listen to a debugger keeps it from talking: the socket fills. */
static void take_data(struct local *l, const Bulkhead__AdminCall *call)
{
    int r = session_data(l->session, call->data.data, call->data.len);

    if (r == -EAGAIN)
        (void)event_del(&l->readable);
    else if (r < 0)
        session_close(l->session);
}

static void on_readable(evutil_socket_t number, short what, void *arg)
{
    struct local *l = arg;
    struct session *s = l->session;
    Bulkhead__AdminCall *call;
    AUTO_FD fd = -1;
    int r = operator_receive(l->fd, &call, &fd);

    (void)number;
    (void)what;
    if (r == -EAGAIN)
        return;
    if (r == 0 && session_debugs(s) && call->verb == BULKHEAD__ADMIN_CALL__VERB__GDB && fd < 0) {
        take_data(l, call);
        bulkhead__admin_call__free_unpacked(call, NULL);
        return;
    }
    if (r < 0 || s->state != SESSION_IDLE) { /* gone, nonsense, or talks while it is our turn */
        if (r != -EPIPE && r != -ECONNRESET)
            board_inc(s->diag->row_dropped);
        if (r == 0)
            bulkhead__admin_call__free_unpacked(call, NULL);
        session_close(s);
        return;
    }
    session_call(s, call, fd);
    bulkhead__admin_call__free_unpacked(call, NULL);
}

static void refuse(int fd, const char *error)
{
    struct datagram answer;

    answer_end(error, &answer);
    (void)!operator_send(fd, &answer);
}

static struct local *find_free(struct diag *d)
{
    for (unsigned i = 0; i < DIAG_SESSIONS; i++) {
        if (d->locals[i].session == NULL)
            return &d->locals[i];
    }
    return NULL;
}

void local_open(struct diag *d, int number)
{
    AUTO_FD fd = number;
    struct local *l = find_free(d);
    static const struct caller root = {.role = ROLE_DEBUGGER, .name = "root"};
    struct session *s;

    if (!operator_is_root(fd)) {
        board_inc(d->row_refused);
        refuse(fd, "only root may do this");
        return;
    }
    s = l == NULL ? NULL : session_open(d, &local_carrier, l, &root);
    if (s == NULL) {
        refuse(fd, "too many operators at once");
        return;
    }
    *l = (struct local){.session = s, .fd = fd_steal(&fd)};
    (void)event_assign(&l->readable, d->base, l->fd, EV_READ | EV_PERSIST, on_readable, l);
    (void)event_assign(&l->writable, d->base, l->fd, EV_WRITE, on_writable, l);
    if (event_add(&l->readable, NULL) < 0)
        session_close(s);
}

#include "cli/net_ends.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "cli/net_stream.h"
#include "cli/net_tap.h"
#include "cli/say.h"

enum {
    PASST_WINDOW_S = 10, /* more ends of passt than RESTARTS_MAX within are a loop */
    LOOK_S = 1,
    PASST_HANG_LOOKS = 10,
    WHY_BYTES = 256,
    DRAIN_BYTES = 1 << 20, /* more than the guest's frames on their way are */
    DRAIN_READS = 64,
    /* passt's frames on their way to us: more than the largest receive window of a Linux guest. */
    STREAM_BYTES = 16 << 20,
};

/* --- opening --- */

/* A port in use is the failure that people can mend. */
static int passt_failed(const struct net_end *e, const char *words, char *error)
{
    bool port = strstr(words, "bind") != NULL;

    return nets_wrong(error, EXIT_FAILED, e->plan->option, "passt does not start%s%s%s",
                      words[0] != '\0' ? ": " : "", words,
                      port ? " (is the port in use? forward another)" : "");
}

/*
 * passt loses what does not fit into the stream, and sends all that was not acknowledged yet once more; older
 * ones (Debian 12) do so again and again. Without privileges the stream is as large as net.core.wmem_max lets it.
 */
static void make_room(int fd)
{
    const int bytes = STREAM_BYTES;

    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) < 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

static int open_user(struct net_end *e, char *error)
{
    char words[PASST_WHY_BYTES];
    int pair[2];
    int r;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return nets_wrong(error, EXIT_FAILED, e->plan->option, "%s", strerror(errno));
    e->fd = pair[0];
    e->far = pair[1];
    make_room(e->far);
    if (fcntl(e->fd, F_SETFL, O_NONBLOCK) < 0)
        return nets_wrong(error, EXIT_FAILED, e->plan->option, "%s", strerror(errno));
    r = passt_start(e->all->passt, e->plan, e->far, &e->passt);
    if (r < 0)
        return nets_wrong(error, EXIT_FAILED, e->plan->option, "passt: %s", strerror(-r));
    r = passt_wait(&e->passt, words);
    return r < 0 ? passt_failed(e, words, error) : 0;
}

static int open_tap(struct net_end *e, char *error)
{
    char why[WHY_BYTES];
    int r = net_tap_open(e->plan->option->tap, e->plan->mtu, &e->fd, why, sizeof(why));

    return r < 0 ? nets_wrong(error, EXIT_FAILED, e->plan->option, "%s", why) : 0;
}

static int open_peer(struct net_end *e, char *error)
{
    int r = net_peer_open(e->plan->option->peer, &e->peer);

    if (r == -EBUSY)
        return nets_wrong(error, EXIT_FAILED, e->plan->option,
                          "two VMs are plugged in already: name another path");
    if (r == -EEXIST)
        return nets_wrong(error, EXIT_FAILED, e->plan->option,
                          "a file of that name with .0 or .1 is no socket: name another path");
    if (r < 0)
        return nets_wrong(error, EXIT_FAILED, e->plan->option, "%s", strerror(-r));
    e->fd = fcntl(e->peer.fd, F_DUPFD_CLOEXEC, 0);
    return e->fd < 0 ? nets_wrong(error, EXIT_FAILED, e->plan->option, "%s", strerror(errno)) : 0;
}

static int open_none(struct net_end *e, char *error)
{
    e->fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    return e->fd < 0
               ? nets_wrong(error, EXIT_FAILED, e->plan->option, "/dev/null: %s", strerror(errno))
               : 0;
}

static int open_end(struct net_end *e, char *error)
{
    switch (e->plan->kind) {
    case NET_STREAM:
        return open_user(e, error);
    case NET_TAP:
        return open_tap(e, error);
    case NET_DATAGRAM:
        return open_peer(e, error);
    case NET_DISCARD:
        return open_none(e, error);
    case NET_NONE:
        break;
    }
    return EXIT_FAILED;
}

int net_ends_open(const struct nets_plan *plan, const char *passt, bool whole, struct net_ends *ret,
                  char error[NETS_ERROR_BYTES])
{
    int r = 0;

    *ret = (struct net_ends){.passt = passt, .whole = whole};
    for (size_t i = 0; r == 0 && i < plan->n; i++) {
        struct net_end *e = &ret->at[ret->n++];

        *e = (struct net_end){.all = ret, .plan = &plan->at[i], .fd = -1, .far = -1};
        e->passt = (struct passt){.pidfd = -1, .ready = -1, .words = -1};
        e->peer = (struct net_peer){.lock = -1, .fd = -1};
        r = open_end(e, error);
    }
    return r;
}

/* --- while the VM runs --- */

/*
 * What is on its way to a dead passt begins in the middle of a frame, for all we know: the next one is to
 * begin with a whole one. Who writes, writes whole frames: where the stream was empty, a frame begins. Frames are lost, as
 * on a cable. -EBUSY: the guest fills it faster than it is emptied.
 */
static int drain(int fd)
{
    static char bytes[DRAIN_BYTES];

    for (int left = DRAIN_READS; left > 0; left--) {
        if (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) < (ssize_t)sizeof(bytes))
            return 0;
    }
    return -EBUSY;
}

static int watch_passt(struct net_end *e);
static int wait_for_room(struct net_end *e);

/* As soon as the frame that the dead one has not written to its end is whole. */
static int restart_passt(struct net_end *e)
{
    int r = drain(e->far);

    if (r == 0 && e->all->whole)
        r = net_stream_finish(e->fd, e->far);
    if (r == -EAGAIN)
        return wait_for_room(e);
    if (r < 0)
        return r;
    e->unread = (struct net_unread){.len = 0};
    r = passt_start(e->all->passt, e->plan, e->far, &e->passt);
    return r < 0 ? r : watch_passt(e);
}

static void cannot_start(const struct net_end *e, int error, char line[NETS_ERROR_BYTES])
{
    (void)nets_wrong(line, 0, e->plan->option, "passt ended, and cannot be started: %s",
                     strerror(-error));
}

static void on_room(evutil_socket_t fd, short what, void *arg)
{
    struct net_end *e = arg;
    char line[NETS_ERROR_BYTES];
    int r;

    (void)fd;
    (void)what;
    event_free(e->event);
    e->event = NULL;
    r = restart_passt(e);
    if (r == 0)
        return;
    cannot_start(e, r, line);
    e->all->log(e->all->self, line);
}

static int wait_for_room(struct net_end *e)
{
    e->event = event_new(e->all->base, e->far, EV_WRITE, on_room, e);
    return e->event == NULL || event_add(e->event, NULL) < 0 ? -ENOMEM : 0;
}

/* What has been said to the guest must end before something new begins (restart_passt). */
static const char *when_again(const struct net_end *e)
{
    return e->passt.pidfd >= 0 ? "it is started again"
                               : "it is started again when the guest has taken what is on its way";
}

static void passt_died(struct net_end *e)
{
    const struct net_option *net = e->plan->option;
    char words[PASST_WHY_BYTES], line[NETS_ERROR_BYTES];
    int r = 0;

    event_free(e->event);
    e->event = NULL;
    passt_last_words(&e->passt, words);
    passt_end(&e->passt);
    if (!restarts_again(&e->restarts, clock_now_ns(), PASST_WINDOW_S))
        (void)nets_wrong(line, 0, net, "passt ended more than %d times in %d s: no network there",
                         RESTARTS_MAX, PASST_WINDOW_S);
    else if ((r = restart_passt(e)) < 0)
        cannot_start(e, r, line);
    else
        (void)nets_wrong(line, 0, net, "passt ended%s%s: %s", words[0] != '\0' ? ": " : "", words,
                         when_again(e));
    e->all->log(e->all->self, line);
}

/* Debian 12's can loop for ever over what came together with the last acknowledgement of a connection. */
static bool hangs(struct net_end *e)
{
    struct net_unread *u = &e->unread;
    uint8_t head[NET_HEAD_BYTES];
    ssize_t len = recv(e->far, head, sizeof(head), MSG_PEEK | MSG_DONTWAIT);
    bool same = len > 0 && len == u->len && memcmp(head, u->head, (size_t)len) == 0;

    u->looks = same ? u->looks + 1 : 0;
    u->len = len;
    if (len > 0)
        memcpy(u->head, head, (size_t)len);
    return u->looks >= PASST_HANG_LOOKS;
}

static void on_passt(evutil_socket_t fd, short what, void *arg)
{
    struct net_end *e = arg;
    char line[NETS_ERROR_BYTES];

    (void)fd;
    if ((what & EV_READ) != 0) {
        passt_died(e);
    } else if (hangs(e)) {
        (void)nets_wrong(line, 0, e->plan->option, "passt has read nothing for %d s: it is killed",
                         PASST_HANG_LOOKS * LOOK_S);
        e->all->log(e->all->self, line);
        e->unread.looks = 0;
        passt_kill(&e->passt);
    }
}

static int watch_passt(struct net_end *e)
{
    const struct timeval interval = {.tv_sec = LOOK_S};

    e->event = event_new(e->all->base, e->passt.pidfd, EV_READ | EV_PERSIST, on_passt, e);
    return e->event == NULL || event_add(e->event, &interval) < 0 ? -ENOMEM : 0;
}

static void on_peer_look(evutil_socket_t fd, short what, void *arg)
{
    const struct net_end *e = arg;

    (void)fd;
    (void)what;
    net_peer_connect(&e->peer);
}

static int watch_peer(struct net_end *e)
{
    const struct timeval interval = {.tv_sec = LOOK_S};

    e->event = event_new(e->all->base, -1, EV_PERSIST, on_peer_look, e);
    return e->event == NULL || event_add(e->event, &interval) < 0 ? -ENOMEM : 0;
}

int net_ends_watch(struct net_ends *e, struct event_base *base,
                   void (*log)(void *self, const char *line), void *self)
{
    int r = 0;

    e->base = base;
    e->log = log;
    e->self = self;
    for (size_t i = 0; r == 0 && i < e->n; i++) {
        if (e->at[i].plan->kind == NET_STREAM)
            r = watch_passt(&e->at[i]);
        else if (e->at[i].plan->kind == NET_DATAGRAM)
            r = watch_peer(&e->at[i]);
    }
    return r;
}

void net_ends_unwatch(struct net_ends *e)
{
    for (size_t i = 0; i < e->n; i++) {
        if (e->at[i].event != NULL)
            event_free(e->at[i].event);
        e->at[i].event = NULL;
    }
}

void net_ends_done(struct net_ends *e)
{
    net_ends_unwatch(e);
    for (size_t i = 0; i < e->n; i++) {
        struct net_end *end = &e->at[i];

        passt_end(&end->passt);
        net_peer_done(&end->peer);
        fd_closep(&end->far);
        fd_closep(&end->fd);
    }
    e->n = 0;
}

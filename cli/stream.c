#include "cli/stream.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

enum {
    READ_BYTES = 16384,
    FULL_BYTES = 65536,    /* pending: the feeder pauses */
    WRITE_BYTES = 65536,   /* at once, where writing cannot block */
    BLOCKING_WRITE = 1024, /* at once, to what poll says takes something but may block */
};

/* --- sources --- */

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct source *s = arg;
    char bytes[READ_BYTES];
    ssize_t n = read(fd, bytes, sizeof(bytes));

    (void)what;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        s->ended = true;
        source_stop(s);
    }
    s->take(s->self, bytes, n < 0 ? 0 : (size_t)n);
}

int source_init(struct source *s, struct event_base *base, int fd,
                void (*take)(void *self, char *bytes, size_t len), void *self)
{
    *s = (struct source){.fd = fd, .take = take, .self = self};
    s->event = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, s);
    return s->event == NULL ? -ENOMEM : 0;
}

void source_start(struct source *s)
{
    if (s->event != NULL && !s->ended)
        (void)event_add(s->event, NULL);
}

void source_stop(struct source *s)
{
    if (s->event != NULL)
        (void)event_del(s->event);
}

void source_done(struct source *s)
{
    if (s->event != NULL)
        event_free(s->event);
    s->event = NULL;
}

/* --- outlets --- */

static void pace_feeder(struct outlet *o)
{
    bool full = evbuffer_get_length(o->pending) >= FULL_BYTES;

    if (o->feeder == NULL || o->feeder->paused == full)
        return;
    o->feeder->paused = full;
    if (full)
        source_stop(o->feeder);
    else
        source_start(o->feeder);
}

static void break_outlet(struct outlet *o)
{
    o->broken = true;
    (void)evbuffer_drain(o->pending, evbuffer_get_length(o->pending));
    if (o->lost != NULL)
        o->lost(o->self);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct outlet *o = arg;
    int n = evbuffer_write_atmost(o->pending, fd, o->owned ? WRITE_BYTES : BLOCKING_WRITE);

    (void)what;
    if (n < 0 && errno != EAGAIN && errno != EINTR)
        break_outlet(o);
    if (outlet_empty(o))
        (void)event_del(o->event);
    pace_feeder(o);
}

/*
 * The flags of a file description are shared with the shell and everybody else who has it, so
 * O_NONBLOCK needs a description of our own. A regular file keeps the old one, for its position.
 */
static int open_anew(int fd)
{
    char path[32];
    struct stat st;

    if (fstat(fd, &st) < 0 || (!S_ISFIFO(st.st_mode) && !S_ISCHR(st.st_mode)))
        return -1;
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

static bool is_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    return flags >= 0 && (flags & O_NONBLOCK) != 0;
}

int outlet_init(struct outlet *o, struct event_base *base, int fd, struct source *feeder)
{
    bool ours = is_nonblocking(fd);
    int anew = ours ? -1 : open_anew(fd);

    *o = (struct outlet){.fd = anew >= 0 ? anew : fd, .owned = anew >= 0, .feeder = feeder};
    o->pending = evbuffer_new();
    o->event = event_new(base, o->fd, EV_WRITE | EV_PERSIST, on_writable, o);
    return o->pending == NULL || o->event == NULL ? -ENOMEM : 0;
}

void outlet_put(struct outlet *o, const void *bytes, size_t len)
{
    if (o->event == NULL || o->broken || len == 0)
        return;
    if (evbuffer_add(o->pending, bytes, len) < 0 || event_add(o->event, NULL) < 0)
        break_outlet(o);
    pace_feeder(o);
}

bool outlet_empty(const struct outlet *o)
{
    return o->pending == NULL || evbuffer_get_length(o->pending) == 0;
}

void outlet_done(struct outlet *o)
{
    if (o->event != NULL)
        event_free(o->event);
    if (o->pending != NULL)
        evbuffer_free(o->pending);
    if (o->owned)
        fd_closep(&o->fd);
    *o = (struct outlet){.fd = -1};
}

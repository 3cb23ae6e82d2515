#include "init/report.h"

#include <errno.h>
#include <event2/buffer.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/wr.h"

/* 0 when all is sent, -EAGAIN when some waits, other errors when the reader is gone. */
static int push(struct report *r)
{
    while (evbuffer_get_length(r->waiting) > 0) {
        if (evbuffer_write(r->waiting, r->fd) < 0)
            return errno == EAGAIN || errno == EINTR ? -EAGAIN : -EPIPE;
    }
    return 0;
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct report *r = arg;

    (void)fd;
    (void)what;
    if (push(r) != -EAGAIN)
        (void)event_del(r->on_writable);
}

/* Nobody sends anything: readable means closed, or bytes of no meaning. */
static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct report *r = arg;
    char ignored[256];
    ssize_t n = read(fd, ignored, sizeof(ignored));

    (void)what;
    if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
        return;
    (void)event_del(r->on_readable);
    r->gone(r->self);
}

int report_open(struct report *r, struct event_base *base, int fd, bool watch,
                void (*gone)(void *self), void *self)
{
    int flags = fcntl(fd, F_GETFL);

    *r = (struct report){.fd = fd, .gone = gone, .self = self};
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return -errno;
    r->waiting = evbuffer_new();
    r->on_writable = event_new(base, fd, EV_WRITE | EV_PERSIST, on_writable, r);
    r->on_readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, r);
    if (r->waiting == NULL || r->on_writable == NULL || r->on_readable == NULL)
        return -ENOMEM;
    return watch && event_add(r->on_readable, NULL) < 0 ? -ENOMEM : 0;
}

void report_send(struct report *r, const Bulkhead__Report *report)
{
    size_t len = bulkhead__report__get_packed_size(report);
    AUTO_FREE uint8_t *bytes = NULL;
    uint8_t head[4];
    struct wr w = wr_over(head, sizeof(head));

    if (r->fd < 0 || r->waiting == NULL ||
        evbuffer_get_length(r->waiting) + len > REPORT_MAX_WAITING)
        return;
    bytes = malloc(len + 1);
    if (bytes == NULL)
        return;
    wr_le32(&w, (uint32_t)len);
    (void)bulkhead__report__pack(report, bytes);
    (void)evbuffer_add(r->waiting, head, sizeof(head));
    (void)evbuffer_add(r->waiting, bytes, len);
    if (push(r) == -EAGAIN)
        (void)event_add(r->on_writable, NULL);
}

static void flush(struct report *r, int timeout_ms)
{
    uint64_t end_ns = clock_now_ns() + (uint64_t)timeout_ms * NS_PER_MS;
    struct pollfd p = {.fd = r->fd, .events = POLLOUT};

    while (push(r) == -EAGAIN) {
        uint64_t now_ns = clock_now_ns();

        if (now_ns >= end_ns || poll(&p, 1, (int)((end_ns - now_ns) / NS_PER_MS) + 1) <= 0)
            return;
    }
}

void report_close(struct report *r, int timeout_ms)
{
    if (r->fd >= 0 && r->waiting != NULL)
        flush(r, timeout_ms);
    if (r->on_writable != NULL)
        event_free(r->on_writable);
    if (r->on_readable != NULL)
        event_free(r->on_readable);
    if (r->waiting != NULL)
        evbuffer_free(r->waiting);
    fd_closep(&r->fd);
    *r = (struct report){.fd = -1};
}

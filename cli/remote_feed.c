#include "cli/remote_feed.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin.pb-c.h"
#include "cli/operator.h"
#include "cli/remote_peer.h"

enum {
    TRIES = 5,     /* of the same bytes, when connections break */
    PAUSE_MS = 50, /* before the next one */
    STATUS_CONFLICT = 409,
    STATUS_TOO_MANY = 429,
};

struct feed {
    const struct remote_peer *peer;
    struct event_base *base;
    struct evhttp_connection *connection; /* NULL: none yet */
    bool is_closed;                       /* it is to be made anew */
    struct event *readable, *again;
    int fd; /* borrowed */
    uint32_t session;
    uint64_t at; /* bytes that the VM has taken */
    uint8_t bytes[OPERATOR_MAX_BYTES];
    size_t len; /* under way */
    unsigned tries;
    void (*failed)(void *self, const char *text);
    void *self;
};

static void send_bytes(struct feed *f);

static void fail(struct feed *f, const char *text)
{
    (void)event_del(f->readable);
    (void)event_del(f->again);
    f->failed(f->self, text);
}

static void try_again(struct feed *f)
{
    static const struct timeval pause = {.tv_usec = PAUSE_MS * 1000};

    (void)event_add(f->again, &pause);
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    send_bytes(arg);
}

static void on_closed(struct evhttp_connection *connection, void *arg)
{
    struct feed *f = arg;

    (void)connection;
    f->is_closed = true;
}

/* Small pieces do not wait for the receipt of those before. There is a socket only once it is connected. */
static void hurry(struct feed *f)
{
    const evutil_socket_t fd = bufferevent_getfd(evhttp_connection_get_bufferevent(f->connection));
    const int on = 1;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* A session that is over says so itself, over its own connection. */
static void on_taken(struct evhttp_request *request, void *arg)
{
    struct feed *f = arg;
    const int status = request == NULL ? 0 : evhttp_request_get_response_code(request);

    if (status == HTTP_OK) {
        hurry(f);
        f->at += f->len;
        f->len = 0;
        f->tries = 0;
        (void)event_add(f->readable, NULL);
    } else if (status == STATUS_TOO_MANY) {
        try_again(f);
    } else if (status == 0 && ++f->tries < TRIES) {
        f->is_closed = true;
        try_again(f);
    } else if (status != STATUS_CONFLICT) {
        fail(f, "the VM does not take what GDB says: no connection, or it broke off");
    }
}

static bool connect_again(struct feed *f)
{
    SSL *ssl;

    if (f->connection != NULL && !f->is_closed)
        return true;
    if (f->connection != NULL)
        evhttp_connection_free(f->connection);
    f->is_closed = false;
    f->connection = remote_peer_connect(f->peer, f->base, &ssl);
    if (f->connection == NULL)
        return false;
    evhttp_connection_set_closecb(f->connection, on_closed, f);
    return true;
}

static void send_bytes(struct feed *f)
{
    struct evhttp_request *rq;
    char path[64];

    rq = connect_again(f) ? evhttp_request_new(on_taken, f) : NULL;
    if (rq == NULL) {
        fail(f, strerror(ENOMEM));
        return;
    }
    (void)snprintf(path, sizeof(path), "/v1/vm/gdb/%" PRIu32 "?at=%" PRIu64, f->session, f->at);
    (void)evhttp_add_header(evhttp_request_get_output_headers(rq), "Host", f->peer->host);
    (void)evhttp_add_header(evhttp_request_get_output_headers(rq), "Content-Type",
                            "application/octet-stream");
    (void)evbuffer_add(evhttp_request_get_output_buffer(rq), f->bytes, f->len);
    if (evhttp_make_request(f->connection, rq, EVHTTP_REQ_POST, path) < 0) {
        f->is_closed = true;
        fail(f, strerror(ENOMEM));
    }
}

/* The command has left, when there is nothing: all ends, and the guest goes on. */
static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct feed *f = arg;
    uint8_t bytes[OPERATOR_MAX_BYTES];
    const ssize_t n = recv(fd, bytes, sizeof(bytes), 0);
    Bulkhead__AdminCall *call =
        n <= 0 ? NULL : bulkhead__admin_call__unpack(NULL, (size_t)n, bytes);

    (void)what;
    if (call == NULL)
        _exit(EXIT_SUCCESS);
    if (call->data.len > 0) {
        memcpy(f->bytes, call->data.data, call->data.len);
        f->len = call->data.len;
        (void)event_del(f->readable);
        send_bytes(f);
    }
    bulkhead__admin_call__free_unpacked(call, NULL);
}

struct feed *feed_new(const struct remote_peer *peer, struct event_base *base, int fd,
                      uint32_t session, void (*failed)(void *self, const char *text), void *self)
{
    struct feed *f = calloc(1, sizeof(*f));

    if (f == NULL)
        return NULL;
    *f = (struct feed){
        .peer = peer, .base = base, .fd = fd, .session = session, .failed = failed, .self = self};
    f->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, f);
    f->again = evtimer_new(base, on_again, f);
    if (f->readable == NULL || f->again == NULL || event_add(f->readable, NULL) < 0) {
        feed_free(f);
        return NULL;
    }
    return f;
}

void feed_free(struct feed *f)
{
    if (f == NULL)
        return;
    if (f->connection != NULL)
        evhttp_connection_free(f->connection);
    if (f->readable != NULL)
        event_free(f->readable);
    if (f->again != NULL)
        event_free(f->again);
    free(f);
}

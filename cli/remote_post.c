#include "cli/remote_post.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

struct post {
    struct remote_peer peer;
    struct event_base *base;
    struct evhttp_connection *connection;
    SSL *ssl;
    int r; /* what came of it */
    char *error;
};

static void on_done(struct evhttp_request *request, void *arg)
{
    struct post *p = arg;
    const int status = request == NULL ? 0 : evhttp_request_get_response_code(request);

    p->r = status == HTTP_OK ? 0 : status == 0 ? -EPIPE : -EPERM;
    if (p->r < 0)
        remote_peer_why(&p->peer, p->connection, p->ssl, status,
                        request == NULL ? NULL : evhttp_request_get_input_buffer(request),
                        p->error);
    (void)event_base_loopbreak(p->base);
}

static int send_body(struct post *p, const char *path, const void *body, size_t len)
{
    struct evhttp_request *rq;

    p->base = event_base_new();
    if (p->base != NULL)
        p->connection = remote_peer_connect(&p->peer, p->base, &p->ssl);
    rq = p->connection == NULL ? NULL : evhttp_request_new(on_done, p);
    if (rq == NULL)
        return -ENOMEM;
    (void)evhttp_add_header(evhttp_request_get_output_headers(rq), "Host", p->peer.host);
    (void)evbuffer_add(evhttp_request_get_output_buffer(rq), body, len);
    return evhttp_make_request(p->connection, rq, EVHTTP_REQ_POST, path) < 0 ? -ENOMEM : 0;
}

int remote_post(const char *where, const char *identity, const char *path, const void *body,
                size_t len, char error[REMOTE_PEER_ERROR_BYTES])
{
    struct post p = {.r = -EPIPE, .error = error};
    int r = remote_peer_init(&p.peer, where, identity, error);

    if (r == 0) {
        (void)signal(SIGPIPE, SIG_IGN);
        r = send_body(&p, path, body, len);
        if (r < 0)
            (void)snprintf(error, REMOTE_PEER_ERROR_BYTES, "%s", strerror(-r));
    }
    if (r == 0) {
        (void)event_base_dispatch(p.base);
        r = p.r;
    }
    if (p.connection != NULL)
        evhttp_connection_free(p.connection);
    if (p.base != NULL)
        event_base_free(p.base);
    remote_peer_done(&p.peer);
    return r;
}

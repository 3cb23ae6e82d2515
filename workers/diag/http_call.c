#include "workers/diag/http_call.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <jansson.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "workers/diag/audit.h"
#include "workers/diag/diag.h"
#include "workers/diag/http_limit.h"
#include "workers/diag/page.h"
#include "workers/diag/reply.h"
#include "workers/diag/routes.h"
#include "workers/diag/session.h"

enum {
    LIFE_MS = 15 * 1000, /* without anything to tell */
};

/* --- replies --- */

/* For a browser: nothing here is another site's business, and nothing is kept. */
static void add_headers(struct evhttp_request *request, const char *type, const char *policy)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    static const char *const always[][2] = {
        {"Cache-Control",                "no-store"   },
        {"X-Content-Type-Options",       "nosniff"    },
        {"Cross-Origin-Resource-Policy", "same-origin"},
        {"Referrer-Policy",              "no-referrer"},
    };

    for (size_t i = 0; i < COUNT_OF(always); i++)
        (void)evhttp_add_header(headers, always[i][0], always[i][1]);
    (void)evhttp_add_header(headers, "Content-Security-Policy", policy);
    (void)evhttp_add_header(headers, "Content-Type", type);
}

static void add_api_headers(struct evhttp_request *request, enum shape shape)
{
    add_headers(request, reply_type(shape), "default-src 'none'; frame-ancestors 'none'");
}

/* Its bytes are constant: they are not copied. */
static void send_file(struct evhttp_request *request, const struct page_file *file)
{
    struct evbuffer *body = evbuffer_new();

    add_headers(request, file->type, file->policy);
    if (body == NULL || evbuffer_add_reference(body, file->bytes, *file->len, NULL, NULL) < 0)
        evhttp_send_reply(request, HTTP_SERVUNAVAIL, NULL, NULL);
    else
        evhttp_send_reply(request, HTTP_OK, NULL, body);
    if (body != NULL)
        evbuffer_free(body);
}

void http_tell(struct evhttp_request *request, int status, json_t *value)
{
    struct evbuffer *body = evbuffer_new();

    add_api_headers(request, SHAPE_DONE);
    if (body == NULL || reply_value(value, body) < 0)
        evhttp_send_reply(request, HTTP_SERVUNAVAIL, NULL, NULL);
    else
        evhttp_send_reply(request, status, NULL, body);
    if (body != NULL)
        evbuffer_free(body);
}

void http_refuse(struct evhttp_request *request, int status, const char *text)
{
    http_tell(request, status, json_pack("{s:s}", "error", text));
}

static void on_drained(struct evhttp_connection *connection, void *arg)
{
    struct http_call *c = arg;

    (void)connection;
    c->in_flight = false;
    if (c->session != NULL)
        session_resume(c->session);
}

/* One that follows has nothing more to say: it is only read to. */
static void set_patience(const struct http_call *c, bool follows)
{
    static const struct timeval idle = {.tv_sec = HTTPS_IDLE_S};

    (void)bufferevent_set_timeouts(evhttp_connection_get_bufferevent(c->connection),
                                   follows ? NULL : &idle, &idle);
}

static bool follows(const struct http_call *c)
{
    return c->session != NULL && c->session->state == SESSION_ANSWERING &&
           c->session->question.follow;
}

/* One piece is under way at a time. */
static void send_piece(struct http_call *c, struct evbuffer *piece)
{
    c->sent_ns = clock_now_ns();
    if (!c->begun && follows(c))
        set_patience(c, true);
    if (!c->begun) {
        add_api_headers(c->request, c->shape);
        evhttp_send_reply_start(c->request, HTTP_OK, NULL);
    }
    c->begun = true;
    c->in_flight = evbuffer_get_length(piece) > 0;
    if (c->in_flight)
        evhttp_send_reply_chunk_with_cb(c->request, piece, on_drained, c);
}

/* It is answered, whatever becomes of it. */
static struct evhttp_request *take_request(struct http_call *c)
{
    struct evhttp_request *request = c->request;

    c->request = NULL;
    return request;
}

static int add_elements(struct http_call *c, const Bulkhead__AdminAnswer *a, struct evbuffer *piece)
{
    int r = c->begun ? 0 : reply_begin(c->shape, piece);

    if (r == 0)
        r = reply_elements(c->shape, a, &c->first, piece);
    if (r == 0 && a->done)
        r = reply_end(c->shape, piece);
    return r;
}

/* 1: it was refused, and nothing follows. -EPROTO: what has begun does not come to its end. */
static int make_piece(struct http_call *c, const struct datagram *d, struct evbuffer *piece)
{
    Bulkhead__AdminAnswer *a;
    int r = 1;

    if (c->shape == SHAPE_FRAMES)
        return reply_frame(d->bytes, d->len, piece);
    a = bulkhead__admin_answer__unpack(NULL, d->len, d->bytes);
    if (a == NULL)
        return -ENOMEM;
    if (a->error[0] == '\0')
        r = add_elements(c, a, piece);
    else if (c->begun)
        r = -EPROTO;
    else
        http_refuse(take_request(c), c->refusal, a->error);
    bulkhead__admin_answer__free_unpacked(a, NULL);
    return r;
}

/* --- the carrier of a session --- */

static int call_send(struct session *s, const struct datagram *d)
{
    struct http_call *c = s->carried;
    struct evbuffer *piece;
    int r;

    if (c->in_flight)
        return -EAGAIN;
    piece = evbuffer_new();
    r = piece == NULL ? -ENOMEM : make_piece(c, d, piece);
    if (r == 0 && (evbuffer_get_length(piece) > 0 || d->last))
        send_piece(c, piece); /* else nothing has begun: there may be a refusal yet */
    if (piece != NULL)
        evbuffer_free(piece);
    return r < 0 ? r : 0;
}

/* What is under way calls us when it has gone. */
static void call_wait(struct session *s)
{
    static const struct timeval at_once;
    struct http_call *c = s->carried;

    if (!c->in_flight)
        (void)event_add(c->turn, &at_once);
}

static void call_answered(struct session *s)
{
    struct http_call *c = s->carried;

    c->is_whole = true;
    session_close(s);
}

/* The connection may live on, and this row serves another one by then. */
static void let_go(struct http_call *c)
{
    if (c->connection == NULL)
        return;
    evhttp_connection_set_closecb(c->connection, NULL, NULL);
    set_patience(c, false);
    c->connection = NULL;
}

/* What has come of it is not taken for the whole: the last chunk never arrives. */
static void break_off(const struct http_call *c)
{
    (void)shutdown(bufferevent_getfd(evhttp_connection_get_bufferevent(c->connection)), SHUT_RDWR);
}

/* Whether it was answered to its end, or not: nothing more comes. */
static void call_closed(struct session *s)
{
    struct http_call *c = s->carried;
    struct evhttp_request *request = take_request(c);

    const bool gone = c->connection == NULL;

    (void)event_del(c->turn);
    c->session = NULL;
    if (c->begun && !c->is_whole && !gone)
        break_off(c);
    let_go(c);
    if (request == NULL)
        return;
    if (!c->begun && !gone)
        http_refuse(request, HTTP_SERVUNAVAIL, "no memory");
    else
        evhttp_send_reply_end(request);
}

static const struct carrier http_carrier = {
    .send = call_send,
    .wait = call_wait,
    .answered = call_answered,
    .closed = call_closed,
};

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
    struct http_call *c = arg;

    (void)fd;
    (void)what;
    if (c->session != NULL)
        session_resume(c->session);
}

/* The operator has gone. libevent leaves it to us to end the request. */
static void on_gone(struct evhttp_connection *connection, void *arg)
{
    struct http_call *c = arg;

    (void)connection;
    c->connection = NULL;
    if (c->session != NULL)
        session_close(c->session);
}

/* --- silence --- */

/* Whoever listens knows that we are there, from the first one on that there is nothing yet. */
static void show_life(struct http_call *c)
{
    struct evbuffer *piece = evbuffer_new();

    if (piece != NULL && reply_life(c->shape, piece) == 0)
        send_piece(c, piece);
    if (piece != NULL)
        evbuffer_free(piece);
}

void http_calls_tick(struct https *h, uint64_t now_ns)
{
    for (unsigned i = 0; i < HTTPS_CALLS; i++) {
        struct http_call *c = &h->calls[i];

        if (reply_has_life(c->shape) && follows(c) && !c->in_flight && c->connection != NULL &&
            now_ns >= c->sent_ns + LIFE_MS * NS_PER_MS)
            show_life(c);
    }
}

/* --- requests --- */

/*
 * A browser shows the operator's certificate for whatever page asks it to. A page of another site may not: browsers say whose
 * the page is.
 */
static bool is_foreign(struct evhttp_request *request)
{
    const struct evkeyvalq *headers = evhttp_request_get_input_headers(request);
    const char *site = evhttp_find_header(headers, "Sec-Fetch-Site");
    const char *origin = evhttp_find_header(headers, "Origin");
    const char *host = evhttp_find_header(headers, "Host");
    static const char scheme[] = "https://";

    if (site != NULL && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0)
        return true;
    if (origin == NULL)
        return false;
    return host == NULL || strncmp(origin, scheme, sizeof(scheme) - 1) != 0 ||
           strcmp(origin + sizeof(scheme) - 1, host) != 0;
}

static struct http_call *find_free(struct https *h, const struct caller *caller)
{
    struct http_call *found = NULL;
    unsigned theirs = 0;

    for (unsigned i = 0; i < HTTPS_CALLS; i++) {
        struct http_call *c = &h->calls[i];

        if (c->session == NULL)
            found = c;
        else if (strcmp(c->session->caller.name, caller->name) == 0)
            theirs++;
    }
    return theirs < HTTPS_CALLS_EACH ? found : NULL;
}

/* What is no call costs one, too. caller NULL: of nobody's, so that a page of another site uses up no operator's. */
static void refuse(struct https *h, struct evhttp_request *request, const struct caller *caller,
                   int status, const char *text)
{
    if (http_may_ask(h, request, caller, BULKHEAD__ADMIN_CALL__VERB__NONE))
        http_refuse(request, status, text);
}

bool http_may(struct https *h, struct evhttp_request *request, const struct caller *caller,
              Bulkhead__AdminCall__Verb verb)
{
    const struct rule *rule = rule_of(verb);
    const enum decision decision = rule_judge(rule, caller->role, h->diag->confidential);
    char text[RULE_TEXT_BYTES];

    if (!http_may_ask(h, request, caller, verb))
        return false;
    if (decision == AUDIT_ALLOWED)
        return true;
    board_inc(h->diag->row_denied);
    audit_note(&h->diag->audit, caller, verb, "", decision);
    rule_refusal(rule, decision, text);
    http_refuse(request, HTTP_FORBIDDEN, text);
    return false;
}

/* What is no call of a session is on record by its path. */
static void note_path(struct https *h, const struct caller *caller, const char *path)
{
    audit_note(&h->diag->audit, caller, BULKHEAD__ADMIN_CALL__VERB__NONE, path, AUDIT_ALLOWED);
}

static void start(struct https *h, struct evhttp_request *request, const struct caller *caller,
                  const struct routed *routed)
{
    struct http_call *c = find_free(h, caller);
    struct session *s = c == NULL ? NULL : session_open(h->diag, &http_carrier, c, caller);
    const struct rule *rule = rule_of(routed->call.verb);

    if (s == NULL) {
        http_too_many(h, request, caller, (unsigned)routed->call.verb,
                      "too many calls at once: wait for one to end");
        return;
    }
    c->session = s;
    c->request = request;
    c->connection = evhttp_request_get_connection(request);
    c->shape = routed->shape;
    c->begun = c->is_whole = c->in_flight = false;
    c->sent_ns = 0;
    c->first = true;
    c->refusal =
        rule == NULL || session_judge(s, rule) == AUDIT_ALLOWED ? HTTP_CONFLICT : HTTP_FORBIDDEN;
    evhttp_connection_set_closecb(c->connection, on_gone, c);
    session_call(s, &routed->call, -1);
}

static void route(struct https *h, struct evhttp_request *request, const struct caller *caller)
{
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
    const char *path = uri == NULL ? NULL : evhttp_uri_get_path(uri);
    const struct route *found;
    struct routed routed;
    char part[256];
    const char *wrong;
    int status = path == NULL ? HTTP_BADREQUEST
                              : route_find(evhttp_request_get_command(request), path, &found, part);

    if (status != 0) {
        refuse(h, request, caller, status,
               status == HTTP_BADMETHOD ? "that is not done with it"
                                        : "there is nothing at this path");
        return;
    }
    if (found->take != NULL) {
        found->take(h, request, caller, part);
        return;
    }
    if (!http_may_ask(h, request, caller, (unsigned)found->verb))
        return;
    if (found->tell != NULL) {
        note_path(h, caller, path);
        http_tell(request, HTTP_OK, found->tell(h->diag, caller));
        return;
    }
    wrong = route_fill(found, part, evhttp_uri_get_query(uri),
                       evhttp_request_get_input_buffer(request), &routed);
    if (wrong != NULL)
        http_refuse(request, HTTP_BADREQUEST, wrong);
    else
        start(h, request, caller, &routed);
    routed_done(&routed);
}

/* The page costs a call, too. False: it is not what is asked for. */
static bool give_page(struct https *h, struct evhttp_request *request, const struct caller *caller)
{
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
    const char *path = uri == NULL ? NULL : evhttp_uri_get_path(uri);
    const struct page_file *file =
        path == NULL || evhttp_request_get_command(request) != EVHTTP_REQ_GET ? NULL
                                                                              : page_find(path);

    if (file == NULL)
        return false;
    if (http_may_ask(h, request, caller, BULKHEAD__ADMIN_CALL__VERB__NONE)) {
        note_path(h, caller, path);
        send_file(request, file);
    }
    return true;
}

void http_call_begin(struct evhttp_request *request, void *self)
{
    struct https *h = self;
    const struct caller *caller = https_caller(request);

    if (caller == NULL)
        refuse(h, request, NULL, HTTP_FORBIDDEN,
               "the certificate names no role: `bulkhead pki issue` makes one that does");
    else if (is_foreign(request))
        refuse(h, request, NULL, HTTP_FORBIDDEN, "a page of another site may not ask this");
    else if (!give_page(h, request, caller))
        route(h, request, caller);
}

/* --- life --- */

/* jansson would open /dev/urandom later. Numbers that an operator cannot foresee, or names could be made to collide. */
static int seed_json(void)
{
    uint32_t seed;

    if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
        return -EIO;
    json_object_seed(seed | 1);
    return 0;
}

int http_calls_init(struct https *h)
{
    int r = seed_json();

    if (r < 0)
        return r;
    for (unsigned i = 0; i < HTTPS_CALLS; i++) {
        struct http_call *c = &h->calls[i];

        c->turn = evtimer_new(h->diag->base, on_turn, c);
        if (c->turn == NULL)
            return -ENOMEM;
    }
    return 0;
}

void http_calls_done(struct https *h)
{
    for (unsigned i = 0; i < HTTPS_CALLS; i++) {
        if (h->calls[i].turn != NULL)
            event_free(h->calls[i].turn);
    }
}

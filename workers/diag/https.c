#include "workers/diag/https.h"

#include <errno.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"
#include "workers/diag/audit.h"
#include "workers/diag/diag.h"
#include "workers/diag/http_call.h"
#include "workers/diag/http_limit.h"
#include "workers/diag/revoked.h"
#include "workers/diag/session.h"
#include "workers/diag/tls.h"
#include "workers/diag/tls_revoked.h"

/* So many a second, and so many at once. */
struct allowance {
    unsigned rate, burst;
};

static const struct allowance calls = {20, 60};   /* of each role */
static const struct allowance strangers = {1, 8}; /* refusals that are put on record */

static bool take_token(struct bucket *b, const struct allowance *a, uint64_t now_ns)
{
    uint64_t each_ns = NS_PER_S / a->rate;
    uint64_t most_ns = each_ns * a->burst;
    uint64_t paid_ns = b->paid_ns > now_ns ? b->paid_ns : now_ns;

    if (paid_ns + each_ns > now_ns + most_ns)
        return false;
    b->paid_ns = paid_ns + each_ns;
    return true;
}

bool https_may_call(struct https *h, enum role role, uint64_t now_ns)
{
    return take_token(&h->buckets[role], &calls, now_ns);
}

/* --- connections --- */

static bool is_full(const struct https *h, uint64_t now_ns)
{
    const uint64_t most_ns = HTTPS_ARRIVALS_AT_ONCE * NS_PER_S / HTTPS_ARRIVALS;

    return h->n_peers >= HTTPS_PEERS || h->arrivals.paid_ns > now_ns + most_ns;
}

static void arrive(struct https *h, uint64_t now_ns)
{
    struct bucket *b = &h->arrivals;

    b->paid_ns = (b->paid_ns > now_ns ? b->paid_ns : now_ns) + NS_PER_S / HTTPS_ARRIVALS;
}

/* The listener rests while there are too many, or came too many lately. */
static void admit(struct https *h, uint64_t now_ns)
{
    bool full = is_full(h, now_ns);
    struct evconnlistener *l;

    if (h->bound == NULL || full == h->is_full)
        return;
    l = evhttp_bound_socket_get_listener(h->bound);
    h->is_full = full;
    if (full)
        (void)evconnlistener_disable(l);
    else
        (void)evconnlistener_enable(l);
}

/* Whoever floods us with them has the flood counted, and some of it on record. */
static void note_stranger(struct peer *p)
{
    struct https *h = p->https;
    static const struct caller nobody = {.remote = true};

    board_inc(h->diag->row_strangers);
    if (take_token(&h->strangers, &strangers, clock_now_ns()))
        audit_note(&h->diag->audit, &nobody, 0, tls_refusal(p->ssl), AUDIT_STRANGER);
}

/* Its connection is being freed: with SSL, whose we are. */
static void forget_peer(void *parent, void *at, CRYPTO_EX_DATA *data, int index, long arg,
                        void *more)
{
    struct peer *p = at;

    (void)parent;
    (void)data;
    (void)index;
    (void)arg;
    (void)more;
    if (p == NULL)
        return;
    if (!p->is_known)
        note_stranger(p);
    *p->at = p->next;
    if (p->next != NULL)
        p->next->at = p->at;
    p->https->n_peers--;
    admit(p->https, clock_now_ns());
    board_set(p->https->diag->row_peers, p->https->n_peers);
    free(p);
}

static int peer_index =
    -1; /* of SSL's extra data: OpenSSL hands out numbers for the whole process */

static struct peer *new_peer(struct https *h)
{
    struct peer *p = calloc(1, sizeof(*p));

    if (p == NULL)
        return NULL;
    p->https = h;
    p->born_ns = clock_now_ns();
    p->ssl = SSL_new(h->tls);
    if (p->ssl == NULL || SSL_set_ex_data(p->ssl, peer_index, p) != 1) {
        SSL_free(p->ssl);
        free(p);
        return NULL;
    }
    p->next = h->peers;
    p->at = &h->peers;
    if (p->next != NULL)
        p->next->at = &p->next;
    h->peers = p;
    board_set(h->diag->row_peers, ++h->n_peers);
    return p;
}

/*
 * What libevent reads and writes a new connection with. It would take NULL to mean: without TLS. So when there is no memory it
 * gets one that is at its end.
 */
static struct bufferevent *make_end(struct event_base *base, void *self)
{
    struct https *h = self;
    struct peer *p = new_peer(h);
    uint64_t now_ns = clock_now_ns();

    arrive(h, now_ns);
    admit(h, now_ns);
    diag_schedule(h->diag);
    if (p == NULL)
        return bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
    p->bev = bufferevent_openssl_socket_new(base, -1, p->ssl, BUFFEREVENT_SSL_ACCEPTING,
                                            BEV_OPT_CLOSE_ON_FREE);
    bufferevent_openssl_set_allow_dirty_shutdown(p->bev, 1);
    bufferevent_setwatermark(p->bev, EV_READ, 0, HTTPS_READ_BYTES);
    return p->bev;
}

static SSL *ssl_of(struct evhttp_connection *c)
{
    return bufferevent_openssl_get_ssl(evhttp_connection_get_bufferevent(c));
}

bool https_same_peer(struct evhttp_connection *a, struct evhttp_connection *b)
{
    const SSL *one = ssl_of(a), *other = ssl_of(b);
    const X509 *x = one == NULL ? NULL : SSL_get0_peer_certificate(one);
    const X509 *y = other == NULL ? NULL : SSL_get0_peer_certificate(other);

    return x != NULL && y != NULL && X509_cmp(x, y) == 0;
}

/* NULL: nothing is being answered over it. */
static struct http_call *call_over(struct https *h, const struct peer *p)
{
    for (unsigned i = 0; i < HTTPS_CALLS; i++) {
        struct http_call *c = &h->calls[i];

        if (c->session != NULL && c->connection != NULL &&
            evhttp_connection_get_bufferevent(c->connection) == p->bev)
            return c;
    }
    return NULL;
}

/* What it is being told ends here; the loop does the rest, if that has not ended the connection. */
static void cut(struct https *h, struct peer *p)
{
    const struct http_call *c = call_over(h, p);

    p->is_cut = true;
    (void)shutdown(bufferevent_getfd(p->bev), SHUT_RDWR);
    if (c != NULL)
        session_close(c->session);
}

/* Nobody keeps others out: of too many of one name, the oldest that is asked nothing over ends. */
static void bound_name(struct https *h, const struct peer *newest)
{
    struct peer *oldest = NULL;
    unsigned theirs = 0;

    for (struct peer *p = h->peers; p != NULL; p = p->next) { /* the newest comes first */
        if (!p->is_known || p->is_cut || strcmp(p->caller.name, newest->caller.name) != 0)
            continue;
        theirs++;
        if (p != newest && call_over(h, p) == NULL)
            oldest = p;
    }
    if (theirs > HTTPS_PEERS_EACH && oldest != NULL)
        cut(h, oldest);
}

struct peer *https_peer(struct evhttp_request *request)
{
    const SSL *ssl = ssl_of(evhttp_request_get_connection(request));

    return ssl == NULL ? NULL : SSL_get_ex_data(ssl, peer_index);
}

const struct caller *https_caller(struct evhttp_request *request)
{
    struct peer *p = https_peer(request);
    X509 *x;

    if (p == NULL || SSL_get_verify_result(p->ssl) != X509_V_OK)
        return NULL;
    if (p->is_known)
        return &p->caller;
    x = SSL_get1_peer_certificate(p->ssl);
    p->is_known = x != NULL && tls_caller_of(x, &p->caller);
    X509_free(x);
    if (!p->is_known)
        return NULL;
    bound_name(p->https, p);
    return &p->caller;
}

void https_judge_peers(struct https *h)
{
    struct peer *next;

    for (struct peer *p = h->peers; p != NULL; p = next) {
        next = p->next;
        if (SSL_get0_peer_certificate(p->ssl) == NULL || tls_counts(h->tls, p->ssl))
            continue;
        board_log(h->diag->board, LOG_LEVEL_INFO,
                  "an operator's certificate counts no more: cut off");
        cut(h, p);
    }
}

/* Certificates expire while they are in use. */
static void judge_again(struct https *h, uint64_t now_ns)
{
    if (now_ns < h->judged_ns + HTTPS_JUDGE_MS * NS_PER_MS)
        return;
    h->judged_ns = now_ns;
    https_judge_peers(h);
}

bool https_has_peers(const struct https *h)
{
    return h->n_peers > 0 || h->is_full;
}

/* One that is known has libevent's own limit, HTTPS_IDLE_S. */
void https_tick(struct https *h, uint64_t now_ns)
{
    uint64_t patience_ns = (h->is_full ? HTTPS_CROWD_MS : HTTPS_GREET_MS) * NS_PER_MS;

    for (const struct peer *p = h->peers; p != NULL; p = p->next) {
        if (!p->is_known && now_ns >= p->born_ns + patience_ns)
            (void)shutdown(bufferevent_getfd(p->bev), SHUT_RDWR); /* the loop does the rest */
    }
    http_calls_tick(h, now_ns);
    http_limit_tick(h, now_ns);
    revoked_restore(h);
    judge_again(h, now_ns);
    admit(h, now_ns);
}

/* --- life --- */

static int make_server(struct https *h, int listener)
{
    h->http = evhttp_new(h->diag->base);
    if (h->http == NULL)
        return -ENOMEM;
    evhttp_set_bevcb(h->http, make_end, h);
    evhttp_set_gencb(h->http, http_call_begin, h);
    evhttp_set_allowed_methods(h->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST);
    evhttp_set_max_headers_size(h->http, HTTPS_HEAD_BYTES);
    evhttp_set_max_body_size(h->http, HTTPS_BODY_BYTES);
    evhttp_set_default_content_type(h->http, NULL);
    evhttp_set_timeout(h->http, HTTPS_IDLE_S);
    h->bound = evhttp_accept_socket_with_handle(h->http, listener);
    if (h->bound == NULL)
        return -ENOMEM;
    (void)evconnlistener_disable(evhttp_bound_socket_get_listener(h->bound));
    return 0;
}

int https_init(struct https *h, struct diag *d, int listener, const struct tls_page *page,
               const char **ret_why)
{
    int r;

    h->diag = d;
    if (peer_index < 0)
        peer_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, forget_peer);
    r = tls_new(page, &h->tls, ret_why);
    if (r < 0)
        return r;
    *ret_why = "no memory";
    r = make_server(h, listener);
    return r < 0 ? r : http_calls_init(h);
}

int https_start(struct https *h)
{
    revoked_restore(h);
    return evconnlistener_enable(evhttp_bound_socket_get_listener(h->bound)) < 0 ? -EIO : 0;
}

void https_done(struct https *h)
{
    h->bound = NULL; /* there is no listener to wake any more when connections go */
    if (h->http != NULL)
        evhttp_free(h->http);
    http_calls_done(h);
    SSL_CTX_free(h->tls); /* the rest is looked at until the base ends: forget_peer() */
}

const struct network https_network = {
    .init = https_init,
    .start = https_start,
    .tick = https_tick,
    .has_peers = https_has_peers,
    .revoke = revoked_take,
    .done = https_done,
};

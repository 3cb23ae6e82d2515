/*
 * workers/diag/https.h - operators who come over the network: HTTP/1.1 over TLS 1.3, with a certificate at both ends.
 *
 * Connections are bounded in number and in time, those that have not shown a certificate most of all. What is asked becomes a
 * call like root's (session.h).
 */
#pragma once

#include <event2/http.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"
#include "ipc/remote.h"
#include "workers/diag/caller.h"
#include "workers/diag/routes.h"

enum {
    HTTPS_PEERS = 32,     /* connections; no further one is taken while there are as many */
    HTTPS_PEERS_EACH = 8, /* of one operator: a browser has 6 */
    HTTPS_BACKLOG = REMOTE_BACKLOG, /* come at once, they are served, too */
    HTTPS_ARRIVALS = 25,            /* connections a second: each costs a key exchange */
    HTTPS_ARRIVALS_AT_ONCE = 48,
    HTTPS_CALLS = 12,           /* at the same time, so that root's are never kept out */
    HTTPS_CALLS_EACH = 6,       /* of one operator */
    HTTPS_GREET_MS = 10 * 1000, /* to show a certificate and ask */
    HTTPS_CROWD_MS = 2 * 1000,  /* the same, while others wait for a place */
    HTTPS_JUDGE_MS = 10 * 1000, /* between two looks at the certificates of who is there */
    HTTPS_IDLE_S = 60,
    HTTPS_HEAD_BYTES = 8 * 1024,
    HTTPS_BODY_BYTES = 40 * 1024,
    HTTPS_READ_BYTES = HTTPS_BODY_BYTES, /* that wait for us, of one connection: a body, whole */
    HTTPS_PEER_HEAP_BYTES = 224 * 1024,  /* what one costs at most */
    HTTPS_OWN_HEAP_BYTES = 2 * 1024 * 1024,
    HTTPS_REVOKED_HEAP_BYTES =
        1024 * 1024, /* lists of revoked certificates, an old and a new one */
    HTTPS_HEAP_BYTES = HTTPS_OWN_HEAP_BYTES + HTTPS_REVOKED_HEAP_BYTES +
                       (HTTPS_PEERS + HTTPS_BACKLOG) * HTTPS_PEER_HEAP_BYTES,
};
_Static_assert(HTTPS_CALLS_EACH < HTTPS_PEERS_EACH, "of too many, one can be ended");

struct diag;
struct event_base;
struct https;
struct session;

/* One connection. */
struct peer {
    struct https *https;
    struct peer *next, **at; /* in the list */
    SSL *ssl;
    struct bufferevent *bev; /* borrowed: it owns ssl, and that owns us */
    uint64_t born_ns;
    bool is_known; /* its certificate was looked at; caller holds */
    bool is_cut;   /* it is about to be freed */
    struct caller caller;
    struct evhttp_request *late; /* NULL, or to be refused then (http_limit.h) */
    const char *late_text;
    uint64_t late_ns;
};

/* A request that is being answered. */
struct http_call {
    struct session *session;              /* NULL: the row is free */
    struct evhttp_request *request;       /* NULL: it was replied to */
    struct evhttp_connection *connection; /* NULL: it is gone */
    struct event *turn;
    enum shape shape;
    int refusal; /* status of an answer that is none */
    bool begun, in_flight;
    bool is_whole;    /* all that there is to tell has been told */
    uint64_t sent_ns; /* the last piece; 0: none */
    bool first;       /* the next element is the first one */
};

/* An allowance that refills with time: so many calls at once, so many a second. */
struct bucket {
    uint64_t paid_ns; /* up to when calls are paid for */
};

struct https {
    struct diag *diag;
    SSL_CTX *tls;
    struct evhttp *http;
    struct evhttp_bound_socket *bound;
    struct peer *peers;
    unsigned n_peers;
    bool is_full; /* the listener rests */
    struct bucket buckets[ROLES], strangers, arrivals;
    struct http_call calls[HTTPS_CALLS];
    uint64_t judged_ns;   /* when https_judge_peers() was last due */
    uint64_t revoked_seq; /* of the list in the page that counts; 0: none of it */
};

/* What the loop calls: one of diag's two programs has it (kind.h). */
struct network {
    int (*init)(struct https *h, struct diag *d, int listener, const struct tls_page *page,
                const char **ret_why);
    int (*start)(struct https *h);
    void (*tick)(struct https *h, uint64_t now_ns);
    bool (*has_peers)(const struct https *h);
    const char *(*revoke)(struct https *h, const void *text, size_t len, bool *ret_new);
    void (*done)(struct https *h);
};

extern const struct network https_network;

/* Before the run filter. listener is borrowed. 0, or negative errno and what is wrong. */
int MUST_USE https_init(struct https *h, struct diag *d, int listener, const struct tls_page *page,
                        const char **ret_why);

/* Let operators in. 0 or negative errno. */
int MUST_USE https_start(struct https *h);

/* Whoever's certificate does not count any more, revoked or expired, is cut off. */
void https_judge_peers(struct https *h);

/* End what takes too long. */
void https_tick(struct https *h, uint64_t now_ns);

/* Or some that wait. */
bool https_has_peers(const struct https *h);

/* Who is at the other end; NULL: nobody we know. */
const struct caller *https_caller(struct evhttp_request *request);

/* Whose connection it came over; NULL: it has no TLS. */
struct peer *https_peer(struct evhttp_request *request);

/* Did the same certificate come over both? */
bool https_same_peer(struct evhttp_connection *a, struct evhttp_connection *b);

/* Is there an allowance left for one more call of that role? */
bool https_may_call(struct https *h, enum role role, uint64_t now_ns);

void https_done(struct https *h);

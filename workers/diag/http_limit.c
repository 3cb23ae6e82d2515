#include "workers/diag/http_limit.h"

#include "base/clock.h"
#include "workers/diag/audit.h"
#include "workers/diag/diag.h"
#include "workers/diag/http_call.h"

static const uint64_t LATE_NS = 1 * NS_PER_S;

/* The connection ends before it was told. A request that still belongs to it goes with it. */
static void on_gone(struct evhttp_connection *connection, void *arg)
{
    struct peer *p = arg;
    struct evhttp_request *request = p->late;

    (void)connection;
    p->late = NULL;
    if (request != NULL && evhttp_request_get_connection(request) == NULL)
        evhttp_request_free(request);
}

static void tell(struct peer *p)
{
    struct evhttp_request *request = p->late;

    p->late = NULL;
    evhttp_connection_set_closecb(evhttp_request_get_connection(request), NULL, NULL);
    http_refuse(request, HTTP_TOO_MANY, p->late_text);
}

void http_too_many(struct https *h, struct evhttp_request *request, const struct caller *caller,
                   unsigned verb, const char *text)
{
    static const struct caller nobody = {.remote = true};
    struct peer *p = https_peer(request);

    board_inc(h->diag->row_refused);
    audit_note(&h->diag->audit, caller == NULL ? &nobody : caller, verb, text, AUDIT_LIMIT);
    if (p == NULL || p->late != NULL) {
        http_refuse(request, HTTP_TOO_MANY, text);
        return;
    }
    p->late = request;
    p->late_text = text;
    p->late_ns = clock_now_ns() + LATE_NS;
    evhttp_connection_set_closecb(evhttp_request_get_connection(request), on_gone, p);
}

bool http_may_ask(struct https *h, struct evhttp_request *request, const struct caller *caller,
                  unsigned verb)
{
    if (https_may_call(h, caller == NULL ? ROLE_NONE : caller->role, clock_now_ns()))
        return true;
    http_too_many(h, request, caller, verb, "too many calls in a short time: wait a little");
    return false;
}

void http_limit_tick(struct https *h, uint64_t now_ns)
{
    struct peer *next;

    for (struct peer *p = h->peers; p != NULL; p = next) {
        next = p->next;
        if (p->late != NULL && now_ns >= p->late_ns)
            tell(p);
    }
}

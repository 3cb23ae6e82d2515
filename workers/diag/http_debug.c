#include "workers/diag/http_debug.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/keyvalq_struct.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/debug_stream.h"
#include "workers/diag/diag.h"
#include "workers/diag/http_call.h"
#include "workers/diag/routes.h"
#include "workers/diag/session.h"

enum {
    DIGITS_MAX = 19, /* of a number that fits in any case */
};

static const Bulkhead__AdminCall__Verb verb = BULKHEAD__ADMIN_CALL__VERB__GDB;

/* The call that is being answered; NULL: it is nobody's, or another one's. */
static struct http_call *find_theirs(struct https *h, struct evhttp_request *request,
                                     const char *part)
{
    const struct debug_link *l = &h->diag->debug;
    uint32_t number;

    if (!route_number(part, &number) || l->session == NULL || l->number != number)
        return NULL;
    for (unsigned i = 0; i < HTTPS_CALLS; i++) {
        struct http_call *c = &h->calls[i];

        if (c->session == l->session && c->connection != NULL)
            return https_same_peer(c->connection, evhttp_request_get_connection(request)) ? c
                                                                                          : NULL;
    }
    return NULL;
}

/* Whoever has no session is told why, as for a call. */
static void refuse(struct https *h, struct evhttp_request *request, const struct caller *caller)
{
    if (http_may(h, request, caller, verb))
        http_refuse(request, HTTP_CONFLICT, "no such session, or not of this certificate");
}

bool http_debug_at(const char *query, uint64_t *ret)
{
    struct evkeyvalq fields = {0};
    const char *text = NULL;
    bool good = false;

    if (query != NULL && evhttp_parse_query_str(query, &fields) == 0)
        text = evhttp_find_header(&fields, "at");
    if (text != NULL) {
        size_t digits = strspn(text, "0123456789");

        good = digits > 0 && digits <= DIGITS_MAX && text[digits] == '\0';
        *ret = strtoull(text, NULL, 10);
    }
    evhttp_clear_headers(&fields);
    return good;
}

static void hear(struct session *s, struct evhttp_request *request)
{
    struct evbuffer *body = evhttp_request_get_input_buffer(request);
    const size_t len = evbuffer_get_length(body);
    uint8_t bytes[DEBUG_FRAME_MAX];
    uint64_t at;
    int r;

    if (!http_debug_at(evhttp_uri_get_query(evhttp_request_get_evhttp_uri(request)), &at) ||
        len == 0 || len > sizeof(bytes)) {
        http_refuse(request, HTTP_BADREQUEST, "?at=N is wanted, and bytes, 15 KiB at most");
        return;
    }
    (void)evbuffer_copyout(body, bytes, len);
    r = debug_hear(s, at, bytes, len);
    if (r == 0)
        http_tell(request, HTTP_OK, json_object());
    else if (r == -EBUSY)
        http_refuse(request, HTTP_TOO_MANY, "the debug worker does not listen now: come again");
    else
        http_refuse(request, HTTP_CONFLICT, "other bytes are next, or it has not begun");
}

void http_debug_take(struct https *h, struct evhttp_request *request, const struct caller *caller,
                     const char *part)
{
    const struct http_call *c = find_theirs(h, request, part);

    if (c == NULL)
        refuse(h, request, caller);
    else
        hear(c->session, request);
}

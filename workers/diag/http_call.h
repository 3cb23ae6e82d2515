/*
 * workers/diag/http_call.h - a request over HTTP as a call of a session, and its answer as a reply.
 */
#pragma once

#include <jansson.h>

#include "base/macro.h"
#include "workers/diag/https.h"

enum {
    HTTP_FORBIDDEN = 403,
    HTTP_CONFLICT = 409,
    HTTP_TOO_MANY = 429,
};

int MUST_USE http_calls_init(struct https *h);

/* A request is complete; self is the struct https. */
void http_call_begin(struct evhttp_request *request, void *self);

/* Answer at once. value is taken over. */
void http_tell(struct evhttp_request *request, int status, json_t *value);
void http_refuse(struct evhttp_request *request, int status, const char *text);

/* Of what is no call of a session: may its caller do it, and now? If not, that was answered, and is on record. */
bool http_may(struct https *h, struct evhttp_request *request, const struct caller *caller,
              Bulkhead__AdminCall__Verb verb);

/* Those that follow, and have heard nothing for long, are told so. */
void http_calls_tick(struct https *h, uint64_t now_ns);

void http_calls_done(struct https *h);

/*
 * workers/diag/http_call.h - a request over HTTP as a call of a session, and its answer as a reply.
 */
#pragma once

#include "base/macro.h"
#include "workers/diag/https.h"

int MUST_USE http_calls_init(struct https *h);

/* A request is complete; self is the struct https. */
void http_call_begin(struct evhttp_request *request, void *self);

/* Those that follow, and have heard nothing for long, are told so. */
void http_calls_tick(struct https *h, uint64_t now_ns);

void http_calls_done(struct https *h);

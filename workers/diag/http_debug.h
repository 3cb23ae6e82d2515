/*
 * workers/diag/http_debug.h - what a debugger says while its call is being answered: requests beside that one, of the same
 * certificate, whose bytes are numbered.
 */
#pragma once

#include <event2/http.h>
#include <stdbool.h>
#include <stdint.h>

#include "workers/diag/https.h"

/*
 * POST with ?at=N: the bytes from number N on. part is the session, as its first answer has it. Whoever has the session has
 * paid for it: a packet is not a call.
 */
void http_debug_take(struct https *h, struct evhttp_request *request, const struct caller *caller,
                     const char *part);

/* The N of a query; NULL: there is none. */
bool http_debug_at(const char *query, uint64_t *ret);

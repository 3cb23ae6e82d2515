/*
 * workers/diag/revoked.h - lists of revoked certificates that are brought to a running VM.
 *
 * The operators' authority signs and numbers them, so it is of no matter who brings one: it counts from then on, if it is
 * newer than the one that does. A page outside of diag keeps it for the next generation, which believes it no more than it
 * would an operator.
 */
#pragma once

#include <stddef.h>

#include "workers/diag/caller.h"
#include "workers/diag/https.h"

/* Take one in PEM. NULL: it counts, and did not before if *ret_new; whoever it names is cut off. Or what is wrong. */
const char *revoked_take(struct https *h, const void *text, size_t len, bool *ret_new);

/* Take the one that another generation has taken, if there is one: before anybody is let in, and from time to time. */
void revoked_restore(struct https *h);

/* POST of one. */
void revoked_take_posted(struct https *h, struct evhttp_request *request,
                         const struct caller *caller, const char *part);

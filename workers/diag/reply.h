/*
 * workers/diag/reply.h - answers as they go over HTTP: AdminAnswer in, the next piece of the body out.
 */
#pragma once

#include <event2/buffer.h>
#include <jansson.h>
#include <stdbool.h>

#include "admin.pb-c.h"
#include "base/macro.h"
#include "workers/diag/routes.h"

/* Of a body in that shape. */
const char *reply_type(enum shape shape);

/* What comes before the first element, and after the last. */
int MUST_USE reply_begin(enum shape shape, struct evbuffer *to);
int MUST_USE reply_end(enum shape shape, struct evbuffer *to);

/* The answer's elements. *first: none has been written yet. 0 or -ENOMEM. */
int MUST_USE reply_elements(enum shape shape, const Bulkhead__AdminAnswer *a, bool *first,
                            struct evbuffer *to);

/* A value, which is taken over, alone on its line. */
int MUST_USE reply_value(json_t *value, struct evbuffer *to);

/* {"error": text} */
int MUST_USE reply_error(const char *text, struct evbuffer *to);

/* What says nothing but that we are there: a comment, a frame of no bytes. Not all shapes have one. */
bool reply_has_life(enum shape shape);
int MUST_USE reply_life(enum shape shape, struct evbuffer *to);

/* The answer itself, as it came. */
int MUST_USE reply_frame(const uint8_t *bytes, size_t len, struct evbuffer *to);

/*
 * cli/stream.h - bytes in and bytes out of an event loop, with back-pressure between them.
 *
 * A source reads and hands on what it reads; an outlet writes when the other side takes it. A
 * source that feeds an outlet stops reading while the outlet is full.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/macro.h"

struct event;
struct event_base;
struct evbuffer;

struct source {
    int fd;              /* borrowed */
    struct event *event; /* NULL: not set up */
    bool ended;          /* nothing more will come */
    bool paused;
    /* len bytes at most 16 KiB, which may be changed in place; len 0: the end. */
    void (*take)(void *self, char *bytes, size_t len);
    void *self;
};

int MUST_USE source_init(struct source *s, struct event_base *base, int fd,
                         void (*take)(void *self, char *bytes, size_t len), void *self);
void source_start(struct source *s);
void source_stop(struct source *s);
void source_done(struct source *s);

struct outlet {
    int fd;
    bool owned;          /* a description of our own, non-blocking: closed by outlet_done() */
    bool broken;         /* nobody reads any more: everything is dropped */
    struct event *event; /* NULL: not set up */
    struct evbuffer *pending;
    struct source *feeder; /* paused while much is pending; NULL: none */
    /* Told once when it breaks; NULL, or set after outlet_init(). */
    void (*lost)(void *self);
    void *self;
};

/*
 * Write to fd, borrowed, without ever blocking on it and without changing its flags, which others
 * share: a terminal or pipe is opened anew.
 */
int MUST_USE outlet_init(struct outlet *o, struct event_base *base, int fd, struct source *feeder);
void outlet_put(struct outlet *o, const void *bytes, size_t len);
bool outlet_empty(const struct outlet *o);
void outlet_done(struct outlet *o);

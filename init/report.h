/*
 * init/report.h - the stream on which init tells whoever started it how the VM is.
 *
 * Reports are framed by a 32-bit little-endian length. Sending never blocks; what the reader does
 * not take waits here, up to a limit.
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>

#include "base/macro.h"
#include "control.pb-c.h"

struct evbuffer;

enum {
    REPORT_MAX_WAITING = 256 * 1024, /* bytes; past it reports are dropped: nobody reads */
};

struct report {
    int fd; /* owned; -1: nobody to tell */
    struct evbuffer *waiting;
    struct event *on_writable, *on_readable;
    void (*gone)(void *self); /* the reader has closed */
    void *self;
};

/*
 * Take fd over. watch: call gone() when the other end closes (not for a virtio port, which says so
 * too when nobody is connected yet).
 */
int MUST_USE report_open(struct report *r, struct event_base *base, int fd, bool watch,
                         void (*gone)(void *self), void *self);

/* Queue one report. */
void report_send(struct report *r, const Bulkhead__Report *report);

/* Send what waits, for at most timeout_ms, and close. Accepts one that was never opened. */
void report_close(struct report *r, int timeout_ms);

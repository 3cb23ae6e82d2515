/*
 * tests/bench/disk_series.h - the same load on a disk, timed the same way, whatever moves the data.
 *
 * The peers of a comparison differ only in begin() and end(). Makes no system call of its own but
 * clock_gettime, so it runs in the supervisor's jail too.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"

enum {
    DISK_SERIES_DEPTH_MAX = 64,
    DISK_SERIES_LINE_BYTES = 400,
};

struct disk_series {
    const char *who;       /* whose figures these are */
    const char *placement; /* "same", "other", "free" */
    const char *what;      /* "read" or "write" */
    bool sequential;
    unsigned depth;
    uint32_t bytes;      /* of a request */
    uint64_t disk_bytes; /* of what is read or written, from its beginning */
    uint64_t warm_up_ns, run_ns;
    uint64_t halt_poll_ns; /* tests/sim/halt_poll.h */
    /* Begin a request in slot, below depth. 0 or negative errno. */
    int (*begin)(void *self, unsigned slot, bool write, uint64_t offset);
    /* Show what was begun to the other side. */
    int (*submit)(void *self);
    /* Slots whose requests have ended; waits until there is one. How many, or negative errno. */
    int (*end)(void *self, unsigned slots[DISK_SERIES_DEPTH_MAX]);
    void (*say)(void *self, const char *line); /* one JSON object a line */
    /* Kicks and interrupts so far; may be NULL. */
    void (*counts)(void *self, uint64_t *ret_kicks, uint64_t *ret_interrupts);
    void *self;
};

/* Run it; one line. 0, or what a function failed with. */
int MUST_USE disk_series_run(const struct disk_series *s);

/* "read" or "write", depth, bytes and so on of ARGUMENTS: what depth=N bytes=N sequential=N seconds=N. */
void disk_series_parse(struct disk_series *s, const char *text);

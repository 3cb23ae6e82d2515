/*
 * cli/restarts.h - whether what ended starts again, or is caught in a loop of ends.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
    RESTARTS_MAX = 5, /* within the window; one more is a loop */
};

struct restarts {
    uint64_t at_ns[RESTARTS_MAX]; /* the last ones, the oldest at next */
    unsigned n;                   /* how many there were, up to RESTARTS_MAX */
    unsigned next;
};

/* Note a restart now; false, and nothing is noted, when it would be one too many within window_s. */
bool restarts_again(struct restarts *r, uint64_t now_ns, unsigned window_s);

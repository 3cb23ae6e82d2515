/*
 * tests/attack/wrap.h - what init's jail asks of the kernel, call by call: named, counted, left out.
 *
 * The tester is linked with --wrap for each of these functions, so that the product needs no word
 * for it. A call that is left out claims success and does nothing: whatever it was for is missing.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
    WRAP_MAX_CALLS = 256,
    WRAP_NAME_BYTES = 48,
};

/* What is left out from now on, in this process and those it starts. */
struct wrap_plan {
    const char *call; /* of the jail's child, between clone and pause, by its name; NULL: none */
    unsigned nth;     /* the how many-eth of that name, from 1 */
    uint64_t clone_flags;
    /* Of how init makes the objects: */
    bool seals, nonblock, mode, read_only;
};

struct wrap_call {
    char name[WRAP_NAME_BYTES];
    unsigned nth;
    const char *idle; /* why leaving it out changes nothing here; NULL: it should */
};

/* The calls of the last child that was started; in memory that it shares with us. */
struct wrap_record {
    unsigned n;
    struct wrap_call calls[WRAP_MAX_CALLS];
};

extern struct wrap_plan wrap_plan;

/* Begin to record. Exits on failure. */
const struct wrap_record *wrap_record(void);

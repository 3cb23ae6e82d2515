/*
 * tests/fault/dying_vtpm.h - how it dies, in the order of the bytes that it is asked for: see dying_vtpm.c.
 */
#pragma once

enum {
    DYING_FIRST_BYTES = 50,
    DYING_WAYS = 5,
};

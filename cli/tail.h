/*
 * cli/tail.h - the last few KB of a stream, kept to be shown when something fails.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum {
    TAIL_BYTES = 4096,
};

struct tail {
    char ring[TAIL_BYTES];
    uint64_t total; /* bytes ever */
};

void tail_add(struct tail *t, const char *bytes, size_t len);

/* Print what is kept as whole lines below a title, only what any terminal can print: ASCII, without control characters. Nothing kept: nothing. */
void tail_print(const struct tail *t, const char *title, FILE *out);

/*
 * init/why.h - one line of text that says to an operator why something could not be done.
 */
#pragma once

#include "base/macro.h"

struct why {
    char text[256]; /* terminated; empty: nothing went wrong */
};

/* Say it, and pass err on: `return why_say(why, -errno, "cannot open %s", path);` */
int why_say(struct why *why, int err, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* The same, with ": " and what the system calls err at the end. */
int why_errno(struct why *why, int err, const char *fmt, ...) PRINTF_LIKE(3, 4);

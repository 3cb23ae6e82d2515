/*
 * cli/say.h - one clear line on stderr, and the exit statuses that go with it.
 */
#pragma once

#include "base/macro.h"

enum {
    EXIT_OK = 0,
    EXIT_FAILED = 1, /* the machine, the VM or the other side would not */
    EXIT_USAGE = 2,  /* asked for something impossible */
};

/* Print "bulkhead: " and the line; returns status. */
int say(int status, const char *fmt, ...) PRINTF_LIKE(2, 3);

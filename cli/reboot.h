/*
 * cli/reboot.h - whether a guest that reset itself starts again, or is caught in a loop.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
    REBOOT_MAX = 5, /* restarts within REBOOT_WINDOW_S; one more is a loop */
    REBOOT_WINDOW_S = 30,
};

struct reboot_guard {
    uint64_t at_ns[REBOOT_MAX]; /* the last restarts, the oldest at next */
    unsigned n;                 /* how many there were, up to REBOOT_MAX */
    unsigned next;
};

/* Note a restart now; false, and nothing is noted, when it would be one too many. */
bool reboot_again(struct reboot_guard *guard, uint64_t now_ns);

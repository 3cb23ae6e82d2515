/*
 * supervisor/watch.h - deadlines, heartbeats and placement, looked at on every tick.
 */
#pragma once

#include <stdint.h>

#include "supervisor/registry.h"

enum {
    WATCH_TICK_MS = 50, /* from tick to tick */
};

/*
 * Kill what hangs; ask init to place workers where their requests come from. By as much as a tick comes late we did
 * not run, and most likely nobody did: all deadlines are put off by that, those of lifecycle_tick(), which comes after
 * this, too.
 */
void watch_tick(struct registry *reg, uint64_t now_ns);

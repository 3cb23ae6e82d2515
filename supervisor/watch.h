/*
 * supervisor/watch.h - deadlines, heartbeats and placement, looked at on every tick.
 */
#pragma once

#include <stdint.h>

#include "supervisor/registry.h"

/*
 * Kill what hangs, but for nothing that waited while we did not run ourselves; ask init to place
 * workers where their requests come from.
 */
void watch_tick(struct registry *reg, uint64_t now_ns);

/*
 * ipc/levels.h - how much each process logs: written by the supervisor for operators, read by everybody at each line, so that
 * it holds for the next generation, too.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "ipc/manifest.h"

struct levels_page {
    _Atomic uint8_t level[PROCESS_COUNT]; /* enum log_level; 0: as ever */
};

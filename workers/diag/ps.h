/*
 * workers/diag/ps.h - the list of processes, made of rows of two boards: the supervisor tells of
 * those it looks after (NAME/field), init of the supervisor (process/NAME/field).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/board_read.h"
#include "ipc/manifest.h"

struct ps_row {
    bool present; /* it has a state */
    char state[BOARD_TEXT_BYTES];
    char build_id[BOARD_TEXT_BYTES];
    char program[BOARD_TEXT_BYTES]; /* its installed one; init knows */
    char last_death[BOARD_TEXT_BYTES];
    char sandbox[BOARD_TEXT_BYTES];
    int32_t pid;
    uint32_t generation;
    uint32_t restarts;
    uint64_t uptime_ms;
};

/* Fill one row per process of the manifest. */
void ps_collect(const struct board_page *supervisor, const struct board_page *init, uint64_t now_ns,
                struct ps_row ret[PROCESS_COUNT]);

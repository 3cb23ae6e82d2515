/*
 * workers/diag/metrics.h - all boards as OpenMetrics text, a part at a time.
 *
 * Which row is which metric is in metrics_table.c. Of a board that a worker may have been taken over to write nothing
 * is believed but numbers: which series there are is bounded by the table, and none comes twice.
 *
 * Borrows: the boards. Bounded: the cursor is all that an answer needs.
 *
 * @spec OpenMetrics 1.0, Prometheus text format 0.0.4
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/board_read.h"
#include "ipc/manifest.h"

enum {
    METRICS_PART_MIN = 8192, /* room that a call wants; the longest histogram fits */
};

#define METRICS_OPEN_TYPE  "application/openmetrics-text; version=1.0.0; charset=utf-8"
#define METRICS_PLAIN_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Where in the text an answer is. Starts zeroed, but for plain. */
struct metrics_cursor {
    bool plain;  /* the older format, which promtool reads */
    bool looked; /* found is filled in */
    bool ended;
    bool headed; /* the metric's head was written */
    unsigned metric, process;
    uint32_t row;
    uint8_t found[PROCESS_COUNT]
                 [BOARD_ROWS]; /* 1 + which metric a row is; 0: none, or one that came before */
    uint32_t n_rows[PROCESS_COUNT];  /* that were there */
    uint16_t unnamed[PROCESS_COUNT]; /* rows that the table does not have */
};

/* The next part: whole lines, at most room bytes, no terminator. 0: there is no more. */
size_t metrics_next(struct metrics_cursor *c, const struct board_page *const boards[PROCESS_COUNT],
                    uint64_t now_ns, char *out, size_t room);

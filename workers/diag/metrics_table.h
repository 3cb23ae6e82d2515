/*
 * workers/diag/metrics_table.h - which row of a board is which metric: one table, of which docs/metrics.md is made, too.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/board_read.h"
#include "ipc/manifest.h"

enum {
    METRIC_LABELS_MAX = 4,
    METRIC_LABEL_NAME_BYTES = 16,
    METRIC_ANY_BOARD = PROCESS_COUNT, /* the label "process" says which */
};

enum metric_type {
    METRIC_NONE, /* a row that is no metric, and help says why */
    METRIC_COUNTER,
    METRIC_GAUGE,
    METRIC_HISTOGRAM, /* in seconds */
    METRIC_AGE,       /* a gauge in seconds: since the time that the row holds */
    METRIC_IS,        /* a gauge: 1 when the row's text is the one in words */
    METRIC_STATES,    /* one series for each word, 1 for that which is the row's text */
    METRIC_INFO,      /* always 1; the row's text is the label that words names */
    METRIC_LINES,     /* a counter, of a board and no row: its log's lines */
    METRIC_DROPPED,   /* the same: lines that the log's rate limit kept out */
    METRIC_UNNAMED,   /* a gauge, of a board: its rows that this table does not have */
};

struct metric {
    enum metric_type type;
    int board; /* enum process, or METRIC_ANY_BOARD */
    const char *
        pattern; /* of the row's name; {label} is what is there up to the next character, never '/' */
    const char *name;  /* without the prefix, the unit's name last */
    const char *unit;  /* NULL: a number of something */
    uint32_t divisor;  /* the row holds so many for one of the unit */
    const char *words; /* separated by '|' */
    const char *help;
};

extern const struct metric metrics_table[];
extern const size_t metrics_table_rows;

struct metric_label {
    char name[METRIC_LABEL_NAME_BYTES];
    char value[BOARD_NAME_BYTES];
};

/* Is it one of a row, and not of a board? */
bool metric_is_of_row(const struct metric *m);

/*
 * Is a row of that board this metric? Returns how many labels its name tells, or -ENOENT. The kind counts, too: a row
 * of another kind than the metric has is not it.
 */
int metric_match(const struct metric *m, enum process board, const struct board_value *row,
                 struct metric_label ret[METRIC_LABELS_MAX]);

/* The i-th word, for "%.*s"; false: there are fewer. */
bool metric_word(const struct metric *m, unsigned i, const char **ret, int *ret_len);

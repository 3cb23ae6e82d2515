/*
 * workers/diag/inspect.h - the tree of live values: every board's rows as PROCESS/row. A histogram shows as PROCESS/row/p50_us
 * and p99_us.
 *
 * Boards are mapped read-only and nothing in them is believed (base/board_read.h).
 */
#pragma once

#include <stdbool.h>

#include "base/board_read.h"
#include "base/macro.h"
#include "ipc/manifest.h"

enum {
    INSPECT_PATTERN_BYTES = 256,
    INSPECT_DEPTH_MAX = 16,
    INSPECT_PATH_BYTES = BOARD_NAME_BYTES + 24,
};

/* Where in the tree an answer is. Starts zeroed. */
struct inspect_cursor {
    unsigned process;
    uint32_t row;
    unsigned part;                       /* of a histogram */
    char pattern[INSPECT_PATTERN_BYTES]; /* empty: everything */
    size_t told_len;                     /* of the folder that was told last; 0: none */
    char told[INSPECT_PATH_BYTES];
    unsigned depth;    /* components of a path; what lies below is counted. 0: all */
    bool confidential; /* show texts only of those who never see what is the guest's */
};

struct inspect_value {
    char path[INSPECT_PATH_BYTES];
    struct board_value value;
};

/*
 * Does the path lie at or below the pattern? The pattern is a path of whole components, in which
 * '*', '?' and '[...]' match within one component.
 */
bool inspect_match(const char *pattern, const char *path);

/* The next value that matches, or the folder of those that lie too deep, whose value is their number. False: there is no more. */
bool inspect_next(struct inspect_cursor *c, const struct board_page *const boards[PROCESS_COUNT],
                  struct inspect_value *ret);

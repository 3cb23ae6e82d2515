/*
 * workers/diag/logs.h - the log records of all boards, merged by time.
 *
 * Numbers and times are the writers' word. One that lies can neither make an answer endless nor keep
 * the others from being heard.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/board_read.h"
#include "ipc/manifest.h"

/* Where in each board's log an answer is. */
struct logs_cursor {
    uint64_t next[PROCESS_COUNT];   /* the first sequence number not yet shown */
    uint64_t last[PROCESS_COUNT];   /* the last one to show */
    unsigned about;                 /* PROCESS_COUNT: everything */
    bool confidential;              /* show what log_filter.h lets through */
    unsigned credit[PROCESS_COUNT]; /* lines it may say before the others have had their turn */
};

/*
 * Show all that is there now; follow: and all that comes. Unless process is PROCESS_COUNT, only
 * what that process says, and what init and the supervisor say of it: lines that begin with its
 * name.
 */
void logs_begin(struct logs_cursor *c, const struct board_page *const boards[PROCESS_COUNT],
                unsigned process, bool follow);

/* The oldest record not yet shown. False: there is none, at the moment. */
bool logs_next(struct logs_cursor *c, const struct board_page *const boards[PROCESS_COUNT],
               enum process *ret_process, struct board_line *ret);

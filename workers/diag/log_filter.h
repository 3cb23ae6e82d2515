/*
 * workers/diag/log_filter.h - what of a log line anybody may see when the VM is confidential: what the program's own text says,
 * numbers, and words that are known. Everything else may be the guest's.
 *
 * The lines that the code can log are found at build time (tools/log-templates).
 */
#pragma once

#include "base/board.h"

enum {
    LOG_FILTERED_BYTES = BOARD_LOG_TEXT_BYTES + 1,
};

/* Their literal text, with \1 for a decimal number, \2 for a hexadecimal one and \3 for any text; ended by NULL. */
extern const char *const log_templates[];

/* The line, with "[withheld]" for what is not to be seen. */
void log_filter(const char *line, char ret[LOG_FILTERED_BYTES]);

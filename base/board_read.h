/*
 * base/board_read.h - reading another process's board without believing it.
 *
 * Every field is copied once and checked; a row or record that makes no sense is skipped.
 */
#pragma once

#include <stdint.h>

#include "base/board.h"
#include "base/macro.h"

struct board_value {
    enum board_kind kind;
    uint64_t value;              /* of a histogram: nanoseconds, all together */
    char name[BOARD_NAME_BYTES]; /* printable, terminated */
    char text[BOARD_TEXT_BYTES]; /* printable, terminated; empty unless kind is BOARD_TEXT */
};

struct board_line {
    uint64_t seq;
    uint64_t time_ns; /* as the writer says */
    uint32_t generation;
    enum log_level level;
    char text[BOARD_LOG_TEXT_BYTES + 1]; /* printable, terminated */
};

/* Row i of the page. 0, -ENOENT past the last row, or -EBADMSG for one to be skipped. */
int MUST_USE board_read_row(const struct board_page *page, uint32_t i, struct board_value *ret);

/*
 * All of row i, if it is still a histogram; ret->n is the sum of its buckets, and never wraps. 0; -ENOENT or -EBADMSG:
 * it is none.
 */
int MUST_USE board_read_histogram(const struct board_page *page, uint32_t i, struct latency *ret);

/*
 * The first log record with a sequence number of at least from.
 * 0, or -ENOENT when there is none. Records overwritten meanwhile are passed over.
 */
int MUST_USE board_read_log(const struct board_page *page, uint64_t from, struct board_line *ret);

/* Where in its program that generation died, as it noted itself: an offset. 0, or -ENOENT: it did not. */
int MUST_USE board_read_fault(const struct board_page *page, uint32_t generation, uint64_t *ret);

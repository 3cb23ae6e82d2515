/*
 * base/board.h - what a process shows of itself: named values and a log, in shared memory.
 *
 * Each process has one board: a sealed memfd that init makes and that outlives every generation
 * of the process, so the last words of a dead one can be read. The owner writes; the diag worker
 * maps it read-only and believes nothing in it (base/board_read.h). Publishing costs a store, so
 * observation can never block a vCPU or a device.
 *
 * Boards are read by operators and, one day, by the host: no guest data, no addresses, no secrets.
 *
 * One writing thread per row; any thread may log.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "base/latency.h"
#include "base/macro.h"

enum {
    BOARD_MAGIC = 0x44524f42, /* "BORD" */
    BOARD_ROWS = 1024,
    BOARD_NAME_BYTES = 48,
    BOARD_TEXT_BYTES = 128,
    BOARD_LOG_RECORDS = 256,
    BOARD_LOG_TEXT_BYTES = 224,
    BOARD_BYTES = 4096 + BOARD_ROWS * 256 + BOARD_LOG_RECORDS * 256,
};

enum board_kind {
    BOARD_EMPTY = 0,
    BOARD_COUNTER = 1, /* only rises within a generation */
    BOARD_GAUGE = 2,
    BOARD_TEXT = 3,
    BOARD_HISTOGRAM = 4, /* of how long something takes; as a counter */
};

enum log_level {
    LOG_LEVEL_ERROR = 1,
    LOG_LEVEL_WARN = 2,
    LOG_LEVEL_INFO = 3,
    LOG_LEVEL_DEBUG =
        4, /* for whoever looks for something; not logged unless an operator wants it */
};

/* As operators say it; NULL: no level. */
const char *log_level_name(unsigned level);

/* One published value. name is a path: "crb/commands". */
struct board_row {
    char name[BOARD_NAME_BYTES];
    _Atomic uint32_t kind;    /* enum board_kind; written last */
    _Atomic uint32_t version; /* odd while text is being written */
    _Atomic uint64_t value;   /* of a histogram: nanoseconds, all together */
    union {
        char text[BOARD_TEXT_BYTES];
        _Atomic uint64_t buckets[LATENCY_BUCKETS];
    };
};
_Static_assert(sizeof(struct board_row) == 256, "layout");

struct board_record {
    _Atomic uint64_t seq; /* 1 and up; 0 while it is being written */
    uint64_t time_ns;     /* CLOCK_MONOTONIC */
    uint32_t generation;
    uint16_t level; /* enum log_level */
    uint16_t len;   /* bytes of text */
    char text[BOARD_LOG_TEXT_BYTES];
    uint64_t spare;
};
_Static_assert(sizeof(struct board_record) == 256, "layout");

/* What base/fault.h notes. */
struct board_fault {
    uint64_t code; /* offset in the program */
    uint32_t signal;
    _Atomic uint32_t generation; /* written last; 0: none died so */
};

struct board_page {
    uint32_t magic;
    uint32_t generation; /* of the process that writes now */
    _Atomic uint64_t log_seq;
    _Atomic uint64_t log_dropped; /* by the rate limit */
    struct board_fault fault;
    uint8_t pad[4096 - 40];
    struct board_row rows[BOARD_ROWS];
    struct board_record log[BOARD_LOG_RECORDS];
};
_Static_assert(sizeof(struct board_page) == BOARD_BYTES, "layout");

/* The writer's end. Embedded in its owner; no allocation. */
struct board {
    struct board_page *page;
    uint32_t generation;
    uint32_t n_rows;
    _Atomic uint64_t tokens_ns; /* the rate limit: time up to which log lines are paid for */
    const _Atomic uint8_t
        *level; /* borrowed; the last one that is logged. NULL, 0: LOG_LEVEL_INFO */
};

/* Attach to a mapping, borrowed, as this generation. Allows logging; the log is continued. */
void board_attach(struct board *b, struct board_page *page, uint32_t generation);

/*
 * Take the rows over: those of the generation before are gone. Only then may rows be added. The
 * first empty row is the end; what comes after it is not touched, so that pages are few.
 */
void board_take_rows(struct board *b);

/* Add a row; NULL when the board is full. The row stays valid as long as the mapping. */
struct board_row *board_add(struct board *b, enum board_kind kind, const char *name);

/* A row of a name made by printf. */
struct board_row *board_addf(struct board *b, enum board_kind kind, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* Setters accept NULL rows, so that a full board costs a value and not a check at each use. */
void board_set(struct board_row *row, uint64_t value);
void board_inc(struct board_row *row);
void board_text(struct board_row *row, const char *text);

/* A histogram's: one more that took so long; or all that another one has. */
void board_took(struct board_row *row, uint64_t took_ns);
void board_latency(struct board_row *row, const struct latency *l);

/*
 * Log one line, if lines of that level are logged; cut at BOARD_LOG_TEXT_BYTES, control characters replaced. More than 100 lines a
 * second are dropped and counted.
 */
void board_log(struct board *b, enum log_level level, const char *fmt, ...) PRINTF_LIKE(3, 4);

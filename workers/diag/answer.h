/*
 * workers/diag/answer.h - answers to operators, cut into datagrams.
 *
 * An answer is never made as a whole: one datagram is made at a time, when the last one was taken,
 * so that a slow reader costs us one datagram and no more.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "admin.pb-c.h"
#include "base/macro.h"
#include "workers/diag/audit.h"
#include "workers/diag/capture.h"
#include "workers/diag/debug.h"
#include "workers/diag/inspect.h"
#include "workers/diag/logs.h"
#include "workers/diag/metrics.h"
#include "workers/diag/records.h"
#include "workers/diag/trace.h"

enum {
    ANSWER_MAX_BYTES = 16384,
    ANSWER_VALUES = 64, /* in one datagram, at most; the longest ones fit */
    ANSWER_LINES = 48,
};

/* What an answer is about and how far it has come. */
struct question {
    Bulkhead__AdminCall__Verb verb;
    bool follow;
    struct inspect_cursor inspect;
    struct logs_cursor logs;
    struct capture_answer capture;
    struct audit_cursor audit;
    struct records_answer records;
    struct metrics_cursor metrics;
    struct trace_answer trace;
    struct debug_answer debug;
};

struct datagram {
    uint8_t bytes[ANSWER_MAX_BYTES];
    size_t len; /* 0: none */
    bool last;  /* the answer is complete with it */
};

/*
 * Make the next datagram of the answer to a question that diag answers itself. ret->len stays 0 when
 * there is nothing to say now: only for one that follows.
 */
void answer_next(struct question *q, const struct board_page *const boards[PROCESS_COUNT],
                 struct datagram *ret);

/* What fits into one datagram, by the sender's account. */
void answer_pack(const Bulkhead__AdminAnswer *a, struct datagram *ret);

/* A last datagram: "" for success. */
void answer_end(const char *error, struct datagram *ret);

/*
 * workers/diag/trace.h - a time line for an operator: what the processes' rings (ipc/trace.h) tell, with the events of the
 * time, cut into datagrams.
 *
 * Rings are read at the operator's pace: who is slower than they are filled loses some, and is told how many. Whether anybody
 * fills them at all, the supervisor is told, again each second for as long as somebody watches.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ipc/trace.h"
#include "workers/diag/records.h"

struct diag;
struct datagram;

enum {
    TRACE_LOOK_MS = 10,
    TRACE_MAX_S = 3600,
    TRACE_ASK_MS = 1000, /* between two requests, well inside of what one is good for */
    TRACE_BATCH = 480,   /* records in a datagram, at most */
    TRACE_LAST = 256,    /* datagrams after its time, at most */
    TRACE_READERS = TRACE_RINGS_MAX + 3,
};

/* What an answer is about and how far it has come. */
struct trace_answer {
    struct trace_reader readers[TRACE_READERS];
    struct {
        uint8_t process, ring;
    } of[TRACE_READERS];
    unsigned n, next; /* readers; the one whose turn it is */
    struct records_answer events;
    uint64_t for_ns, end_ns; /* for so long: until then; 0: until the session ends */
    bool is_told;            /* that it has begun */
    unsigned left;           /* datagrams, when its time is over */
    uint64_t told_lost;
};

/* What the supervisor was asked for. */
struct trace_wish {
    bool on;
    uint64_t asked_ns;
};

/* The rings are being filled: begin. */
void trace_answer_begin(struct trace_answer *a, const struct diag *d, uint64_t now_ns);

/* The next datagram; ret->len stays 0 when there is nothing to say now. */
void trace_answer_next(struct trace_answer *a, struct datagram *ret);

/* Does any session want one? */
bool trace_wanted(const struct diag *d);

/* Tell the supervisor, if it is news to it, or it was told long ago. */
void trace_ask(struct diag *d, uint64_t now_ns);

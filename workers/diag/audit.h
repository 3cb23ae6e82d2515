/*
 * workers/diag/audit.h - who asked for what goes on record (ipc/audit.h).
 */
#pragma once

#include "ipc/audit.h"
#include "workers/diag/caller.h"

struct board_row;
struct datagram;

struct audit {
    struct audit_page *page; /* borrowed */
    uint32_t generation;
    /* Of the newest one: whoever saw its hash, sees a history that was made up. */
    struct board_row *row_records[AUDIT_RINGS], *row_hash[AUDIT_RINGS];
};

struct board;

void audit_show(struct audit *a, struct board *board);

/* verb 0: a session. target is cut, and made printable. */
void audit_note(struct audit *a, const struct caller *caller, unsigned verb, const char *target,
                enum decision decision);

/* Where in the record an answer is. */
struct audit_cursor {
    const struct audit_page *page;
    uint64_t next[AUDIT_RINGS];
};

/* The next records of an answer, of both rings, by time. */
void audit_answer_next(struct audit_cursor *c, struct datagram *ret);

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
    struct board_row *row_records,
        *row_hash; /* of the newest one: whoever saw it, sees a history that was made up */
};

/* verb 0: a session. target is cut, and made printable. */
void audit_note(struct audit *a, const struct caller *caller, unsigned verb, const char *target,
                enum decision decision);

/* Where in the record an answer is. */
struct audit_cursor {
    const struct audit_page *page;
    uint64_t next;
};

/* The next records of an answer. */
void audit_answer_next(struct audit_cursor *c, struct datagram *ret);

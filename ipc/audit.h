/*
 * ipc/audit.h - who asked what of this VM, and what was decided: two rings of records, each record with a hash over itself
 * and the hash before it in its ring. What was done to the VM has a ring of its own: whoever only reads, or is refused, however
 * often, pushes nothing of it out.
 *
 * Written by diag alone, kept outside of it: a new generation goes on where the dead one stopped. A record that was changed,
 * or is missing among others, shows: audit_verify().
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

enum {
    AUDIT_RECORDS = 2048,           /* of each ring */
    AUDIT_KEPT = AUDIT_RECORDS - 1, /* the next one may be half written by who died of it */
    AUDIT_HASH_BYTES = 32,          /* SHA-256 */
    AUDIT_WHO_BYTES = 48,
    AUDIT_TARGET_BYTES = 80,
};

enum audit_ring {
    AUDIT_DONE, /* what changed something, or showed what is the guest's */
    AUDIT_SEEN, /* all else: what was only looked at, and what was refused */
    AUDIT_RINGS,
};

/* Each includes the rights of those before. */
enum role {
    ROLE_NONE,
    ROLE_VIEWER,
    ROLE_OPERATOR,
    ROLE_DEBUGGER,
    ROLES,
};

enum decision {
    AUDIT_ALLOWED,
    AUDIT_ROLE,         /* the role does not suffice */
    AUDIT_CONFIDENTIAL, /* of a confidential VM nobody may */
    AUDIT_LIMIT,        /* too much at once */
    AUDIT_STRANGER,     /* the certificate does not count, or there was none */
    AUDIT_NOTHING,      /* allowed, and nothing came of it */
    AUDIT_DECISIONS,
};

/* All but the hash is hashed. Texts are printable and end with zeros. */
struct audit_record {
    uint64_t seq;        /* 1 and up */
    uint64_t time_ns;    /* CLOCK_REALTIME */
    uint32_t generation; /* of diag */
    uint8_t decision, role;
    uint8_t remote; /* 1: over the network */
    uint8_t verb;   /* of AdminCall; 0: a session */
    char who[AUDIT_WHO_BYTES];
    char target[AUDIT_TARGET_BYTES];
    uint8_t ring; /* enum audit_ring */
    uint8_t pad[7];
    uint8_t hash[AUDIT_HASH_BYTES];
};
_Static_assert(sizeof(struct audit_record) == 192, "layout");

struct audit_records {
    _Atomic uint64_t seq; /* of the newest record; 0: none */
    uint8_t pad[56];
    struct audit_record records[AUDIT_RECORDS]; /* seq s is at (s - 1) % AUDIT_RECORDS */
};

struct audit_page {
    struct audit_records rings[AUDIT_RINGS];
};

/* What its hash must be after one that has the hash before, zeros for the first. */
void audit_hash(const struct audit_record *r, const uint8_t before[AUDIT_HASH_BYTES],
                uint8_t ret[AUDIT_HASH_BYTES]);

/* Add a record to its ring: its seq and hash are made here. */
void audit_add(struct audit_page *page, struct audit_record *r);

/* The record of that number. 0, or -ENOENT: not yet, or no more. */
int MUST_USE audit_get(const struct audit_page *page, enum audit_ring ring, uint64_t seq,
                       struct audit_record *ret);

/* The number of the newest one; 0: there is none. */
uint64_t audit_newest(const struct audit_page *page, enum audit_ring ring);

/* The number of the oldest one that is there. */
uint64_t audit_oldest(const struct audit_page *page, enum audit_ring ring);

/* Does the second one follow the first, of the same ring? NULL: there is none before, because it is the first ever. */
bool audit_follows(const struct audit_record *before, const struct audit_record *r);

/* For operators; NULL: no such. */
const char *audit_role_name(unsigned role);
const char *audit_decision_name(unsigned decision);
const char *audit_ring_name(unsigned ring);

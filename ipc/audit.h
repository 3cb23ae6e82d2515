/*
 * ipc/audit.h - who asked what of this VM, and what was decided: a ring of records, each with a hash over itself and the
 * hash before it.
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
    AUDIT_RECORDS = 4096,
    AUDIT_KEPT = AUDIT_RECORDS - 1, /* the next one may be half written by who died of it */
    AUDIT_HASH_BYTES = 32,          /* SHA-256 */
    AUDIT_WHO_BYTES = 48,
    AUDIT_TARGET_BYTES = 80,
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
    uint8_t pad[8];
    uint8_t hash[AUDIT_HASH_BYTES];
};
_Static_assert(sizeof(struct audit_record) == 192, "layout");

struct audit_page {
    _Atomic uint64_t seq; /* of the newest record; 0: none */
    uint8_t pad[56];
    struct audit_record records[AUDIT_RECORDS]; /* seq s is at (s - 1) % AUDIT_RECORDS */
};

/* What its hash must be after one that has the hash before, zeros for the first. */
void audit_hash(const struct audit_record *r, const uint8_t before[AUDIT_HASH_BYTES],
                uint8_t ret[AUDIT_HASH_BYTES]);

/* Add a record: its seq and hash are made here. */
void audit_add(struct audit_page *page, struct audit_record *r);

/* The record of that number. 0, or -ENOENT: not yet, or no more. */
int MUST_USE audit_get(const struct audit_page *page, uint64_t seq, struct audit_record *ret);

/* The number of the oldest one that is there. */
uint64_t audit_oldest(const struct audit_page *page);

/* Does the second one follow the first? NULL: there is none before, because it is the first ever. */
bool audit_follows(const struct audit_record *before, const struct audit_record *r);

/* For operators; NULL: no such. */
const char *audit_role_name(unsigned role);
const char *audit_decision_name(unsigned decision);

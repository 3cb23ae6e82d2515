/*
 * ipc/region.h - the memory of a worker that must not forget: two slots and a log in a sealed memfd.
 *
 * A commit writes the older slot, its sequence number last. Whoever dies in between leaves the
 * newer slot whole. A successor loads the newest slot whose CRC32C holds. Kill at any instruction:
 * either the commit happened or it did not.
 *
 * What changes too often for a whole message goes into the log: records that belong to the newest
 * message, each made valid by its last store. The next commit empties the log.
 *
 * Written by one worker at a time; the supervisor maps it read-only, and reads two words of it
 * (region_executing, region_doing), to know which request a dead generation was at.
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

enum {
    REGION_MAGIC = 0x4e474552, /* "REGN" */
    REGION_VERSION = 1,
    REGION_HEAD_BYTES = 4096,
    REGION_SLOT_HEAD_BYTES = 64,
    REGION_NOTES = 4,
    REGION_RECORDS = 32,
    REGION_RECORD_MAX = 496, /* bytes in a record */
};

struct region_head {
    _Atomic uint32_t magic; /* written last by the first generation */
    uint32_t version;
    _Atomic uint64_t executing;           /* id of the request being executed; 0: none */
    _Atomic uint32_t generation;          /* that set executing */
    _Atomic uint64_t notes[REGION_NOTES]; /* what changes too fast for a slot */
    _Atomic uint64_t doing;               /* class and code of what is being executed */
};

struct region_slot {
    _Atomic uint64_t seq; /* 0: not valid */
    uint32_t len;         /* bytes of the message */
    uint32_t schema;      /* of the message */
    uint32_t crc;         /* CRC32C over seq, len, schema, message */
    uint8_t pad[REGION_SLOT_HEAD_BYTES - 20];
    uint8_t message[];
};
_Static_assert(sizeof(struct region_slot) == REGION_SLOT_HEAD_BYTES, "layout");

struct region_record {
    _Atomic uint64_t seq; /* of the message that it follows; 0: not valid */
    uint32_t len;         /* bytes */
    uint32_t crc;         /* CRC32C over seq, len, its place in the log, bytes */
    uint8_t bytes[REGION_RECORD_MAX];
};
_Static_assert(sizeof(struct region_record) == 512, "layout");

struct region {
    struct region_head *head;
    struct region_record *log;
    struct region_slot *slots[2];
    size_t cap;   /* bytes of the longest message */
    uint64_t seq; /* of the newest valid slot; 0: none */
    unsigned newest;
    unsigned n_records; /* in the log of the newest message */
};

/*
 * Attach to a mapping of len bytes (a multiple of 8192, at least 32768), borrowed.
 * 0, -EINVAL for another length, -EBADMSG when it holds a layout of another version.
 */
int MUST_USE region_attach(struct region *r, void *map, size_t len);

/* Schema of the newest valid message; 0 when the region is empty. */
uint32_t region_schema(const struct region *r);

/*
 * Copy the newest valid message out.
 *   0         *ret_len bytes are in out
 *   -ENOENT   nothing was ever committed
 *   -ENOBUFS  it is longer than out_len
 *   -EBADMSG  the copy does not match its CRC
 */
int MUST_USE region_load(const struct region *r, void *out, size_t out_len, size_t *ret_len);

/* Where the next message is to be written, region.cap bytes. Invalidates the older slot. */
uint8_t *region_stage(struct region *r);

/* Make the len bytes that were staged the newest message. len <= region.cap. */
void region_commit(struct region *r, size_t len, uint32_t schema);

/*
 * Where the next record is to be written, REGION_RECORD_MAX bytes. NULL when there is no message yet
 * or the log is full: commit one.
 */
uint8_t *region_log_stage(struct region *r);

/* Make the len bytes that were staged the log's last record. len <= REGION_RECORD_MAX. */
void region_log_append(struct region *r, size_t len);

/*
 * Copy record i of the log out, i < r->n_records; out has REGION_RECORD_MAX bytes.
 *   0         *ret_len bytes are in out
 *   -EBADMSG  the copy does not match its CRC
 */
int MUST_USE region_log_read(const struct region *r, unsigned i, uint8_t *out, size_t *ret_len);

/*
 * One of REGION_NOTES words that a worker changes without a commit: 0 at first, stored at once,
 * kept over generations. What it means together with the newest message is the worker's affair.
 */
void region_set_note(struct region *r, unsigned i, uint64_t value);
uint64_t region_note(const struct region *r, unsigned i);

/* Say which request is being executed; 0 when it is done. */
void region_set_executing(struct region *r, uint64_t id);

/* Say of what kind the request is that is being executed next: for operators, when it is fatal. */
static inline void region_set_doing(struct region *r, uint32_t class, uint32_t code)
{
    atomic_store_explicit(&r->head->doing, (uint64_t) class << 32 | code, memory_order_relaxed);
}

/* Begin a generation: it executes nothing yet, and what a dead one executed is not its fault. */
void region_begin(struct region *r, uint32_t generation);

/*
 * What this generation says that it is executing; 0 when it never began. Read by the supervisor from
 * a mapping it does not trust.
 */
uint64_t region_executing(const void *map, uint32_t generation);

/* Of what kind it is, as it said last: class in the high half, code in the low one. The same mapping. */
uint64_t region_doing(const void *map);

/*
 * ipc/trace.h - what processes did when, and how long it took, for a time line: OBJECT_TRACE, one a process.
 *
 * A ring for each thread that tells something, in memory that init makes. A thread writes into its own alone, waits for
 * nobody, and only while it is asked to: as long as nobody watches, telling costs one load. The oldest records are
 * overwritten; a reader (diag) counts those that it missed, and believes nothing of the others.
 *
 * Records hold times, numbers and enumerations: nothing of the guest's data.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "ipc/manifest.h"

enum {
    TRACE_RECORDS = 4096, /* in a ring */
    TRACE_RINGS_MAX = VPS_MAX,
};

/* One row each in trace.c. */
enum trace_kind {
    TRACE_NONE,
    TRACE_EXIT_IO,        /* id: the port */
    TRACE_EXIT_MMIO,      /* id: the address */
    TRACE_EXIT_MSR,       /* id: its number */
    TRACE_EXIT_HYPERCALL, /* id: its code */
    TRACE_EXIT_OTHER,
    TRACE_HOP,        /* a request through a port; id: enum process */
    TRACE_DISK_READ,  /* id: the LUN; value: bytes */
    TRACE_DISK_WRITE, /* the same */
    TRACE_DISK_OTHER, /* the same */
    TRACE_NET,        /* a round of a NIC's; id: the NIC; value: frames both ways */
    TRACE_TPM,        /* a command; id: its code */
    TRACE_KINDS,
};

struct trace_record {
    uint64_t begin_ns; /* CLOCK_MONOTONIC */
    uint64_t id;
    uint32_t took_ns; /* UINT32_MAX: that, or longer */
    uint32_t value;
    uint32_t kind; /* enum trace_kind */
    uint32_t spare;
};
_Static_assert(sizeof(struct trace_record) == 32, "layout");

struct trace_ring {
    _Atomic uint64_t written; /* records, ever */
    uint8_t pad[4096 - 8];
    struct trace_record records[TRACE_RECORDS];
};
_Static_assert(sizeof(struct trace_ring) == 4096 + TRACE_RECORDS * 32, "layout");

/* How many rings a process has. */
unsigned trace_rings(enum process process);

/* --- the writer's end; one thread at a time --- */

struct trace_writer {
    const _Atomic uint32_t *on; /* not 0: somebody watches; NULL: nobody ever does */
    struct trace_ring *ring;    /* borrowed */
};

static inline bool trace_is_on(const struct trace_writer *w)
{
    return w->on != NULL &&
           __builtin_expect(atomic_load_explicit(w->on, memory_order_relaxed) != 0, 0);
}

void trace_write(const struct trace_writer *w, enum trace_kind kind, uint64_t id, uint64_t value,
                 uint64_t begin_ns, uint64_t took_ns);

/* Tell it, if anybody wants to know. */
static inline void trace_add(const struct trace_writer *w, enum trace_kind kind, uint64_t id,
                             uint64_t value, uint64_t begin_ns, uint64_t took_ns)
{
    if (trace_is_on(w))
        trace_write(w, kind, id, value, begin_ns, took_ns);
}

/* --- a reader --- */

struct trace_reader {
    const struct trace_ring *ring; /* borrowed */
    uint64_t at;
    uint64_t lost; /* overwritten before they were read, or nonsense */
};

/* From now on. */
void trace_read_begin(struct trace_reader *r, const struct trace_ring *ring);

/* The next record: 0, or -EAGAIN: there is none now. */
int MUST_USE trace_read(struct trace_reader *r, struct trace_record *ret);

/* For operators; never NULL for a kind that trace_read() gave. */
const char *trace_kind_name(unsigned kind);

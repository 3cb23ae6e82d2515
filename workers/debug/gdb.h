/*
 * workers/debug/gdb.h - what GDB asks of a guest: registers, memory, breakpoints, steps. vCPUs are threads, from 1 up.
 *
 * All vCPUs stop when one does. Breakpoints are the processor's, so the guest's memory is not changed; it has four.
 *
 * @spec GDB manual E.2 (remote protocol: packets), E.5 (general query packets), G (target descriptions)
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "workers/debug/gdb_packet.h"
#include "workers/debug/guest.h"

enum {
    GDB_REPLY_MAX = GDB_PACKET_MAX, /* bytes between $ and # */
    GDB_OUT_MAX = 1 + GDB_REPLY_MAX + 4,
};

enum gdb_why {
    GDB_ASKED,
    GDB_BREAK,
    GDB_WATCH,
    GDB_STEPPED,
};

struct gdb_stop {
    enum gdb_why why;
    unsigned vcpu;
    uint64_t address; /* GDB_WATCH */
};

struct gdb {
    const struct guest *guest; /* borrowed */
    struct gdb_packet packet;
    bool stopped;  /* else it is waited for */
    bool answers;  /* the stop is an answer to what was asked */
    bool no_acks;  /* since QStartNoAckMode */
    bool over;     /* detached, or killed */
    bool sw_break; /* GDB understands why it was a breakpoint */
    bool hw_break;
    struct gdb_stop stop;
    unsigned vcpu; /* of Hg: whose registers and memory */
    struct guest_break breaks[GUEST_BREAKS_MAX];
    bool is_software[GUEST_BREAKS_MAX]; /* asked for as such */
    unsigned n_breaks;
    char reply[GDB_REPLY_MAX + 1];
    size_t reply_len;
    uint8_t out[GDB_OUT_MAX]; /* the last answer, and what of it is to be sent */
    size_t out_len, out_sent;
    uint8_t sign; /* + or -, sent before it; 0: none */
};

/* A new session: the guest is stopped. 0 or negative errno. */
int MUST_USE gdb_begin(struct gdb *g, const struct guest *guest);

/*
 * Take bytes from GDB, as many as can be answered now; returns how many. The rest is for after gdb_output() was
 * emptied, or the guest has stopped.
 */
size_t gdb_input(struct gdb *g, const uint8_t *bytes, size_t len);

/* All vCPUs stand still. */
void gdb_stopped(struct gdb *g, const struct gdb_stop *stop);

/* Bytes for GDB: how many were put into out, at most max. */
size_t gdb_output(struct gdb *g, uint8_t *out, size_t max);

/*
 * workers/debug/debug.h - one session after the other: GDB, a dump, or registers, as the supervisor says.
 *
 * Bytes come and go by diag's stream, and never wait for it; what is asked of vCPUs goes to the supervisor. One thread.
 */
#pragma once

#include <stdint.h>

#include "base/board.h"
#include "base/macro.h"
#include "ipc/debug_stream.h"
#include "workers/debug/dump.h"
#include "workers/debug/gdb.h"
#include "workers/debug/guest_memory.h"
#include "workers/debug/vcpus.h"

enum {
    DEBUG_STOP_MS = 6000, /* for the guest to stand still: more than the supervisor gives it */
    DEBUG_LOOK_MS = 100,  /* whether that has passed */
    DEBUG_FRAMES = 16,    /* sent before the supervisor gets its turn */
};

struct debug {
    int control, stream, ram; /* inherited, kept open */
    struct board *board;
    Bulkhead__DebugKind kind; /* DEBUG_NONE: there is nothing to do */
    struct vcpus vcpus;
    struct guest_memory memory;
    struct guest guest; /* of gdb */
    struct gdb gdb;
    struct dump dump;
    unsigned next_vcpu; /* registers that are to be told */
    bool traps;         /* breaks are in the guest's memory */
    bool waits;         /* for the guest to stand still */
    uint64_t wait_ns;
    bool busy; /* there is more to do at once */
    uint8_t in[DEBUG_FRAME_MAX];
    size_t in_len, in_taken;
    uint8_t out[DEBUG_FRAME_MAX]; /* made, and not sent yet */
    size_t out_len;
    uint32_t out_kind; /* enum debug_frame_kind; 0: nothing is */
    struct board_row *row_sessions, *row_session;
};

/* Serve until the supervisor is gone; returns why, a negative errno. */
int MUST_USE debug_run(struct debug *d, struct board *board);

/*
 * supervisor/tracing.h - whether processes tell what they do (ipc/trace.h), as diag asks for its operators.
 *
 * For some seconds only: diag asks again as long as somebody watches. So it does not go on because diag died.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/board.h"
#include "base/macro.h"
#include "ipc/manifest.h"
#include "ipc/port.h"

enum {
    TRACING_LEASE_MS = 5000,
};

struct tracing {
    _Atomic uint32_t on;                      /* the vCPUs' threads look at it */
    struct port_client *ports[PROCESS_COUNT]; /* borrowed: workers look there; NULL: none */
    struct board *board;                      /* borrowed */
    struct board_row *row;
    uint64_t until_ns;
    bool refused; /* a confidential VM: what it does when is nobody else's to see */
};

void tracing_init(struct tracing *t, struct board *board);

/* Begin, go on or end: 0, or -EPERM: refused. */
int MUST_USE tracing_set(struct tracing *t, bool on, uint64_t now_ns);

/* End what was not asked for again. */
void tracing_tick(struct tracing *t, uint64_t now_ns);

/*
 * supervisor/captures.h - which NICs' frames are captured, as diag asks for its operators: in the page that the net worker
 * looks at.
 *
 * For some seconds only: diag asks again as long as somebody watches. So none goes on because diag died.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/board.h"
#include "base/macro.h"
#include "ipc/nets.h"

enum {
    CAPTURES_LEASE_MS = 5000,
};

struct captures {
    struct nets_page *nets; /* borrowed */
    struct board *board;    /* borrowed */
    struct board_row *shown[NETS_MAX];
};

void captures_init(struct captures *c, struct board *board, struct nets_page *nets);

/*
 * Capture that many bytes of each frame of the NIC, or none any more: 0.
 *   -ENOENT  there is none of that number
 */
int MUST_USE captures_set(struct captures *c, uint32_t nic, uint32_t bytes, uint64_t now_ns);

/* End those that were not asked for again. */
void captures_tick(struct captures *c, uint64_t now_ns);

/*
 * init/objects.h - everything that ipc/manifest.h names: made or opened here, once, and kept for
 * the next generation.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"
#include "control.pb-c.h"
#include "init/operator.h"
#include "init/place.h"
#include "init/why.h"
#include "ipc/manifest.h"
#include "ipc/nets.h"
#include "ipc/ring.h"

enum {
    OBJECT_KINDS = OBJECT_LEVELS + 1,
    OBJECT_MAX_INDEX = VPS_MAX,
};

struct objects {
    int fds[OBJECT_KINDS][OBJECT_MAX_INDEX]; /* -1: not made, or given away for good */
    struct operator_address address;
    struct ring_shape ring; /* of OBJECT_RING */
    bool plain;             /* the host has no ring for us: OBJECT_RING is /dev/null */
    struct why no_ring;     /* and why */
};

/* All -1. */
void objects_init(struct objects *o);

/*
 * Make or open every object that a row of the manifest names. com_fds, COM_COUNT of them, and end_fds,
 * PLACE_ENDS (-1: none), are taken over in any case. On failure why says what; objects_done() releases what was made.
 */
int MUST_USE objects_make(struct objects *o, const Bulkhead__VmConfig *config, int *com_fds,
                          int *end_fds, struct why *why);

/*
 * A descriptor for one grant, opened read-only where the grant is not for writing. The caller owns
 * it. Negative errno when it cannot be had.
 */
int MUST_USE objects_grant(const struct objects *o, const struct grant *grant);

/* Close what only the supervisor may have, once it has it. */
void objects_give_away(struct objects *o);

/* Close everything and remove the operators' address. */
void objects_done(struct objects *o);

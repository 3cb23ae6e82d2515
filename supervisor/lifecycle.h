/*
 * supervisor/lifecycle.h - the transitions of a registry row; see registry.h for the states.
 *
 * Every function returns at once. None fails: what goes wrong becomes the next event.
 */
#pragma once

#include <stdint.h>

#include "supervisor/registry.h"

/* The row's generation of that number, live or standby; NULL: no such, an old message. */
struct generation *lifecycle_find(struct registry_row *row, uint32_t number);

/* Ask init for a new live generation. */
void lifecycle_start(struct registry *reg, uint32_t process);

/* Ask for a standby; binary is owned, -1 for the same program as now. */
void lifecycle_replace(struct registry *reg, uint32_t process, int binary,
                       const struct waiting_admin *admin);

/* Ask init to kill a generation, for that cause. Idempotent. */
void lifecycle_kill(struct registry *reg, struct generation *g, enum death_cause cause);

/* Its channel gave that error: closed, or what came was wrong. */
void lifecycle_unheard(struct registry *reg, struct generation *g, int error);

/* Its process is there, with its channel and build id. 0 or -ENOMEM. */
int MUST_USE lifecycle_spawned(struct registry *reg, struct generation *g);

/* It is set up and its jail is in order: it serves now, or takes the live one's place. */
void lifecycle_verified(struct registry *reg, struct generation *g);

/* It is gone. wait_status as waitpid(2). */
void lifecycle_died(struct registry *reg, struct generation *g, int wait_status);

/* Forget faults and poison, and start a parked or dead device anew. -EALREADY when it runs. */
int lifecycle_revive(struct registry *reg, uint32_t process);

/* Restarts that are due, starts that took too long. */
void lifecycle_tick(struct registry *reg, uint64_t now_ns);

/*
 * supervisor/exit/crb_front.h - the TPM's registers while no command runs.
 *
 * Linux makes six register writes for a command; five of them only move registers. These are
 * executed here, where their exit arrives, on the state that the vtpm shares (drivers/crb.h). START
 * and all that comes while a command runs are forwarded.
 *
 * One write at a time, the forwarded ones too: the lock is held from crb_front_write() until the
 * vtpm has answered, so that nobody moves the registers under a command that begins.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include "base/macro.h"
#include "drivers/crb.h"
#include "supervisor/partition/partition.h"

struct crb_front {
    pthread_mutex_t lock;
    struct crb_shared *shared; /* mapping; the vtpm writes it too */
    bool stale;                /* a write was forwarded and never answered: the vtpm knows more */
};

/* shared is borrowed. 0 or negative errno. */
int MUST_USE crb_front_init(struct crb_front *f, struct crb_shared *shared);

/*
 * Execute a write here, if it is for here. True: it is done. False: forward it, and say then whether
 * it was answered. The caller holds the lock.
 */
bool crb_front_write(struct crb_front *f, const struct vm_access *a);
void crb_front_forwarded(struct crb_front *f, bool answered);

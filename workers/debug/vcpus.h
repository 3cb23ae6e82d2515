/*
 * workers/debug/vcpus.h - the vCPUs of a guest, by asking the supervisor: one request, then its answer.
 *
 * What else the supervisor says meanwhile is kept for the loop.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"
#include "control.pb-c.h"
#include "ipc/guest_regs.h"
#include "workers/debug/gdb.h"

enum {
    VCPUS_ANSWER_MS = 10 * 1000,
};

struct vcpus {
    int control; /* borrowed */
    uint32_t session;
    unsigned n;
    bool stopped; /* all stand, since stop says */
    struct gdb_stop stop;
    bool over;   /* the session: the supervisor has ended it */
    bool failed; /* the supervisor does not answer, or wrongly */
};

/* A message of the supervisor's that is no answer: about this session, or another. 0, or -EPROTO. */
int MUST_USE vcpus_hear(struct vcpus *v, const Bulkhead__Envelope *e);

/* 0; -ECANCELED when the session is over; -EIO when the supervisor refuses; others: it is gone. */
int MUST_USE vcpus_stop(struct vcpus *v);
int MUST_USE vcpus_go(struct vcpus *v, uint64_t go, uint64_t step);
int MUST_USE vcpus_read(struct vcpus *v, unsigned vcpu, struct guest_regs *ret);
int MUST_USE vcpus_write(struct vcpus *v, unsigned vcpu, const struct guest_regs *regs);
/* physical: where each is, for a guest with traps. */
int MUST_USE vcpus_set_breaks(struct vcpus *v, const struct guest_break *breaks,
                              const uint64_t *physical, unsigned n);

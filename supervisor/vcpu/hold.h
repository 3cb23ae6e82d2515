/*
 * supervisor/vcpu/hold.h - keeps the guest's vCPUs outside of the guest: for an operator who pauses it, for a debugger.
 *
 * Each vCPU's thread comes to a stand between two instructions: it leaves its registers in its slot, counts
 * itself as standing, and waits. While it stands its slot is the loop's; what the loop changed there the thread
 * puts back before it enters the guest again. So nobody but its thread ever touches a vCPU.
 *
 * A vCPU that waits for a device's answer stands only when it has it.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "ipc/guest_regs.h"
#include "ipc/manifest.h"

/* Who wants it. The guest goes on when nobody does. */
enum hold_reason {
    HOLD_OPERATOR = 1,
    HOLD_DEBUGGER = 2,
};

enum hold_event {
    HOLD_NONE,
    HOLD_BREAK,
    HOLD_WATCH, /* memory was written, or accessed */
    HOLD_STEP,
};

/* Why a vCPU has stopped all. */
struct hold_hit {
    enum hold_event event;
    unsigned vcpu;
    uint64_t address; /* HOLD_WATCH */
};

/* How a vCPU is to run. */
struct hold_debug {
    struct guest_break breaks[GUEST_BREAKS_MAX];
    unsigned n_breaks;
    bool step; /* one instruction */
};

struct hold_vcpu {
    bool standing;
    bool go; /* runs although HOLD_DEBUGGER is there */
    bool step;
    bool changed;      /* regs are to be put back */
    _Atomic bool left; /* a debugger has gone since the vCPU last entered the guest */
    struct guest_regs regs;
    struct hold_debug taken; /* what it runs with */
};

struct hold {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    _Atomic uint32_t reasons; /* mask of enum hold_reason; written under the lock */
    unsigned n_vcpus;
    bool attached; /* there is a debugger: what vCPUs come upon is for it */
    struct hold_hit hit;
    struct guest_break breaks[GUEST_BREAKS_MAX];
    unsigned n_breaks;
    struct hold_vcpu vcpus[VPS_MAX];
    int still_fd; /* eventfd: the last vCPU stands */
    void (*kick)(void *self, unsigned vcpu);
    void *self;
};

/* Of no vCPU, until n_vcpus and kick are put in. 0 or negative errno. */
int MUST_USE hold_init(struct hold *h);

/* --- the loop's thread --- */

/* Bring all to a stand: still_fd rings when they do, or at once. Never blocks. */
void hold_stop(struct hold *h, enum hold_reason reason);

/* That reason is no more. */
void hold_release(struct hold *h, enum hold_reason reason);

bool hold_is_still(struct hold *h);

/* A vCPU that does not stand; -1: all do. */
int hold_straggler(struct hold *h);

/* A debugger comes or goes. When it goes, so do its breaks and its reason; its traps have gone before. */
void hold_attach(struct hold *h, bool attached);

/* Take what has stopped all, if anything has since this was last asked. */
bool hold_take_hit(struct hold *h, struct hold_hit *ret);

/* Of a vCPU while all stand. -EBUSY: they do not. */
int MUST_USE hold_read(struct hold *h, unsigned vcpu, struct guest_regs *ret);
int MUST_USE hold_write(struct hold *h, unsigned vcpu, const struct guest_regs *regs);

/* What is to stop vCPUs from now on, all of them, also those that run. */
void hold_set_breaks(struct hold *h, const struct guest_break *breaks, unsigned n);

/* Let those vCPUs of the mask run, those of step for one instruction; the others stand on. */
void hold_go(struct hold *h, uint64_t go, uint64_t step);

/* --- a vCPU's thread --- */

bool hold_is_wanted(struct hold *h, unsigned vcpu);

/* Stand, with these registers. True: regs were changed. */
bool hold_stand(struct hold *h, unsigned vcpu, struct guest_regs *regs);

/* It came upon something. False: nobody wants to know. */
bool hold_report(struct hold *h, const struct hold_hit *hit);

/*
 * It came upon a trap. False: it is the guest's own, and means nothing. A trap of a debugger that has gone
 * since is reported to nobody, but was a trap all the same.
 */
bool hold_report_trap(struct hold *h, unsigned vcpu);

/* It enters the guest: traps that were taken away before this are met no more. */
void hold_enter(struct hold *h, unsigned vcpu);

/* How it is to run now. False: as before. */
bool hold_take_debug(struct hold *h, unsigned vcpu, struct hold_debug *ret);

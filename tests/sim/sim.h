/*
 * tests/sim/sim.h - a guest simulator: the real supervisor, init and workers, with no vCPU.
 *
 * A program of its own takes the supervisor's place under init, in the supervisor's jail and under
 * its filter. Its threads play the guest: they make the accesses that a vCPU would make, through
 * the same function, and print through the same serial port. What it says on COM1 is what
 * tests/sim/run-sim prints. Hyper-V's surface is super.vm.hv, the guest's RAM super.vm.memory; what a
 * vCPU's exits would call is called directly.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "supervisor/exit/access.h"
#include "supervisor/partition/partition.h"
#include "supervisor/super.h"
#include "tests/sim/halt_poll.h"

struct sim {
    struct super super;
    struct super_config config;
    const volatile uint8_t *crb_registers; /* as the guest reads them */
    volatile uint8_t *crb_buffer;          /* as the guest reads and writes it */
    void (*guest)(struct sim *sim);        /* the guest's program; runs on a thread */
    void (*beside)(struct sim *sim);       /* runs on another; may be NULL */
    /* Runs on a thread of each vCPU but the first, which is guest's; may be NULL. */
    void (*vcpu)(struct sim *sim, unsigned index);
    int vp_irqs[VPS_MAX];                /* their interrupts */
    int vp_polls[VPS_MAX];               /* and what waits for them: sim_halt() */
    struct halt_poll halts[VPS_MAX];     /* most_ns is the program's to set; 0: sleeps at once */
    void (*every_tick)(struct sim *sim); /* every 10 ms on the loop's thread; may be NULL */
    struct access_rows rows[VPS_MAX];    /* what the vCPUs show */
    uint8_t vectors[VPS_MAX];            /* of the virtual processors' VMBus interrupts */
    bool at_once;                        /* do not wait until all devices serve */
    bool
        stands; /* its vCPUs look at super.vm.hold all the time: the guest can be paused and debugged */
    _Atomic bool finished; /* the guest's program has ended */
};

/* What main() of a simulator program returns. Arguments of the test are in config.append. */
int sim_main(struct sim *sim, int argc, char **argv);

/* Guest accesses, as vCPU index. */
uint64_t sim_read(struct sim *sim, unsigned index, enum access_space space, uint64_t addr,
                  uint8_t size);
void sim_write(struct sim *sim, unsigned index, enum access_space space, uint64_t addr,
               uint8_t size, uint64_t data);

/* Print on COM1, as a guest's polling console driver does, as vCPU index. */
void sim_print(struct sim *sim, unsigned index, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* End the run: what run-sim exits with, and a last line for it. */
void sim_pass(struct sim *sim);
void sim_fail(struct sim *sim, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The number after NAME= in the test's arguments, or fallback. */
uint64_t sim_option(const struct sim *sim, const char *name, uint64_t fallback);

static const uint64_t SIM_FOR_EVER = UINT64_MAX;

/*
 * Wait as HLT does until vCPU index gets its VMBus interrupt, or for timeout_ns (in whole milliseconds; SIM_FOR_EVER).
 * True when it came: it is taken, as the partition would. On that vCPU's thread.
 */
bool sim_halt(struct sim *sim, unsigned index, uint64_t timeout_ns);

/* Sleep on this thread. */
void sim_sleep_ns(uint64_t ns);

/* Sort, without the system call that glibc's qsort makes. */
void sim_sort(uint64_t *values, size_t n);

/* A small repeatable generator, so that a printed seed replays. */
uint64_t sim_random(uint64_t *state);

/*
 * Have init kill the live generation of a process with SIGKILL, as somebody outside would: the
 * registry is not asked. False when none serves now.
 */
bool sim_kill(struct sim *sim, enum process process);

/*
 * Is that what the last crash record says that a process was doing when it died? Fails the run when not.
 */
bool sim_died_doing(struct sim *sim, enum process process, enum doing doing, uint32_t code);

/*
 * For the end of a test that only kills: fails it when a process also died of itself (a system call
 * that its profile lacks, a crash, a hang), and prints what of. The model does not see that: it was
 * restarted. True when all is well.
 */
bool sim_faultless(struct sim *sim, enum process process);

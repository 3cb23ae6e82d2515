/*
 * workers/bus.h - a device worker's end of VMBus: what each of them does on its channels, whatever these carry.
 *
 * The vmbus worker writes which channels are open, where their rings are and on which virtual processor they
 * interrupt; the device acknowledges, and from then on it and the guest are alone with the rings (ipc/vmbus.h).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/gmem.h"
#include "base/macro.h"
#include "ipc/vmbus.h"
#include "workers/worker.h"

struct bus {
    struct worker *worker; /* borrowed */
    struct gmem memory;    /* the guest's */
    const struct vmbus_channels *channels;
    const struct vmbus_synic *synic;
    struct vmbus_acks *acks;
    int bell_fd;          /* ours: rung by the guest's signals and by whoever changes something */
    int vmbus_bell_fd;    /* the vmbus worker's */
    int irq_fds[VPS_MAX]; /* negative: there is no such virtual processor */
    uint64_t spin_ns;     /* how long to look before sleeping: tunes itself */
    struct {
        struct board_row *interrupts, *sleeps, *spins, *spin_ns;
    } rows;
};

/* Map and take what process, the worker's, has of the bus. 0 or negative errno: the worker exits. */
int MUST_USE bus_setup(struct bus *b, struct worker *w, enum process process);

void bus_add_rows(struct bus *b);

/* The vmbus worker has something to look at. */
void bus_ring_vmbus(const struct bus *b);

/* A channel's entry of that epoch is taken note of. status: 0, or what opening it failed with, negative errno. */
void bus_acknowledge(struct bus *b, unsigned index, uint32_t epoch, int status);

/*
 * Set a channel's event flag, and interrupt the virtual processor if nobody else has, or in any case. True when it was
 * interrupted. TLFS 11 (event flags of the SynIC).
 */
bool bus_interrupt(struct bus *b, uint32_t vp, uint32_t relid, bool anyway);

/* A sleep took that long: what came soon could have been waited for. */
void bus_tune(struct bus *b, uint64_t slept_ns);

/*
 * ipc/ring.h - the io_uring that init makes and the storage worker uses: its size, and where in its
 * memory everything is.
 *
 * That memory is shared with the kernel and writable for the worker, so it says nothing that could be
 * believed. The shape is what the kernel told init, and lies where only init writes (ipc/disks.h).
 */
#pragma once

#include <stdint.h>

enum {
    /*
     * Requests at once, from their submission until their completion has been taken. All that the
     * guest could have outstanding (32 channels of 256) would cost half a megabyte of ring; no disk
     * gets faster beyond some hundred, so the worker keeps the rest waiting in the guest's rings.
     */
    RING_IN_FLIGHT = 1024,
    /*
     * Room for completions: whoever keeps to the number above never overflows them, not even with the
     * probes of generations that died one after the other.
     */
    RING_COMPLETIONS = 2 * RING_IN_FLIGHT,
    /*
     * Threads of the kernel in the worker's process, for what would wait: every sync and allocation,
     * and reads and writes where a file system cannot do without. They count as the worker's.
     */
    RING_THREADS = 16,
};

/* Counts, and offsets in bytes. All but the SQEs are in the first mapping. */
struct ring_shape {
    uint32_t sq_entries; /* a power of two */
    uint32_t cq_entries; /* a power of two */
    uint32_t sq_head;
    uint32_t sq_tail;
    uint32_t sq_flags;
    uint32_t sq_array;
    uint32_t cq_head;
    uint32_t cq_tail;
    uint32_t cq_flags;
    uint32_t cqes;
    uint32_t bytes; /* of the first mapping */
};

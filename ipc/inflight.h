/*
 * ipc/inflight.h - requests that the storage worker has taken from the guest's rings and not answered.
 *
 * Shared memory that outlives every generation: a successor finds here what a dead one was at. A process
 * that is killed is no power failure, what it stored is there: so only the order of stores matters.
 * What each field means, and the order, is in workers/storage/flow.h; here is the layout alone, because
 * init makes the memory.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

enum {
    INFLIGHT_CHANNELS = 32, /* of the storage worker: four controllers, eight channels each */
    INFLIGHT_SLOTS = 256,   /* requests of a channel */
    INFLIGHT_PAGES = 129,   /* page frames of a request's data: 512 KiB at any offset */
    INFLIGHT_DATA_MAX = 512 * 1024,
    INFLIGHT_BATCH = 64, /* answers that are published at once */
};

struct inflight_slot {
    _Atomic uint32_t state; /* enum inflight_state; written last */
    uint32_t seq;           /* which packet of this opening it was, from 0 */
    uint64_t transaction;   /* echoed */
    uint64_t taken_ns;      /* when: across channels, earlier ones are done again first */
    uint8_t packet[64];     /* as the guest sent it */
    uint32_t packet_len;
    uint32_t data_len;    /* bytes at the pages */
    uint32_t data_offset; /* into the first page */
    uint32_t n_pages;
    uint32_t flags; /* mask of enum inflight_flag */
    int32_t error;  /* errno of its I/O; 0: none is known. Told, whoever asked for it has died */
    uint64_t pages[INFLIGHT_PAGES]; /* page frame numbers, as the guest sent them */
    uint8_t answer[64];             /* as it will be sent, once state says so */
};

struct inflight_channel {
    uint32_t opening; /* that all of this is about; another one voids it */
    uint32_t spare;
    _Atomic uint64_t in;     /* low half: packets taken, high half: read offset in the ring */
    _Atomic uint32_t out;    /* write offset in the other ring */
    _Atomic uint32_t commit; /* number of answers being published; 0: none */
    uint32_t commit_from;    /* write offset before and after them */
    uint32_t commit_to;
    uint16_t commit_slots[INFLIGHT_BATCH];
    uint8_t pad[96];
    struct inflight_slot slots[INFLIGHT_SLOTS];
};

struct inflight_page {
    struct inflight_channel channels[INFLIGHT_CHANNELS];
};

/*
 * ipc/frames.h - what the net worker has taken from the guest's rings and not told it yet, which parts of the
 * guest's receive buffers the guest has, and what the worker has counted for the guest.
 *
 * Shared memory that outlives every generation. A process that is killed is no power failure: what it stored is
 * there, so only the order of stores matters. What each field means, and the order, is in workers/net/line.h; here
 * is the layout alone, because init makes the memory.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "ipc/nets.h"

enum {
    FRAMES_CHANNELS = NETS_MAX * VMBUS_SUBCHANNELS,
    FRAMES_SLOTS = 512,      /* packets of a channel that are taken and not done with */
    FRAMES_SECTIONS = 18432, /* of a receive buffer */
    FRAMES_GROUPS = 64,      /* packets for the guest that are published at once */
};

struct frames_slot {
    uint64_t transaction;
    _Atomic uint32_t kind; /* enum line_kind */
    uint32_t status;       /* of a frame: enum nvsp_status */
};

struct frames_channel {
    uint32_t opening;     /* that all of this is about; another one voids it */
    uint32_t commit_done; /* what done is after what is being published */
    _Atomic uint64_t
        in; /* low half: packets taken, high half: read offset in the ring, and FRAMES_PART */
    _Atomic uint64_t
        ahead; /* the same: sections that the guest gives back in packets up to there are ours already */
    _Atomic uint32_t done; /* of those, the first ones: done with */
    _Atomic uint32_t out;  /* write offset in the other ring */
    _Atomic uint32_t
        commit; /* what is being published: 0, or enum line_commit and in the low half how many */
    uint32_t commit_from; /* write offset before and after it */
    uint32_t commit_to;
    uint32_t commit_replied;  /* which control packet's RNDIS answer that is; 0: none's */
    _Atomic uint32_t replied; /* the last one whose answer was shown; packets count from 1 here */
    struct {
        uint16_t first, n; /* sections of the receive buffer */
    } commit_groups[FRAMES_GROUPS];
    struct frames_slot slots[FRAMES_SLOTS]; /* packet number n is in slots[n % FRAMES_SLOTS] */
};

/* For whom a frame is. */
enum nic_cast {
    NIC_DIRECTED,
    NIC_MULTICAST,
    NIC_BROADCAST,
    NIC_CASTS,
};

struct nic_cast_counters {
    uint64_t bytes, frames;
};

/* What the NIC has counted since the VM started, for the guest. */
struct nic_counters {
    uint64_t tx_frames, tx_bytes, tx_errors, rx_frames, rx_bytes, rx_errors, rx_no_buffer;
    struct nic_cast_counters tx[NIC_CASTS], rx[NIC_CASTS];
};

struct frames_page {
    struct frames_channel channels[FRAMES_CHANNELS];
    /* Of each section: 0, the host has it; else how many sections the guest was given with it, at the first of them,
     * and FRAMES_MORE at the others. */
    _Atomic uint16_t owners[NETS_MAX][FRAMES_SECTIONS];
    struct nic_counters counters[NETS_MAX];
};

enum {
    FRAMES_MORE = 0xffff,
    FRAMES_PART =
        7, /* offsets in a ring are multiples of 8; messages of the next packet that are taken */
};

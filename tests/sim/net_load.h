/*
 * tests/sim/net_load.h - frames both ways over a simulated NIC, as fast as they go, and how long none came.
 *
 * Flow i is sent on channel i modulo channels, by the thread of the vCPU that the channel interrupts first: its frames are in
 * order there.
 */
#pragma once

#include "tests/sim/net_guest.h"

enum {
    NET_LOAD_STALLS = 1 << 16,
};

struct net_load {
    struct net_guest *net;
    uint64_t random[GUEST_VPS];
    _Atomic uint32_t kills;           /* so far, as frames say it */
    _Atomic bool hoards;              /* gives no sections back */
    _Atomic bool polls;               /* looks into the rings without being interrupted */
    _Atomic uint64_t last_ns, gap_ns; /* when the last frame came; the longest time without one */
    unsigned n_stalls;
    uint64_t stalls[NET_LOAD_STALLS];
    uint64_t hoarded; /* sections, of all phases */
};

void net_load_init(struct net_load *l, struct net_guest *n, uint64_t random);

/* Some work of a vCPU. */
void net_load_step(struct net_load *l, unsigned vp);

/* The same, of all channels: no other vCPU has a part in it. */
void net_load_step_alone(struct net_load *l, unsigned vp);

/* Frames may come from here on, and to here. */
bool net_load_begin(struct net_load *l);
bool net_load_end(struct net_load *l);

/* Keep all sections until the guest has every one that there is: none is leaked. Others go on with net_load_step(). */
bool net_load_hoard(struct net_load *l);

/* On the thread of vCPU 0, when no other sends: all is completed, and given back. */
bool net_load_drain(struct net_load *l);

/* Somebody is killed now. */
void net_load_killed(struct net_load *l);

/* p50, p99, max of the times without a frame; frames, losses. */
void net_load_print(struct net_load *l, uint64_t kills);

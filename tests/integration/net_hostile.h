/*
 * tests/integration/net_hostile.h - attacks on a NIC by its guest: sim_net_hostile.c runs them one after the other.
 *
 *   net_hostile_nvsp.c    what is agreed on, buffers, channels
 *   net_hostile_rndis.c   frames and requests, completions, floods
 *
 * Each finds the NIC closed and leaves it closed. False: the run has failed.
 */
#pragma once

#include "tests/sim/net_raw.h"

struct net_hostile {
    struct net_raw raw;
    uint64_t random;
    uint32_t foreign; /* a list that another NIC has lent */
};

static inline uint32_t net_hostile_chance(struct net_hostile *h, uint32_t n)
{
    return (uint32_t)(sim_random(&h->random) % n);
}

bool net_hostile_versions(struct net_hostile *h);
bool net_hostile_buffers(struct net_hostile *h);
bool net_hostile_subchannels(struct net_hostile *h);
bool net_hostile_nvsp(struct net_hostile *h);
bool net_hostile_revokes(struct net_hostile *h);

bool net_hostile_frames(struct net_hostile *h);
bool net_hostile_chains(struct net_hostile *h);
bool net_hostile_requests(struct net_hostile *h);
bool net_hostile_rss(struct net_hostile *h);
bool net_hostile_completions(struct net_hostile *h);
bool net_hostile_hoard(struct net_hostile *h);
bool net_hostile_unread(struct net_hostile *h);
bool net_hostile_flood(struct net_hostile *h);

/*
 * tests/sim/run_net.h - what a NIC of the simulated guest is plugged into, as run-sim's --net names it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"
#include "ipc/nets.h"
#include "tests/sim/net_flood.h"
#include "tests/sim/net_mirror.h"
#include "tests/sim/net_peer.h"

enum {
    RUN_NET_MTU = 1500,
};

struct run_net {
    enum net_kind kind; /* NET_NONE: no NIC */
    const char *tap;    /* NULL: another one */
    bool has_peer;
    uint32_t flood_bytes; /* 0: no flood */
    struct net_flood flood;
    bool is_mirror;
    struct net_mirror mirror;
    struct net_peer peer;
    int fd; /* the guest's end */
};

/* n->fd and n->peer.fd are -1 before all else. -EINVAL: it names nothing. */
int MUST_USE run_net_parse(struct run_net *n, const char *text);

/* Make both ends, room as net_peer_open() has it; the guest's is n->fd. It says itself what was wrong with a tap. */
int MUST_USE run_net_open(struct run_net *n, int room);

/* init has the guest's end: the other one begins, with rate frames a second at most (0: any). */
int MUST_USE run_net_start(struct run_net *n, unsigned index, uint64_t rate);

/* False: what came from the guest was not what it must be. */
bool run_net_stop(struct run_net *n);

/*
 * tests/sim/net_mirror.h - a back end that sends each frame back to whom it came from: a thread of run-sim, asleep between
 * frames.
 *
 * The socket is a datagram socket with a struct virtio_net_hdr_mrg_rxbuf before each frame.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include "base/macro.h"

struct net_mirror {
    int fd; /* owned once it has started */
    pthread_t thread;
    bool running;
};

/* fd: its end of a socket. 0 or negative errno. */
int MUST_USE net_mirror_start(struct net_mirror *m, int fd);
void net_mirror_stop(struct net_mirror *m);

/*
 * tests/sim/net_flood.h - a back end that sends one frame over and over, as fast as it is taken: a thread of run-sim.
 *
 * It begins when the guest has sent something. The socket is a datagram socket with a struct
 * virtio_net_hdr_mrg_rxbuf of zeros before each frame.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"

struct net_flood {
    int fd; /* owned once it has started */
    uint32_t bytes;
    pthread_t thread;
    bool running;
};

/* fd: its end of a socket; bytes of a frame, 60 to 1514. 0 or negative errno. */
int MUST_USE net_flood_start(struct net_flood *f, int fd, uint32_t bytes);
void net_flood_stop(struct net_flood *f);

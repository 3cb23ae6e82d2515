/*
 * tests/sim/net_peer.h - what the simulated guest's NIC is plugged into: the other end of its socket.
 *
 * A thread of run-sim: sends numbered frames as fast as the guest acknowledges them, and checks those that the guest
 * sends. Before each frame is a struct virtio_net_hdr_mrg_rxbuf of zeros, in a stream its length (net_stream.h).
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"
#include "tests/sim/net_flow.h"
#include "tests/sim/net_stream.h"

/* How it behaves; all false: as a network that loses some. */
struct net_manner {
    bool tolerant; /* of frames that are no numbered ones: the guest sends others besides */
    bool exact;    /* what is lost is a violation */
    bool garbage;  /* it sends what is no frame besides (net_garbage.h) */
    bool deaf;     /* it reads nothing */
    /* Of a stream, after a while: a length that none has, or half a frame and no more. */
    bool ends, tears;
    uint32_t end; /* that length */
};

struct net_peer {
    int fd; /* of a socket, non-blocking; owned */
    struct net_manner manner;
    bool is_stream;
    struct net_stream stream;
    uint64_t rate; /* frames a second, at most; 0: any */
    pthread_t thread;
    bool running;
    _Atomic bool stop;
    bool silent; /* it has come to its end */
    uint64_t began_ns, random;
    uint64_t violations;
    uint64_t others; /* frames that are no numbered ones */
    uint32_t note;   /* the guest's last: kills so far */
    struct flow flows[FLOWS];
};

/*
 * Both ends of its socket, of datagrams or a stream: the peer's is p->fd; room: bytes for what the guest sends, 0: plenty. 0
 * or negative errno.
 */
int MUST_USE net_peer_open(struct net_peer *p, bool is_stream, int room, int *ret_guest_fd);
/* Serve the NIC of that index, or leave it alone: then nothing is ever heard. */
int MUST_USE net_peer_start(struct net_peer *p, unsigned nic, uint64_t rate);
/* End it, say what it saw. False: there was a violation. */
bool net_peer_stop(struct net_peer *p);

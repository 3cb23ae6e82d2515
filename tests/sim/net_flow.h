/*
 * tests/sim/net_flow.h - numbered frames of several flows, made at one end and checked at the other.
 *
 * A flow is a TCP connection by its addresses and ports, so that what sorts frames into queues keeps it together.
 * Its frames are numbered, in each direction: a number that comes twice, or after a larger one, is a
 * violation; numbers that do not come are counted as lost. Each frame says which number of the other
 * direction was seen last, and an end sends only so far ahead of that: nothing on the way has to drop what it has
 * no room for. What is lost is not sent again.
 *
 * Used by the guest and by its peer. A direction of a flow is one thread's at a time at each end.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

enum {
    FLOWS = 16,
    FLOW_FRAME_MIN = 54 + 36, /* Ethernet, IPv4, TCP; what is checked */
    FLOW_FRAME_MAX = 1514,
};

struct flow {
    unsigned index;
    unsigned nic;  /* whose it is, as addresses say it */
    bool of_guest; /* this end is the guest */
    bool patient;  /* nothing is lost on the way: it waits for an answer for ever */
    /* sending */
    uint64_t sent, base; /* numbers; the window begins after base */
    uint64_t moved_ns;   /* when it did */
    uint64_t told;       /* what was seen, in the last frame that was sent */
    _Atomic uint64_t acknowledged;
    /* receiving */
    _Atomic uint64_t seen;
    _Atomic uint64_t received, lost, gaps;
};

/* What a frame says besides. */
struct flow_frame {
    unsigned flow;
    uint64_t number;
    uint32_t note; /* the sender's */
};

/* Of the NIC of that index, whose address is 02:00:00:00:00:01 and so on. */
void flows_init(struct flow flows[FLOWS], bool of_guest, unsigned nic);
void flows_set_patient(struct flow flows[FLOWS]);

/*
 * Is there room in the window? After a while without an answer there is: what was in it was lost. Or else one more is
 * sent for those that have come, so that both ends do not wait for each other.
 */
bool flow_may_send(struct flow *f, uint64_t now_ns);

/* The next frame of len bytes, FLOW_FRAME_MIN to FLOW_FRAME_MAX. */
void flow_make(struct flow *f, uint8_t *frame, uint32_t len, uint32_t note);
/* It was not sent after all; the last one that was made. */
void flow_unmake(struct flow *f);

/* Does it claim to be one of them, whole or not? */
bool flow_is_numbered(const uint8_t *frame, uint32_t len);
/* Whose frame is it, and is it whole? NULL, or what is wrong with it. */
const char *flow_look(const struct flow flows[FLOWS], const uint8_t *frame, uint32_t len,
                      struct flow_frame *ret);
/* The same, and it has come: NULL, or what is wrong with it or its number. */
const char *flow_take(struct flow flows[FLOWS], const uint8_t *frame, uint32_t len,
                      struct flow_frame *ret);

struct flow_sums {
    uint64_t sent, received, lost, gaps;
};
struct flow_sums flows_sum(const struct flow flows[FLOWS]);

/*
 * workers/net/shown.h - what the net worker counts of a channel, for operators: a queue, as they say. Part of net.h.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/board.h"
#include "base/latency.h"

/* Each generation begins anew. */
struct queue_shown {
    uint64_t tx_packets, tx_frames, tx_held;
    uint64_t rx_packets, rx_messages, rx_dropped; /* dropped: the ring was full */
    uint64_t interrupts, blocked;
    struct latency latency; /* of packets with frames */
    uint64_t seen_ns;       /* when those that are not told were seen; 0: there is none */
    uint64_t untold;        /* they were sent, and wait for room in the ring */
    uint64_t frames_before; /* of the NIC, when the batch began */
    bool is_blocked;
    struct {
        struct board_row *tx_packets, *tx_frames, *tx_held, *rx_packets, *rx_messages, *rx_dropped,
            *interrupts, *blocked, *latency;
    } rows;
};

struct net;
struct nic;
struct line_group;

/* The channel is open; what was on its way before is forgotten. */
void shown_opened(struct nic *n, unsigned channel);

/* Packets with frames were seen in a channel. */
void shown_tx_begins(struct net *s, struct nic *n, unsigned channel);

/* So many of them are done with, and told if there was room; of the others frames are held back. */
void shown_tx_ends(struct net *s, struct nic *n, unsigned channel, unsigned done, bool held);

/* Of so many groups of messages for the guest the first ones were given to it, and there was no room for the others. */
void shown_rx(struct nic *n, unsigned channel, const struct line_group *groups, unsigned all,
              unsigned given);

/* The guest was interrupted for a channel. */
void shown_interrupt(struct net *s, const struct nic *n, unsigned channel);

/* Show all of it, if it is time. */
void shown_look(struct net *s, uint64_t now_ns);

/* A link has changed: shown at once, as it may be long until something happens again. */
void shown_link(struct nic *n);

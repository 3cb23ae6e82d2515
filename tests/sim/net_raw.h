/*
 * tests/sim/net_raw.h - a synthetic NIC without rules: any packet on any of its channels, as long as the rings are in order.
 *
 * Each packet that asks for a completion gets one, in their order: else the run fails. What the host gives is given back
 * when there is time, unless it is kept.
 */
#pragma once

#include "base/rd.h"
#include "tests/sim/net_guest.h"

enum {
    NET_RAW_GIVEN = 4096,
};

struct net_raw_queue {
    struct guest_channel channel;
    uint64_t sent, answered; /* packets that ask for a completion; their transactions */
    uint32_t answer_len;     /* the last one */
    uint8_t answer[NET_GUEST_ANSWER];
    unsigned n_given; /* transactions of what the guest has */
    uint64_t given[NET_RAW_GIVEN];
};

struct net_raw {
    struct vmbus_guest *vmbus;
    unsigned device; /* which NIC */
    struct net_raw_queue queues[NET_GUEST_CHANNELS];
    struct net_buffer receive, send;
    uint64_t page; /* page frame number, for messages */
    bool keeps;
    uint64_t refused; /* RNDIS packets, with another status than success */
};

struct net_raw_packet {
    uint16_t type;
    bool silent; /* wants no completion */
    struct span head, payload;
};

/* A page is taken for messages. */
void net_raw_init(struct net_raw *n, struct vmbus_guest *g, unsigned device);

/* A channel of it; listens: packets are taken out of its ring. */
bool net_raw_open(struct net_raw *n, unsigned channel, unsigned pages, bool listens);
/* All channels are closed, and its memory is taken back. */
bool net_raw_close(struct net_raw *n);

/* Put it in, as soon as there is room. */
bool net_raw_send(struct net_raw *n, unsigned channel, const struct net_raw_packet *p);
/* The same, of an RNDIS message in the page: data or control. There is one page: the one before must be taken, or the same. */
bool net_raw_send_rndis(struct net_raw *n, unsigned channel, bool control, const void *bytes,
                        uint32_t len);
/* And until all is answered. */
bool net_raw_rndis(struct net_raw *n, unsigned channel, bool control, const void *bytes,
                   uint32_t len);
/* Until all is answered. */
bool net_raw_await(struct net_raw *n);
/* Until the guest has so many packets that it has not given back. */
bool net_raw_await_given(struct net_raw *n, unsigned channel, unsigned given);
/* An NVSP message of n_words, and its answer: the word behind its type. */
uint32_t net_raw_ask(struct net_raw *n, unsigned channel, const uint32_t *words, unsigned n_words);
uint32_t net_raw_answer(const struct net_raw *n, unsigned channel, unsigned word);

/* Memory for a buffer; it is the host's to use when it is told of it. */
bool net_raw_lend(struct net_raw *n, struct net_buffer *b, unsigned pages);
bool net_raw_take_back(struct net_raw *n, struct net_buffer *b);

/* As far as a driver goes: a version; then also buffers and RNDIS, with all frames wanted. */
bool net_raw_agree(struct net_raw *n);
bool net_raw_start(struct net_raw *n);

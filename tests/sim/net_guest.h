/*
 * tests/sim/net_guest.h - a synthetic NIC as the guest uses it: Linux's netvsc in small.
 *
 *   net_guest.c      bring-up: NVSP, buffers, RNDIS requests, channels; and down again
 *   net_guest_tx.c   packets of the guest: transactions, frames
 *   net_guest_rx.c   packets of the host: sections of the receive buffer, frames, answers
 *
 * What must not be ends the run: a transaction that is completed twice or not known, a section that is given while
 * the guest has it, or that changes then, an answer that comes twice, a frame that is damaged or has come
 * before, a flow that changes its channel or whose hash leads elsewhere.
 *
 * @spec Linux drivers/net/hyperv/netvsc.c, rndis_filter.c
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/sim/net_flow.h"
#include "tests/sim/vmbus_guest.h"

enum {
    NET_GUEST_CHANNELS = 8,
    NET_GUEST_TAGS = 192, /* of a channel */
    NET_GUEST_TAG_PAGES = 3,
    NET_GUEST_BUFFER_PAGES = 4096,
    NET_GUEST_SECTIONS = 18432,
    NET_GUEST_SEND_SECTIONS = 2688,
    NET_GUEST_CONTROL_SECTIONS = 16, /* that the host keeps for answers */
    NET_GUEST_TABLE = 128,
    NET_GUEST_ANSWER = 128,
    NET_GUEST_REPLY = 1024,
    NET_GUEST_FRAMES = 8, /* in one packet, at most */
};

enum net_guest_type {
    NVSP_INIT = 1,
    NVSP_NDIS_VERSION = 100,
    NVSP_RECEIVE_BUFFER = 101,
    NVSP_REVOKE_RECEIVE_BUFFER = 103,
    NVSP_SEND_BUFFER = 104,
    NVSP_REVOKE_SEND_BUFFER = 106,
    NVSP_RNDIS = 107,
    NVSP_RNDIS_COMPLETE = 108,
    NVSP_NDIS_CONFIG = 125,
    NVSP_SUBCHANNEL = 133,
    NVSP_TABLE = 134,
    RNDIS_PACKET = 1,
    RNDIS_INITIALIZE = 2,
    RNDIS_HALT = 3,
    RNDIS_QUERY = 4,
    RNDIS_SET = 5,
    RNDIS_INDICATE = 7,
};

/* A packet on its way. */
struct net_tag {
    uint64_t transaction; /* 0: not on its way */
    uint32_t uses;
    bool taken;
    bool waited_for;
    int section;                        /* of the send buffer; -1: none */
    uint32_t section_bytes, bytes;      /* in it, in the pages */
    uint32_t offset;                    /* in the first page */
    uint64_t pfns[NET_GUEST_TAG_PAGES]; /* stay the tag's */
    bool has_pages;
    _Atomic bool completed;
    uint32_t answer_len;
    uint8_t answer[NET_GUEST_ANSWER];
};

/* A packet of the host whose sections the guest has. */
struct net_held {
    uint64_t transaction;
    uint16_t first; /* section; the next ones are linked */
    bool looked_at; /* for the second time */
};

struct net_queue {
    struct guest_channel channel;
    pthread_mutex_t lock; /* of what follows */
    unsigned in_flight;
    struct net_tag tags[NET_GUEST_TAGS];
    unsigned n_held;
    struct net_held held[NET_GUEST_SECTIONS];
};

/* A section of the receive buffer. */
struct net_section {
    _Atomic bool is_ours;
    uint16_t next;
    uint32_t bytes, offset;
};

struct net_buffer {
    uint32_t gpadl;
    unsigned pages;
    uint64_t pfns[NET_GUEST_BUFFER_PAGES];
    uint32_t section_bytes, sections;
};

/* How the NIC is brought up. */
struct net_guest_way {
    uint32_t version;
    unsigned channels;
    unsigned ring_pages;
    unsigned receive_pages, send_pages;
    bool takes_back_early; /* buffers, before channels are closed: as Linux does it on old hosts */
};

struct net_guest {
    struct vmbus_guest *vmbus;
    unsigned device; /* which NIC */
    bool tolerant;   /* of frames that are no numbered ones, which are counted */
    _Atomic uint64_t others;
    struct net_guest_way way;
    unsigned n_queues;
    struct net_queue queues[NET_GUEST_CHANNELS];
    struct net_buffer receive, send;
    pthread_mutex_t send_lock;
    bool send_taken[NET_GUEST_SEND_SECTIONS];
    struct net_section sections[NET_GUEST_SECTIONS];
    _Atomic unsigned n_frames_held; /* sections with frames that the guest has */
    bool has_table;                 /* RSS is set */
    uint8_t table[NET_GUEST_TABLE];
    /* the request whose answer is waited for; under the primary channel's lock */
    uint32_t request, request_type;
    _Atomic bool replied;
    uint32_t reply_len;
    uint8_t reply[NET_GUEST_REPLY];
    struct flow flows[FLOWS];
    _Atomic int channels[FLOWS]; /* where a flow comes; -1: not seen yet */
    _Atomic uint64_t completions, replies, tables, indications;
    void (*received)(void *self); /* a frame came; with its channel's lock */
    void *self;
};

/* --- net_guest.c --- */

extern const uint8_t net_interface[16]; /* what such a device is called */

/* Once, before all else. */
void net_guest_init(struct net_guest *n, struct vmbus_guest *g, unsigned device);

/* On vCPU 0's thread, as all that waits here. False: the run has failed. */
bool net_connect(struct net_guest *n, const struct net_guest_way *way);
/* Nothing may be on its way, and the packet filter is 0. */
bool net_disconnect(struct net_guest *n);

/* Frames, or none. */
bool net_set_filter(struct net_guest *n, bool open);
/* A look at something, for its own sake. */
bool net_look_at_link(struct net_guest *n);

/* A query, whatever becomes of it: the status in its answer. */
bool net_try_query(struct net_guest *n, uint32_t oid, uint32_t *ret_status);

/* Copy to or from pages, from at on. */
void net_pages_put(const struct net_guest *n, const uint64_t *pfns, uint32_t at, const void *from,
                   uint32_t len);
void net_pages_get(const struct net_guest *n, const uint64_t *pfns, uint32_t at, void *to,
                   uint32_t len);
/* Make it nonsense: who still uses it is found out. */
void net_pages_spoil(const struct net_guest *n, const uint64_t *pfns, uint32_t at, uint32_t len);

/* --- net_guest_tx.c --- */

/* A free tag; NULL: none. */
struct net_tag *net_take(struct net_guest *n, unsigned channel);
void net_put(struct net_guest *n, unsigned channel, struct net_tag *tag);

/*
 * Put it in: a message of len bytes with what the tag has in pages and section. 0, or -EAGAIN: there is no room, and it is not
 * on its way.
 */
int MUST_USE net_submit(struct net_guest *n, unsigned channel, struct net_tag *tag,
                        const void *message, uint32_t len, unsigned cuts);

/* NVSP_RNDIS of what the tag has. */
uint32_t net_rndis_message(const struct net_tag *tag, bool control, uint8_t message[40]);

/* The next frames of a flow, count at most; how they are put into a packet is random's. False: there is no room. */
bool net_send(struct net_guest *n, unsigned channel, struct flow *f, unsigned count, uint32_t note,
              uint64_t random);

/* Another frame, of at most FLOW_FRAME_MAX bytes. False: there is no room. */
bool net_send_frame(struct net_guest *n, unsigned channel, const uint8_t *frame, uint32_t len);

/* A completion: on the channel's interrupt. */
void net_completed(struct net_guest *n, struct net_queue *q, const struct vring_packet *p);

/* --- net_guest_rx.c --- */

/* guest_channel.packet */
void net_packet(struct guest_channel *c, const struct vring_packet *p);

/* Give some packets' sections back, in any order; how many are left. all: as many as there is room for. */
unsigned net_give_back(struct net_guest *n, unsigned channel, uint64_t random, bool all);

/*
 * tests/sim/vmbus_guest.h - the guest's side of VMBus, as Linux plays it: SynIC, messages, channels.
 *
 *   vmbus_guest.c    SynIC of each vCPU, messages both ways, the connection
 *   vmbus_channel.c  memory that is lent, channels: open, close, move; interrupts of channels
 *   vmbus_ring.c     packets in the rings
 *
 * vCPU 0 gets all messages, so all that waits for an answer is called on its thread. Channels have a lock:
 * any thread may put packets in, and any vCPU may be the one that is interrupted for it.
 *
 * What goes wrong ends the run: vmbus_fail().
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/sim/sim.h"
#include "tests/sim/vmbus_ring.h"

enum {
    GUEST_VPS = 8,
    GUEST_PAGE = 4096,
    GUEST_PAGES_MAX = 1 << 18, /* of RAM that is given out: 1 GiB */
    GUEST_RELIDS = 65,         /* 0 is none */
    GUEST_MESSAGES = 64,       /* received, and not asked for yet */
    GUEST_MESSAGE_BYTES = 240,
    GUEST_VECTOR = 0xf3,
};

enum guest_message {
    MSG_OFFER = 1,
    MSG_RESCIND = 2,
    MSG_REQUEST_OFFERS = 3,
    MSG_ALL_OFFERS = 4,
    MSG_OPEN = 5,
    MSG_OPEN_RESULT = 6,
    MSG_CLOSE = 7,
    MSG_GPADL_HEADER = 8,
    MSG_GPADL_BODY = 9,
    MSG_GPADL_CREATED = 10,
    MSG_GPADL_TEARDOWN = 11,
    MSG_GPADL_TORNDOWN = 12,
    MSG_RELID_RELEASED = 13,
    MSG_CONTACT = 14,
    MSG_VERSION = 15,
    MSG_UNLOAD = 16,
    MSG_UNLOADED = 17,
    MSG_MODIFY = 22,
    MSG_MODIFIED = 24,
};

struct guest_offer {
    bool offered;
    uint32_t relid, connection;
    uint16_t subchannel;
    uint8_t interface[16], instance[16];
};

struct received {
    uint32_t len;
    uint8_t bytes[GUEST_MESSAGE_BYTES];
};

struct vmbus_guest;

struct guest_channel {
    struct vmbus_guest *guest;
    pthread_mutex_t lock; /* of the rings */
    uint32_t relid, connection;
    uint32_t gpadl;
    _Atomic uint32_t vp; /* that it interrupts */
    bool open;
    unsigned pages; /* of both rings */
    uint64_t pfns[2 * VRING_PAGES_MAX];
    struct vring out, in; /* as the guest sees them: out is read by the host */
    /* A packet came; on the thread of the vCPU that was interrupted, with the lock. */
    void (*packet)(struct guest_channel *c, const struct vring_packet *p);
    void *self;
    _Atomic uint64_t kicks, interrupts;
};

struct guest_vp {
    uint64_t messages, flags, input; /* guest addresses of its pages */
    _Atomic uint64_t interrupts;
};

struct vmbus_guest {
    struct sim *sim;
    unsigned n_vps;
    uint32_t version;
    uint32_t connection; /* where messages are posted */
    struct guest_vp vps[GUEST_VPS];
    struct guest_offer offers[GUEST_RELIDS];
    bool all_offered;
    struct guest_channel *channels[GUEST_RELIDS]; /* that are open */
    struct received inbox[GUEST_MESSAGES];
    unsigned n_inbox;
    bool careless;       /* makes nonsense: does not wonder at answers that it does not wait for */
    uint64_t n_messages; /* ever received */
    uint32_t last_id;    /* of GPADLs and openings */
    pthread_mutex_t pages_lock;
    uint32_t free_pages[GUEST_PAGES_MAX];
    unsigned n_free;
    _Atomic bool failed;
};

/* --- vmbus_guest.c --- */

/* Take over: pages of RAM in an order that random makes, 0: one after the other; SynIC of each vCPU. */
void vmbus_start(struct vmbus_guest *g, struct sim *sim, uint64_t random);

/* End the run with that as the reason; the first one counts. */
void vmbus_fail(struct vmbus_guest *g, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* A page frame number; pages are not near each other, but some are. */
uint64_t vmbus_page(struct vmbus_guest *g);
void vmbus_page_free(struct vmbus_guest *g, uint64_t pfn);

/* Where RAM is in this process: as the guest's own page tables have it. */
uint8_t *vmbus_host(const struct vmbus_guest *g, uint64_t gpa);

/* Wait for the vCPU's interrupt, and do what its handler does. True when there was one. */
bool vmbus_halt(struct vmbus_guest *g, unsigned vp, uint64_t timeout_ns);

/* The handler alone: messages, then event flags. */
void vmbus_interrupted(struct vmbus_guest *g, unsigned vp);

/* HvCallPostMessage, tried again while there is no room. The last status. */
uint64_t vmbus_post(struct vmbus_guest *g, uint32_t connection, const void *bytes, size_t len);

/* Once, as it is: for who wants to see it refused. */
uint64_t vmbus_post_raw(struct vmbus_guest *g, unsigned vp, uint32_t connection, uint32_t type,
                        const void *bytes, size_t len, uint32_t said);

/*
 * The answer of that type whose number at byte 8 (and that at 12, unless it is 0) is the given one, taken out
 * of the inbox. False, after vmbus_fail(), when it does not come in time.
 */
bool vmbus_await(struct vmbus_guest *g, enum guest_message type, uint32_t first, uint32_t second,
                 struct received *ret);

/* Contact and offers; and UNLOAD. */
bool vmbus_connect(struct vmbus_guest *g, uint32_t version);
bool vmbus_unload(struct vmbus_guest *g);

/* The SynIC's pages of a vCPU, anew at addresses of the caller's. 0: disabled. */
int MUST_USE vmbus_set_flags_page(struct vmbus_guest *g, unsigned vp, uint64_t gpa);

/* A lock of the guest's. With one vCPU there is no other thread of it, and it would only cost time. */
static inline void vmbus_lock(const struct vmbus_guest *g, pthread_mutex_t *lock)
{
    if (g->n_vps > 1)
        (void)pthread_mutex_lock(lock);
}

static inline void vmbus_unlock(const struct vmbus_guest *g, pthread_mutex_t *lock)
{
    if (g->n_vps > 1)
        (void)pthread_mutex_unlock(lock);
}

/* --- vmbus_channel.c --- */

/* Lend pages, n page frame numbers; 0 or the status in the answer, UINT32_MAX when there was none. */
uint32_t vmbus_lend(struct vmbus_guest *g, uint32_t relid, uint32_t gpadl, const uint64_t *pfns,
                    unsigned n);
bool vmbus_take_back(struct vmbus_guest *g, uint32_t relid, uint32_t gpadl);

/*
 * The relid of a channel of the device-th device with that interface; instances differ, and order by relid. 0, after
 * vmbus_fail(), when it is not offered in time.
 */
uint32_t vmbus_await_offer(struct vmbus_guest *g, const uint8_t interface[16], unsigned device,
                           unsigned subchannel);

/* Open a channel with n pages for each ring, of fresh memory, interrupting vp. */
bool vmbus_open(struct vmbus_guest *g, struct guest_channel *c, uint32_t relid, unsigned pages,
                uint32_t vp);
/* Close it and take its memory back: nothing of it is used by the host after this. */
bool vmbus_close(struct vmbus_guest *g, struct guest_channel *c);
/* Have it interrupt another vCPU. */
bool vmbus_move(struct vmbus_guest *g, struct guest_channel *c, uint32_t vp);

/* Put a packet in, and signal if that is due. -EAGAIN: no room; the host will signal when there is. */
int MUST_USE vmbus_send(struct guest_channel *c, uint16_t type, uint64_t transaction,
                        const void *head, uint32_t head_len, const void *payload,
                        uint32_t payload_len);

/* The same of a packet that wants no completion: a completion, or a message that has none. */
int MUST_USE vmbus_put(struct guest_channel *c, uint16_t type, uint64_t transaction,
                       const void *payload, uint32_t len);

/* Ring the doorbell, as KVM's ioeventfd would. */
void vmbus_kick(struct guest_channel *c);

/* It was interrupted for: take all packets out. */
void vmbus_channel_event(struct guest_channel *c);

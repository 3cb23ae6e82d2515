/*
 * ipc/port.h - how one exit is forwarded to a worker and answered: a record in shared memory.
 *
 * One port per worker, one slot per vCPU, at most one request in flight per slot. The requester is
 * a vCPU thread of the supervisor; the server is the worker. The mapping outlives the worker: a
 * request that a dead generation did not answer is found by the next one.
 *
 * A port decides how to wait by where the peer runs (each side publishes its CPU): on the same
 * CPU it hands over by yielding, on another one it spins for a bounded time, then it sleeps on a
 * futex. Both sides check what they read: a sequence number that was not asked for is not seen.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"

enum {
    PORT_MAGIC = 0x54524f50, /* "PORT" */
    PORT_SLOTS = 64,
    PORT_BYTES = 4096 + PORT_SLOTS * 128 + 4096,
};

enum port_space {
    PORT_SPACE_IO = 0,
    PORT_SPACE_MMIO = 1,
    PORT_SPACE_MESSAGE = 2, /* of VMBus: ipc/vmbus.h */
};

enum port_op {
    PORT_READ = 0,
    PORT_WRITE = 1,
};

/* What a device asks of the partition besides its answer; the supervisor's row must allow it. */
enum port_effect {
    PORT_EFFECT_NONE = 0,
    PORT_EFFECT_POWER_OFF = 1,
    PORT_EFFECT_RESET = 2,
    PORT_EFFECT_PANIC = 3,
};

struct port_request {
    uint64_t seq;  /* per slot, rising by one */
    uint64_t addr; /* I/O port number or guest physical address */
    uint64_t data; /* PORT_WRITE: the low size bytes */
    uint8_t op;    /* enum port_op */
    uint8_t space; /* enum port_space */
    uint8_t size;  /* bytes: 1, 2, 4 or 8 */
};

struct port_response {
    uint64_t seq;    /* of the request */
    uint64_t data;   /* PORT_READ: the low size bytes */
    uint32_t effect; /* enum port_effect */
};

/* --- the shared layout; plain numbers only --- */

struct port_slot {
    /* the requester's line */
    _Atomic uint64_t req_seq; /* written last */
    uint64_t addr;
    uint64_t data;
    uint8_t op, space, size, pad0;
    _Atomic uint32_t req_cpu;
    _Atomic uint32_t req_asleep; /* the requester sleeps on rsp_seq */
    uint8_t pad1[64 - 36];
    /* the server's line */
    union {
        _Atomic uint64_t rsp_seq;   /* written last */
        _Atomic uint32_t rsp_futex; /* its low half (x86 is little-endian): the requester sleeps */
    };
    uint64_t rsp_data;
    uint32_t rsp_effect;
    uint8_t pad2[64 - 20];
};
_Static_assert(sizeof(struct port_slot) == 128, "layout");

enum port_sleep {
    PORT_AWAKE = 0,
    PORT_ASLEEP_FUTEX = 1,   /* wake it with futex(bell) */
    PORT_ASLEEP_EVENTFD = 2, /* wake it through its eventfd */
};

struct port_page {
    uint32_t magic;
    uint32_t spare;
    uint8_t pad0[56];
    /* the server's line */
    _Atomic uint32_t sleep; /* enum port_sleep */
    _Atomic uint32_t server_cpu;
    _Atomic uint32_t pong;    /* heartbeat: the last ping seen */
    _Atomic uint32_t section; /* odd while it writes where the guest may take the memory back */
    uint8_t pad1[48];
    /* the requesters' line */
    _Atomic uint64_t pending; /* bit per slot */
    _Atomic uint32_t bell;
    _Atomic uint32_t ping;
    _Atomic uint32_t leaving; /* generation that is to end of itself; 0: none */
    _Atomic uint32_t tracing; /* not 0: it is to tell what it does (ipc/trace.h) */
    uint8_t pad2[40];
    uint8_t pad3[4096 - 192];
    struct port_slot slots[PORT_SLOTS];
    uint8_t pad4[4096];
};
_Static_assert(sizeof(struct port_page) == PORT_BYTES, "layout");

/* --- the requester's end: one per worker, shared by all vCPU threads --- */

struct port_client {
    struct port_page *page; /* borrowed mapping */
    int bell_fd;            /* eventfd of a worker that sleeps in poll; -1: none */
    /* Private, so that nobody can turn it back: the last request posted, and when. */
    _Atomic uint64_t seq[PORT_SLOTS];
    _Atomic uint64_t posted_ns[PORT_SLOTS];
    _Atomic bool gone;               /* nobody serves and nobody will: do not wait */
    _Atomic uint64_t cold_kicks[64]; /* wake-ups of a sleeping server, by the kicker's CPU % 64 */
};

/* Prepare an empty mapping and attach to it. Borrows both. */
void port_client_init(struct port_client *c, struct port_page *page, int bell_fd);

/* Post a request in slot (< PORT_SLOTS); the fields but seq are taken from rq. Never blocks. */
void port_post(struct port_client *c, unsigned slot, const struct port_request *rq);

/*
 * Wait for the answer to the last request posted in slot.
 *   0            *ret is the answer
 *   -ETIMEDOUT   not before deadline_ns (CLOCK_MONOTONIC); the request stands, call again
 *   -EHOSTDOWN   the port is marked gone; the request is taken back
 */
int MUST_USE port_wait(struct port_client *c, unsigned slot, uint64_t deadline_ns,
                       struct port_response *ret);

/* Since when (CLOCK_MONOTONIC) the request of slot waits for its answer; 0: none does. Any thread. */
uint64_t port_waiting_since(const struct port_client *c, unsigned slot);

/* The server could not run for so long: what waits for its answer was posted that much later. */
void port_excuse(struct port_client *c, uint64_t ns);

/* Mark the port as without a server, or take that back. Wakes every waiter. */
void port_set_gone(struct port_client *c, bool gone);

/* Heartbeat: ask for a sign of life. port_ponged() tells whether the last one was answered. */
void port_ping(struct port_client *c);
bool port_ponged(const struct port_client *c);

/* Ask the server of that generation to end of itself. It may not do so: it is to be killed then. */
void port_ask_to_leave(struct port_client *c, uint32_t generation);

/*
 * Has the server left the section it was in when *seen was taken, or was it in none? For whoever takes
 * memory away that it was told to write to: change what it looks at, take *seen, then ask until true.
 */
uint32_t port_section(const struct port_client *c);
bool port_section_left(const struct port_client *c, uint32_t seen);

/* The server is dead: it is in no section any more, and its successor finds a port, whatever it wrote over. */
void port_server_died(struct port_client *c);

/* Wake the server if it sleeps; for whoever has something to say on another channel. */
void port_ring(struct port_client *c);

/* --- the server's end: one per worker, one thread --- */

struct port_server {
    struct port_page *page; /* borrowed mapping */
    uint64_t todo;          /* slots with requests, taken from pending */
    uint64_t last_ns;       /* when the last request was served */
    uint32_t peer_cpu;      /* where the last requester ran */
    enum port_sleep mode;   /* how this server sleeps */
};

/*
 * Attach; slots whose last request has no answer count as pending, whoever took them before.
 * mode says how the server sleeps. -EBADMSG when the page is not a port.
 */
int MUST_USE port_server_init(struct port_server *s, struct port_page *page, enum port_sleep mode);

/* Take the next request. False when there is none now. */
bool port_take(struct port_server *s, unsigned *ret_slot, struct port_request *ret);

/* Answer the request of slot; rs->seq must be its sequence number. */
void port_answer(struct port_server *s, unsigned slot, const struct port_response *rs);

/* Answer the heartbeat. */
void port_pong(struct port_server *s);

/* Is this generation asked to end? */
bool port_is_to_leave(const struct port_server *s, uint32_t generation);

/*
 * Poll for a request for a bounded time, as the peer's place suggests. True when there is one. Who hands over by
 * yielding answers the heartbeat meanwhile.
 * Otherwise the caller is to sleep: port_sleep(), or port_sleep_begin(), its own poll on the
 * eventfd, port_sleep_end().
 */
bool port_poll(struct port_server *s);

/* Sleep on the futex until rung, or for timeout_ns. */
void port_sleep(struct port_server *s, uint64_t timeout_ns);

/* Announce sleep; false when there is something to do after all and the caller must not sleep. */
bool port_sleep_begin(struct port_server *s);
void port_sleep_end(struct port_server *s);

/*
 * A section: between these the server writes where the guest may soon take its memory back. What it was
 * told about that memory is looked at inside. No system call, no wait: the supervisor waits for its end.
 */
static inline void port_section_enter(struct port_server *s)
{
    uint32_t in = atomic_load_explicit(&s->page->section, memory_order_relaxed) | 1;

    atomic_store(&s->page->section, in); /* before the look: a full fence */
}

static inline void port_section_leave(struct port_server *s)
{
    uint32_t in = atomic_load_explicit(&s->page->section, memory_order_relaxed);

    atomic_store_explicit(&s->page->section, (in | 1) + 1, memory_order_release);
}

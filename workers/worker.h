/*
 * workers/worker.h - what every worker is: the skeleton that owns the order of its life.
 *
 *   exec by init, jailed, under the start filter
 *   setup()       map what was inherited; hears nobody
 *   the run filter is entered
 *   Ready    ->   supervisor (init looks at the jail from outside)
 *   Activate <-   supervisor: the device is ours now
 *   load()        the newest state in the region, or a fresh device
 *   access()...   requests from the port, one at a time
 *
 * Exactly once. When access() says that it changed state, the skeleton stores save() and the
 * answer in one commit of the region, and only then lets the answer go. A successor that finds the
 * request answered repeats the answer; one that does not executes it from the last commit. A device
 * that can say in a few bytes how to make the change again has them logged instead of a commit.
 *
 * One thread, but for what a worker starts itself in setup(): such a thread takes w->lock.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/board.h"
#include "base/macro.h"
#include "base/rd.h"
#include "base/sandbox.h"
#include "base/wr.h"
#include "ipc/manifest.h"
#include "ipc/port.h"
#include "ipc/region.h"
#include "ipc/trace.h"

struct pollfd;
struct worker;

enum access_result {
    ACCESS_CLEAN,   /* no state changed: answer at once */
    ACCESS_LOGGED,  /* log() tells all of it: log or commit, then released(), then answer */
    ACCESS_CHANGED, /* commit, then released(), then answer */
};

struct worker_ops {
    enum process process;
    const struct sbx_filter *filter;
    uint32_t schema;     /* of what save() writes, from 1 */
    uint32_t schema_min; /* the oldest that load() reads */
    size_t state_max;    /* bytes, the longest save() */

    /* Map and open what needs the start filter. 0 or negative errno: the worker exits. */
    int (*setup)(void *self, struct worker *w);
    /* Take over the device, add rows to the board. state is NULL on the very first start.
     * -EBADMSG: not readable. */
    int (*load)(void *self, struct rd *state, uint32_t schema);
    /* Execute one request. rs->data is 0 on entry; poison: answer with the device's own error. */
    enum access_result (*access)(void *self, const struct port_request *rq, bool poison,
                                 struct port_response *rs);
    /* Write the whole state. */
    void (*save)(void *self, struct wr *w);
    /* Write what the last access changed since the state before it; load() finds it by
     * journal_each_record(). NULL: access() never says ACCESS_LOGGED. */
    void (*log)(void *self, struct wr *w);
    /* After the commit, before the answer: what others may see now. May be NULL. */
    void (*released)(void *self);

    /* A worker that also waits for descriptors: fills at most max, returns how many. May be NULL. */
    unsigned (*poll_fds)(void *self, struct pollfd *fds, unsigned max);
    /* After each poll, with the descriptors filled in; may change state. */
    enum access_result (*polled)(void *self, const struct pollfd *fds, unsigned n);
    /*
     * With poll_fds: when polled() is to be called though no descriptor is ready (CLOCK_MONOTONIC;
     * UINT64_MAX: never). It is late by up to 1 ms: nobody makes a worker wake more often than
     * that. Asked again before each sleep. May be NULL.
     */
    uint64_t (*next_ns)(void *self);

    /* Instead of a port: the worker's own loop, entered after Activate. Others leave it NULL. */
    int (*run)(void *self, struct worker *w);

    /* With region and port, but its own loop instead of access(); it answers the port's heartbeat
     * (port_pong) and sleeps by port_sleep_begin(). Never returns. Others leave it NULL. */
    void (*loop)(void *self, struct worker *w);
};

struct worker {
    const struct worker_ops *ops;
    void *self;
    struct board board;
    struct trace_writer trace; /* under lock, where there is a second thread */
    struct port_server port;
    struct region region;
    const struct sbx_filter *filter; /* as ops; setup() may choose another of the same process */
    uint32_t generation;
    uint64_t poison;   /* request id; 0: none */
    bool parked;       /* serve only the device's own error */
    bool confidential; /* nothing of the guest's is shown to anybody */
    /* Id (bit 63 set) of what a second thread is executing; 0: nothing. Under lock. */
    uint64_t background;
    /* The last answer per slot: part of every commit. */
    struct port_response answered[PORT_SLOTS];
    uint32_t n_answered;  /* slots that ever had one, from the first */
    pthread_mutex_t lock; /* state, region and answers, where a worker has a second thread */
    struct board_row *row_requests, *row_commits, *row_logged, *row_repeats;
};

/* The whole life of a worker; returns what main() returns. argv[1] is the generation. */
int worker_main(const struct worker_ops *ops, void *self, int argc, char **argv);

/* Map an inherited shared-memory object in full. For setup(). 0 or negative errno. */
int MUST_USE worker_map(struct worker *w, enum object_kind kind, unsigned index, void **ret);

/* The inherited descriptor of an object; the process keeps it open. For setup(). */
int MUST_USE worker_fd(struct worker *w, enum object_kind kind, unsigned index);

/* The id under which a request is known as executing: slot and sequence number. Never 0. */
static inline uint64_t worker_request_id(unsigned slot, uint64_t seq)
{
    return (uint64_t)(slot + 1) << 56 | (seq & ((UINT64_C(1) << 56) - 1));
}

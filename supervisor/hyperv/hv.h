/*
 * supervisor/hyperv/hv.h - the part of Hyper-V that a guest needs: CPUID, MSRs, hypercalls, SynIC, a
 * clock. See docs/hyper-v.md.
 *
 *   cpuid.c          what CPUID's hypervisor leaves say
 *   msr.c            a table of the MSRs, and those without a file of their own
 *   hypercall.c      decodes, checks, answers or forwards
 *   synic.c          each virtual processor's pages of messages and event flags; the outbox
 *   reference_tsc.c  the clock of 100 ns
 *   crash.c          what a dying guest says
 *
 * None of it knows how exits arrive: the partition's part comes as struct hv_backend, what the vmbus
 * worker does as struct hv_vmbus. The guest simulator of the tests brings its own backend.
 *
 * Threads: each virtual processor's calls come from its own thread; hv_deliver() from any. The lock
 * guards all that changes, and is held for memory accesses only: never while a worker is waited for, nor
 * during a system call that takes long. What one thread alone touches is marked.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/board.h"
#include "base/gmem.h"
#include "base/macro.h"
#include "ipc/port.h"
#include "ipc/vmbus.h"
#include "supervisor/history.h"
#include "supervisor/partition/partition.h"

enum {
    HV_SINTS = 16,
    HV_CRASH_PARAMETERS = 5,
    HV_PAGE_BYTES = 4096,
};

/* What needs the partition. Called on the virtual processor's own thread. */
struct hv_backend {
    /* Its VMBus interrupt has this vector from now on. */
    int (*route)(void *self, unsigned vp, uint8_t vector);
    /* During hv_msr_write() that will succeed: was it 64-bit code? */
    bool (*long_mode)(void *self, unsigned vp);
    void (*hypercall_page)(void *self, bool long_mode, uint8_t bytes[HV_PAGE_BYTES]);
    uint64_t (*tsc)(void *self, unsigned vp); /* as its RDTSC reads it */
    void *self;
};

/* What needs the vmbus worker. */
struct hv_vmbus {
    /* vp's post is there: have it answered. The hypercall's status. */
    uint32_t (*post)(void *self, unsigned vp);
    /* Nothing need be waited for any more. */
    bool (*ended)(void *self);
    /* Have hv_deliver() called soon. */
    void (*deliver_later)(void *self);
    void *self;
};

struct hv_config {
    unsigned n_vps;
    const struct gmem *memory;
    struct vmbus_post *posts; /* one per virtual processor */
    struct vmbus_outbox *outbox;
    struct vmbus_synic *synic;
    int vp_irqs[VPS_MAX];     /* eventfds */
    int bells[VMBUS_DEVICES]; /* eventfd that a device's doorbells ring; -1: not there */
    struct port_client *writers[PROCESS_COUNT]; /* ports of workers that set event flags; or NULL */
    uint32_t tsc_khz;
    bool tsc_invariant;
    bool confidential; /* the log is not for the guest's words */
    struct board *board;
    struct history *history; /* NULL: none */
    struct hv_backend backend;
    struct hv_vmbus vmbus;
};

struct hv_vp {
    uint64_t scontrol, siefp, simp, assist, sints[HV_SINTS];
    /* Its own thread's alone. */
    bool moved;       /* what workers see has changed, and they have not been waited for */
    bool deliverable; /* messages may have a place to go now */
    uint8_t routed;   /* the vector that its interrupt has */
    struct board_row *row_msrs, *row_hypercalls, *row_posts, *row_signals;
};

struct hv {
    struct hv_config config; /* constant */
    uint64_t tsc_scale;      /* constant: 2^64 times the clock's ticks in one of the TSC */
    uint64_t tsc_offset;     /* constant: the clock's time at a TSC of 0 */

    pthread_mutex_t lock;
    uint64_t os_id, hypercall, reference_tsc, tsc_control;
    uint64_t crash[HV_CRASH_PARAMETERS];
    unsigned crash_reports;
    uint64_t head;       /* messages that the guest has got, or that were dropped */
    uint64_t blocked_ns; /* since when the next one's place is taken; 0: it is not */
    uint64_t fired_ns;   /* when the guest was last told of that */
    struct hv_vp vps[VPS_MAX];
    struct board_row *row_messages, *row_dropped;
};

/*
 * Take everything over, borrowed; the clock starts now. 0, -EOPNOTSUPP when the rate of the TSC is not
 * known, or -errno.
 */
int MUST_USE hv_init(struct hv *hv, const struct hv_config *config);

/* 0, or -EACCES: the guest gets a general protection fault. May wait for workers: see synic.h. */
int MUST_USE hv_msr_read(struct hv *hv, unsigned vp, uint32_t index, uint64_t *ret);
int MUST_USE hv_msr_write(struct hv *hv, unsigned vp, uint32_t index, uint64_t data);

/* Execute a hypercall. Returns what the guest gets: enum hv_status. Waits for the vmbus worker. */
uint64_t hv_hypercall(struct hv *hv, unsigned vp, const struct vm_hypercall *h);

/* A signal that no doorbell took. False when there is no such connection. */
bool hv_signal(struct hv *hv, unsigned vp, uint32_t connection);

/*
 * Put messages of the outbox where the guest looks for them, as far as there is room.
 *   0         nothing is left that only time can help
 *   > 0       call it again after so many ns
 *   -EPROTO   the vmbus worker wrote what cannot be; the rest was delivered
 */
int64_t hv_deliver(struct hv *hv);

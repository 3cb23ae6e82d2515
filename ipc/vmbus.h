/*
 * ipc/vmbus.h - what the supervisor, the vmbus worker and the workers behind channels share.
 *
 *   guest -> supervisor   PostMessage: a post, then a request on the vmbus worker's port (its slot)
 *   vmbus -> supervisor   outbox: messages for the guest, in order; the bell of PROCESS_SUPERVISOR
 *   vmbus -> device       channels: what is to be open, and where its rings are; the device's bell.
 *                         Memory that the guest lends a device besides, if it is one that borrows
 *   device -> vmbus       acks: what it has taken note of, which devices it has; the bell of vmbus
 *   supervisor -> device  synic: where each virtual processor's event flags are
 *   guest -> device       a doorbell that KVM turns into the device's bell: no process between
 *   device -> guest       an event flag, and the eventfd of that virtual processor
 *
 * Everything is plain numbers in shared memory that outlives every generation. Who writes a page
 * is the only one with a writable descriptor of it (ipc/manifest.c); readers copy, check, use.
 *
 * Which channel is which is fixed: a relid never changes its meaning, so a doorbell is bound once,
 * when the VM starts, and a ring at a closed channel is a spurious wake-up.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "ipc/manifest.h"

enum {
    VMBUS_DEVICES = 8,
    VMBUS_SUBCHANNELS = 8,                              /* of a device, the primary included */
    VMBUS_CHANNELS = VMBUS_DEVICES * VMBUS_SUBCHANNELS, /* relids 1 to this */
    VMBUS_SINT = 2,                                     /* the interrupt source that VMBus uses */
    VMBUS_CONNECTION = 0x2000,                          /* + relid: connection id of a doorbell */
    VMBUS_MESSAGE_BYTES = 240,                          /* of a payload, at most */
    VMBUS_MESSAGE_TYPE = 1,                             /* of every message to the guest */
    VMBUS_RING_PAGES_MAX = 1024,                        /* both rings of a channel */
    /* Of all channels of a worker: their rings, and for each device that borrows two lists of the longest. */
    VMBUS_POOL_PAGES = VMBUS_CHANNELS / 2 * VMBUS_RING_PAGES_MAX + VMBUS_DEVICES * 8192,
    VMBUS_MEMORIES = 256, /* lists of pages that the guest lends, of all devices */
};

/* --- which device is which --- */

struct vmbus_device {
    enum process process;
    bool borrows;          /* memory besides rings */
    uint8_t interface[16]; /* GUIDs as on the wire */
    uint8_t instance[16];
    const char *name; /* as operators say it */
};

/* By index; a device that its worker does not have is not offered. */
extern const struct vmbus_device vmbus_devices[VMBUS_DEVICES];

/* relid of a device's channel: 0 is the primary one. */
static inline uint32_t vmbus_relid(unsigned device, unsigned subchannel)
{
    return 1 + device * VMBUS_SUBCHANNELS + subchannel;
}

/* Index, device and number of a relid that is 1 to VMBUS_CHANNELS. */
static inline unsigned vmbus_index(uint32_t relid)
{
    return relid - 1;
}

static inline unsigned vmbus_device_of(unsigned index)
{
    return index / VMBUS_SUBCHANNELS;
}

/* --- the guest's messages: OBJECT_POSTS, written by the supervisor --- */

/* Of HvCallPostMessage, checked: len is at most VMBUS_MESSAGE_BYTES. One per vCPU. */
struct vmbus_post {
    uint32_t connection;
    uint32_t type;
    uint32_t len;
    uint32_t pad;
    uint8_t payload[VMBUS_MESSAGE_BYTES];
};
_Static_assert(sizeof(struct vmbus_post) == 256, "layout");

/*
 * The request: op PORT_WRITE, space PORT_SPACE_MESSAGE, addr the number of the post, which is that of
 * the vCPU and the slot. The answer's data is the hypercall's status (enum hv_status).
 */

/* @spec TLFS 4 (hypercall status values) */
enum hv_status {
    HV_SUCCESS = 0,
    HV_INVALID_CODE = 2,
    HV_INVALID_INPUT = 3,
    HV_INVALID_ALIGNMENT = 4,
    HV_INVALID_PARAMETER = 5,
    HV_ACCESS_DENIED = 6,
    HV_INSUFFICIENT_MEMORY = 0x0b,
    HV_INVALID_CONNECTION = 0x12,
    HV_INSUFFICIENT_BUFFERS = 0x13,
};

/* --- messages for the guest: OBJECT_OUTBOX, written by vmbus, but for head --- */

enum {
    VMBUS_OUTBOX_ENTRIES = 255,
};

struct vmbus_message {
    uint32_t vp;
    uint32_t len; /* bytes of payload */
    uint64_t pad;
    uint8_t payload[VMBUS_MESSAGE_BYTES];
};
_Static_assert(sizeof(struct vmbus_message) == 256, "layout");

/* Message number n (from 0) is in entries[n % VMBUS_OUTBOX_ENTRIES]. */
struct vmbus_outbox {
    _Atomic uint64_t tail; /* messages ever put in; written after the entry, and after the commit */
    _Atomic uint64_t discard; /* those before this are not delivered any more: a new connection */
    uint8_t pad0[112];
    _Atomic uint64_t head;  /* messages the guest has got: the supervisor's */
    _Atomic uint32_t n_vps; /* the supervisor's, from the start */
    uint8_t pad1[116];
    struct vmbus_message entries[VMBUS_OUTBOX_ENTRIES];
};
_Static_assert(sizeof(struct vmbus_outbox) == 65536, "layout");

/* --- event flags: OBJECT_SYNIC, written by the supervisor --- */

enum {
    SYNIC_ENABLED = 1,  /* the page of event flags is there */
    SYNIC_UNMASKED = 2, /* and setting a flag that was clear raises an interrupt */
};

struct vmbus_synic {
    uint32_t n_vps;
    uint8_t pad[60];
    struct {
        _Atomic uint64_t flags_gpa; /* of the SINT's 256 bytes, and in the low bits SYNIC_* */
        uint8_t pad[56];
    } vps[VPS_MAX];
};
_Static_assert(sizeof(struct vmbus_synic) <= 2 * 4096, "layout");

/* --- channels: OBJECT_CHANNELS of a device's process, written by vmbus --- */

struct vmbus_channel {
    _Atomic uint32_t seq; /* odd while the rest is being written */
    uint32_t epoch;       /* rises with every change; the device's worker acknowledges it */
    uint32_t opening;     /* rises with every open: rings of another opening are other rings */
    uint32_t open;        /* 0 or 1 */
    uint32_t target_vp;   /* UINT32_MAX: is never interrupted */
    uint32_t pages;       /* of both rings */
    uint32_t downstream;  /* the page at which host to guest begins */
    uint32_t pool_at;     /* its page frame numbers: pool[pool_at] and so on */
    uint8_t pad[32];
};
_Static_assert(sizeof(struct vmbus_channel) == 64, "layout");

/*
 * A list of pages that the guest lends a device (GPADL), for devices that borrow. It is named by its id in what the
 * guest says. Once it is wanted back, its worker acknowledges the epoch when it uses it no more; when it has closed
 * the device's first channel, it uses none.
 */
enum vmbus_memory_state {
    VMBUS_MEMORY_NONE,
    VMBUS_MEMORY_LENT,
    VMBUS_MEMORY_WANTED, /* back */
};

struct vmbus_memory {
    _Atomic uint32_t seq; /* odd while the rest is being written */
    uint32_t state;       /* enum vmbus_memory_state */
    uint32_t epoch;       /* another one with each change; of all entries together */
    uint32_t id;
    uint32_t relid;
    uint32_t bytes, offset; /* of its one range, in its pages */
    uint32_t pages;
    uint32_t pool_at;
    uint8_t pad[28];
};
_Static_assert(sizeof(struct vmbus_memory) == 64, "layout");

struct vmbus_channels {
    struct vmbus_channel
        channels[VMBUS_CHANNELS]; /* by index; a worker looks at its own devices' */
    struct vmbus_memory memories[VMBUS_MEMORIES];
    uint64_t pool[VMBUS_POOL_PAGES];
};

/* --- acknowledgements: OBJECT_ACKS of a device's process, written by its worker --- */

struct vmbus_acks {
    _Atomic uint32_t present;                    /* mask of devices that it has */
    _Atomic uint32_t subchannels[VMBUS_DEVICES]; /* wanted besides the primary */
    uint8_t pad[28];
    struct {
        _Atomic uint32_t epoch; /* written after status */
        uint32_t status;        /* of the opening: 0, or why not */
    } channels[VMBUS_CHANNELS];
    _Atomic uint32_t memories[VMBUS_MEMORIES]; /* epoch of what it has taken note of */
};
_Static_assert(sizeof(struct vmbus_acks) <= 4096, "layout");

/*
 * Copy a channel's entry. False when it is being written: its writer will ring the bell again.
 * pool_at and pages of the copy are inside the pool.
 */
bool vmbus_channel_read(const struct vmbus_channels *c, unsigned index, struct vmbus_channel *ret);

/* Write an entry; epoch and the rest are the caller's. */
void vmbus_channel_write(struct vmbus_channels *c, unsigned index, const struct vmbus_channel *e);

/* The same of lent memory; what is none of those states reads as false too. */
bool vmbus_memory_read(const struct vmbus_channels *c, unsigned index, struct vmbus_memory *ret);
/* Another number whenever it was written; 0: never. */
static inline uint32_t vmbus_memory_seq(const struct vmbus_channels *c, unsigned index)
{
    return atomic_load_explicit(&c->memories[index].seq, memory_order_acquire);
}
void vmbus_memory_write(struct vmbus_channels *c, unsigned index, const struct vmbus_memory *e);

/*
 * workers/vmbus/vmbus.h - the VMBus control plane as a state machine without I/O.
 *
 *   vmbus_message()  a message of the guest
 *   vmbus_look()     at what the workers behind channels have acknowledged
 *   vmbus_publish()  after the commit: what others may see of it
 *
 * What a call wants to say to the guest is put into the outbox behind its end, where nobody looks, and
 * counted in the state; what channels are to be is part of the state. So a commit decides all of it at
 * once, and a successor publishes the same again.
 *
 * A channel:  absent -> offered -> opening -> open -> closing -> offered; rescinded until the guest
 * has released it. A device's worker acknowledges each change of an open channel before the guest is told.
 * One that it cannot open is closing after that.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"
#include "base/rd.h"
#include "base/wr.h"
#include "ipc/vmbus.h"
#include "workers/vmbus/gpadl.h"
#include "workers/vmbus/message.h"

enum {
    VMBUS_SCHEMA = 2,
    VMBUS_SCHEMA_MIN = 1,
    VMBUS_STATE_MAX = 16 * 1024,
};

enum vmbus_phase {
    VMBUS_DISCONNECTED,
    VMBUS_CONNECTED, /* a version is agreed on */
    VMBUS_OFFERED,   /* the guest was told of its channels */
    VMBUS_RESETTING, /* channels are closing; then: contact, or the answer to UNLOAD */
    VMBUS_PHASES,
};

enum channel_state {
    CHANNEL_ABSENT,
    CHANNEL_OFFERED,
    CHANNEL_OPENING,
    CHANNEL_OPEN,
    CHANNEL_CLOSING,
    CHANNEL_RESCINDED,
    CHANNEL_RELEASED, /* by the guest, of itself: not offered again until its device comes anew */
    CHANNEL_STATES,
};

struct channel {
    uint32_t state; /* enum channel_state */
    uint32_t epoch, opening;
    uint32_t open_id;
    uint32_t gpadl;
    uint32_t target_vp;
    uint32_t downstream; /* pages */
    uint32_t modifies;   /* answers to MODIFY_CHANNEL that are due when the epoch is acknowledged */
    uint32_t reopen;     /* CHANNEL_CLOSING: open it again, as the next four say */
    uint32_t next_open_id, next_gpadl, next_target_vp, next_downstream;
};

struct vmbus_counters {
    uint64_t messages, unknown, malformed, refused;
};

struct vmbus {
    /* the state */
    uint32_t phase; /* enum vmbus_phase */
    uint32_t version;
    uint32_t target_vp;    /* of messages */
    uint32_t has_contact;  /* VMBUS_RESETTING: a contact waits; else it is an UNLOAD */
    uint32_t next_version; /* of that contact */
    uint32_t next_target_vp;
    uint64_t tail;    /* messages put into the outbox */
    uint64_t discard; /* those before are not to be delivered any more */
    struct channel channels[VMBUS_CHANNELS];
    struct gpadls gpadls;

    /* where it looks, and what others see; mappings, borrowed */
    struct vmbus_outbox *outbox;
    struct vmbus_channels *shared[PROCESS_COUNT]; /* NULL: no worker behind channels */
    const struct vmbus_acks *acks[PROCESS_COUNT];

    struct vmbus_counters counters; /* of this generation */
    bool blocked;                   /* the last look ended for want of room in the outbox */
};

/* Nothing connected. The mappings are put in before. */
void vmbus_init(struct vmbus *v);

/*
 * A message of the guest, a private copy. *ret_status is the hypercall's. True when the state changed: it
 * must be committed before vmbus_publish(), and that before the answer.
 */
bool vmbus_message(struct vmbus *v, const struct vmbus_post *post, enum hv_status *ret_status);

/* Take note of acknowledgements. True as above. */
bool vmbus_look(struct vmbus *v);

/* Did the last look leave something undone, for want of room in the outbox? Then look again soon. */
bool vmbus_is_blocked(const struct vmbus *v);

/* Show the committed state to the others; they are to be woken after it. */
void vmbus_publish(const struct vmbus *v);

void vmbus_save(const struct vmbus *v, struct wr *w);
/* -EBADMSG, and nothing changed, when it cannot have been saved by us, as VMBUS_SCHEMA or an older one. */
int MUST_USE vmbus_load(struct vmbus *v, struct rd *r, uint32_t schema);

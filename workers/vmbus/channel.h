/*
 * workers/vmbus/channel.h - one channel's life; the part of vmbus.c that has to do with channels.
 *
 * Functions that answer a message return 0, -EINVAL when the guest may not ask that, or -EPROTO when not
 * now; what the guest is told is said in any case.
 */
#pragma once

#include <stdbool.h>

#include "workers/vmbus/vmbus.h"

enum {
    /* Answers due at once; a guest that does not wait for them gets refusals. */
    CHANNEL_MODIFIES_MAX = 8,
};

/* Where the next message is put together, and that it is there, len bytes long. */
uint8_t *channel_say_at(struct vmbus *v);
void channel_say(struct vmbus *v, uint32_t len);

/* Offer what the devices' workers have; offer and rescind what of a device has changed since. */
void channel_offer_devices(struct vmbus *v);
bool channel_sync_device(struct vmbus *v, unsigned device);

int MUST_USE channel_open(struct vmbus *v, const struct message_open *m);
int MUST_USE channel_close(struct vmbus *v, uint32_t relid);
int MUST_USE channel_modify(struct vmbus *v, const struct message_modify *m);
int MUST_USE channel_released(struct vmbus *v, uint32_t relid);

/* May the guest make a GPADL for it? */
bool channel_may_have_memory(const struct vmbus *v, uint32_t relid);

/* Answer teardowns of GPADLs of relid that nobody uses any more. True when there were any. */
bool channel_return_memory(struct vmbus *v, uint32_t relid);

/* The connection ends. */
void channel_close_all(struct vmbus *v);
bool channel_all_closed(const struct vmbus *v);
void channel_forget_all(struct vmbus *v);

/* Take note of its acknowledgement. True when the state changed. */
bool channel_look(struct vmbus *v, unsigned index);

/* Write its entry for the worker behind it; and a row's of lent memory, for workers whose devices borrow. */
void channel_publish(const struct vmbus *v, unsigned index);
void channel_publish_memory(const struct vmbus *v, unsigned row);

/* Could what was loaded have been saved by us? The second: of a list, whose relid is one. */
bool channel_is_sound(struct vmbus *v, unsigned index);
bool channel_may_own(const struct vmbus *v, const struct gpadl *g);

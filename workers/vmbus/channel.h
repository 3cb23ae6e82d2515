/*
 * workers/vmbus/channel.h - one channel's life; the part of vmbus.c that has to do with channels.
 *
 * Functions that answer a message return 0, -EINVAL when the guest may not ask that, or -EPROTO when not
 * now; what the guest is told is said in any case.
 */
#pragma once

#include <stdbool.h>

#include "workers/vmbus/vmbus.h"

/* Where the next message is put together, and that it is there, len bytes long. */
uint8_t *channel_say_at(struct vmbus *v);
void channel_say(struct vmbus *v, uint32_t len);

/* Offer what the devices' workers have; offer and rescind what has changed since. */
void channel_offer_devices(struct vmbus *v);
bool channel_sync_devices(struct vmbus *v);

int MUST_USE channel_open(struct vmbus *v, const struct message_open *m);
int MUST_USE channel_close(struct vmbus *v, uint32_t relid);
int MUST_USE channel_modify(struct vmbus *v, const struct message_modify *m);
int MUST_USE channel_released(struct vmbus *v, uint32_t relid);

/* May the guest make a GPADL for it? */
bool channel_may_have_memory(const struct vmbus *v, uint32_t relid);

/* Answer teardowns of GPADLs that relid does not use any more. */
void channel_return_memory(struct vmbus *v, uint32_t relid);

/* The connection ends. */
void channel_close_all(struct vmbus *v);
bool channel_all_closed(const struct vmbus *v);
void channel_forget_all(struct vmbus *v);

/* Take note of its acknowledgement. True when the state changed. */
bool channel_look(struct vmbus *v, unsigned index);

/* Write its entry for the worker behind it. */
void channel_publish(const struct vmbus *v, unsigned index);

void channel_save(const struct channel *c, struct wr *w);
int MUST_USE channel_load(struct channel *c, struct rd *r);

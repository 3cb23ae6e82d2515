/*
 * supervisor/hyperv/synic.h - the synthetic interrupt controller: where a virtual processor looks for
 * messages and event flags, and how it is told.
 *
 * Messages are put into its page here; the outbox is their only queue, and it moves on when a message is in
 * its place. Event flags are set by workers behind channels, who find in struct vmbus_synic where. When
 * that changes the guest may use the old page for something else as soon as its WRMSR is done: so each
 * worker is waited for until it has left the section in which it writes.
 *
 * @spec TLFS 11 (virtual interrupt controller: SynIC)
 */
#pragma once

#include <stdint.h>

#include "base/macro.h"

struct hv;

void synic_start(struct hv *hv);

int MUST_USE synic_read_control(struct hv *hv, unsigned vp, uint32_t index, uint64_t *ret);
int MUST_USE synic_write_control(struct hv *hv, unsigned vp, uint32_t index, uint64_t data);
int MUST_USE synic_read_flags(struct hv *hv, unsigned vp, uint32_t index, uint64_t *ret);
int MUST_USE synic_write_flags(struct hv *hv, unsigned vp, uint32_t index, uint64_t data);
int MUST_USE synic_read_messages(struct hv *hv, unsigned vp, uint32_t index, uint64_t *ret);
int MUST_USE synic_write_messages(struct hv *hv, unsigned vp, uint32_t index, uint64_t data);
int MUST_USE synic_read_eom(struct hv *hv, unsigned vp, uint32_t index, uint64_t *ret);
int MUST_USE synic_write_eom(struct hv *hv, unsigned vp, uint32_t index, uint64_t data);
int MUST_USE synic_read_source(struct hv *hv, unsigned vp, uint32_t index, uint64_t *ret);
int MUST_USE synic_write_source(struct hv *hv, unsigned vp, uint32_t index, uint64_t data);

/*
 * What follows from a write, without the lock: the vector is routed, workers that may still look at
 * what was are waited for (only the end of the VM ends that otherwise), an interrupt makes up for those
 * that may have been lost, messages are delivered. On the virtual processor's own thread, before the write is
 * answered.
 */
void synic_settle(struct hv *hv, unsigned vp);

/*
 * init/macvtap.h - in a VM: a descriptor of frames over one of the VM's own network cards.
 *
 * The card is known by its MAC address, which is the guest's, and serves nothing else from then on (macvtap in its
 * passthru mode).
 */
#pragma once

#include <stdint.h>

#include "base/macro.h"
#include "init/why.h"

/* Waits for the card up to wait_ns. A non-blocking descriptor: NET_TAP of ipc/nets.h; or negative errno and why. */
int MUST_USE macvtap_open(const uint8_t mac[6], uint64_t wait_ns, struct why *why);

/*
 * tests/sim/ring_attacks.h - what a guest can do wrong in a channel's rings, whatever device is behind them.
 *
 * Each opens the channel, breaks it, and closes it again: nothing may come of it but that.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tests/sim/vmbus_guest.h"

struct ring_attacks {
    struct vmbus_guest *vmbus;
    struct guest_channel *channel; /* closed before and after; its packets are never looked at */
    uint32_t relid;
    uint64_t *random;
};

bool ring_attack_indices(const struct ring_attacks *a);
bool ring_attack_packets(const struct ring_attacks *a);
bool ring_attack_races(const struct ring_attacks *a);
bool ring_attack_one_page(const struct ring_attacks *a);

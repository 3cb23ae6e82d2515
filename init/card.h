/*
 * init/card.h - in a VM: its network cards, known by their addresses.
 */
#pragma once

#include <net/if.h>
#include <stdint.h>

/* The index and name of the card with that address; waits up to wait_ns for it. 0: there is none. */
unsigned card_wait(const uint8_t mac[6], uint64_t wait_ns, char ret_name[IF_NAMESIZE]);

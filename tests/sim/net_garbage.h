/*
 * tests/sim/net_garbage.h - what a back end sends that means harm.
 */
#pragma once

#include <stdint.h>

enum {
    GARBAGE_MAX = 66 * 1024, /* more than any frame has */
};

/*
 * A datagram that is no numbered frame: of any length, 0 included; its vnet header says anything, with every kind of
 * segments, and sums that begin and end anywhere. Its length.
 */
uint32_t garbage_datagram(uint64_t *random, unsigned nic, uint8_t bytes[GARBAGE_MAX]);

/* A frame for a stream, which no frame may be out of step with: 14 bytes and more. */
uint32_t garbage_frame(uint64_t *random, unsigned nic, uint8_t bytes[GARBAGE_MAX]);

/*
 * workers/net/checksum.h - the Internet checksum. @spec RFC 1071
 */
#pragma once

#include <stdint.h>

/* The sum of the 16-bit words of len bytes, big endian, and of so_far; an odd byte at the end is a word's first. */
uint32_t checksum_sum(const uint8_t *at, uint32_t len, uint32_t so_far);

/* What is left of a sum: 16 bits, not complemented. */
static inline uint16_t checksum_folded(uint32_t s)
{
    s = (s & 0xffff) + (s >> 16);
    return (uint16_t)((s & 0xffff) + (s >> 16));
}

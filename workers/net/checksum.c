#include "workers/net/checksum.h"

#include <endian.h>
#include <string.h>

/*
 * In words of 64 bits as they are in memory, each carry counted: such a sum is, folded, the sum of 16-bit words in
 * the machine's order.
 */
static uint64_t add(uint64_t a, uint64_t b)
{
    uint64_t s = a + b;

    return s + (s < b);
}

uint32_t checksum_sum(const uint8_t *at, uint32_t len, uint32_t so_far)
{
    uint64_t s = 0;
    uint64_t word;

    for (; len >= sizeof(word); len -= (uint32_t)sizeof(word), at += sizeof(word)) {
        memcpy(&word, at, sizeof(word));
        s = add(s, word);
    }
    word = 0;
    memcpy(&word, at, len);
    s = add(s, word);
    s = (s & UINT32_MAX) + (s >> 32);
    s = (s & UINT32_MAX) + (s >> 32);
    return (uint32_t)be16toh(checksum_folded((uint32_t)s)) + checksum_folded(so_far);
}

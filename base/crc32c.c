#include "base/crc32c.h"

#include <nmmintrin.h>
#include <stdbool.h>
#include <string.h>

enum {
    CRC32C_REFLECTED_POLY = (int)0x82f63b78u,
};

uint32_t crc32c_portable(uint32_t crc, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;

    crc = ~crc;
    for (size_t i = 0; i < len; i++) {
        crc ^= at[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ ((crc & 1) != 0 ? (uint32_t)CRC32C_REFLECTED_POLY : 0);
    }
    return ~crc;
}

__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const uint8_t *at,
                                                               size_t len)
{
    uint64_t acc = ~crc;

    for (; len >= 8; at += 8, len -= 8) {
        uint64_t word;

        memcpy(&word, at, sizeof(word));
        acc = _mm_crc32_u64(acc, word);
    }
    for (; len > 0; at++, len--)
        acc = _mm_crc32_u8((uint32_t)acc, *at);
    return ~(uint32_t)acc;
}

uint32_t crc32c(uint32_t crc, const void *bytes, size_t len)
{
    if (__builtin_cpu_supports("sse4.2"))
        return crc32c_sse42(crc, bytes, len);
    return crc32c_portable(crc, bytes, len);
}

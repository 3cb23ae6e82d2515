/*
 * base/crc32c.h - CRC32C (Castagnoli), in hardware where the CPU has SSE 4.2.
 *
 * @spec RFC 3720 B.4
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The CRC of bytes following those that gave crc; start with 0. */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t len);

/* The portable version, for CPUs without SSE 4.2 and for the test that compares the two. */
uint32_t crc32c_portable(uint32_t crc, const void *bytes, size_t len);

/*
 * ipc/ram.h - how the guest's RAM lies in its memory object: what is below the hole for devices, then
 * what is above 4 GiB. The supervisor gives it to the partition so; workers map it so.
 */
#pragma once

#include <stdint.h>

#include "base/gmem.h"
#include "base/macro.h"

static const uint64_t RAM_LOW_END = 0xc0000000;
static const uint64_t RAM_HIGH_START = UINT64_C(1) << 32;

/* How much a guest may have, in bytes: whoever takes a size refuses others. */
static const uint64_t RAM_MIN_BYTES = UINT64_C(64) << 20;
static const uint64_t RAM_MAX_BYTES = UINT64_C(512) << 30; /* what 40 address bits hold, halved */
static const uint64_t RAM_UNIT_BYTES = UINT64_C(2) << 20;

/*
 * Map all of fd and say where it is for the guest; the mapping stays until the process ends. Pages come
 * when they are touched. 0 or negative errno.
 */
int MUST_USE ram_map(int fd, struct gmem *ret);

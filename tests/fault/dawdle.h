/*
 * tests/fault/dawdle.h - what takes nanoseconds takes up to half a millisecond now and then.
 *
 * Called between the stores that a successor relies on, so that a kill at a random instant meets each of these windows
 * often: the real functions are called through others by the linker's --wrap.
 */
#pragma once

#include <stdint.h>
#include <x86intrin.h>

static inline void dawdle(void)
{
    enum {
        SELDOM = 8,          /* one call of so many is slow, on either side */
        TICKS = 1000 * 1000, /* of the TSC, at most */
    };
    static const uint32_t widely = 0x9e3779b1; /* its multiples spread over all bits */
    uint64_t now = __rdtsc();
    uint32_t chance = (uint32_t)now * widely;

    if (chance >> 16 >= 0x10000 / SELDOM)
        return;
    while (__rdtsc() - now < chance % TICKS)
        __builtin_ia32_pause();
}

/*
 * base/clock.h - the one clock for deadlines and time stamps: CLOCK_MONOTONIC in nanoseconds; and the one on the wall, for records.
 */
#pragma once

#include <stdint.h>
#include <time.h>

static const uint64_t NS_PER_US = 1000;
static const uint64_t NS_PER_MS = 1000 * 1000;
static const uint64_t NS_PER_S = 1000 * 1000 * 1000;

static inline uint64_t clock_now_ns(void)
{
    struct timespec t;

    /* Cannot fail: the clock exists and the pointer is good. Served by the vDSO. */
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* What people call the time, since 1970. */
static inline uint64_t clock_wall_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static inline struct timespec clock_timespec(uint64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
}

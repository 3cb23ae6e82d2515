/*
 * base/latency.h - how long something took, as a histogram: buckets of microseconds, each twice as wide as the one
 * before.
 */
#pragma once

#include <stdint.h>

enum {
    LATENCY_BUCKETS = 24, /* the last one has all that took longer */
};

struct latency {
    uint64_t n;
    uint64_t sum_ns;
    uint64_t buckets[LATENCY_BUCKETS];
};

/* Which bucket that belongs to: bucket i has what took less than 2^i microseconds. */
unsigned latency_bucket(uint64_t took_ns);

/* n times as long as that. */
void latency_count(struct latency *l, uint64_t took_ns, uint64_t n);

/* All that the other one has, too. */
void latency_add(struct latency *l, const struct latency *other);

/* The upper end, in microseconds, of the bucket that so many per cent of all lie in or before; 0: there is nothing. */
uint64_t latency_percentile_us(const struct latency *l, unsigned percent);

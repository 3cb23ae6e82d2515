#include "base/latency.h"

unsigned latency_bucket(uint64_t took_ns)
{
    uint64_t us = took_ns / 1000;
    unsigned bucket = us == 0 ? 0 : 64 - (unsigned)__builtin_clzll(us);

    return bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1;
}

void latency_count(struct latency *l, uint64_t took_ns, uint64_t n)
{
    l->n += n;
    l->sum_ns += took_ns * n;
    l->buckets[latency_bucket(took_ns)] += n;
}

void latency_add(struct latency *l, const struct latency *other)
{
    l->n += other->n;
    l->sum_ns += other->sum_ns;
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++)
        l->buckets[i] += other->buckets[i];
}

uint64_t latency_percentile_us(const struct latency *l, unsigned percent)
{
    uint64_t wanted = l->n / 100 * percent + l->n % 100 * percent / 100;
    uint64_t seen = 0;

    for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
        seen += l->buckets[i];
        if (seen > wanted)
            return UINT64_C(1) << i;
    }
    return 0;
}

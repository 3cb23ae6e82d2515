#include "tests/bench/disk_series.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum {
    SUB_BITS = 8,
    SUB_BUCKETS = 1 << SUB_BITS, /* half of them to a power of two: less than one per cent */
    BUCKETS = 40 * SUB_BUCKETS,
};

struct run {
    const struct disk_series *s;
    uint64_t began_ns[DISK_SERIES_DEPTH_MAX];
    uint64_t buckets[BUCKETS];
    uint64_t random, next, n;
    uint64_t all; /* with those of the warm-up */
    unsigned on_the_way;
};

static unsigned bucket_of(uint64_t ns)
{
    unsigned power = ns < SUB_BUCKETS ? 0 : 63 - (unsigned)__builtin_clzll(ns) - (SUB_BITS - 1);
    unsigned i = power * SUB_BUCKETS + (unsigned)(ns >> power);

    return i < BUCKETS ? i : BUCKETS - 1;
}

static uint64_t value_of(unsigned bucket)
{
    unsigned power = bucket / SUB_BUCKETS;

    return power == 0 ? bucket : (uint64_t)(bucket - power * SUB_BUCKETS) << power;
}

static uint64_t percentile(const struct run *r, unsigned per_mille)
{
    uint64_t seen = 0;

    for (unsigned i = 0; i < BUCKETS; i++) {
        seen += r->buckets[i];
        if (seen * 1000 >= r->n * per_mille)
            return value_of(i);
    }
    return 0;
}

static uint64_t next_offset(struct run *r)
{
    uint64_t blocks = r->s->disk_bytes / r->s->bytes;

    if (r->s->sequential)
        return r->next++ % blocks * r->s->bytes;
    r->random = r->random * 6364136223846793005 + 1442695040888963407;
    return (r->random >> 24) % blocks * r->s->bytes;
}

static int begin(struct run *r, unsigned slot)
{
    r->began_ns[slot] = clock_now_ns();
    r->on_the_way++;
    return r->s->begin(r->s->self, slot, r->s->what[0] == 'w', next_offset(r));
}

static void take(struct run *r, unsigned slot, uint64_t now, bool counts)
{
    uint64_t took = now - r->began_ns[slot];

    r->on_the_way--;
    r->all++;
    if (!counts)
        return;
    r->buckets[bucket_of(took)]++;
    r->n++;
}

/* Until that time, then until nothing is on its way. */
static int load(struct run *r, uint64_t from_ns, uint64_t until_ns)
{
    unsigned slots[DISK_SERIES_DEPTH_MAX];
    uint64_t now = clock_now_ns();
    int e = 0;

    for (unsigned i = 0; e == 0 && i < r->s->depth; i++)
        e = begin(r, i);
    while (e >= 0 && r->on_the_way > 0) {
        int n;

        e = r->s->submit(r->s->self);
        n = e < 0 ? e : r->s->end(r->s->self, slots);
        now = clock_now_ns();
        for (int i = 0; i < n; i++)
            take(r, slots[i], now, now >= from_ns && now < until_ns);
        for (int i = 0; e >= 0 && i < n && now < until_ns; i++)
            e = begin(r, slots[i]);
        e = n < 0 ? n : e;
    }
    return e;
}

static void print(const struct run *r, uint64_t kicks, uint64_t interrupts)
{
    const struct disk_series *s = r->s;
    uint64_t all = r->all == 0 ? 1 : r->all;
    char line[DISK_SERIES_LINE_BYTES];

    (void)snprintf(
        line, sizeof(line),
        "{\"bench\": \"disk\", \"who\": \"%s\", \"placement\": \"%s\", \"what\": \"%s\", "
        "\"bytes\": %u, \"depth\": %u, \"sequential\": %s, \"requests\": %llu, "
        "\"per_s\": %llu, \"p50_ns\": %llu, \"p99_ns\": %llu, "
        "\"kicks_per_1000\": %llu, \"interrupts_per_1000\": %llu}\n",
        s->who, s->placement, s->what, s->bytes, s->depth, s->sequential ? "true" : "false",
        (unsigned long long)r->n, (unsigned long long)(r->n * NS_PER_S / s->run_ns),
        (unsigned long long)percentile(r, 500), (unsigned long long)percentile(r, 990),
        (unsigned long long)(kicks * 1000 / all), (unsigned long long)(interrupts * 1000 / all));
    s->say(s->self, line);
}

int disk_series_run(const struct disk_series *s)
{
    static struct run r; /* more than a stack should hold */
    uint64_t kicks[2] = {0}, interrupts[2] = {0};
    uint64_t from = clock_now_ns() + s->warm_up_ns;
    int e;

    r = (struct run){.s = s, .random = 1};
    if (s->counts != NULL)
        s->counts(s->self, &kicks[0], &interrupts[0]);
    e = load(&r, from, from + s->run_ns);
    if (s->counts != NULL)
        s->counts(s->self, &kicks[1], &interrupts[1]);
    if (e >= 0)
        print(&r, kicks[1] - kicks[0], interrupts[1] - interrupts[0]);
    return e < 0 ? e : 0;
}

static uint64_t number(const char *text, const char *name, uint64_t fallback)
{
    const char *at = strstr(text, name);

    return at == NULL ? fallback : strtoull(at + strlen(name), NULL, 10);
}

void disk_series_parse(struct disk_series *s, const char *text)
{
    s->what = strstr(text, "write") != NULL ? "write" : "read";
    s->depth = (unsigned)number(text, "depth=", 1);
    if (s->depth == 0 || s->depth > DISK_SERIES_DEPTH_MAX)
        s->depth = 1;
    s->bytes = (uint32_t)number(text, "bytes=", 4096);
    s->sequential = number(text, "sequential=", 0) != 0;
    s->run_ns = number(text, "run_ms=", 1000) * NS_PER_MS;
    s->warm_up_ns = number(text, "warm_up_ms=", 200) * NS_PER_MS;
    s->halt_poll_ns = number(text, "halt_poll_ns=", 0);
    s->disk_bytes = number(text, "disk_mib=", 64) << 20;
    s->placement = strstr(text, "same") != NULL    ? "same"
                   : strstr(text, "other") != NULL ? "other"
                                                   : "free";
}

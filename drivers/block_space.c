#include "drivers/block_space.h"

#include <errno.h>

static void sift_down(uint32_t *a, size_t at, size_t n)
{
    for (size_t child = 2 * at + 1; child < n; child = 2 * at + 1) {
        uint32_t saved = a[at];

        if (child + 1 < n && a[child + 1] > a[child])
            child++;
        if (a[child] <= saved)
            return;
        a[at] = a[child];
        a[child] = saved;
        at = child;
    }
}

/* In place, and never slow, whatever the order: the bytes are a stranger's. qsort(3) allocates. */
static void heap_sort(uint32_t *a, size_t n)
{
    for (size_t i = n / 2; i > 0; i--)
        sift_down(a, i - 1, n);
    for (size_t i = n; i > 1; i--) {
        uint32_t saved = a[0];

        a[0] = a[i - 1];
        a[i - 1] = saved;
        sift_down(a, 0, i - 1);
    }
}

/* Few, so any order of steps will do. */
static void sort_ranges(struct block_range *r, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct block_range moved = r[i];
        size_t at = i;

        for (; at > 0 && r[at - 1].start > moved.start; at--)
            r[at] = r[at - 1];
        r[at] = moved;
    }
}

/* The first place of a block from at on. */
static uint64_t slot_from(const struct block_space *s, uint64_t at)
{
    uint64_t rest = (at + s->lead) % s->align;

    return rest == 0 ? at : at + s->align - rest;
}

static void add_free(struct block_space *s, uint32_t slot)
{
    if (s->n_free == BLOCK_SPACE_FREE)
        s->lost = true;
    else
        s->free[s->n_free++] = slot;
}

/* The places between two things that are in use. */
static void add_gap(struct block_space *s, uint64_t from, uint64_t to)
{
    uint64_t at = slot_from(s, from);

    if (to > s->limit)
        to = s->limit;
    for (; at + s->slot <= to && !s->lost; at = slot_from(s, at + s->slot))
        add_free(s, (uint32_t)at);
}

int block_space_scan(struct block_space *s, uint32_t *starts, size_t n, struct block_range *ranges,
                     size_t n_ranges, uint64_t *ret_at)
{
    uint64_t at = 0;
    size_t i = 0;
    size_t k = 0;

    heap_sort(starts, n);
    sort_ranges(ranges, n_ranges);
    s->n_free = 0;
    s->lost = false;
    while (i < n || k < n_ranges) {
        bool block = k == n_ranges || (i < n && starts[i] < ranges[k].start);
        uint64_t start = block ? starts[i] : ranges[k].start;

        if (start < at) {
            *ret_at = start;
            return -EBADMSG;
        }
        add_gap(s, at, start);
        at = start + (block ? s->slot : ranges[k].len);
        i += block;
        k += !block;
    }
    s->end = at;
    return 0;
}

size_t block_space_pick(struct block_space *s, uint32_t *slots, size_t max)
{
    size_t n = 0;

    while (n < max && s->n_free > 0)
        slots[n++] = s->free[--s->n_free];
    for (; n < max; n++) {
        uint64_t at = slot_from(s, s->end);

        if (at > s->limit || s->slot > s->limit - at)
            break;
        slots[n] = (uint32_t)at;
        s->end = at + s->slot;
    }
    return n;
}

void block_space_ready(struct block_space *s, const uint32_t *slots, size_t n)
{
    while (n > 0 && s->n_ready < BLOCK_SPACE_READY)
        s->ready[s->n_ready++] = slots[--n]; /* the first is taken first */
    block_space_put_back(s, slots, n);
}

void block_space_put_back(struct block_space *s, const uint32_t *slots, size_t n)
{
    while (n > 0)
        add_free(s, slots[--n]);
}

bool block_space_take(struct block_space *s, uint32_t *ret)
{
    if (s->n_ready == 0)
        return false;
    *ret = s->ready[--s->n_ready];
    return true;
}

void block_space_drop(struct block_space *s, uint32_t slot)
{
    if (s->n_dropped == BLOCK_SPACE_FREE)
        s->lost = true;
    else
        s->dropped[s->n_dropped++] = slot;
}

void block_space_durable(struct block_space *s)
{
    while (s->n_dropped > 0)
        add_free(s, s->dropped[--s->n_dropped]);
}

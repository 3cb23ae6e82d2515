#include "workers/debug/dump.h"

#include <errno.h>
#include <string.h>

void dump_begin(struct dump *d, const struct guest_memory *m, unsigned vcpus)
{
    *d = (struct dump){.state = DUMP_REGISTERS};
    d->core.memory = m;
    d->core.vcpus = vcpus;
}

static int read_registers(struct dump *d, struct vcpus *v)
{
    int r = 0;

    for (unsigned i = 0; r == 0 && i < d->core.vcpus; i++)
        r = vcpus_read(v, i, &d->core.regs[i]);
    if (r == 0)
        d->state = DUMP_SEARCH;
    return r;
}

/* A guest without it (another system, or one that has only begun) is dumped as well. */
static int search(struct dump *d)
{
    int r = vmcoreinfo_search(&d->info, d->core.memory);

    if (r == 0 || (r < 0 && r != -ENOENT))
        return r;
    d->core.vmcoreinfo = d->info.text;
    d->core.vmcoreinfo_len = d->info.len;
    d->head_len = core_file_head(&d->core, d->head);
    d->state = DUMP_HEAD;
    return 0;
}

static int next_of_head(struct dump *d, uint8_t *out, size_t max)
{
    size_t len = d->head_len - (size_t)d->at;

    len = len < max ? len : max;
    memcpy(out, d->head + d->at, len);
    d->at += len;
    if (d->at == d->head_len) {
        d->state = DUMP_MEMORY;
        d->at = 0;
    }
    return (int)len;
}

static int next_of_memory(struct dump *d, uint8_t *out, size_t max)
{
    const struct guest_memory *m = d->core.memory;
    const struct guest_memory_range *last = &m->ranges[m->n_ranges - 1];
    const uint64_t left = last->offset + last->len - d->at;
    const size_t len = left < max ? (size_t)left : max;
    int r;

    if (len == 0)
        return -ENODATA;
    r = guest_memory_read_at(m, d->at, out, len);
    if (r < 0)
        return r;
    d->at += len;
    return (int)len;
}

int dump_next(struct dump *d, struct vcpus *v, uint8_t *out, size_t max)
{
    switch (d->state) {
    case DUMP_REGISTERS:
        return read_registers(d, v);
    case DUMP_SEARCH:
        return search(d);
    case DUMP_HEAD:
        return next_of_head(d, out, max);
    case DUMP_MEMORY:
        return next_of_memory(d, out, max);
    }
    return -EINVAL;
}

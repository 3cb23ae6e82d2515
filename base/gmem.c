#include "base/gmem.h"

#include <errno.h>
#include <string.h>

#include "base/num.h"

int gmem_add(struct gmem *m, struct gpa start, uint64_t len, void *host)
{
    uint64_t end;

    if (u64_add(start.v, len, &end) < 0)
        return -EOVERFLOW;
    if (len == 0 || host == NULL)
        return -EINVAL;
    if (m->n_ranges == GMEM_MAX_RANGES)
        return -ENOBUFS;
    for (unsigned i = 0; i < m->n_ranges; i++) {
        if (range_overlap(start.v, len, m->ranges[i].start, m->ranges[i].len))
            return -EINVAL;
    }
    m->ranges[m->n_ranges++] = (struct gmem_range){.start = start.v, .len = len, .host = host};
    return 0;
}

static uint8_t *host_of(const struct gmem *m, struct gpa at, size_t len)
{
    for (unsigned i = 0; i < m->n_ranges; i++) {
        const struct gmem_range *r = &m->ranges[i];

        if (at.v >= r->start && range_inside(at.v - r->start, len, r->len))
            return r->host + (at.v - r->start);
    }
    return NULL;
}

int gmem_copy_in(const struct gmem *m, struct gpa from, void *out, size_t len)
{
    const uint8_t *host = host_of(m, from, len);

    if (host == NULL)
        return -EFAULT;
    memcpy(out, host, len);
    return 0;
}

int gmem_copy_out(const struct gmem *m, struct gpa to, const void *bytes, size_t len)
{
    uint8_t *host = host_of(m, to, len);

    if (host == NULL)
        return -EFAULT;
    memcpy(host, bytes, len);
    return 0;
}

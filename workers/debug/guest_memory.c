#include "workers/debug/guest_memory.h"

#include <errno.h>
#include <unistd.h>

#include "base/num.h"
#include "ipc/ram.h"

void guest_memory_init(struct guest_memory *m, int fd, uint64_t bytes)
{
    const uint64_t low = bytes < RAM_LOW_END ? bytes : RAM_LOW_END;

    *m = (struct guest_memory){.fd = fd, .n_ranges = 1};
    m->ranges[0] = (struct guest_memory_range){.start = 0, .len = low, .offset = 0};
    if (bytes > low)
        m->ranges[m->n_ranges++] =
            (struct guest_memory_range){.start = RAM_HIGH_START, .len = bytes - low, .offset = low};
}

static int find(const struct guest_memory *m, uint64_t gpa, size_t len, off_t *ret)
{
    for (unsigned i = 0; i < m->n_ranges; i++) {
        const struct guest_memory_range *range = &m->ranges[i];

        if (gpa >= range->start && range_inside(gpa - range->start, len, range->len)) {
            *ret = (off_t)(range->offset + (gpa - range->start));
            return 0;
        }
    }
    return -EFAULT;
}

/* A sealed memfd gives all that is inside of it, unless memory is short. */
static int result(ssize_t n, size_t len)
{
    if (n < 0)
        return -errno;
    return (size_t)n == len ? 0 : -EIO;
}

int guest_memory_read_at(const struct guest_memory *m, uint64_t offset, void *out, size_t len)
{
    return result(pread(m->fd, out, len, (off_t)offset), len);
}

int guest_memory_read(const struct guest_memory *m, uint64_t gpa, void *out, size_t len)
{
    off_t at;
    int r = find(m, gpa, len, &at);

    return r < 0 ? r : result(pread(m->fd, out, len, at), len);
}

int guest_memory_write(const struct guest_memory *m, uint64_t gpa, const void *bytes, size_t len)
{
    off_t at;
    int r = find(m, gpa, len, &at);

    return r < 0 ? r : result(pwrite(m->fd, bytes, len, at), len);
}

int64_t guest_memory_next(const struct guest_memory *m, uint64_t offset)
{
    const off_t at = lseek(m->fd, (off_t)offset, SEEK_DATA);

    return at < 0 ? -errno : at;
}

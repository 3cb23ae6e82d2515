#include "ipc/ram.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/shm.h"

int ram_map(int fd, struct gmem *ret)
{
    struct gmem m = {0};
    uint64_t bytes, low;
    struct stat st;
    void *at;
    int r;

    if (fstat(fd, &st) < 0)
        return -errno;
    bytes = (uint64_t)st.st_size;
    low = bytes < RAM_LOW_END ? bytes : RAM_LOW_END;
    r = shm_map(fd, (size_t)bytes, true, &at);
    if (r == 0)
        r = gmem_add(&m, (struct gpa){0}, low, at);
    if (r == 0 && bytes > low)
        r = gmem_add(&m, (struct gpa){RAM_HIGH_START}, bytes - low, (uint8_t *)at + low);
    if (r == 0)
        *ret = m;
    return r;
}

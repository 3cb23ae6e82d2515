#include <errno.h>

#include "base/num.h"
#include "workers/storage/storage.h"

/* The longest stretch of a request's data from at on that lies in one piece; 0: beyond its end. */
static uint32_t stretch(const struct inflight_slot *slot, uint32_t at, uint32_t len,
                        struct gpa *ret)
{
    uint32_t from = slot->data_offset + at;
    uint32_t page = from / GMEM_PAGE_BYTES;
    uint32_t n;

    if (!range_inside(at, len, slot->data_len) || page >= slot->n_pages ||
        slot->pages[page] > UINT64_MAX / GMEM_PAGE_BYTES)
        return 0;
    ret->v = slot->pages[page] * GMEM_PAGE_BYTES + from % GMEM_PAGE_BYTES;
    n = GMEM_PAGE_BYTES - from % GMEM_PAGE_BYTES;
    while (n < len && page + 1 < slot->n_pages && slot->pages[page + 1] == slot->pages[page] + 1) {
        n += GMEM_PAGE_BYTES;
        page++;
    }
    return n < len ? n : len;
}

int data_copy_in(const struct storage *s, const struct inflight_slot *slot, uint32_t at, void *out,
                 uint32_t len)
{
    uint8_t *to = out;

    while (len > 0) {
        struct gpa gpa;
        uint32_t n = stretch(slot, at, len, &gpa);
        int r = n == 0 ? -EFAULT : gmem_copy_in(&s->bus.memory, gpa, to, n);

        if (r < 0)
            return r;
        to += n;
        at += n;
        len -= n;
    }
    return 0;
}

int data_copy_out(const struct storage *s, const struct inflight_slot *slot, uint32_t at,
                  const void *bytes, uint32_t len)
{
    const uint8_t *from = bytes;

    while (len > 0) {
        struct gpa gpa;
        uint32_t n = stretch(slot, at, len, &gpa);
        int r = n == 0 ? -EFAULT : gmem_copy_out(&s->bus.memory, gpa, from, n);

        if (r < 0)
            return r;
        from += n;
        at += n;
        len -= n;
    }
    return 0;
}

int data_zero(const struct storage *s, const struct inflight_slot *slot, uint32_t at, uint32_t len)
{
    while (len > 0) {
        struct gpa gpa;
        uint32_t n = stretch(slot, at, len, &gpa);
        int r = n == 0 ? -EFAULT : gmem_zero(&s->bus.memory, gpa, n);

        if (r < 0)
            return r;
        at += n;
        len -= n;
    }
    return 0;
}

int data_iovecs(const struct storage *s, const struct inflight_slot *slot, uint32_t at,
                uint32_t len, struct iovec *iov)
{
    int n_iov = 0;

    while (len > 0) {
        struct gpa gpa;
        uint32_t n = stretch(slot, at, len, &gpa);
        int r = n == 0 || n_iov == INFLIGHT_PAGES ? -EFAULT
                                                  : gmem_iovec(&s->bus.memory, gpa, n, &iov[n_iov]);

        if (r < 0)
            return r;
        n_iov++;
        at += n;
        len -= n;
    }
    return n_iov;
}

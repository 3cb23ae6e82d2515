#include "base/gmem.h"

#include <assert.h>
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

int gmem_zero(const struct gmem *m, struct gpa to, size_t len)
{
    uint8_t *host = host_of(m, to, len);

    if (host == NULL)
        return -EFAULT;
    memset(host, 0, len);
    return 0;
}

int gmem_iovec(const struct gmem *m, struct gpa at, size_t len, struct iovec *ret)
{
    uint8_t *host = host_of(m, at, len);

    if (host == NULL)
        return -EFAULT;
    *ret = (struct iovec){.iov_base = host, .iov_len = len};
    return 0;
}

static uint32_t *word_at(const struct gmem *m, struct gpa at)
{
    if (at.v % sizeof(uint32_t) != 0)
        return NULL;
    return (uint32_t *)(void *)host_of(m, at, sizeof(uint32_t)); /* ranges begin at pages */
}

int gmem_set_bit(const struct gmem *m, struct gpa word, unsigned bit)
{
    uint32_t *at = word_at(m, word);
    uint32_t mask = UINT32_C(1) << bit % 32;

    if (at == NULL)
        return -EFAULT;
    return (__atomic_fetch_or(at, mask, __ATOMIC_SEQ_CST) & mask) != 0;
}

int gmem_load_le32(const struct gmem *m, struct gpa from, uint32_t *ret)
{
    const uint32_t *at = word_at(m, from);

    if (at == NULL)
        return -EFAULT;
    *ret = __atomic_load_n(at, __ATOMIC_ACQUIRE);
    return 0;
}

int gmem_store_le32(const struct gmem *m, struct gpa to, uint32_t v)
{
    uint32_t *at = word_at(m, to);

    if (at == NULL)
        return -EFAULT;
    __atomic_store_n(at, v, __ATOMIC_RELEASE);
    return 0;
}

/* --- pages --- */

int gmem_pages_init(struct gmem_pages *ret, const struct gmem *m, const uint64_t *pfns, unsigned n,
                    uint8_t **host)
{
    for (unsigned i = 0; i < n; i++) {
        uint64_t pfn = *(const volatile uint64_t *)&pfns[i]; /* once: they may be shared */

        if (pfn > UINT64_MAX / GMEM_PAGE_BYTES)
            return -EFAULT;
        host[i] = host_of(m, (struct gpa){pfn * GMEM_PAGE_BYTES}, GMEM_PAGE_BYTES);
        if (host[i] == NULL)
            return -EFAULT;
    }
    *ret = (struct gmem_pages){.host = host, .n = n};
    return 0;
}

static uint8_t *in_pages(const struct gmem_pages *p, size_t offset)
{
    assert(offset / GMEM_PAGE_BYTES < p->n);
    return p->host[offset / GMEM_PAGE_BYTES] + offset % GMEM_PAGE_BYTES;
}

uint32_t gmem_pages_load(const struct gmem_pages *p, size_t offset)
{
    return __atomic_load_n((uint32_t *)(void *)in_pages(p, offset), __ATOMIC_ACQUIRE);
}

void gmem_pages_store(const struct gmem_pages *p, size_t offset, uint32_t value)
{
    __atomic_store_n((uint32_t *)(void *)in_pages(p, offset), value, __ATOMIC_RELEASE);
}

static size_t left_in_page(size_t offset, size_t len)
{
    size_t left = GMEM_PAGE_BYTES - offset % GMEM_PAGE_BYTES;

    return len < left ? len : left;
}

void gmem_pages_copy_in(const struct gmem_pages *p, size_t offset, void *out, size_t len)
{
    uint8_t *to = out;

    while (len > 0) {
        size_t n = left_in_page(offset, len);

        memcpy(to, in_pages(p, offset), n);
        to += n;
        offset += n;
        len -= n;
    }
}

void gmem_pages_copy_out(const struct gmem_pages *p, size_t offset, const void *bytes, size_t len)
{
    const uint8_t *from = bytes;

    while (len > 0) {
        size_t n = left_in_page(offset, len);

        memcpy(in_pages(p, offset), from, n);
        from += n;
        offset += n;
        len -= n;
    }
}

int gmem_pages_iovec(const struct gmem_pages *p, size_t offset, size_t len, struct iovec *iov,
                     unsigned max)
{
    unsigned n = 0;

    if (!range_inside(offset, len, (size_t)p->n * GMEM_PAGE_BYTES))
        return -EFAULT;
    while (len > 0) {
        size_t in_page = GMEM_PAGE_BYTES - offset % GMEM_PAGE_BYTES;
        size_t part = len < in_page ? len : in_page;
        uint8_t *at = p->host[offset / GMEM_PAGE_BYTES] + offset % GMEM_PAGE_BYTES;

        if (n > 0 && (uint8_t *)iov[n - 1].iov_base + iov[n - 1].iov_len == at)
            iov[n - 1].iov_len += part;
        else if (n == max)
            return -EFAULT;
        else
            iov[n++] = (struct iovec){at, part};
        offset += part;
        len -= part;
    }
    return (int)n;
}

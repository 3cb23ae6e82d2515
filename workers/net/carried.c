#include <errno.h>

#include "base/num.h"
#include "base/rd.h"
#include "workers/net/net.h"

enum {
    RANGES_HEAD_BYTES = 8, /* reserved, number of ranges */
    HEAD_MAX = VMRING_HEAD_BYTES + RANGES_HEAD_BYTES + NET_PIECES * 16,
    CARRIED_MAX = 128 * 1024,
};

/* Pages that follow one another are one part: the kernel is quicker with few. */
static bool extend(struct carried *c, uint64_t at, uint32_t len, bool is_section)
{
    unsigned last = c->n - 1;

    if (c->n == 0 || is_section || c->parts[last].is_section ||
        c->parts[last].at + c->parts[last].len != at)
        return false;
    c->parts[last].len += len;
    c->len += len;
    return true;
}

static int add(struct carried *c, uint64_t at, uint32_t len, bool is_section)
{
    if (len == 0)
        return 0;
    if (len > CARRIED_MAX - c->len)
        return -EBADMSG;
    if (extend(c, at, len, is_section))
        return 0;
    if (c->n == NET_PIECES)
        return -EBADMSG;
    c->parts[c->n].at = at;
    c->parts[c->n].len = len;
    c->parts[c->n].is_section = is_section;
    c->n++;
    c->len += len;
    return 0;
}

static int add_section(const struct nic *n, const struct nvsp_rndis_packet *rndis,
                       struct carried *c)
{
    const struct nvsp_buffer *b = &n->nvsp.send;

    if (rndis->section == NVSP_NO_SECTION)
        return 0;
    if (n->send.id == 0 || rndis->section >= b->sections || rndis->section_bytes > b->section_bytes)
        return -EBADMSG;
    return add(c, (uint64_t)rndis->section * b->section_bytes, rndis->section_bytes, true);
}

/* A range: bytes, offset into the first page, page frame numbers. */
static int add_range(struct rd *r, struct carried *c)
{
    uint32_t left = rd_le32(r);
    uint32_t offset = rd_le32(r);

    if (!rd_ok(r) || offset >= GMEM_PAGE_BYTES)
        return -EBADMSG;
    while (left > 0) {
        uint64_t pfn = rd_le64(r);
        uint32_t part = left < GMEM_PAGE_BYTES - offset ? left : GMEM_PAGE_BYTES - offset;

        if (!rd_ok(r) || pfn > UINT64_MAX / GMEM_PAGE_BYTES ||
            add(c, pfn * GMEM_PAGE_BYTES + offset, part, false) < 0)
            return -EBADMSG;
        left -= part;
        offset = 0;
    }
    return 0;
}

static int add_ranges(const struct line *l, const struct vmring_packet *p, struct carried *c)
{
    uint8_t head[HEAD_MAX] UNINITIALIZED;
    struct rd r;
    uint32_t n;

    if (p->head_bytes > sizeof(head))
        return -EBADMSG;
    vmring_copy(&l->in, p, 0, head, p->head_bytes);
    r = rd_over(head, p->head_bytes);
    (void)rd_span(&r, VMRING_HEAD_BYTES + 4);
    n = rd_le32(&r);
    if (!rd_ok(&r) || n > NET_PIECES)
        return -EBADMSG;
    for (uint32_t i = 0; i < n; i++) {
        if (add_range(&r, c) < 0)
            return -EBADMSG;
    }
    return 0;
}

int carried_by(const struct nic *n, const struct line *l, const struct vmring_packet *p,
               const struct nvsp_rndis_packet *rndis, struct carried *ret)
{
    int r;

    ret->packet = line_mark(l);
    ret->n = 0;
    ret->len = 0;
    r = add_section(n, rndis, ret);
    if (r == 0 && p->type == VMRING_GPA_DIRECT)
        r = add_ranges(l, p, ret);
    if (r < 0)
        ret->n = ret->len = 0;
    return r;
}

static bool in_buffer(const struct lent *b, uint64_t at, uint32_t len)
{
    return b->id != 0 && range_inside(at, len, b->bytes);
}

static int copy_part(const struct net *s, const struct nic *n, const struct carried *c,
                     unsigned part, uint32_t at, void *out, uint32_t len)
{
    uint64_t from = c->parts[part].at + at;

    if (!c->parts[part].is_section)
        return gmem_copy_in(&s->bus.memory, (struct gpa){from}, out, len);
    if (!in_buffer(&n->send, from, len))
        return -EFAULT;
    gmem_pages_copy_in(&n->send.pages, n->send.offset + from, out, len);
    return 0;
}

int carried_copy(const struct net *s, const struct nic *n, const struct carried *c, uint32_t at,
                 void *out, uint32_t len)
{
    uint8_t *to = out;

    for (unsigned i = 0; i < c->n && len > 0; i++) {
        uint32_t part = c->parts[i].len;
        uint32_t some;

        if (at >= part) {
            at -= part;
            continue;
        }
        some = part - at < len ? part - at : len;
        if (copy_part(s, n, c, i, at, to, some) < 0)
            return -EFAULT;
        to += some;
        len -= some;
        at = 0;
    }
    return len == 0 ? 0 : -EFAULT;
}

static int iovec_of(const struct net *s, const struct nic *n, const struct carried *c,
                    unsigned part, uint32_t at, uint32_t len, struct iovec *iov, unsigned max)
{
    uint64_t from = c->parts[part].at + at;

    if (max == 0)
        return -EFAULT;
    if (!c->parts[part].is_section)
        return gmem_iovec(&s->bus.memory, (struct gpa){from}, len, iov) < 0 ? -EFAULT : 1;
    if (!in_buffer(&n->send, from, len))
        return -EFAULT;
    return gmem_pages_iovec(&n->send.pages, n->send.offset + from, len, iov, max);
}

int carried_iovecs(const struct net *s, const struct nic *n, const struct carried *c, uint32_t at,
                   uint32_t len, struct iovec *iov, unsigned max)
{
    unsigned used = 0;

    for (unsigned i = 0; i < c->n && len > 0; i++) {
        uint32_t part = c->parts[i].len;
        uint32_t some;
        int r;

        if (at >= part) {
            at -= part;
            continue;
        }
        some = part - at < len ? part - at : len;
        r = iovec_of(s, n, c, i, at, some, &iov[used], max - used);
        if (r < 0)
            return r;
        used += (unsigned)r;
        len -= some;
        at = 0;
    }
    return len == 0 ? (int)used : -EFAULT;
}

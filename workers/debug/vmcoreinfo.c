#include "workers/debug/vmcoreinfo.h"

#include <errno.h>
#include <string.h>

#include "base/num.h"
#include "base/rd.h"

enum {
    PAGE_BYTES = 4096,
};

static const char NAME[12] = "VMCOREINFO"; /* as it is there: whole words of four bytes */
static const char FIRST[] = "OSRELEASE=";
static const char NEEDED[] = "\nPAGESIZE=";

int vmcoreinfo_head(const uint8_t head[VMCOREINFO_HEAD_BYTES], size_t *ret_len)
{
    struct rd r = rd_over(head, VMCOREINFO_HEAD_BYTES);
    const uint32_t name_len = rd_le32(&r);
    const uint32_t len = rd_le32(&r);
    const uint32_t type = rd_le32(&r);
    const struct span name = rd_span(&r, sizeof(NAME));

    if (rd_finish(&r) < 0 || name_len != strlen(NAME) + 1 || type != 0 || len < sizeof(FIRST) ||
        len > VMCOREINFO_MAX || memcmp(name.at, NAME, sizeof(NAME)) != 0)
        return -EBADMSG;
    *ret_len = len;
    return 0;
}

int vmcoreinfo_check(const char *text, size_t len)
{
    if (len < sizeof(FIRST) - 1 || memcmp(text, FIRST, sizeof(FIRST) - 1) != 0 ||
        memmem(text, len, NEEDED, sizeof(NEEDED) - 1) == NULL)
        return -EBADMSG;
    for (size_t i = 0; i < len; i++) {
        const char c = text[i];

        if (c != '\n' && c != '\t' && (c < ' ' || c > '~'))
            return -EBADMSG;
    }
    return 0;
}

/* 1: this page is it. */
static int look(struct vmcoreinfo *v, const struct guest_memory *m, uint64_t offset)
{
    uint8_t head[VMCOREINFO_HEAD_BYTES];
    size_t len;
    int r = guest_memory_read_at(m, offset, head, sizeof(head));

    if (r < 0 || vmcoreinfo_head(head, &len) < 0)
        return r < 0 ? r : 0;
    r = guest_memory_read_at(m, offset + sizeof(head), v->text, len);
    if (r == -EIO) /* the end of memory cuts it off */
        return 0;
    if (r < 0 || vmcoreinfo_check(v->text, len) < 0)
        return r < 0 ? r : 0;
    v->len = len;
    return 1;
}

int vmcoreinfo_search(struct vmcoreinfo *v, const struct guest_memory *m)
{
    int64_t at = guest_memory_next(m, v->at);
    int r = 0;

    if (at < 0)
        return at == -ENXIO ? -ENOENT : (int)at;
    v->at = (uint64_t)at;
    for (int i = 0; r == 0 && i < VMCOREINFO_PAGES_AT_ONCE; i++) {
        const struct guest_memory_range *last = &m->ranges[m->n_ranges - 1];

        if (!range_inside(v->at, PAGE_BYTES, last->offset + last->len))
            return -ENOENT;
        r = look(v, m, v->at);
        v->at += PAGE_BYTES;
    }
    return r;
}

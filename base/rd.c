#include "base/rd.h"

#include <errno.h>
#include <string.h>

struct rd rd_over(const void *bytes, size_t len)
{
    return (struct rd){.at = bytes, .left = len};
}

struct span rd_span(struct rd *r, size_t len)
{
    struct span s = {.at = r->at, .len = len};

    if (r->err != 0 || len > r->left) {
        r->err = -EBADMSG;
        return (struct span){0};
    }
    r->at += len;
    r->left -= len;
    return s;
}

void rd_copy(struct rd *r, void *out, size_t len)
{
    struct span s = rd_span(r, len);

    if (s.len != 0)
        memcpy(out, s.at, s.len);
}

static uint64_t rd_le(struct rd *r, size_t bytes)
{
    struct span s = rd_span(r, bytes);
    uint64_t v = 0;

    for (size_t i = s.len; i > 0; i--)
        v = v << 8 | s.at[i - 1];
    return v;
}

static uint32_t rd_be(struct rd *r, size_t bytes)
{
    struct span s = rd_span(r, bytes);
    uint32_t v = 0;

    for (size_t i = 0; i < s.len; i++)
        v = v << 8 | s.at[i];
    return v;
}

uint8_t rd_u8(struct rd *r)
{
    return (uint8_t)rd_le(r, 1);
}

uint16_t rd_le16(struct rd *r)
{
    return (uint16_t)rd_le(r, 2);
}

uint32_t rd_le32(struct rd *r)
{
    return (uint32_t)rd_le(r, 4);
}

uint64_t rd_le64(struct rd *r)
{
    return rd_le(r, 8);
}

uint16_t rd_be16(struct rd *r)
{
    return (uint16_t)rd_be(r, 2);
}

uint32_t rd_be32(struct rd *r)
{
    return rd_be(r, 4);
}

bool rd_ok(const struct rd *r)
{
    return r->err == 0;
}

int rd_finish(const struct rd *r)
{
    return r->err == 0 && r->left == 0 ? 0 : -EBADMSG;
}

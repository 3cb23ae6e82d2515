#include "base/wr.h"

#include <errno.h>
#include <string.h>

struct wr wr_over(void *buf, size_t len)
{
    return (struct wr){.start = buf, .at = buf, .left = len};
}

void wr_bytes(struct wr *w, const void *bytes, size_t len)
{
    if (w->err != 0 || len > w->left) {
        w->err = -ENOBUFS;
        return;
    }
    if (len != 0)
        memcpy(w->at, bytes, len);
    w->at += len;
    w->left -= len;
}

static void wr_le(struct wr *w, uint64_t v, size_t bytes)
{
    uint8_t raw[8];

    for (size_t i = 0; i < bytes; i++)
        raw[i] = (uint8_t)(v >> (8 * i));
    wr_bytes(w, raw, bytes);
}

void wr_u8(struct wr *w, uint8_t v)
{
    wr_le(w, v, 1);
}

void wr_le16(struct wr *w, uint16_t v)
{
    wr_le(w, v, 2);
}

void wr_le32(struct wr *w, uint32_t v)
{
    wr_le(w, v, 4);
}

void wr_le64(struct wr *w, uint64_t v)
{
    wr_le(w, v, 8);
}

void wr_be16(struct wr *w, uint16_t v)
{
    wr_le(w, __builtin_bswap16(v), 2);
}

void wr_be32(struct wr *w, uint32_t v)
{
    wr_le(w, __builtin_bswap32(v), 4);
}

int wr_finish(const struct wr *w, size_t *ret_len)
{
    if (w->err != 0)
        return w->err;
    *ret_len = (size_t)(w->at - w->start);
    return 0;
}

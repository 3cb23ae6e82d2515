#include "cli/frames.h"

#include <errno.h>
#include <string.h>

enum {
    PREFIX_BYTES = 4,
};

size_t frames_feed(struct frames *f, const void *bytes, size_t len)
{
    size_t room = sizeof(f->buf) - f->len;

    if (len > room)
        len = room;
    memcpy(f->buf + f->len, bytes, len);
    f->len += len;
    return len;
}

int frames_next(const struct frames *f, struct span *ret)
{
    struct rd r = rd_over(f->buf, f->len);
    uint32_t len = rd_le32(&r);
    struct span message;

    if (len > FRAME_MAX_BYTES)
        return -EBADMSG;
    message = rd_span(&r, len);
    if (!rd_ok(&r))
        return 0;
    *ret = message;
    return 1;
}

void frames_drop(struct frames *f)
{
    struct span message;

    if (frames_next(f, &message) != 1)
        return;
    f->len -= PREFIX_BYTES + message.len;
    memmove(f->buf, f->buf + PREFIX_BYTES + message.len, f->len);
}

#include "cli/frame_parts.h"

#include <errno.h>
#include <string.h>

static bool is_same(const struct pcapng_packet *p, const Bulkhead__FramePart *part)
{
    return p->time_ns == part->time_ns && p->len == part->len && p->captured == part->captured &&
           p->outbound == (part->outbound != 0);
}

int frame_parts_take(struct frame_parts *f, const Bulkhead__FramePart *part, bool *ret_complete)
{
    if (part->captured > CAPTURE_FRAME_MAX || part->captured > part->len)
        return -EBADMSG;
    if (f->have > 0 && !is_same(&f->packet, part))
        return -EBADMSG;
    if (part->data.len > part->captured - f->have ||
        (part->data.len == 0 && f->have < part->captured))
        return -EBADMSG;
    f->packet = (struct pcapng_packet){
        .time_ns = part->time_ns,
        .len = part->len,
        .captured = part->captured,
        .outbound = part->outbound != 0,
    };
    if (part->data.len > 0)
        memcpy(f->bytes + f->have, part->data.data, part->data.len);
    f->have += (uint32_t)part->data.len;
    *ret_complete = f->have == part->captured;
    if (*ret_complete)
        f->have = 0;
    return 0;
}

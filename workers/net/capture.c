#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "workers/net/net.h"

void capture_look_at(struct net *s, struct nic *n, uint64_t until_ns)
{
    uint32_t bytes = atomic_load(&s->nets->rows[n->index].capture_bytes);

    s->capture_ns = 0;
    if (clock_now_ns() >= until_ns)
        n->capture_bytes = 0;
    else
        n->capture_bytes = bytes < CAPTURE_FRAME_MAX ? bytes : CAPTURE_FRAME_MAX;
}

/* Frames of a batch came, or go, at once: one look at the clock is enough. */
static uint64_t now(struct net *s)
{
    struct timespec t;

    if (s->capture_ns == 0) {
        (void)clock_gettime(CLOCK_REALTIME, &t);
        s->capture_ns = (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
    }
    return s->capture_ns;
}

/* How many bytes of it are captured. */
static uint32_t begin(struct net *s, const struct nic *n, uint32_t len, bool outbound)
{
    const struct capture_record r = {
        .time_ns = now(s),
        .len = len,
        .captured = len < n->capture_bytes ? len : n->capture_bytes,
        .nic = n->index,
        .outbound = outbound,
    };

    capture_begin(&s->capture, &r);
    return r.captured;
}

static void put(struct net *s, const uint8_t *bytes, uint32_t len)
{
    for (size_t some; len > 0; len -= (uint32_t)some) {
        uint8_t *to = capture_room(&s->capture, len, &some);

        memcpy(to, bytes, some);
        bytes += some;
    }
}

void capture_sent(struct net *s, const struct nic *n, const void *head, uint32_t head_len,
                  const struct carried *c, uint32_t at, uint32_t len)
{
    uint32_t left = begin(s, n, len, true);
    uint32_t of_head = left < head_len ? left : head_len;
    size_t some;

    put(s, head, of_head);
    for (left -= of_head; left > 0; left -= (uint32_t)some) {
        uint8_t *to = capture_room(&s->capture, left, &some);

        if (carried_copy(s, n, c, at, to, (uint32_t)some) < 0)
            return;
        at += (uint32_t)some;
    }
    capture_end(&s->capture, n->index);
}

void capture_received(struct net *s, const struct nic *n, uint32_t at, uint32_t len)
{
    uint32_t left = begin(s, n, len, false);

    for (size_t some; left > 0; left -= (uint32_t)some) {
        uint8_t *to = capture_room(&s->capture, left, &some);

        gmem_pages_copy_in(&n->receive.pages, at, to, some);
        at += (uint32_t)some;
    }
    capture_end(&s->capture, n->index);
}

void capture_made(struct net *s, const struct nic *n, const uint8_t *bytes, uint32_t len)
{
    put(s, bytes, begin(s, n, len, false));
    capture_end(&s->capture, n->index);
}

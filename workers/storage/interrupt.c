#include "base/clock.h"
#include "workers/storage/storage.h"

/*
 * While there is more to do a guest is not interrupted for every answer: waking up takes it as long as some requests
 * take us. It must not be so late either that it has nothing left to wait for.
 */
enum { OWED_MAX = 20 };
static const uint64_t OWED_MAX_NS = 20 * NS_PER_US;

void interrupt_now(struct storage *s, unsigned channel, bool anyway)
{
    (void)bus_interrupt(&s->bus, s->opened[channel].target_vp, channel + 1, anyway);
}

void interrupt_owe(struct storage *s, unsigned channel, unsigned answers)
{
    if (s->owed.channels == 0)
        s->owed.since_ns = clock_now_ns();
    s->owed.channels |= 1u << channel;
    s->owed.answers += answers;
}

void interrupt_owed(struct storage *s, bool now)
{
    uint32_t channels = s->owed.channels;

    if (channels == 0 ||
        (!now && s->owed.answers < OWED_MAX && clock_now_ns() < s->owed.since_ns + OWED_MAX_NS))
        return;
    s->owed.channels = 0;
    s->owed.answers = 0;
    for (; channels != 0; channels &= channels - 1) {
        unsigned first = (unsigned)__builtin_ctz(channels);

        if (flow_is_unread(&s->flows[first]))
            interrupt_now(s, first, false);
    }
}

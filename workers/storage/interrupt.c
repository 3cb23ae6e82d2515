#include <unistd.h>

#include "base/clock.h"
#include "workers/storage/storage.h"

/*
 * While there is more to do a guest is not interrupted for every answer: waking up takes it as long as some requests
 * take us. It must not be so late either that it has nothing left to wait for.
 */
enum { OWED_MAX = 20 };
static const uint64_t OWED_MAX_NS = 20 * NS_PER_US;

void storage_ring(int fd)
{
    static const uint64_t one = 1;

    (void)!write(fd, &one, sizeof(one)); /* full means that it is rung already */
}

/*
 * Where the flags are is looked at inside the section: once the supervisor has seen us outside of it, we write to the
 * new place or to none.
 */
void interrupt_now(struct storage *s, unsigned channel, bool anyway)
{
    uint32_t vp = s->opened[channel].target_vp;
    uint32_t relid = channel + 1;
    uint64_t flags;
    int was;

    if (vp >= VPS_MAX || vp >= s->synic->n_vps)
        return;
    port_section_enter(&s->worker->port);
    flags = atomic_load(&s->synic->vps[vp].flags_gpa);
    if ((flags & SYNIC_ENABLED) != 0) {
        const struct gpa word = {(flags & ~UINT64_C(0xff)) + relid / 32 * 4};

        was = gmem_set_bit(&s->memory, word, relid % 32);
        if ((was == 0 || anyway) && (flags & SYNIC_UNMASKED) != 0) {
            storage_ring(s->irq_fds[vp]);
            board_inc(s->rows.interrupts);
        }
    }
    port_section_leave(&s->worker->port);
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

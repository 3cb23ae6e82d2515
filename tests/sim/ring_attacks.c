#include "tests/sim/ring_attacks.h"

#include <string.h>

#include "base/clock.h"

enum {
    RING_PAGES = 9,
    SMALL_RING = 2,
};

static const uint64_t LOOK_NS = 5 * NS_PER_MS;

static uint32_t chance(const struct ring_attacks *a, uint32_t n)
{
    return (uint32_t)(sim_random(a->random) % n);
}

static void pause_a_little(const struct ring_attacks *a)
{
    (void)vmbus_halt(a->vmbus, 0, LOOK_NS);
}

/* Nobody looks into it when it is interrupted for: it will not be in order. */
static bool open_deaf(const struct ring_attacks *a, unsigned pages)
{
    bool opened = vmbus_open(a->vmbus, a->channel, a->relid, pages, 0);

    a->channel->open = false;
    return opened;
}

static const uint32_t bad_indices[] = {4, 7, 0x7ffffff8, 0xfffffff8, UINT32_MAX, 8 * 4096};

/* Nothing may come of it, and closing must work. */
bool ring_attack_indices(const struct ring_attacks *a)
{
    for (size_t i = 0; i < COUNT_OF(bad_indices); i++) {
        for (unsigned field = 0; field < 4; field++) {
            struct vring *r = field < 2 ? &a->channel->out : &a->channel->in;

            if (!open_deaf(a, RING_PAGES))
                return false;
            *vring_field(r, field % 2 == 0 ? VRING_AT_WRITE : VRING_AT_READ) = bad_indices[i];
            vmbus_kick(a->channel);
            pause_a_little(a);
            if (!vmbus_close(a->vmbus, a->channel))
                return false;
        }
    }
    return true;
}

/* Descriptors: {type, offset / 8, length / 8, flags}, in a ring that says there is a lot. */
bool ring_attack_packets(const struct ring_attacks *a)
{
    static const uint16_t packets[][4] = {
        {6,    2,      1,      1},
        {6,    3,      2,      1},
        {6,    0,      4,      1},
        {6,    2,      0xffff, 1},
        {0,    2,      10,     1},
        {0xff, 2,      10,     1},
        {7,    2,      10,     1},
        {9,    0xffff, 1,      1},
        {9,    2,      0,      1},
        {0,    0,      0,      0},
    };

    for (size_t i = 0; i < COUNT_OF(packets); i++) {
        if (!open_deaf(a, SMALL_RING))
            return false;
        memcpy(a->channel->out.page[1], packets[i], sizeof(packets[i]));
        *vring_field(&a->channel->out, VRING_AT_WRITE) = 8 * (3 + chance(a, 300));
        vmbus_kick(a->channel);
        pause_a_little(a);
        if (!vmbus_close(a->vmbus, a->channel))
            return false;
    }
    return true;
}

/* All of the ring's memory changes all the time, as on another vCPU. */
bool ring_attack_races(const struct ring_attacks *a)
{
    uint64_t end = clock_now_ns() + 300 * NS_PER_MS;

    if (!open_deaf(a, SMALL_RING))
        return false;
    while (clock_now_ns() < end) {
        for (unsigned i = 0; i < 64; i++) {
            struct vring *r = chance(a, 2) == 0 ? &a->channel->out : &a->channel->in;
            uint32_t at = chance(a, 3) == 0 ? chance(a, 17) * 4 : 4096;

            if (at < 4096)
                *vring_field(r, at) = chance(a, 2) == 0 ? chance(a, 513) * 8 : chance(a, 5000);
            else
                ((volatile uint8_t *)r->page[1])[chance(a, 4096)] = (uint8_t)chance(a, 12);
        }
        vmbus_kick(a->channel);
    }
    return vmbus_close(a->vmbus, a->channel);
}

/* Both rings are one and the same page of the guest, over and over. */
bool ring_attack_one_page(const struct ring_attacks *a)
{
    uint64_t page = vmbus_page(a->vmbus);
    uint32_t gpadl = ++a->vmbus->last_id;
    uint64_t pfns[4] = {page, page, page, page};
    struct received m;
    const uint32_t open[] = {MSG_OPEN, 0, a->relid, gpadl, gpadl, 0, 2};
    const uint32_t close[] = {MSG_CLOSE, 0, a->relid};
    uint8_t bytes[148] = {0};

    memset(vmbus_host(a->vmbus, page * GUEST_PAGE), 0, GUEST_PAGE);
    if (vmbus_lend(a->vmbus, a->relid, gpadl, pfns, COUNT_OF(pfns)) != 0) {
        vmbus_fail(a->vmbus, "one page four times cannot be lent");
        return false;
    }
    memcpy(bytes, open, sizeof(open));
    (void)vmbus_post(a->vmbus, a->vmbus->connection, bytes, sizeof(bytes));
    if (!vmbus_await(a->vmbus, MSG_OPEN_RESULT, a->relid, gpadl, &m))
        return false;
    a->channel->relid = a->relid;
    for (unsigned i = 0; i < 200; i++) {
        *(volatile uint32_t *)(void *)vmbus_host(a->vmbus, page * GUEST_PAGE) = chance(a, 600) * 8;
        vmbus_kick(a->channel);
    }
    pause_a_little(a);
    (void)vmbus_post(a->vmbus, a->vmbus->connection, close, sizeof(close));
    return vmbus_take_back(a->vmbus, a->relid, gpadl);
}

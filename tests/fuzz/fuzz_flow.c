/*
 * tests/fuzz/fuzz_flow.c - a channel of which a guest breaks the ring and a predecessor has spoilt the log.
 *
 * Input: steps of u8 what, u8 how, u16 where, u32 value. A log that was written into is only looked at by a
 * successor, as in life: who wrote into it is dead.
 *
 * Promises: each call ends; slots are free, claimed or done, each once; a slot that is to be executed is sound; no
 * memory of the guest changes but its rings.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/rd.h"
#include "tests/fakes/guest_rings.h"
#include "workers/storage/flow.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    STEPS = 128,
    STEP_BYTES = 8,
    OPENING = 4,
};

static uint8_t ram[RAM_PAGES * 4096] __attribute__((aligned(4096)));
static struct inflight_channel channel_log;
static struct flow flow;
static struct guest_rings guest;

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void check_slot(const struct inflight_slot *s)
{
    must(s->packet_len <= sizeof(s->packet) && s->n_pages <= INFLIGHT_PAGES);
    must(s->error >= 0 && s->data_offset < 4096);
    must((uint64_t)s->data_offset + s->data_len <= (uint64_t)s->n_pages * 4096);
}

static void check(void)
{
    uint8_t seen[INFLIGHT_SLOTS] = {0};
    unsigned claimed = 0;

    must(flow.n_free + flow.n_done + flow.n_claimed == INFLIGHT_SLOTS);
    for (unsigned i = 0; i < flow.n_free; i++)
        must(seen[flow.free[i]]++ == 0);
    for (unsigned i = 0; i < flow.n_done; i++)
        must(seen[flow.done[(flow.done_at + i) % INFLIGHT_SLOTS]]++ == 0);
    for (unsigned i = 0; i < INFLIGHT_SLOTS; i++) {
        if (seen[i] != 0)
            continue;
        must(atomic_load(&channel_log.slots[i].state) == INFLIGHT_CLAIMED);
        check_slot(&channel_log.slots[i]);
        claimed++;
    }
    must(claimed == flow.n_claimed);
}

static void look_at_memory(void)
{
    for (size_t i = (size_t)2 * RING_PAGES * 4096; i < sizeof(ram); i++)
        must(ram[i] == 0);
}

static void take_over(bool resume)
{
    struct vmbus_channel c = guest_channel(OPENING);

    memset(&flow, 0xa5, sizeof(flow));
    flow.log = &channel_log;
    flow.open = false;
    must(flow_open(&flow, &guest.memory, &c, guest.pfns, resume) != -EFAULT && flow.open);
}

static void spoil_log(uint8_t how, uint16_t where, uint32_t value)
{
    uint8_t *bytes = (uint8_t *)&channel_log;
    size_t head = offsetof(struct inflight_channel, slots);
    size_t at =
        (how & 1) != 0 ? where % head : head + where * UINT64_C(20) % (sizeof(channel_log) - head);

    at = at / 4 * 4;
    memcpy(bytes + at, &value, sizeof(value));
    take_over(true);
}

static void guest_writes(uint8_t how, uint16_t where, uint32_t value)
{
    if ((how & 1) != 0)
        *control(&guest, how >> 1 & 1, how >> 2 & 3) = value;
    else
        *ring_byte(&guest, OUTGOING, where) = (uint8_t)value;
}

static void guest_sends(uint8_t how, uint16_t where, uint32_t value)
{
    static const uint16_t types[] = {9, 6, 11, 9, 7, 9};
    const uint64_t head[] = {(uint64_t)(1 + (how >> 6)) << 32, value | (uint64_t)where << 32, 20,
                             21};
    uint8_t packet[PACKET_BYTES] = {how};

    /* Its own index may be anything by now, and then it knows of no room. */
    if (*control(&guest, OUTGOING, WRITE_INDEX) % 8 == 0 &&
        *control(&guest, OUTGOING, WRITE_INDEX) < RING_BYTES &&
        *control(&guest, OUTGOING, READ_INDEX) < RING_BYTES)
        (void)guest_send(&guest, types[how % COUNT_OF(types)], value, head, 8 * (how % 5u), packet,
                         where % (PACKET_BYTES + 1u));
}

static void work(uint8_t how, uint32_t value)
{
    uint8_t answer[PACKET_BYTES] = {1};
    int slot;

    for (unsigned i = 0; i <= how % 4u; i++) {
        slot = flow_take(&flow);
        if (slot >= 0)
            check_slot(flow_slot(&flow, (unsigned)slot));
    }
    (void)flow_taken(&flow);
    slot = flow_claimed_from(&flow, value);
    if (slot >= 0 && (how & 8) != 0)
        flow_answer(&flow, (unsigned)slot, answer, how & 0x3f);
    if ((how & 16) != 0)
        (void)flow_publish(&flow);
    if ((how & 32) != 0)
        (void)flow_tell(&flow, answer, PACKET_BYTES);
}

static void step(uint8_t what, uint8_t how, uint16_t where, uint32_t value)
{
    switch (what % 8) {
    case 0:
        take_over((how & 7) != 0);
        break;
    case 1:
        spoil_log(how, where, value);
        break;
    case 2:
        guest_writes(how, where, value);
        break;
    case 3:
    case 4:
        guest_sends(how, where, value);
        break;
    default:
        work(how, value);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rd r = rd_over(data, size);

    memset(ram, 0, sizeof(ram));
    memset(&channel_log, 0, sizeof(channel_log));
    guest_rings_init(&guest, ram);
    take_over(false);
    for (unsigned left = STEPS; left > 0 && r.left >= STEP_BYTES; left--) {
        uint8_t what = rd_u8(&r);
        uint8_t how = rd_u8(&r);
        uint16_t where = rd_le16(&r);
        uint32_t value = rd_le32(&r);

        step(what, how, where, value);
        check();
    }
    look_at_memory();
    return 0;
}

/*
 * tests/fuzz/fuzz_vmring.c - rings whose memory a guest has filled as it likes, and changes meanwhile.
 *
 * Input: ten words of the two control pages, then steps of u8 what, u8 where, u16 value; what is left over is
 * laid into the ring from the guest, again and again.
 *
 * Promises: what is said of a packet lies inside of what the guest put in; offsets are offsets; nothing is
 * written but our two indices, what we say of ourselves, and data of the ring to the guest.
 */
#include <stdlib.h>

#include "base/rd.h"
#include "drivers/vmring.h"
#include "tests/fakes/guest_rings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    STEPS = 64,
    WORDS = 5, /* of a control page */
};

static uint8_t ram[RAM_PAGES * 4096] __attribute__((aligned(4096)));
static uint8_t before[RAM_PAGES * 4096];

static void must(bool holds)
{
    if (!holds)
        abort();
}

static bool is_offset(uint32_t at)
{
    return at < RING_BYTES && at % 8 == 0;
}

/* What may differ from before: nothing of the guest's. */
static void look_at_memory(struct guest_rings *g)
{
    for (unsigned page = 0; page < RAM_PAGES; page++) {
        bool ours = false;

        for (unsigned i = 0; i < RING_PAGES; i++)
            ours |= g->pfns[RING_PAGES + i] == page; /* of the ring to the guest */
        if (ours || page == g->pfns[0])
            continue;
        must(memcmp(ram + page * 4096, before + page * 4096, 4096) == 0);
    }
    must(*control(g, OUTGOING, WRITE_INDEX) == *(uint32_t *)(void *)(before + g->pfns[0] * 4096));
}

static uint32_t read_one(const struct vmring *in, uint32_t read, unsigned step)
{
    uint8_t bytes[PACKET_BYTES];
    struct vmring_packet p;
    uint32_t available = 0;

    if (vmring_available(in, read, &available) < 0 || available == 0)
        return read;
    must(available < RING_BYTES && available % 8 == 0);
    if (vmring_packet(in, read, available, &p) < 0)
        return read;
    must(p.head_bytes >= VMRING_HEAD_BYTES && is_offset(p.next));
    must((uint64_t)p.head_bytes + p.payload_bytes + VMRING_TRAILER_BYTES <= available);
    vmring_copy(in, &p, p.head_bytes, bytes,
                p.payload_bytes < sizeof(bytes) ? p.payload_bytes : (uint32_t)sizeof(bytes));
    if (step % 2 == 0)
        (void)vmring_consumed(in, read, p.next);
    return p.next;
}

static uint32_t write_one(const struct vmring *out, uint32_t write, uint32_t len)
{
    uint8_t bytes[PACKET_BYTES] = {0};
    uint32_t room = 0, to;

    if (vmring_room(out, write, &room) < 0 || vmring_packet_bytes(len) > room) {
        vmring_set_pending(out, VMRING_HEAD_BYTES + PACKET_BYTES + VMRING_TRAILER_BYTES);
        return write;
    }
    must(room < RING_BYTES);
    to = vmring_put_completion(out, write, 7, bytes, len);
    must(is_offset(to));
    (void)vmring_produced(out, write, to);
    must(vmring_shown(out) == to);
    return to;
}

static void guest_writes(struct guest_rings *g, uint8_t where, uint16_t value)
{
    if (where < 2 * WORDS)
        *control(g, where % 2u, where / 2u) = (uint32_t)value * (value % 3u == 0 ? 8u : 1u);
    else
        *ring_byte(g, OUTGOING, where * 8u) = (uint8_t)value;
    memcpy(before, ram, sizeof(before));
}

static void fill(struct guest_rings *g, struct rd *r)
{
    const struct span rest = rd_span(r, r->left);

    for (uint32_t i = 0; rest.len > 0 && i < RING_BYTES; i++)
        *ring_byte(g, OUTGOING, i) = rest.at[i % rest.len];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rd r = rd_over(data, size);
    struct rd steps;
    struct guest_rings g;
    struct gmem_pages pages;
    uint8_t *hosts[2 * RING_PAGES];
    struct vmring in, out;
    uint32_t read = 0, write = 0;

    memset(ram, 0, sizeof(ram));
    guest_rings_init(&g, ram);
    must(gmem_pages_init(&pages, &g.memory, g.pfns, 2 * RING_PAGES, hosts) == 0);
    for (unsigned i = 0; i < 2 * WORDS; i++)
        *control(&g, i % 2, i / 2) = rd_le32(&r);
    steps = r;
    if (!rd_ok(&r))
        return 0;
    fill(&g, &r);
    memcpy(before, ram, sizeof(before));
    in = vmring_over(&pages, 0, RING_PAGES);
    out = vmring_over(&pages, RING_PAGES, RING_PAGES);
    for (unsigned left = STEPS; left > 0 && steps.left >= 4; left--) {
        uint8_t what = rd_u8(&steps);
        uint8_t where = rd_u8(&steps);
        uint16_t value = rd_le16(&steps);

        if (what % 3 == 0)
            read = read_one(&in, read, left);
        else if (what % 3 == 1)
            write = write_one(&out, write, where % (PACKET_BYTES + 1));
        else
            guest_writes(&g, where, value);
        must(is_offset(read) && is_offset(write));
        look_at_memory(&g);
    }
    return 0;
}

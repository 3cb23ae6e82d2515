/*
 * Bytes from GDB, in pieces, to a guest that pages by tables which are fuzz input, too; it stops now and then. What comes out
 * must be packets, whatever goes in.
 *
 * Input: a byte of choices, then what GDB says; 0xff ends a piece, and the guest stops.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/fakes/debug_guest.h"
#include "workers/debug/gdb.h"

enum {
    PIECE_END = 0xff,
    CHOICE_PAGING = 1,
    CHOICE_FIVE_LEVELS = 2,
    CHOICE_FAILS = 4,
};

static struct debug_guest fake;
static struct gdb g;
static struct gdb_packet heard; /* as GDB reads it */

static void hear(void)
{
    uint8_t out[GDB_OUT_MAX + 1];
    const size_t n = gdb_output(&g, out, sizeof(out));

    if (n > sizeof(out) || gdb_output(&g, out, sizeof(out)) != 0)
        abort();
    for (size_t i = 0; i < n; i++) {
        if (gdb_packet_take(&heard, out[i]) == GDB_BAD)
            abort();
    }
}

static void say(const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        const size_t n = gdb_input(&g, bytes, len);

        if (n > len)
            abort();
        hear();
        if (n == 0) /* it waits for the guest, or is over */
            return;
        bytes += n;
        len -= n;
    }
}

static void stop(uint8_t choice)
{
    const struct gdb_stop s = {
        .why = (enum gdb_why)(choice & 3), .vcpu = choice >> 2 & 1, .address = choice};

    fake.running = false;
    gdb_stopped(&g, &s);
    hear();
    if (g.n_breaks > GUEST_BREAKS_MAX || g.vcpu >= DEBUG_GUEST_VCPUS)
        abort();
    for (unsigned i = 0; i < g.n_breaks; i++) {
        if (!guest_break_fits(&g.breaks[i]))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct guest guest = debug_guest_make(&fake);
    uint8_t choices;

    if (size == 0)
        return 0;
    choices = data[0];
    memcpy(fake.memory, data, size < sizeof(fake.memory) ? size : sizeof(fake.memory));
    memset(&heard, 0, sizeof(heard));
    for (unsigned i = 0; i < DEBUG_GUEST_VCPUS; i++) {
        fake.regs[i].v[GUEST_CR0] = (choices & CHOICE_PAGING) != 0 ? UINT64_C(1) << 31 : 1;
        fake.regs[i].v[GUEST_CR4] = (choices & CHOICE_FIVE_LEVELS) != 0 ? 1u << 12 : 0;
        fake.regs[i].v[GUEST_EFER] = UINT64_C(1) << 10;
    }
    if (gdb_begin(&g, &guest) < 0)
        return 0;
    stop(0);
    fake.fails = (choices & CHOICE_FAILS) != 0 ? -EIO : 0;
    data++;
    size--;
    while (size > 0) {
        const uint8_t *end = memchr(data, PIECE_END, size);
        const size_t len = end == NULL ? size : (size_t)(end - data);

        say(data, len);
        data += len;
        size -= len;
        if (size > 0) {
            stop(size > 1 ? data[1] : 0);
            data++;
            size--;
        }
    }
    return 0;
}

#include "workers/bus.h"

#include <errno.h>
#include <unistd.h>

#include "base/clock.h"
#include "ipc/ram.h"

static const uint64_t SPIN_MAX_NS = 50 * NS_PER_US;
static const uint64_t SPIN_MIN_NS = 1 * NS_PER_US;

/* --- the beginning --- */

static int map_pages(struct bus *b, enum process process)
{
    void *channels, *synic, *acks;
    int r = worker_map(b->worker, OBJECT_CHANNELS, process, &channels);

    if (r == 0)
        r = worker_map(b->worker, OBJECT_SYNIC, 0, &synic);
    if (r == 0)
        r = worker_map(b->worker, OBJECT_ACKS, process, &acks);
    if (r < 0)
        return r;
    b->channels = channels;
    b->synic = synic;
    b->acks = acks;
    return 0;
}

static int take_memory(struct bus *b)
{
    int fd = worker_fd(b->worker, OBJECT_RAM, 0);
    int r = fd < 0 ? fd : ram_map(fd, &b->memory);

    if (r == 0)
        (void)close(fd); /* the mapping is enough */
    return r;
}

static int take_bells(struct bus *b, enum process process)
{
    b->bell_fd = worker_fd(b->worker, OBJECT_BELL, process);
    b->vmbus_bell_fd = worker_fd(b->worker, OBJECT_BELL, PROCESS_VMBUS);
    if (b->bell_fd < 0 || b->vmbus_bell_fd < 0)
        return -ENOENT;
    for (unsigned vp = 0; vp < VPS_MAX; vp++)
        b->irq_fds[vp] = worker_fd(b->worker, OBJECT_VP_IRQ, vp);
    return 0;
}

int bus_setup(struct bus *b, struct worker *w, enum process process)
{
    int r;

    b->worker = w;
    b->spin_ns = SPIN_MIN_NS;
    r = map_pages(b, process);
    if (r == 0)
        r = take_memory(b);
    return r < 0 ? r : take_bells(b, process);
}

void bus_add_rows(struct bus *b)
{
    struct board *board = &b->worker->board;

    b->rows.interrupts = board_add(board, BOARD_COUNTER, "interrupts");
    b->rows.sleeps = board_add(board, BOARD_COUNTER, "polling/sleeps");
    b->rows.spins = board_add(board, BOARD_COUNTER, "polling/in_vain");
    b->rows.spin_ns = board_add(board, BOARD_GAUGE, "polling/limit_ns");
}

/* --- telling others --- */

static void ring(int fd)
{
    static const uint64_t one = 1;

    (void)!write(fd, &one, sizeof(one)); /* full means that it is rung already */
}

void bus_ring_vmbus(const struct bus *b)
{
    ring(b->vmbus_bell_fd);
}

void bus_acknowledge(struct bus *b, unsigned index, uint32_t epoch, int status)
{
    b->acks->channels[index].status = (uint32_t)-status;
    atomic_store_explicit(&b->acks->channels[index].epoch, epoch, memory_order_release);
    bus_ring_vmbus(b);
}

/*
 * Where the flags are is looked at inside the section: once the supervisor has seen us outside of it, we write to the
 * new place or to none.
 */
bool bus_interrupt(struct bus *b, uint32_t vp, uint32_t relid, bool anyway)
{
    bool interrupts = false;
    uint64_t flags;

    if (vp >= VPS_MAX || vp >= b->synic->n_vps)
        return false;
    port_section_enter(&b->worker->port);
    flags = atomic_load(&b->synic->vps[vp].flags_gpa);
    if ((flags & SYNIC_ENABLED) != 0) {
        const struct gpa word = {(flags & ~UINT64_C(0xff)) + relid / 32 * 4};
        int was = gmem_set_bit(&b->memory, word, relid % 32);

        interrupts = (was == 0 || anyway) && (flags & SYNIC_UNMASKED) != 0;
    }
    if (interrupts) {
        ring(b->irq_fds[vp]);
        board_inc(b->rows.interrupts);
    }
    port_section_leave(&b->worker->port);
    return interrupts;
}

/* --- looking before sleeping --- */

void bus_tune(struct bus *b, uint64_t slept_ns)
{
    if (slept_ns < 2 * SPIN_MAX_NS)
        b->spin_ns = b->spin_ns * 2 < SPIN_MAX_NS ? b->spin_ns * 2 : SPIN_MAX_NS;
    else
        b->spin_ns = b->spin_ns / 2 > SPIN_MIN_NS ? b->spin_ns / 2 : SPIN_MIN_NS;
}

#include "ipc/vmbus.h"

#include "base/num.h"

/* ba6163d9-04a1-4d29-b605-72e2ffb1dc7f */
#define SCSI_INTERFACE                                                                             \
    {                                                                                              \
        0xd9, 0x63, 0x61, 0xba, 0xa1, 0x04, 0x29, 0x4d, 0xb6, 0x05, 0x72, 0xe2, 0xff, 0xb1, 0xdc,  \
            0x7f                                                                                   \
    }

/* b1c04ead-0000-4d5b-a000-00000000000N: ours; the guest's names of its disks depend on them. */
#define SCSI_INSTANCE(n)                                                                           \
    {                                                                                              \
        0xad, 0x4e, 0xc0, 0xb1, 0, 0, 0x5b, 0x4d, 0xa0, 0, 0, 0, 0, 0, 0, n                        \
    }

/* f8615163-df3e-46c5-913f-f2d2f965ed0e */
#define NET_INTERFACE                                                                              \
    {                                                                                              \
        0x63, 0x51, 0x61, 0xf8, 0x3e, 0xdf, 0xc5, 0x46, 0x91, 0x3f, 0xf2, 0xd2, 0xf9, 0x65, 0xed,  \
            0x0e                                                                                   \
    }

/* b1c04ead-0000-4d5b-b000-00000000000N: ours. */
#define NET_INSTANCE(n)                                                                            \
    {                                                                                              \
        0xad, 0x4e, 0xc0, 0xb1, 0, 0, 0x5b, 0x4d, 0xb0, 0, 0, 0, 0, 0, 0, n                        \
    }

const struct vmbus_device vmbus_devices[VMBUS_DEVICES] = {
    {PROCESS_STORAGE, false, SCSI_INTERFACE, SCSI_INSTANCE(0), "scsi0"},
    {PROCESS_STORAGE, false, SCSI_INTERFACE, SCSI_INSTANCE(1), "scsi1"},
    {PROCESS_STORAGE, false, SCSI_INTERFACE, SCSI_INSTANCE(2), "scsi2"},
    {PROCESS_STORAGE, false, SCSI_INTERFACE, SCSI_INSTANCE(3), "scsi3"},
    {PROCESS_NET,     true,  NET_INTERFACE,  NET_INSTANCE(0),  "net0" },
    {PROCESS_NET,     true,  NET_INTERFACE,  NET_INSTANCE(1),  "net1" },
    {PROCESS_NET,     true,  NET_INTERFACE,  NET_INSTANCE(2),  "net2" },
    {PROCESS_NET,     true,  NET_INTERFACE,  NET_INSTANCE(3),  "net3" },
};

bool vmbus_channel_read(const struct vmbus_channels *c, unsigned index, struct vmbus_channel *ret)
{
    const struct vmbus_channel *e = &c->channels[index];
    uint32_t seq = atomic_load_explicit(&e->seq, memory_order_acquire);
    struct vmbus_channel copy;

    if (seq % 2 != 0)
        return false;
    copy.epoch = *(const volatile uint32_t *)&e->epoch;
    copy.opening = *(const volatile uint32_t *)&e->opening;
    copy.open = *(const volatile uint32_t *)&e->open;
    copy.target_vp = *(const volatile uint32_t *)&e->target_vp;
    copy.pages = *(const volatile uint32_t *)&e->pages;
    copy.downstream = *(const volatile uint32_t *)&e->downstream;
    copy.pool_at = *(const volatile uint32_t *)&e->pool_at;
    atomic_thread_fence(memory_order_acquire);
    if (atomic_load_explicit(&e->seq, memory_order_relaxed) != seq)
        return false;
    if (copy.pages > VMBUS_RING_PAGES_MAX ||
        !range_inside(copy.pool_at, copy.pages, VMBUS_POOL_PAGES))
        return false;
    *ret = copy;
    return true;
}

void vmbus_channel_write(struct vmbus_channels *c, unsigned index, const struct vmbus_channel *e)
{
    struct vmbus_channel *to = &c->channels[index];
    uint32_t seq = atomic_load_explicit(&to->seq, memory_order_relaxed) | 1;

    atomic_store_explicit(&to->seq, seq, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    to->epoch = e->epoch;
    to->opening = e->opening;
    to->open = e->open;
    to->target_vp = e->target_vp;
    to->pages = e->pages;
    to->downstream = e->downstream;
    to->pool_at = e->pool_at;
    atomic_store_explicit(&to->seq, seq + 1, memory_order_release);
}

bool vmbus_memory_read(const struct vmbus_channels *c, unsigned index, struct vmbus_memory *ret)
{
    const struct vmbus_memory *e = &c->memories[index];
    uint32_t seq = atomic_load_explicit(&e->seq, memory_order_acquire);
    struct vmbus_memory copy = {0};

    if (seq % 2 != 0)
        return false;
    copy.state = *(const volatile uint32_t *)&e->state;
    copy.epoch = *(const volatile uint32_t *)&e->epoch;
    copy.id = *(const volatile uint32_t *)&e->id;
    copy.relid = *(const volatile uint32_t *)&e->relid;
    copy.bytes = *(const volatile uint32_t *)&e->bytes;
    copy.offset = *(const volatile uint32_t *)&e->offset;
    copy.pages = *(const volatile uint32_t *)&e->pages;
    copy.pool_at = *(const volatile uint32_t *)&e->pool_at;
    atomic_thread_fence(memory_order_acquire);
    if (atomic_load_explicit(&e->seq, memory_order_relaxed) != seq ||
        copy.state > VMBUS_MEMORY_WANTED || copy.offset >= 4096 ||
        !range_inside(copy.pool_at, copy.pages, VMBUS_POOL_PAGES) ||
        (uint64_t)copy.offset + copy.bytes > (uint64_t)copy.pages * 4096)
        return false;
    *ret = copy;
    return true;
}

void vmbus_memory_write(struct vmbus_channels *c, unsigned index, const struct vmbus_memory *e)
{
    struct vmbus_memory *to = &c->memories[index];
    uint32_t seq = atomic_load_explicit(&to->seq, memory_order_relaxed) | 1;

    atomic_store_explicit(&to->seq, seq, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    to->state = e->state;
    to->epoch = e->epoch;
    to->id = e->id;
    to->relid = e->relid;
    to->bytes = e->bytes;
    to->offset = e->offset;
    to->pages = e->pages;
    to->pool_at = e->pool_at;
    atomic_store_explicit(&to->seq, seq + 1, memory_order_release);
}

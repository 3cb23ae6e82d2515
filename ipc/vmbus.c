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

const struct vmbus_device vmbus_devices[VMBUS_DEVICES] = {
    {PROCESS_STORAGE, SCSI_INTERFACE, SCSI_INSTANCE(0), "scsi0"},
    {PROCESS_STORAGE, SCSI_INTERFACE, SCSI_INSTANCE(1), "scsi1"},
    {PROCESS_STORAGE, SCSI_INTERFACE, SCSI_INSTANCE(2), "scsi2"},
    {PROCESS_STORAGE, SCSI_INTERFACE, SCSI_INSTANCE(3), "scsi3"},
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

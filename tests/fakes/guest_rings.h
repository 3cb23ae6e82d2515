/*
 * tests/fakes/guest_rings.h - the guest's end of a channel's rings, written without a look at
 * drivers/vmring.c, as Linux's ring_buffer.c works: so that one checks the other.
 *
 * The guest's memory is RAM_PAGES pages from address 0; rings take the first ones, scattered backwards.
 */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/gmem.h"
#include "ipc/vmbus.h"

enum {
    RAM_PAGES = 64,
    RING_PAGES = 4, /* of each direction */
    RING_BYTES = (RING_PAGES - 1) * 4096,
    PACKET_BYTES = 64,
};

struct guest_rings {
    uint8_t *ram; /* RAM_PAGES pages */
    uint64_t pfns[2 * RING_PAGES];
    struct gmem memory;
    uint32_t received_to; /* the read index of the ring to us, kept by us */
};

static inline uint32_t *control(struct guest_rings *g, unsigned ring, unsigned word)
{
    return (uint32_t *)(void *)(g->ram + g->pfns[ring * RING_PAGES] * 4096) + word;
}

static inline uint8_t *ring_byte(struct guest_rings *g, unsigned ring, uint32_t at)
{
    uint32_t in = at % RING_BYTES;

    return g->ram + g->pfns[ring * RING_PAGES + 1 + in / 4096] * 4096 + in % 4096;
}

/* Words of a control page. */
enum {
    WRITE_INDEX,
    READ_INDEX,
    INTERRUPT_MASK,
    PENDING_SEND,
    OUTGOING = 0,
    INCOMING = 1,
};

static inline void guest_rings_init(struct guest_rings *g, uint8_t *ram)
{
    int r;

    *g = (struct guest_rings){.ram = ram};
    for (unsigned i = 0; i < 2 * RING_PAGES; i++)
        g->pfns[i] = 2 * RING_PAGES - 1 - i;
    r = gmem_add(&g->memory, (struct gpa){0}, RAM_PAGES * 4096, ram);
    assert(r == 0);
}

static inline void put_bytes(struct guest_rings *g, uint32_t *at, const void *bytes, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++)
        *ring_byte(g, OUTGOING, (*at)++) = ((const uint8_t *)bytes)[i];
}

/* Send a packet; head is what comes between descriptor and payload. False: no room. */
static inline bool guest_send(struct guest_rings *g, uint16_t type, uint64_t tid, const void *head,
                              uint32_t head_len, const void *payload, uint32_t len)
{
    uint32_t at = *control(g, OUTGOING, WRITE_INDEX);
    uint32_t read = __atomic_load_n(control(g, OUTGOING, READ_INDEX), __ATOMIC_ACQUIRE);
    uint32_t used = (at + RING_BYTES - read) % RING_BYTES;
    uint32_t whole = 16 + head_len + (len + 7) / 8 * 8;
    const uint16_t words[4] = {type, (uint16_t)((16 + head_len) / 8), (uint16_t)(whole / 8), 1};
    const uint64_t trailer = (uint64_t)at << 32;
    static const uint8_t padding[8];

    if (RING_BYTES - used <= whole + 8)
        return false;
    put_bytes(g, &at, words, sizeof(words));
    put_bytes(g, &at, &tid, sizeof(tid));
    put_bytes(g, &at, head, head_len);
    put_bytes(g, &at, payload, len);
    put_bytes(g, &at, padding, whole - 16 - head_len - len);
    put_bytes(g, &at, &trailer, sizeof(trailer));
    __atomic_store_n(control(g, OUTGOING, WRITE_INDEX), at % RING_BYTES, __ATOMIC_RELEASE);
    return true;
}

/* A request with len bytes of data from byte offset of page first on. */
static inline bool guest_request(struct guest_rings *g, uint64_t tid, uint64_t first,
                                 uint32_t offset, uint32_t len, const uint8_t packet[PACKET_BYTES])
{
    uint64_t head[2 + 32] = {(uint64_t)1 << 32, (uint64_t)offset << 32 | len};
    uint32_t pages = (offset + len + 4095) / 4096;

    for (uint32_t i = 0; i < pages; i++)
        head[2 + i] = first + i;
    return guest_send(g, 9, tid, head, 8 * (2 + pages), packet, PACKET_BYTES);
}

/* Take a packet of the host's. False: there is none. */
static inline bool guest_receive(struct guest_rings *g, uint16_t *type, uint64_t *tid,
                                 uint8_t payload[PACKET_BYTES])
{
    uint32_t write = __atomic_load_n(control(g, INCOMING, WRITE_INDEX), __ATOMIC_ACQUIRE);
    uint32_t at = g->received_to;
    uint8_t head[16];
    uint16_t words[4];

    if (at == write)
        return false;
    for (unsigned i = 0; i < sizeof(head); i++)
        head[i] = *ring_byte(g, INCOMING, at + i);
    memcpy(words, head, sizeof(words));
    memcpy(tid, head + 8, sizeof(*tid));
    *type = words[0];
    for (unsigned i = 0; i < PACKET_BYTES && i + words[1] * 8u < words[2] * 8u; i++)
        payload[i] = *ring_byte(g, INCOMING, at + words[1] * 8u + i);
    g->received_to = (at + words[2] * 8u + 8) % RING_BYTES;
    __atomic_store_n(control(g, INCOMING, READ_INDEX), g->received_to, __ATOMIC_RELEASE);
    return true;
}

/* As vmbus would describe the channel. */
static inline struct vmbus_channel guest_channel(uint32_t opening)
{
    return (struct vmbus_channel){.epoch = opening,
                                  .opening = opening,
                                  .open = 1,
                                  .pages = 2 * RING_PAGES,
                                  .downstream = RING_PAGES};
}

/*
 * drivers/vmring.h - the rings of a VMBus channel, seen from the host: packets in, packets out.
 *
 * Two rings of bytes in pages of the guest, one a direction, each a control page and data. The guest can
 * write all of it at any time: offsets that are ours are kept by the caller and only shown to the guest;
 * what the guest wrote is copied, then checked.
 *
 * Nothing here waits, signals or logs: who calls is told when a signal is due.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/gmem.h"
#include "base/macro.h"

enum vmring_type {
    VMRING_IN_BAND = 6,
    VMRING_TRANSFER_PAGES = 7,
    VMRING_GPA_DIRECT = 9,
    VMRING_COMPLETION = 11,
};

enum {
    VMRING_HEAD_BYTES = 16,   /* of a packet's descriptor */
    VMRING_TRAILER_BYTES = 8, /* after a packet */
    VMRING_WANTS_COMPLETION = 1,
    VMRING_TRANSFER_RANGES = 64, /* of a packet that we send */
    VMRING_PAYLOAD_MAX = 256,    /* the same */
    VMRING_FRONT_BYTES = 112,    /* of a packet, copied at once: all of a disk's usual request */
};

#define VMRING_TRANSFER_BYTES(n) (8 + 8 * (n)) /* between descriptor and payload */

/* Parts of a buffer that the guest has lent: it has to give them back, by a completion of that transaction. */
struct vmring_transfer {
    uint64_t transaction;
    uint16_t set; /* which buffer */
    unsigned n;
    struct {
        uint32_t bytes, offset;
    } ranges[VMRING_TRANSFER_RANGES];
};

struct vmring {
    const struct gmem_pages *pages; /* borrowed */
    size_t control;                 /* where its control page is in them */
    uint32_t bytes;                 /* of data, which follow it */
};

/* A packet as the guest described it: a private copy of its descriptor, and of what follows as far as that goes. */
struct vmring_packet {
    uint16_t type;
    uint16_t flags;
    uint64_t transaction;
    uint32_t head_bytes; /* descriptor and what follows it, up to the payload */
    uint32_t payload_bytes;
    uint32_t at, next; /* offsets of it, and of what follows it */
    uint32_t n_front;
    uint8_t front[VMRING_FRONT_BYTES]; /* what it begins with */
};

/* A ring in pages [first, first + n) of pages; n is 2 or more. */
struct vmring vmring_over(const struct gmem_pages *pages, unsigned first, unsigned n);

/* --- from the guest --- */

/*
 * How many bytes the guest has put in from offset read on. -EBADMSG: its index is not one; such a channel
 * is to be stopped.
 */
int MUST_USE vmring_available(const struct vmring *r, uint32_t read, uint32_t *ret);

/*
 * The packet at offset read, of available bytes (more than 0). -EBADMSG: it is none.
 */
int MUST_USE vmring_packet(const struct vmring *r, uint32_t read, uint32_t available,
                           struct vmring_packet *ret);

/* Copy len bytes of the packet, from its byte from on; they are inside of it. Each is fetched once. */
void vmring_copy(const struct vmring *r, const struct vmring_packet *p, uint32_t from, void *out,
                 uint32_t len);

/*
 * Show the guest how far we have read: from before to read. True when it waits for that much room and is
 * to be signalled.
 */
bool vmring_consumed(const struct vmring *r, uint32_t before, uint32_t read);

/* Ask for signals about new packets, or for none. After asking for them look once more. */
void vmring_set_wanted(const struct vmring *r, bool signals);

/* --- to the guest --- */

/* Bytes that can be put in at offset write. -EBADMSG as above. */
int MUST_USE vmring_room(const struct vmring *r, uint32_t write, uint32_t *ret);

/* What a packet with that payload takes. */
static inline uint32_t vmring_packet_bytes(uint32_t payload)
{
    return VMRING_HEAD_BYTES + ((payload + 7) & ~7u) + VMRING_TRAILER_BYTES;
}

/* Put a completion in at offset write, for which there is room; the guest does not see it yet. Its end. */
uint32_t vmring_put_completion(const struct vmring *r, uint32_t write, uint64_t transaction,
                               const void *payload, uint32_t len);
/* The same of a packet that asks for nothing. */
uint32_t vmring_put_in_band(const struct vmring *r, uint32_t write, const void *payload,
                            uint32_t len);

/* And one of that kind; it takes VMRING_TRANSFER_BYTES(t->n) more than vmring_packet_bytes(len). */
uint32_t vmring_put_transfer(const struct vmring *r, uint32_t write,
                             const struct vmring_transfer *t, const void *payload, uint32_t len);

/*
 * Show the guest what was put in, from before to write. True when it is to be signalled: it wants
 * signals, and had seen all that there was.
 */
bool vmring_produced(const struct vmring *r, uint32_t before, uint32_t write);

/* For a signal that was put off: does the guest want it still, or has it read up to write? */
bool vmring_is_unread(const struct vmring *r, uint32_t write);

/* Where the guest was shown that we write: after a death, whether a batch was shown. */
uint32_t vmring_shown(const struct vmring *r);

/* Set both of our indices anew, after a death; say that we heed what the other waits for. */
void vmring_show_read(const struct vmring *r, uint32_t read);
void vmring_show_write(const struct vmring *r, uint32_t write);

/* We wait for bytes of room in the ring to the guest; 0: for none. Look again after it. */
void vmring_set_pending(const struct vmring *r, uint32_t bytes);

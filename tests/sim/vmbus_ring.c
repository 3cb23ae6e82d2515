#include "tests/sim/vmbus_ring.h"

#include <errno.h>
#include <string.h>

#include "base/rd.h"
#include "base/wr.h"

enum {
    PAGE = 4096,
    DESCRIPTOR_BYTES = 16,
    TRAILER_BYTES = 8,
    PACKET_MAX = 4096, /* that is put in */
};

static void fence(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

volatile uint32_t *vring_field(const struct vring *r, size_t at)
{
    return (volatile uint32_t *)(void *)(r->page[0] + at);
}

static uint32_t load(const struct vring *r, size_t at)
{
    return __atomic_load_n(vring_field(r, at), __ATOMIC_ACQUIRE);
}

static void store(const struct vring *r, size_t at, uint32_t value)
{
    __atomic_store_n(vring_field(r, at), value, __ATOMIC_RELEASE);
}

void vring_reset(struct vring *r, unsigned pages)
{
    for (unsigned i = 0; i < pages; i++)
        memset(r->page[i], 0, PAGE);
    r->bytes = (pages - 1) * PAGE;
    r->read = 0;
    store(r, VRING_AT_FEATURES, 1);
}

/* Of what is less than a round behind the end. */
static uint32_t wrap(const struct vring *r, uint32_t at)
{
    return at >= r->bytes ? at - r->bytes : at;
}

static uint8_t *byte_at(const struct vring *r, uint32_t at)
{
    return r->page[1 + at / PAGE] + at % PAGE;
}

/* As far as a page goes, round after round. */
static uint32_t stretch(const struct vring *r, uint32_t at, uint32_t len)
{
    uint32_t page_left = PAGE - at % PAGE;
    uint32_t ring_left = r->bytes - at;
    uint32_t n = len < page_left ? len : page_left;

    return n < ring_left ? n : ring_left;
}

static uint32_t put(const struct vring *r, uint32_t at, const void *bytes, uint32_t len)
{
    const uint8_t *from = bytes;

    while (len > 0) {
        uint32_t n = stretch(r, at, len);

        memcpy(byte_at(r, at), from, n);
        from += n;
        len -= n;
        at = wrap(r, at + n);
    }
    return at;
}

static uint32_t get(const struct vring *r, uint32_t at, void *bytes, uint32_t len)
{
    uint8_t *to = bytes;

    while (len > 0) {
        uint32_t n = stretch(r, at, len);

        memcpy(to, byte_at(r, at), n);
        to += n;
        len -= n;
        at = wrap(r, at + n);
    }
    return at;
}

/* Linux's "to write": what is not "to read", the whole ring when it is empty. */
static uint32_t to_write(const struct vring *r)
{
    uint32_t write = load(r, VRING_AT_WRITE);
    uint32_t read = load(r, VRING_AT_READ);

    return write >= read ? r->bytes - (write - read) : read - write;
}

static uint32_t to_read(const struct vring *r, uint32_t from)
{
    uint32_t write = load(r, VRING_AT_WRITE);

    return write >= from ? write - from : r->bytes - (from - write);
}

static uint32_t round_up(uint32_t len)
{
    return (len + 7) & ~7u;
}

int vring_write(struct vring *r, uint16_t type, uint16_t flags, uint64_t transaction,
                const void *head, uint32_t head_len, const void *payload, uint32_t payload_len,
                bool *ret_signal)
{
    static const uint8_t zeros[8];
    uint32_t old = load(r, VRING_AT_WRITE);
    uint32_t bytes = DESCRIPTOR_BYTES + head_len + payload_len;
    uint32_t whole = round_up(bytes);
    uint8_t copy[PACKET_MAX] UNINITIALIZED;
    struct wr w = wr_over(copy, sizeof(copy));
    size_t len = 0;
    uint32_t at;

    if (to_write(r) <= whole + TRAILER_BYTES)
        return -EAGAIN;
    wr_le16(&w, type);
    wr_le16(&w, (uint16_t)((DESCRIPTOR_BYTES + head_len) / 8));
    wr_le16(&w, (uint16_t)(whole / 8));
    wr_le16(&w, flags);
    wr_le64(&w, transaction);
    wr_bytes(&w, head, head_len);
    wr_bytes(&w, payload, payload_len);
    wr_bytes(&w, zeros, whole - bytes);
    wr_le64(&w, (uint64_t)old << 32);
    if (wr_finish(&w, &len) < 0)
        return -EMSGSIZE;
    at = put(r, old, copy, (uint32_t)len);
    fence();
    store(r, VRING_AT_WRITE, at);
    fence();
    *ret_signal = load(r, VRING_AT_MASK) == 0 && load(r, VRING_AT_READ) == old;
    return 0;
}

void vring_wait_for(struct vring *r, uint32_t bytes)
{
    store(r, VRING_AT_PENDING, bytes);
    fence();
}

void vring_begin_read(struct vring *r)
{
    store(r, VRING_AT_MASK, 1);
    fence();
}

bool vring_end_read(struct vring *r)
{
    store(r, VRING_AT_MASK, 0);
    fence();
    return to_read(r, load(r, VRING_AT_READ)) != 0;
}

/* Only one type has something before its payload. */
static bool is_layout(uint16_t type, uint32_t offset, uint32_t len)
{
    uint32_t most = type == VRING_TRANSFER_PAGES ? VRING_HEAD_MAX : 0;

    return offset >= DESCRIPTOR_BYTES && offset - DESCRIPTOR_BYTES <= most && len >= offset &&
           len - offset <= VRING_PAYLOAD_MAX;
}

int vring_read(struct vring *r, struct vring_packet *ret)
{
    uint32_t available = load(r, VRING_AT_WRITE) < r->bytes ? to_read(r, r->read) : UINT32_MAX;
    uint8_t descriptor[DESCRIPTOR_BYTES];
    uint32_t at, offset, len;
    struct rd in;

    if (available == 0)
        return 0;
    if (available > r->bytes || available < DESCRIPTOR_BYTES + TRAILER_BYTES)
        return -EBADMSG;
    at = get(r, r->read, descriptor, sizeof(descriptor));
    in = rd_over(descriptor, sizeof(descriptor));
    ret->type = rd_le16(&in);
    offset = 8u * rd_le16(&in);
    len = 8u * rd_le16(&in);
    ret->flags = rd_le16(&in);
    ret->transaction = rd_le64(&in);
    if (!is_layout(ret->type, offset, len) || len + TRAILER_BYTES > available)
        return -EBADMSG;
    ret->head_len = offset - DESCRIPTOR_BYTES;
    ret->len = len - offset;
    at = get(r, at, ret->head, ret->head_len);
    (void)get(r, at, ret->payload, ret->len);
    r->read = wrap(r, r->read + len + TRAILER_BYTES);
    return 1;
}

bool vring_end_packets(struct vring *r)
{
    uint32_t start = load(r, VRING_AT_READ);
    uint32_t pending, room, given;

    store(r, VRING_AT_READ, r->read);
    fence();
    pending = load(r, VRING_AT_PENDING);
    if (pending == 0)
        return false;
    room = to_write(r);
    given = r->read >= start ? r->read - start : r->bytes - start + r->read;
    return room > pending && room - given <= pending;
}

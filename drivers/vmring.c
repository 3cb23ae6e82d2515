#include "drivers/vmring.h"

#include <errno.h>
#include <stdlib.h>

#include "base/rd.h"
#include "base/wr.h"

/* @spec Linux include/linux/hyperv.h (struct hv_ring_buffer) */
enum {
    AT_WRITE = 0,
    AT_READ = 4,
    AT_MASK = 8,
    AT_PENDING = 12,
    AT_FEATURES = 64,
    FEATURE_PENDING = 1, /* the producer says how much room it waits for */
    ALIGNMENT = 8,
    PACKET_MAX = VMRING_HEAD_BYTES + VMRING_TRANSFER_BYTES(VMRING_TRANSFER_RANGES) +
                 VMRING_PAYLOAD_MAX + VMRING_TRAILER_BYTES,
};

struct vmring vmring_over(const struct gmem_pages *pages, unsigned first, unsigned n)
{
    return (struct vmring){.pages = pages,
                           .control = (size_t)first * GMEM_PAGE_BYTES,
                           .bytes = (n - 1) * GMEM_PAGE_BYTES};
}

static uint32_t load(const struct vmring *r, size_t field)
{
    return gmem_pages_load(r->pages, r->control + field);
}

static void store(const struct vmring *r, size_t field, uint32_t value)
{
    gmem_pages_store(r->pages, r->control + field, value);
}

static bool is_offset(const struct vmring *r, uint32_t at)
{
    return at < r->bytes && at % ALIGNMENT == 0;
}

static uint32_t distance(const struct vmring *r, uint32_t from, uint32_t to)
{
    return to >= from ? to - from : r->bytes - from + to;
}

static uint32_t wrap(const struct vmring *r, uint32_t at)
{
    return at >= r->bytes ? at - r->bytes : at;
}

/* Bytes that may be put in between write and read: never all, or a full ring would look empty. */
static uint32_t room(const struct vmring *r, uint32_t read, uint32_t write)
{
    return r->bytes - ALIGNMENT - distance(r, read, write);
}

static size_t data_at(const struct vmring *r, uint32_t at)
{
    return r->control + GMEM_PAGE_BYTES + at;
}

int vmring_available(const struct vmring *r, uint32_t read, uint32_t *ret)
{
    uint32_t write = load(r, AT_WRITE);

    if (!is_offset(r, write))
        return -EBADMSG;
    *ret = distance(r, read, write);
    return 0;
}

/* From an offset that may be past the end by less than a round. */
static void fetch(const struct vmring *r, uint32_t at, void *out, uint32_t len)
{
    uint32_t from = wrap(r, at);
    uint32_t first = len < r->bytes - from ? len : r->bytes - from;

    gmem_pages_copy_in(r->pages, data_at(r, from), out, first);
    if (first < len)
        gmem_pages_copy_in(r->pages, data_at(r, 0), (uint8_t *)out + first, len - first);
}

void vmring_copy(const struct vmring *r, const struct vmring_packet *p, uint32_t from, void *out,
                 uint32_t len)
{
    uint32_t have = from < p->n_front ? p->n_front - from : 0;

    if (have > len)
        have = len;
    if (have > 0)
        memcpy(out, p->front + from, have);
    if (have < len)
        fetch(r, p->at + from + have, (uint8_t *)out + have, len - have);
}

static void put(const struct vmring *r, uint32_t at, const void *bytes, uint32_t len)
{
    uint32_t to = wrap(r, at);
    uint32_t first = len < r->bytes - to ? len : r->bytes - to;

    gmem_pages_copy_out(r->pages, data_at(r, to), bytes, first);
    if (first < len)
        gmem_pages_copy_out(r->pages, data_at(r, 0), (const uint8_t *)bytes + first, len - first);
}

int vmring_packet(const struct vmring *r, uint32_t read, uint32_t available,
                  struct vmring_packet *ret)
{
    uint32_t offset, len;
    struct rd in;

    if (available < VMRING_HEAD_BYTES + VMRING_TRAILER_BYTES)
        return -EBADMSG;
    ret->at = read;
    ret->n_front = available < VMRING_FRONT_BYTES ? available : VMRING_FRONT_BYTES;
    fetch(r, read, ret->front, ret->n_front);
    in = rd_over(ret->front, VMRING_HEAD_BYTES);
    ret->type = rd_le16(&in);
    offset = 8u * rd_le16(&in);
    len = 8u * rd_le16(&in);
    ret->flags = rd_le16(&in);
    ret->transaction = rd_le64(&in);
    if (rd_finish(&in) < 0 || offset < VMRING_HEAD_BYTES || offset > len ||
        len > available - VMRING_TRAILER_BYTES)
        return -EBADMSG;
    ret->head_bytes = offset;
    ret->payload_bytes = len - offset;
    ret->next = wrap(r, read + len + VMRING_TRAILER_BYTES);
    return 0;
}

/*
 * Hyper-V's rule, not Linux's stricter one: a signal more does no harm. The low bits of what is waited
 * for are not looked at, because some guests say "all but one byte".
 */
bool vmring_consumed(const struct vmring *r, uint32_t before, uint32_t read)
{
    uint32_t write, pending;

    store(r, AT_READ, read);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    pending = load(r, AT_PENDING) & ~(uint32_t)(ALIGNMENT - 1);
    write = load(r, AT_WRITE);
    if (pending == 0 || !is_offset(r, write))
        return false;
    return room(r, before, write) < pending && room(r, read, write) >= pending;
}

void vmring_set_wanted(const struct vmring *r, bool signals)
{
    store(r, AT_MASK, signals ? 0 : 1);
    if (signals)
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

int vmring_room(const struct vmring *r, uint32_t write, uint32_t *ret)
{
    uint32_t read = load(r, AT_READ);

    if (!is_offset(r, read))
        return -EBADMSG;
    *ret = room(r, read, write);
    return 0;
}

struct packet {
    enum vmring_type type;
    uint16_t flags;
    uint64_t transaction;
    const void *extra; /* between descriptor and payload; a multiple of ALIGNMENT */
    uint32_t extra_len;
    const void *payload;
    uint32_t len;
};

/* In one piece: the rings are the guest's, and looked at by another CPU. */
static uint32_t put_packet(const struct vmring *r, uint32_t write, const struct packet *p)
{
    static const uint8_t padding[ALIGNMENT];
    uint32_t whole = (p->len + ALIGNMENT - 1) & ~(uint32_t)(ALIGNMENT - 1);
    uint32_t head_len = VMRING_HEAD_BYTES + p->extra_len;
    uint8_t bytes[PACKET_MAX] UNINITIALIZED;
    struct wr w = wr_over(bytes, sizeof(bytes));
    size_t len = 0;

    wr_le16(&w, (uint16_t)p->type);
    wr_le16(&w, (uint16_t)(head_len / 8));
    wr_le16(&w, (uint16_t)((head_len + whole) / 8));
    wr_le16(&w, p->flags);
    wr_le64(&w, p->transaction);
    wr_bytes(&w, p->extra, p->extra_len);
    wr_bytes(&w, p->payload, p->len);
    wr_bytes(&w, padding, whole - p->len);
    wr_le32(&w, 0);
    wr_le32(&w, write);
    if (wr_finish(&w, &len) < 0)
        abort(); /* more than VMRING_PAYLOAD_MAX */
    put(r, write, bytes, (uint32_t)len);
    return wrap(r, write + (uint32_t)len);
}

uint32_t vmring_put_completion(const struct vmring *r, uint32_t write, uint64_t transaction,
                               const void *payload, uint32_t len)
{
    const struct packet p = {
        .type = VMRING_COMPLETION, .transaction = transaction, .payload = payload, .len = len};

    return put_packet(r, write, &p);
}

uint32_t vmring_put_in_band(const struct vmring *r, uint32_t write, const void *payload,
                            uint32_t len)
{
    const struct packet p = {.type = VMRING_IN_BAND, .payload = payload, .len = len};

    return put_packet(r, write, &p);
}

uint32_t vmring_put_transfer(const struct vmring *r, uint32_t write,
                             const struct vmring_transfer *t, const void *payload, uint32_t len)
{
    uint8_t extra[VMRING_TRANSFER_BYTES(VMRING_TRANSFER_RANGES)] UNINITIALIZED;
    unsigned n = t->n < VMRING_TRANSFER_RANGES ? t->n : VMRING_TRANSFER_RANGES;
    struct wr w = wr_over(extra, sizeof(extra));
    struct packet p = {.type = VMRING_TRANSFER_PAGES,
                       .flags = VMRING_WANTS_COMPLETION,
                       .transaction = t->transaction,
                       .extra = extra,
                       .extra_len = VMRING_TRANSFER_BYTES(n),
                       .payload = payload,
                       .len = len};

    wr_le16(&w, t->set);
    wr_le16(&w, 0);
    wr_le32(&w, n);
    for (unsigned i = 0; i < n; i++) {
        wr_le32(&w, t->ranges[i].bytes);
        wr_le32(&w, t->ranges[i].offset);
    }
    return put_packet(r, write, &p);
}

bool vmring_produced(const struct vmring *r, uint32_t before, uint32_t write)
{
    store(r, AT_WRITE, write);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return load(r, AT_MASK) == 0 && load(r, AT_READ) == before;
}

bool vmring_is_unread(const struct vmring *r, uint32_t write)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return load(r, AT_MASK) == 0 && load(r, AT_READ) != write;
}

uint32_t vmring_shown(const struct vmring *r)
{
    return load(r, AT_WRITE);
}

void vmring_show_read(const struct vmring *r, uint32_t read)
{
    store(r, AT_READ, read);
    store(r, AT_MASK, 0);
}

void vmring_show_write(const struct vmring *r, uint32_t write)
{
    store(r, AT_WRITE, write);
    store(r, AT_PENDING, 0);
    store(r, AT_FEATURES, FEATURE_PENDING);
}

void vmring_set_pending(const struct vmring *r, uint32_t bytes)
{
    store(r, AT_PENDING, bytes);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

#include "ipc/region.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/crc32c.h"

enum {
    SLOTS_AT = REGION_HEAD_BYTES + REGION_RECORDS * (int)sizeof(struct region_record),
};

static uint32_t slot_crc(uint64_t seq, uint32_t len, uint32_t schema, const uint8_t *message)
{
    uint64_t about[2] = {seq, (uint64_t)schema << 32 | len};

    return crc32c(crc32c(0, about, sizeof(about)), message, len);
}

static bool slot_valid(const struct region_slot *s, size_t cap)
{
    uint64_t seq = atomic_load(&s->seq);
    uint32_t len = *(const volatile uint32_t *)&s->len; /* once: a predecessor may still write */

    return seq != 0 && len <= cap && s->crc == slot_crc(seq, len, s->schema, s->message);
}

static uint32_t record_crc(uint64_t seq, uint32_t len, unsigned i, const uint8_t *bytes)
{
    uint64_t about[2] = {seq, (uint64_t)i << 32 | len};

    return crc32c(crc32c(0, about, sizeof(about)), bytes, len);
}

static bool record_valid(const struct region *r, unsigned i)
{
    const struct region_record *rec = &r->log[i];
    uint32_t len = *(const volatile uint32_t *)&rec->len;

    return atomic_load(&rec->seq) == r->seq && len <= REGION_RECORD_MAX &&
           rec->crc == record_crc(r->seq, len, i, rec->bytes);
}

static void count_records(struct region *r)
{
    r->n_records = 0;
    while (r->seq != 0 && r->n_records < REGION_RECORDS && record_valid(r, r->n_records))
        r->n_records++;
}

static void find_newest(struct region *r)
{
    r->seq = 0;
    r->newest = 1; /* an empty region begins with slot 0 */
    for (unsigned i = 0; i < 2; i++) {
        uint64_t seq = atomic_load(&r->slots[i]->seq);

        if (seq > r->seq && slot_valid(r->slots[i], r->cap)) {
            r->seq = seq;
            r->newest = i;
        }
    }
}

int region_attach(struct region *r, void *map, size_t len)
{
    uint8_t *at = map;
    size_t slot_bytes;

    if (len < 32768 || len % 8192 != 0)
        return -EINVAL;
    slot_bytes = (len - SLOTS_AT) / 2 & ~(size_t)63;
    *r = (struct region){.head = map, .cap = slot_bytes - REGION_SLOT_HEAD_BYTES};
    r->log = (void *)(at + REGION_HEAD_BYTES);
    r->slots[0] = (void *)(at + SLOTS_AT);
    r->slots[1] = (void *)(at + SLOTS_AT + slot_bytes);
    if (atomic_load(&r->head->magic) == 0) {
        r->head->version = REGION_VERSION;
        atomic_store(&r->head->magic, REGION_MAGIC);
    }
    if (atomic_load(&r->head->magic) != REGION_MAGIC || r->head->version != REGION_VERSION)
        return -EBADMSG;
    find_newest(r);
    count_records(r);
    return 0;
}

uint32_t region_schema(const struct region *r)
{
    return r->seq == 0 ? 0 : r->slots[r->newest]->schema;
}

int region_load(const struct region *r, void *out, size_t out_len, size_t *ret_len)
{
    const struct region_slot *s = r->slots[r->newest];
    uint32_t len = *(const volatile uint32_t *)&s->len;

    if (r->seq == 0)
        return -ENOENT;
    if (len > out_len || len > r->cap)
        return -ENOBUFS;
    memcpy(out, s->message, len);
    if (s->crc != slot_crc(r->seq, len, s->schema, out))
        return -EBADMSG;
    *ret_len = len;
    return 0;
}

uint8_t *region_stage(struct region *r)
{
    struct region_slot *older = r->slots[1 - r->newest];

    atomic_store(&older->seq, 0);
    return older->message;
}

void region_commit(struct region *r, size_t len, uint32_t schema)
{
    struct region_slot *older = r->slots[1 - r->newest];
    uint64_t seq = r->seq + 1;

    assert(len <= r->cap);
    older->len = (uint32_t)len;
    older->schema = schema;
    older->crc = slot_crc(seq, older->len, schema, older->message);
    atomic_store_explicit(&older->seq, seq, memory_order_release);
    r->seq = seq;
    r->newest = 1 - r->newest;
    r->n_records = 0;
}

uint8_t *region_log_stage(struct region *r)
{
    struct region_record *next = &r->log[r->n_records];

    if (r->seq == 0 || r->n_records == REGION_RECORDS)
        return NULL;
    return next->bytes; /* not valid until its sequence number is that of the message */
}

void region_log_append(struct region *r, size_t len)
{
    struct region_record *next = &r->log[r->n_records];

    assert(len <= REGION_RECORD_MAX && r->n_records < REGION_RECORDS);
    next->len = (uint32_t)len;
    next->crc = record_crc(r->seq, next->len, r->n_records, next->bytes);
    atomic_store_explicit(&next->seq, r->seq, memory_order_release);
    r->n_records++;
}

int region_log_read(const struct region *r, unsigned i, uint8_t *out, size_t *ret_len)
{
    const struct region_record *rec = &r->log[i];
    uint32_t len = *(const volatile uint32_t *)&rec->len;

    assert(i < r->n_records);
    if (len > REGION_RECORD_MAX)
        return -EBADMSG;
    memcpy(out, rec->bytes, len);
    if (rec->crc != record_crc(r->seq, len, i, out))
        return -EBADMSG;
    *ret_len = len;
    return 0;
}

void region_set_note(struct region *r, unsigned i, uint64_t value)
{
    assert(i < REGION_NOTES);
    atomic_store_explicit(&r->head->notes[i], value, memory_order_release);
}

uint64_t region_note(const struct region *r, unsigned i)
{
    assert(i < REGION_NOTES);
    return atomic_load_explicit(&r->head->notes[i], memory_order_acquire);
}

void region_set_executing(struct region *r, uint64_t id)
{
    atomic_store_explicit(&r->head->executing, id, memory_order_release);
}

void region_begin(struct region *r, uint32_t generation)
{
    atomic_store(&r->head->executing, 0);
    atomic_store(&r->head->doing, 0);
    atomic_store(&r->head->generation, generation);
}

uint64_t region_executing(const void *map, uint32_t generation)
{
    const struct region_head *head = map;

    return atomic_load(&head->generation) == generation ? atomic_load(&head->executing) : 0;
}

uint64_t region_doing(const void *map)
{
    const struct region_head *head = map;

    return atomic_load(&head->doing);
}

/*
 * tests/fakes/vmbus.h - the vmbus worker without a process: the pages that outlive it, a guest's
 * messages to it, and a worker behind channels that acknowledges when it is told to.
 *
 * For unit tests by Check. All devices are the storage worker's, as in ipc/vmbus.c.
 */
#pragma once

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "workers/vmbus/vmbus.h"

enum {
    LAB_VPS = 4,
    LAB_RING_PAGES = 8,
    LAB_DOWNSTREAM = 4,
};

/* @spec MS-ERREF 2.3.1 */
static const uint32_t unsuccessful = 0xc0000001;
static const uint32_t invalid_parameter = 0xc000000d;
static const uint32_t no_resources = 0xc000009a;

struct vmbus_lab {
    struct vmbus v;
    struct vmbus_outbox outbox;
    struct vmbus_channels shared;
    struct vmbus_acks acks;
    enum hv_status status; /* of the last message */
    bool changed;          /* by it, and the look after it */
};

static inline void lab_attach(struct vmbus_lab *l, struct vmbus *v)
{
    v->outbox = &l->outbox;
    memset(v->shared, 0, sizeof(v->shared));
    memset(v->acks, 0, sizeof(v->acks));
    v->shared[PROCESS_STORAGE] = &l->shared;
    v->acks[PROCESS_STORAGE] = &l->acks;
    vmbus_init(v);
}

static inline void lab_init(struct vmbus_lab *l)
{
    memset(l, 0, sizeof(*l));
    atomic_store(&l->outbox.n_vps, LAB_VPS);
    lab_attach(l, &l->v);
}

/* As the worker does for a request: the message, a look, the commit, the publication. */
static inline void lab_post(struct vmbus_lab *l, const struct vmbus_post *post)
{
    l->changed = vmbus_message(&l->v, post, &l->status);
    l->changed |= vmbus_look(&l->v);
    vmbus_publish(&l->v);
}

static inline void lab_bytes(struct vmbus_lab *l, const void *bytes, size_t len)
{
    struct vmbus_post post = {.connection = 4, .type = 1, .len = (uint32_t)len};

    memcpy(post.payload, bytes, len);
    lab_post(l, &post);
}

static inline void lab_words(struct vmbus_lab *l, const uint32_t *words, size_t n)
{
    lab_bytes(l, words, n * sizeof(*words)); /* little-endian, as the machine */
}

#define WORDS(...) (const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / 4

/* A message of a type and 32-bit numbers; the padding after the type is put in. */
#define SAY(l, type, ...)  lab_words(l, WORDS(type, 0, __VA_ARGS__))
#define SAY_PLAIN(l, type) lab_words(l, WORDS(type, 0))

static inline void lab_look(struct vmbus_lab *l)
{
    l->changed = vmbus_look(&l->v);
    vmbus_publish(&l->v);
}

/* The next message as the supervisor takes it; NULL when there is none. Valid until the next. */
static inline const struct vmbus_message *lab_next(struct vmbus_lab *l)
{
    uint64_t head = atomic_load(&l->outbox.head);
    uint64_t discard = atomic_load(&l->outbox.discard);

    if (head < discard)
        head = discard;
    if (head == atomic_load(&l->outbox.tail)) {
        atomic_store(&l->outbox.head, head);
        return NULL;
    }
    atomic_store(&l->outbox.head, head + 1);
    return &l->outbox.entries[head % VMBUS_OUTBOX_ENTRIES];
}

static inline void lab_expect(struct vmbus_lab *l, const uint32_t *words, size_t n)
{
    const struct vmbus_message *m = lab_next(l);

    ck_assert_ptr_nonnull(m);
    ck_assert_uint_eq(m->len, n * sizeof(*words));
    ck_assert_mem_eq(m->payload, words, n * sizeof(*words));
}

#define EXPECT(l, type, ...)  lab_expect(l, WORDS(type, 0, __VA_ARGS__))
#define EXPECT_PLAIN(l, type) lab_expect(l, WORDS(type, 0))
#define EXPECT_NOTHING(l)     ck_assert_ptr_null(lab_next(l))

/* Of an offer only the relid is looked at. */
static inline void lab_expect_offer(struct vmbus_lab *l, uint32_t relid)
{
    const struct vmbus_message *m = lab_next(l);
    uint32_t word;

    ck_assert_ptr_nonnull(m);
    ck_assert_uint_eq(m->len, 196);
    ck_assert_uint_eq(m->payload[0], 1);
    memcpy(&word, m->payload + 184, sizeof(word));
    ck_assert_uint_eq(word, relid);
}

static inline void lab_contact(struct vmbus_lab *l, uint32_t version, uint32_t vp)
{
    SAY(l, 14, version, vp, 2, 0, 0, 0, 0, 0);
}

/* Connected at 5.3, the devices in the mask offered, nothing left to read. */
static inline void lab_connect(struct vmbus_lab *l, uint32_t present)
{
    atomic_store(&l->acks.present, present);
    lab_contact(l, 0x50003, 0);
    SAY_PLAIN(l, 3);
    while (lab_next(l) != NULL)
        continue;
    ck_assert_uint_eq(l->v.phase, VMBUS_OFFERED);
}

static inline void lab_header(struct vmbus_lab *l, uint32_t relid, uint32_t id, uint32_t pages,
                              uint64_t first_pfn, uint32_t n)
{
    uint32_t words[60] = {8, 0, relid, id, (8 + 8 * pages) | 1 << 16, pages * 4096, 0};

    for (uint32_t i = 0; i < n; i++) {
        words[7 + 2 * i] = (uint32_t)(first_pfn + i);
        words[8 + 2 * i] = (uint32_t)((first_pfn + i) >> 32);
    }
    lab_words(l, words, 7 + 2 * n);
}

static inline void lab_body(struct vmbus_lab *l, uint32_t id, uint64_t first_pfn, uint32_t n)
{
    uint32_t words[60] = {9, 0, 0, id};

    for (uint32_t i = 0; i < n; i++) {
        words[4 + 2 * i] = (uint32_t)(first_pfn + i);
        words[5 + 2 * i] = (uint32_t)((first_pfn + i) >> 32);
    }
    lab_words(l, words, 4 + 2 * n);
}

/* A list of that many pages, in as many messages as it needs; not yet answered. */
static inline void lab_gpadl(struct vmbus_lab *l, uint32_t relid, uint32_t id, uint32_t pages,
                             uint64_t first_pfn)
{
    uint32_t n = pages < 26 ? pages : 26;

    lab_header(l, relid, id, pages, first_pfn, n);
    for (uint32_t done = n; done < pages; done += n) {
        n = pages - done < 28 ? pages - done : 28;
        lab_body(l, id, first_pfn + done, n);
    }
}

static inline struct vmbus_channel lab_entry(struct vmbus_lab *l, uint32_t relid)
{
    struct vmbus_channel e = {0};

    ck_assert(vmbus_channel_read(&l->shared, vmbus_index(relid), &e));
    return e;
}

/* The worker behind the channel has done what its entry says. */
static inline void lab_ack(struct vmbus_lab *l, uint32_t relid, uint32_t status)
{
    l->acks.channels[vmbus_index(relid)].status = status;
    atomic_store(&l->acks.channels[vmbus_index(relid)].epoch, lab_entry(l, relid).epoch);
    lab_look(l);
}

static inline void lab_say_open(struct vmbus_lab *l, uint32_t relid, uint32_t gpadl)
{
    uint32_t words[37] = {5, 0, relid, relid + 100, gpadl, 1, LAB_DOWNSTREAM};

    lab_words(l, words, 37);
}

/* From offered to open, by a list whose id is given; nothing left to read. */
static inline void lab_open(struct vmbus_lab *l, uint32_t relid, uint32_t gpadl)
{
    lab_gpadl(l, relid, gpadl, LAB_RING_PAGES, gpadl * 256);
    EXPECT(l, 10, relid, gpadl, 0);
    lab_say_open(l, relid, gpadl);
    EXPECT_NOTHING(l);
    lab_ack(l, relid, 0);
    EXPECT(l, 6, relid, relid + 100, 0);
}

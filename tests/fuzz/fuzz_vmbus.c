/*
 * tests/fuzz/fuzz_vmbus.c - a guest that says what it likes to the vmbus worker, a device's worker
 * that acknowledges when it likes, a slow outbox, and generations that die at any instant.
 *
 * Input: records of 4 bytes: what (and in the upper bits how the generation dies of it), three
 * operands. What is promised is checked against a model that knows the protocol, not the code:
 * messages are committed and delivered in order, each as it was, none twice; answers only to what
 * was asked; memory is given back, and a connection ended, only when nobody has its rings; rings do
 * not overlap and keep their pages; what was asked for comes at last; what is said to be unchanged is.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/vmbus_model.h"
#include "workers/vmbus/vmbus.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    SERIAL_SHIFT = 16, /* a page's number says whose it is, and its place in the list */
    RECORD_BYTES = 4,
    SETTLE_MAX = 2000,
};

enum death {
    NO_DEATH,
    BEFORE_COMMIT,
    BEFORE_PUBLISH,
    AFTER_PUBLISH,
};

struct state {
    uint8_t bytes[VMBUS_STATE_MAX];
    size_t len;
};

struct world {
    struct vmbus v;
    struct vmbus_outbox outbox;
    struct vmbus_channels shared;
    struct vmbus_acks acks;
    struct state region;                                /* the last commit */
    struct vmbus_message log[VMBUS_OUTBOX_ENTRIES + 1]; /* committed ones, by number */
    uint64_t committed;
    struct model model;
    uint32_t next_open_id;
    uint64_t next_serial;
};

/* --- the worker's generations --- */

static void save(const struct vmbus *v, struct state *ret)
{
    struct wr out = wr_over(ret->bytes, sizeof(ret->bytes));

    vmbus_save(v, &out);
    must(wr_finish(&out, &ret->len) == 0);
}

static void attach(struct world *w)
{
    memset(&w->v, 0, sizeof(w->v));
    w->v.outbox = &w->outbox;
    w->v.shared[PROCESS_STORAGE] = &w->shared;
    w->v.acks[PROCESS_STORAGE] = &w->acks;
    vmbus_init(&w->v);
}

static bool is_committed(const struct world *w)
{
    static struct state now;

    save(&w->v, &now);
    return now.len == w->region.len && memcmp(now.bytes, w->region.bytes, now.len) == 0;
}

static void commit(struct world *w)
{
    save(&w->v, &w->region);
    must(w->v.tail >= w->committed);
    must(w->v.tail - atomic_load(&w->outbox.head) <= VMBUS_OUTBOX_ENTRIES);
    for (; w->committed < w->v.tail; w->committed++) {
        const struct vmbus_message *m = &w->outbox.entries[w->committed % VMBUS_OUTBOX_ENTRIES];

        w->log[w->committed % COUNT_OF(w->log)] = *m;
        saw(&w->model, m);
    }
}

static void check_pages(const struct world *w, const struct held *h)
{
    for (uint32_t i = 0; i < h->pages; i++)
        must(w->shared.pool[h->pool_at + i] == (h->serial << SERIAL_SHIFT | i));
}

/* A device's worker that looks at once: what it has after that. */
static void look_at_entry(struct world *w, unsigned index)
{
    struct held *h = &w->model.held[index];
    struct vmbus_channel e;

    must(vmbus_channel_read(&w->shared, index, &e));
    if (e.open == 0 || (h->held && h->opening == e.opening))
        return;
    must(!h->held || w->model.lied); /* it was never asked to let go of the former rings */
    must(e.pages >= 4 && e.downstream >= 2 && e.downstream + 2 <= e.pages);
    must(e.target_vp < VPS || e.target_vp == UINT32_MAX);
    *h = (struct held){true, e.opening, e.pool_at, e.pages, 0};
    h->serial = w->shared.pool[e.pool_at] >> SERIAL_SHIFT;
}

static void check_rings(const struct world *w)
{
    for (unsigned i = 0; i < VMBUS_CHANNELS && !w->model.lied; i++) {
        const struct held *a = &w->model.held[i];

        if (!a->held)
            continue;
        check_pages(w, a);
        for (unsigned j = 0; j < i; j++) {
            const struct held *b = &w->model.held[j];

            must(!b->held || a->pool_at + a->pages <= b->pool_at ||
                 b->pool_at + b->pages <= a->pool_at);
        }
    }
}

static void publish(struct world *w)
{
    vmbus_publish(&w->v);
    must(atomic_load(&w->outbox.tail) == w->committed);
    must(atomic_load(&w->outbox.discard) <= w->committed);
    for (unsigned i = 0; i < VMBUS_CHANNELS; i++)
        look_at_entry(w, i);
    check_rings(w);
}

static void succeed(struct world *w)
{
    struct rd r = rd_over(w->region.bytes, w->region.len);

    attach(w);
    must(vmbus_load(&w->v, &r, VMBUS_SCHEMA) == 0);
    must(is_committed(w));
    publish(w);
}

/* The end of a step of the worker's. False: it died, and what it did is forgotten. */
static bool end_step(struct world *w, bool changed, enum death death)
{
    if (death == BEFORE_COMMIT) {
        succeed(w);
        return false;
    }
    if (changed)
        commit(w);
    else
        must(is_committed(w));
    if (death == BEFORE_PUBLISH) {
        succeed(w);
        return true;
    }
    if (changed)
        publish(w);
    if (death == AFTER_PUBLISH)
        succeed(w);
    return true;
}

/* --- the guest --- */

/* As the worker and its skeleton do for a request. */
static void request(struct world *w, const struct vmbus_post *post, const struct ask *a,
                    enum death death)
{
    bool again = false;

    for (;;) {
        enum hv_status status;
        bool changed = vmbus_message(&w->v, post, &status);

        must(status == HV_SUCCESS || status == HV_INSUFFICIENT_BUFFERS);
        must(status == HV_SUCCESS || !changed);
        if (status == HV_SUCCESS && !again)
            asked(&w->model, a);
        changed |= vmbus_look(&w->v);
        if (end_step(w, changed, death))
            break;
        again = true;
        death = NO_DEATH;
    }
    if (a->id < IDS)
        w->model.lists[a->id].fresh = false;
}

static void look(struct world *w, enum death death)
{
    (void)end_step(w, vmbus_look(&w->v), death);
}

static void put(struct vmbus_post *post, uint32_t v)
{
    memcpy(post->payload + post->len, &v, sizeof(v));
    post->len += (uint32_t)sizeof(v);
}

static struct vmbus_post begin(uint32_t type)
{
    struct vmbus_post post = {.connection = 4, .type = 1};

    put(&post, type);
    put(&post, 0);
    return post;
}

static void put_pages(struct vmbus_post *post, uint64_t serial, uint32_t first, uint32_t n)
{
    for (uint32_t i = first; i < first + n; i++) {
        put(post, (uint32_t)(serial << SERIAL_SHIFT | i));
        put(post, (uint32_t)(serial >> (32 - SERIAL_SHIFT)));
    }
}

static void say_contact(struct world *w, const uint8_t *p, enum death death)
{
    static const uint32_t versions[] = {0x50003, 0x50000, 0x20004, 0x60000, 0x40001};
    struct vmbus_post post = begin(VMBUS_INITIATE_CONTACT);
    struct ask a = {.type = VMBUS_INITIATE_CONTACT, .id = IDS};

    a.version = versions[p[0] % COUNT_OF(versions)];
    a.bad = p[1] % 8 >= VPS;
    put(&post, a.version);
    put(&post, p[1] % 8);
    for (unsigned i = 0; i < 6; i++)
        put(&post, p[2]);
    request(w, &post, &a, death);
}

static void say_header(struct world *w, uint32_t relid, const uint8_t *p, enum death death)
{
    static const uint32_t sizes[] = {8, 4, 5, 3, 1, 26, 27, 60, 1024, 1025, 100};
    struct vmbus_post post = begin(VMBUS_GPADL_HEADER);
    struct ask a = {.type = VMBUS_GPADL_HEADER, .relid = relid, .id = p[1] % IDS};
    uint32_t most;

    a.pages = sizes[p[2] % 16u % COUNT_OF(sizes)];
    most = a.pages < 26 ? a.pages : 26;
    a.n = p[2] >= 0xc0 ? p[2] % (most + 1) : most;
    a.bad = p[2] % 16 >= 14;
    a.serial = ++w->next_serial;
    put(&post, relid);
    put(&post, a.id);
    put(&post, (8 + 8 * a.pages + (p[2] % 16u == 14)) | (p[2] % 16u == 15 ? 2u : 1u) << 16);
    put(&post, a.pages * 4096);
    put(&post, 0);
    put_pages(&post, a.serial, 0, a.n);
    request(w, &post, &a, death);
}

static void say_body(struct world *w, const uint8_t *p, enum death death)
{
    const struct list *l = &w->model.lists[p[1] % IDS];
    struct vmbus_post post = begin(VMBUS_GPADL_BODY);
    struct ask a = {.type = VMBUS_GPADL_BODY, .id = p[1] % IDS, .n = 1 + p[2] % 28u};

    put(&post, 0);
    put(&post, a.id);
    put_pages(&post, l->serial, l->sent, a.n);
    request(w, &post, &a, death);
}

/* All the bodies that are missing, as a guest sends them. */
static void say_bodies(struct world *w, const uint8_t *p, enum death death)
{
    const struct list *l = &w->model.lists[p[1] % IDS];
    const uint8_t full[] = {0, p[1], 27};

    for (unsigned i = 0; i < 300 && l->live && l->sent < l->pages; i++)
        say_body(w, full, i % 8 == p[2] % 8 ? death : NO_DEATH);
}

static void say_open(struct world *w, uint32_t relid, const uint8_t *p, enum death death)
{
    static const uint32_t downstreams[] = {2, 4, 0, 1, 3, 512, 8, UINT32_MAX};
    struct vmbus_post post = begin(VMBUS_OPEN);
    struct ask a = {.type = VMBUS_OPEN, .relid = relid, .id = IDS, .n = ++w->next_open_id};

    put(&post, relid);
    put(&post, a.n);
    put(&post, p[1] % IDS);
    put(&post, p[2] % 8 == 7 ? UINT32_MAX : p[2] % 8u);
    put(&post, downstreams[p[2] / 8 % 8]);
    post.len += 120;
    request(w, &post, &a, death);
}

/* A released relid of which the model could not tell what becomes is not said. */
static bool may_release(const struct world *w, uint32_t relid)
{
    return relid < 1 || relid >= RELID_END || w->model.known[relid] != OFFERED ||
           !w->model.opened[relid];
}

/* Those of one or two numbers. */
static void say_short(struct world *w, uint32_t type, uint32_t relid, const uint8_t *p,
                      enum death death)
{
    struct vmbus_post post = begin(type);
    struct ask a = {.type = type, .relid = relid, .id = IDS};

    if (type == VMBUS_RELID_RELEASED && !may_release(w, relid))
        return;
    put(&post, relid);
    if (type == VMBUS_MODIFY_CHANNEL)
        put(&post, p[2] % 8);
    if (type == VMBUS_GPADL_TEARDOWN) {
        a.id = p[1] % IDS;
        put(&post, a.id);
    }
    request(w, &post, &a, death);
}

static void say_plain(struct world *w, uint32_t type, enum death death)
{
    struct vmbus_post post = begin(type);
    struct ask a = {.type = type, .id = IDS};

    request(w, &post, &a, death);
}

/* Nothing that the worker knows, or less of it than there must be. */
static void say_nonsense(struct world *w, const uint8_t *p, enum death death)
{
    static const uint8_t least[26] = {
        [3] = 8,   [5] = 28,  [7] = 12,  [8] = 28, [9] = 24,
        [11] = 16, [13] = 12, [14] = 40, [16] = 8, [22] = 16,
    };
    uint32_t type = p[0] % 32;
    struct vmbus_post post = begin(type);
    struct ask a = {.type = UINT32_MAX, .id = IDS};

    memset(post.payload + 8, p[2], sizeof(post.payload) - 8);
    post.len = type < sizeof(least) && least[type] != 0 ? p[1] % least[type] : p[1];
    request(w, &post, &a, death);
}

/* --- the others --- */

static void acknowledge(struct world *w, uint32_t relid, uint32_t status)
{
    unsigned index = (relid + VMBUS_CHANNELS - 1) % VMBUS_CHANNELS;
    struct vmbus_channel e;

    must(vmbus_channel_read(&w->shared, index, &e));
    w->acks.channels[index].status = status;
    atomic_store(&w->acks.channels[index].epoch, e.epoch);
    if (e.open == 0)
        w->model.held[index].held = false;
}

static void lie(struct world *w, uint32_t relid, uint8_t by)
{
    unsigned index = (relid + VMBUS_CHANNELS - 1) % VMBUS_CHANNELS;

    w->model.lied = true;
    atomic_fetch_add(&w->acks.channels[index].epoch, by);
}

/* The guest takes messages: each must still be what was committed under its number. */
static void deliver(struct world *w, unsigned n)
{
    uint64_t head = atomic_load(&w->outbox.head);
    uint64_t discard = atomic_load(&w->outbox.discard);

    if (head < discard)
        head = discard;
    for (; n > 0 && head < atomic_load(&w->outbox.tail); n--, head++)
        must(memcmp(&w->outbox.entries[head % VMBUS_OUTBOX_ENTRIES],
                    &w->log[head % COUNT_OF(w->log)], sizeof(w->log[0])) == 0);
    atomic_store(&w->outbox.head, head);
}

static void announce(struct world *w, const uint8_t *p)
{
    atomic_store(&w->acks.present, p[0]);
    atomic_store(&w->acks.subchannels[p[1] % VMBUS_DEVICES], p[2]);
}

/* A region in which a predecessor that was taken over wrote: refused, or harmless. */
static void corrupt(const struct world *w, const uint8_t *p)
{
    static struct world scratch;
    struct vmbus_post post = begin(VMBUS_UNLOAD);
    enum hv_status status;
    struct rd r;

    scratch = *w;
    attach(&scratch);
    scratch.region.bytes[((size_t)p[0] << 8 | p[1]) % scratch.region.len] ^= p[2];
    r = rd_over(scratch.region.bytes, scratch.region.len);
    if (vmbus_load(&scratch.v, &r, VMBUS_SCHEMA) < 0)
        return;
    vmbus_publish(&scratch.v);
    (void)vmbus_look(&scratch.v);
    (void)vmbus_message(&scratch.v, &post, &status);
    vmbus_publish(&scratch.v);
    for (uint32_t relid = 1; relid < RELID_END; relid++)
        acknowledge(&scratch, relid, 0);
    atomic_store(&scratch.outbox.head, scratch.v.tail);
    (void)vmbus_look(&scratch.v);
    must(scratch.v.phase == VMBUS_DISCONNECTED);
}

/* --- the input --- */

static void do_message(struct world *w, unsigned what, const uint8_t *p, enum death death)
{
    static const uint32_t shorts[] = {VMBUS_CLOSE, VMBUS_MODIFY_CHANNEL, VMBUS_GPADL_TEARDOWN,
                                      VMBUS_RELID_RELEASED};
    uint32_t relid = p[0] % (RELID_END + 2u);

    if (what < COUNT_OF(shorts))
        say_short(w, shorts[what], relid, p, death);
    else if (what == 4)
        say_open(w, relid, p, death);
    else if (what == 5)
        say_header(w, relid, p, death);
    else if (what == 6)
        say_body(w, p, death);
    else if (what == 7)
        say_bodies(w, p, death);
    else if (what == 8)
        say_contact(w, p, death);
    else if (what == 9)
        say_plain(w, p[0] % 4 == 0 ? VMBUS_UNLOAD : VMBUS_REQUEST_OFFERS, death);
    else
        say_nonsense(w, p, death);
}

static void step(struct world *w, const uint8_t *record)
{
    enum death death = record[0] >> 6;
    unsigned what = record[0] % 64 % 18;
    const uint8_t *p = record + 1;

    if (what < 11)
        do_message(w, what, p, death);
    else if (what == 11)
        acknowledge(w, p[0] % RELID_END, p[1] % 4 == 0);
    else if (what == 12)
        announce(w, p);
    else if (what == 13)
        deliver(w, p[0]);
    else if (what == 14)
        corrupt(w, p);
    else if (what == 15 && p[0] > 0xf0)
        lie(w, p[1], p[2]);
    else
        look(w, death);
}

/* Everybody does at last what he is asked to. */
static void settle(struct world *w)
{
    for (unsigned i = 0; i < SETTLE_MAX; i++) {
        bool changed;

        for (uint32_t relid = 1; relid < RELID_END; relid++)
            acknowledge(w, relid, 0);
        deliver(w, UINT32_MAX);
        changed = vmbus_look(&w->v);
        (void)end_step(w, changed, NO_DEATH);
        if (!changed && !vmbus_is_blocked(&w->v))
            return;
    }
    abort();
}

static void finish(struct world *w)
{
    static const uint8_t none[3];

    settle(w);
    for (uint32_t relid = 1; relid < RELID_END; relid++) {
        say_short(w, VMBUS_CLOSE, relid, none, NO_DEATH);
        deliver(w, UINT32_MAX);
    }
    settle(w);
    check_answers(&w->model);
    must(nobody_holds(&w->model));
    say_plain(w, VMBUS_UNLOAD, NO_DEATH);
    settle(w);
    must(w->model.last_type == VMBUS_UNLOAD_RESPONSE && !w->model.unload);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world w;

    memset(&w, 0, sizeof(w));
    atomic_store(&w.outbox.n_vps, VPS);
    atomic_store(&w.acks.present, 0x0f);
    attach(&w);
    commit(&w);
    for (; size >= RECORD_BYTES; data += RECORD_BYTES, size -= RECORD_BYTES)
        step(&w, data);
    finish(&w);
    return 0;
}

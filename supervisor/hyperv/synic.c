#include "supervisor/hyperv/synic.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "supervisor/hyperv/hv.h"
#include "supervisor/hyperv/msr.h"

enum {
    CONTROL_ENABLE = 1,
    SINT_BYTES = 256, /* of a source in either page */
    VECTOR_MASK = 0xff,
    VECTOR_FIRST = 16,
    SINT_MASKED = 1 << 16,
    SINT_AUTO_EOI = 1 << 17,
    SINT_POLLING = 1 << 18,
    /* A message's place: */
    SLOT_TYPE = 0,
    SLOT_SIZE = 4,
    SLOT_FLAGS = 5,
    SLOT_PAYLOAD = 16,
    FLAG_PENDING = 1, /* another one waits: the guest is to say when this one is read */
    SECTION_SPINS = 1000,
};

static const uint64_t RETRY_NS = NS_PER_MS;
static const uint64_t RETRY_SLOWLY_NS = 100 * NS_PER_MS;
static const uint64_t SLOW_AFTER_NS = 1000 * NS_PER_MS;

void synic_start(struct hv *hv)
{
    struct vmbus_synic *s = hv->config.synic;

    s->n_vps = hv->config.n_vps;
    atomic_store(&hv->config.outbox->n_vps, hv->config.n_vps);
    for (unsigned vp = 0; vp < hv->config.n_vps; vp++) {
        atomic_store(&s->vps[vp].flags_gpa, 0);
        for (unsigned i = 0; i < HV_SINTS; i++)
            hv->vps[vp].sints[i] = SINT_MASKED;
    }
}

static bool is_on(const struct hv_vp *v)
{
    return (v->scontrol & CONTROL_ENABLE) != 0;
}

/* 0: it is not to be interrupted. */
static uint8_t vector_of(const struct hv_vp *v)
{
    uint64_t source = v->sints[VMBUS_SINT];

    return (source & (SINT_MASKED | SINT_POLLING)) != 0 ? 0 : (uint8_t)(source & VECTOR_MASK);
}

/* Tell workers where the event flags are now. */
static void publish(struct hv *hv, unsigned vp)
{
    _Atomic uint64_t *shown = &hv->config.synic->vps[vp].flags_gpa;
    struct hv_vp *v = &hv->vps[vp];
    uint64_t now = 0;

    if (is_on(v) && hv_page_enabled(v->siefp))
        now = (hv_page_gpa(v->siefp) + VMBUS_SINT * SINT_BYTES) | SYNIC_ENABLED |
              (vector_of(v) != 0 ? SYNIC_UNMASKED : 0);
    if (now == atomic_load_explicit(shown, memory_order_relaxed))
        return;
    atomic_store(shown, now);
    v->moved = true;
}

int synic_read_control(struct hv *hv, unsigned vp, uint32_t index, uint64_t *ret)
{
    (void)index;
    *ret = hv->vps[vp].scontrol;
    return 0;
}

int synic_write_control(struct hv *hv, unsigned vp, uint32_t index, uint64_t data)
{
    (void)index;
    hv->vps[vp].scontrol = data;
    hv->vps[vp].deliverable = true;
    publish(hv, vp);
    return 0;
}

int synic_read_flags(struct hv *hv, unsigned vp, uint32_t index, uint64_t *ret)
{
    (void)index;
    *ret = hv->vps[vp].siefp;
    return 0;
}

int synic_write_flags(struct hv *hv, unsigned vp, uint32_t index, uint64_t data)
{
    struct hv_vp *v = &hv->vps[vp];

    (void)index;
    if (hv_page_new(v->siefp, data) && hv_page_zero(hv, hv_page_gpa(data)) < 0)
        return -EACCES;
    v->siefp = data;
    publish(hv, vp);
    return 0;
}

int synic_read_messages(struct hv *hv, unsigned vp, uint32_t index, uint64_t *ret)
{
    (void)index;
    *ret = hv->vps[vp].simp;
    return 0;
}

int synic_write_messages(struct hv *hv, unsigned vp, uint32_t index, uint64_t data)
{
    struct hv_vp *v = &hv->vps[vp];

    (void)index;
    if (hv_page_new(v->simp, data) && hv_page_zero(hv, hv_page_gpa(data)) < 0)
        return -EACCES;
    v->simp = data;
    v->deliverable = true;
    return 0;
}

int synic_read_eom(struct hv *hv, unsigned vp, uint32_t index, uint64_t *ret)
{
    (void)hv;
    (void)vp;
    (void)index;
    *ret = 0;
    return 0;
}

int synic_write_eom(struct hv *hv, unsigned vp, uint32_t index, uint64_t data)
{
    (void)index;
    (void)data;
    hv->vps[vp].deliverable = true;
    return 0;
}

int synic_read_source(struct hv *hv, unsigned vp, uint32_t index, uint64_t *ret)
{
    *ret = hv->vps[vp].sints[index];
    return 0;
}

/* The local APIC cannot end interrupts by itself, so a source that asks for that is refused. */
int synic_write_source(struct hv *hv, unsigned vp, uint32_t index, uint64_t data)
{
    if ((data & SINT_AUTO_EOI) != 0 ||
        ((data & SINT_MASKED) == 0 && (data & VECTOR_MASK) < VECTOR_FIRST))
        return -EACCES;
    hv->vps[vp].sints[index] = data;
    publish(hv, vp);
    return 0;
}

static void interrupt(const struct hv *hv, unsigned vp)
{
    static const uint64_t one = 1;

    (void)!write(hv->config.vp_irqs[vp], &one, sizeof(one)); /* full: it is on its way */
}

/* --- after a write --- */

static bool route(struct hv *hv, unsigned vp)
{
    const struct hv_backend *b = &hv->config.backend;
    struct hv_vp *v = &hv->vps[vp];
    uint8_t vector = vector_of(v);

    if (vector == 0 || vector == v->routed)
        return false;
    if (b->route(b->self, vp, vector) < 0) {
        if (hv->config.board != NULL)
            board_log(hv->config.board, LOG_LEVEL_ERROR, "vCPU %u: no route for its interrupt", vp);
        return false;
    }
    v->routed = vector;
    return true;
}

/* A worker that does not leave is killed by its deadlines, and the dead are in no section. */
static void await_writer(const struct hv *hv, struct port_client *writer)
{
    uint32_t seen = port_section(writer);

    for (unsigned i = 0; !port_section_left(writer, seen); i++) {
        if (hv->config.vmbus.ended(hv->config.vmbus.self))
            return;
        if (i < SECTION_SPINS)
            __builtin_ia32_pause();
        else
            (void)sched_yield();
    }
}

static void await_writers(const struct hv *hv)
{
    for (enum process p = 0; p < PROCESS_COUNT; p++) {
        if (hv->config.writers[p] != NULL)
            await_writer(hv, hv->config.writers[p]);
    }
}

static bool may_interrupt(struct hv *hv, unsigned vp)
{
    return (atomic_load(&hv->config.synic->vps[vp].flags_gpa) & SYNIC_UNMASKED) != 0;
}

/*
 * A worker that set a flag just before it could know of the interrupt, or of its vector, raised none: one
 * too many is harmless, one too few is not.
 */
void synic_settle(struct hv *hv, unsigned vp)
{
    struct hv_vp *v = &hv->vps[vp];
    bool changed = route(hv, vp);

    if (v->moved) {
        await_writers(hv);
        changed = true;
    }
    v->moved = false;
    if (changed && may_interrupt(hv, vp))
        interrupt(hv, vp);
    if (v->deliverable && hv_deliver(hv) > 0)
        hv->config.vmbus.deliver_later(hv->config.vmbus.self);
    v->deliverable = false;
}

/* --- messages --- */

enum place {
    PLACE_FILLED,   /* the message is there */
    PLACE_OCCUPIED, /* by one that the guest has not read */
    PLACE_NONE,     /* the guest does not want any */
};

/*
 * Is the place free? When not, the guest is told to say so; and as it may have read the message just before, it
 * is looked at once more.
 */
static bool is_free(const struct gmem *m, uint64_t slot)
{
    static const uint8_t pending = FLAG_PENDING;
    uint32_t type;

    if (gmem_load_le32(m, (struct gpa){slot + SLOT_TYPE}, &type) < 0)
        return false;
    if (type == 0)
        return true;
    if (gmem_copy_out(m, (struct gpa){slot + SLOT_FLAGS}, &pending, sizeof(pending)) < 0)
        return false;
    atomic_thread_fence(memory_order_seq_cst);
    return gmem_load_le32(m, (struct gpa){slot + SLOT_TYPE}, &type) == 0 && type == 0;
}

static enum place put(struct hv *hv, const struct vmbus_message *message, bool more)
{
    const struct gmem *m = hv->config.memory;
    const struct hv_vp *v = &hv->vps[message->vp];
    uint64_t slot = hv_page_gpa(v->simp) + VMBUS_SINT * SINT_BYTES;
    uint8_t bytes[SINT_BYTES] = {0};

    if (!is_on(v) || !hv_page_enabled(v->simp))
        return PLACE_NONE;
    if (!is_free(m, slot))
        return PLACE_OCCUPIED;
    bytes[SLOT_SIZE] = (uint8_t)message->len;
    bytes[SLOT_FLAGS] = more ? FLAG_PENDING : 0;
    memcpy(bytes + SLOT_PAYLOAD, message->payload, message->len);
    if (gmem_copy_out(m, (struct gpa){slot + SLOT_SIZE}, bytes + SLOT_SIZE,
                      sizeof(bytes) - SLOT_SIZE) < 0 ||
        gmem_store_le32(m, (struct gpa){slot + SLOT_TYPE}, VMBUS_MESSAGE_TYPE) < 0)
        return PLACE_NONE;
    if (vector_of(v) != 0)
        interrupt(hv, message->vp);
    return PLACE_FILLED;
}

static void advance(struct hv *hv, uint64_t head)
{
    hv->head = head;
    hv->blocked_ns = 0;
    atomic_store_explicit(&hv->config.outbox->head, head, memory_order_release);
}

/* How long to wait for a guest that has not read the last message; it is reminded now and then. */
static int64_t retry_after(struct hv *hv, unsigned vp)
{
    uint64_t now = clock_now_ns();

    if (hv->blocked_ns == 0) {
        hv->blocked_ns = now;
        hv->fired_ns = now;
    }
    if (now - hv->fired_ns >= RETRY_SLOWLY_NS && vector_of(&hv->vps[vp]) != 0) {
        hv->fired_ns = now;
        interrupt(hv, vp);
    }
    return (int64_t)(now - hv->blocked_ns < SLOW_AFTER_NS ? RETRY_NS : RETRY_SLOWLY_NS);
}

/* Which messages there are. Ours is how far we are; the rest is what the worker says. */
static int take_tail(struct hv *hv, uint64_t *ret)
{
    struct vmbus_outbox *o = hv->config.outbox;
    uint64_t tail = atomic_load_explicit(&o->tail, memory_order_acquire);
    uint64_t discard = atomic_load_explicit(&o->discard, memory_order_acquire);

    if (tail - hv->head > VMBUS_OUTBOX_ENTRIES)
        return -EPROTO;
    if (discard - hv->head <= tail - hv->head && discard != hv->head)
        advance(hv, discard);
    *ret = tail;
    return 0;
}

/* Copy first: the worker may go on writing. False when the message cannot be. */
static bool take_message(const struct hv *hv, struct vmbus_message *ret)
{
    memcpy(ret, &hv->config.outbox->entries[hv->head % VMBUS_OUTBOX_ENTRIES], sizeof(*ret));
    atomic_signal_fence(memory_order_seq_cst);
    return ret->vp < hv->config.n_vps && ret->len <= VMBUS_MESSAGE_BYTES;
}

static int64_t deliver(struct hv *hv, uint64_t tail)
{
    bool broken = false;

    for (; hv->head != tail; advance(hv, hv->head + 1)) {
        struct vmbus_message m;
        enum place place;

        if (!take_message(hv, &m)) {
            board_inc(hv->row_dropped);
            broken = true;
            continue;
        }
        place = put(hv, &m, hv->head + 1 != tail);
        if (place == PLACE_OCCUPIED && !broken)
            return retry_after(hv, m.vp);
        if (place != PLACE_FILLED)
            break;
        board_inc(hv->row_messages);
    }
    return broken ? -EPROTO : 0;
}

int64_t hv_deliver(struct hv *hv)
{
    int64_t result;
    uint64_t tail;

    (void)pthread_mutex_lock(&hv->lock);
    result = take_tail(hv, &tail);
    if (result == 0)
        result = deliver(hv, tail);
    (void)pthread_mutex_unlock(&hv->lock);
    return result;
}

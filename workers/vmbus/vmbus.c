#include "workers/vmbus/vmbus.h"

#include <errno.h>
#include <string.h>

#include "base/num.h"
#include "workers/vmbus/channel.h"

enum {
    MESSAGE_CONNECTION = 1,     /* of guests before 5.0 */
    MESSAGE_CONNECTION_5_0 = 4, /* and of later ones */
    PAGE_BYTES = 4096,
    /* As many messages as a step can say: a channel's lists, its subchannels, and what is due to it. */
    ROOM = GPADLS_PER_CHANNEL + VMBUS_SUBCHANNELS + CHANNEL_MODIFIES_MAX,
};

static const uint32_t VERSION_WIN10_5_0 = 0x00050000;

/* @spec Linux include/linux/hyperv.h (VERSION_WIN8 and so on) */
static const uint32_t versions[] = {0x00020004, 0x00030000, 0x00040000, 0x00040001,
                                    0x00050000, 0x00050001, 0x00050002, 0x00050003};

static bool has_room(const struct vmbus *v, unsigned messages)
{
    uint64_t head = atomic_load_explicit(&v->outbox->head, memory_order_acquire);

    return v->tail - head <= VMBUS_OUTBOX_ENTRIES - messages;
}

/* --- connecting --- */

static bool is_supported(uint32_t version)
{
    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        if (versions[i] == version)
            return true;
    }
    return false;
}

static void answer_contact(struct vmbus *v, uint32_t version, uint32_t target_vp)
{
    bool supported = is_supported(version);
    uint32_t connection = version >= VERSION_WIN10_5_0 ? MESSAGE_CONNECTION_5_0 : version;

    v->target_vp = target_vp;
    v->version = supported ? version : 0;
    v->phase = supported ? VMBUS_CONNECTED : VMBUS_DISCONNECTED;
    channel_say(v, message_version(channel_say_at(v), supported, connection));
}

/* Everything is closed: what the guest waited for can be said. */
static void end_reset(struct vmbus *v)
{
    gpadls_free_all(&v->gpadls);
    channel_forget_all(v);
    v->phase = VMBUS_DISCONNECTED;
    if (v->has_contact != 0)
        answer_contact(v, v->next_version, v->next_target_vp);
    else
        channel_say(v, message_plain(channel_say_at(v), VMBUS_UNLOAD_RESPONSE));
    v->has_contact = 0;
}

static void begin_reset(struct vmbus *v)
{
    v->phase = VMBUS_RESETTING;
    v->discard = v->tail; /* what was to be said is of a connection that is no more */
    channel_close_all(v);
    if (channel_all_closed(v))
        end_reset(v);
}

static int on_contact(struct vmbus *v, struct rd *r)
{
    struct message_contact m;
    int e = message_read_contact(r, &m);

    if (e < 0)
        return e;
    if (m.target_vp >= atomic_load(&v->outbox->n_vps))
        return -EINVAL;
    v->has_contact = 1;
    v->next_version = m.version;
    v->next_target_vp = m.target_vp;
    begin_reset(v);
    return 0;
}

static int on_unload(struct vmbus *v, struct rd *r)
{
    (void)r;
    v->has_contact = 0;
    begin_reset(v);
    return 0;
}

static int on_request_offers(struct vmbus *v, struct rd *r)
{
    (void)r;
    v->phase = VMBUS_OFFERED;
    channel_offer_devices(v);
    channel_say(v, message_plain(channel_say_at(v), VMBUS_ALL_OFFERS));
    return 0;
}

/* --- memory --- */

static void created(struct vmbus *v, uint32_t relid, uint32_t id, uint32_t status)
{
    channel_say(v, message_created(channel_say_at(v), relid, id, status));
}

/* Numbers past what the list still wants are padding. */
static void take_pfns(struct vmbus *v, struct gpadl *g, struct span pfns)
{
    enum process p = vmbus_devices[vmbus_device_of(vmbus_index(g->relid))].process;
    struct rd r = rd_over(pfns.at, pfns.len);

    for (size_t left = pfns.len / 8; left > 0 && g->received < g->pages; left--)
        v->shared[p]->pool[g->pool_at + g->received++] = rd_le64(&r);
    if (g->received < g->pages)
        return;
    g->state = GPADL_CREATED;
    gpadl_touch(&v->gpadls, g);
    created(v, g->relid, g->id, VMBUS_STATUS_SUCCESS);
}

static int on_gpadl_header(struct vmbus *v, struct rd *r)
{
    struct message_gpadl m;
    struct gpadl *g;
    int e = message_read_gpadl(r, &m);

    if (e < 0)
        return e;
    if (!channel_may_have_memory(v, m.relid) || m.n_ranges != 1 || m.bytes == 0 ||
        m.offset >= PAGE_BYTES || m.said != 8 + 8 * (uint64_t)m.pages)
        e = -EINVAL;
    else
        e = gpadls_add(&v->gpadls, m.relid, m.gpadl, m.pages, &g);
    if (e < 0) {
        created(v, m.relid, m.gpadl,
                e == -ENOBUFS ? VMBUS_STATUS_NO_RESOURCES : VMBUS_STATUS_INVALID_PARAMETER);
        return e;
    }
    g->bytes = m.bytes;
    g->offset = m.offset;
    take_pfns(v, g, m.pfns);
    return 0;
}

static int on_gpadl_body(struct vmbus *v, struct rd *r)
{
    struct message_body m;
    struct gpadl *g;
    int e = message_read_body(r, &m);

    if (e < 0)
        return e;
    g = gpadls_find(&v->gpadls, m.gpadl);
    if (g == NULL || g->state != GPADL_BUILDING)
        return -EINVAL;
    take_pfns(v, g, m.pfns);
    return 0;
}

static int on_gpadl_teardown(struct vmbus *v, struct rd *r)
{
    uint32_t relid, id;
    struct gpadl *g;
    int e = message_read_teardown(r, &relid, &id);

    if (e < 0)
        return e;
    g = gpadls_find(&v->gpadls, id);
    if (g == NULL || g->relid != relid || g->state != GPADL_CREATED)
        return -EINVAL;
    g->state = GPADL_TEARING;
    gpadl_touch(&v->gpadls, g);
    (void)channel_return_memory(v, relid);
    return 0;
}

/* --- messages --- */

static int on_open(struct vmbus *v, struct rd *r)
{
    struct message_open m;
    int e = message_read_open(r, &m);

    return e < 0 ? e : channel_open(v, &m);
}

static int on_close(struct vmbus *v, struct rd *r)
{
    uint32_t relid;
    int e = message_read_u32(r, &relid);

    return e < 0 ? e : channel_close(v, relid);
}

static int on_released(struct vmbus *v, struct rd *r)
{
    uint32_t relid;
    int e = message_read_u32(r, &relid);

    return e < 0 ? e : channel_released(v, relid);
}

static int on_modify(struct vmbus *v, struct rd *r)
{
    struct message_modify m;
    int e = message_read_modify(r, &m);

    return e < 0 ? e : channel_modify(v, &m);
}

enum {
    IN_DISCONNECTED = 1 << VMBUS_DISCONNECTED,
    IN_CONNECTED = 1 << VMBUS_CONNECTED,
    IN_OFFERED = 1 << VMBUS_OFFERED,
    IN_ANY = (1 << VMBUS_PHASES) - 1,
};

struct row {
    enum vmbus_type type;
    unsigned phases; /* mask of 1 << enum vmbus_phase */
    unsigned room;   /* in messages */
    int (*handle)(struct vmbus *v, struct rd *r);
};

/* A guest that took over from one that reads no messages any more can always begin anew. */
static const struct row rows[] = {
    {VMBUS_INITIATE_CONTACT, IN_ANY,       1,    on_contact       },
    {VMBUS_UNLOAD,           IN_ANY,       1,    on_unload        },
    {VMBUS_REQUEST_OFFERS,   IN_CONNECTED, ROOM, on_request_offers},
    {VMBUS_GPADL_HEADER,     IN_OFFERED,   ROOM, on_gpadl_header  },
    {VMBUS_GPADL_BODY,       IN_OFFERED,   ROOM, on_gpadl_body    },
    {VMBUS_GPADL_TEARDOWN,   IN_OFFERED,   ROOM, on_gpadl_teardown},
    {VMBUS_OPEN,             IN_OFFERED,   ROOM, on_open          },
    {VMBUS_CLOSE,            IN_OFFERED,   ROOM, on_close         },
    {VMBUS_MODIFY_CHANNEL,   IN_OFFERED,   ROOM, on_modify        },
    {VMBUS_RELID_RELEASED,   IN_OFFERED,   ROOM, on_released      },
};

static void count(struct vmbus *v, int e)
{
    if (e == -EBADMSG)
        v->counters.malformed++;
    else if (e == -ENOENT)
        v->counters.unknown++;
    else if (e < 0)
        v->counters.refused++;
}

static int dispatch_message(struct vmbus *v, struct rd *r)
{
    uint32_t type = rd_le32(r);

    (void)rd_le32(r);
    if (!rd_ok(r))
        return -EBADMSG;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if ((uint32_t)rows[i].type != type)
            continue;
        if ((rows[i].phases & 1u << v->phase) == 0)
            return -EPROTO;
        return has_room(v, rows[i].room) ? rows[i].handle(v, r) : -ENOSPC;
    }
    return -ENOENT;
}

/* A guest that says nonsense is not told: a real host ignores what it does not know. */
bool vmbus_message(struct vmbus *v, const struct vmbus_post *post, enum hv_status *ret_status)
{
    uint64_t tail = v->tail;
    struct rd r = rd_over(post->payload,
                          post->len < sizeof(post->payload) ? post->len : sizeof(post->payload));
    int e = -EBADMSG;

    *ret_status = HV_SUCCESS;
    v->counters.messages++;
    if (post->connection != MESSAGE_CONNECTION && post->connection != MESSAGE_CONNECTION_5_0) {
        *ret_status = HV_INVALID_CONNECTION;
        return false;
    }
    if (post->type == VMBUS_MESSAGE_TYPE)
        e = dispatch_message(v, &r);
    if (e == -ENOSPC)
        *ret_status = HV_INSUFFICIENT_BUFFERS;
    else
        count(v, e);
    return e == 0 || v->tail != tail;
}

/* The head may move at any time: that a step was left out is kept, or nobody would come back to it. */
static bool may_step(struct vmbus *v, unsigned messages)
{
    if (has_room(v, messages))
        return true;
    v->blocked = true;
    return false;
}

/* What devices have let go of since. */
static bool return_memory(struct vmbus *v)
{
    bool changed = false;

    for (unsigned i = 0; i < GPADLS_MAX && may_step(v, ROOM); i++) {
        if (v->gpadls.rows[i].state == GPADL_TEARING)
            changed |= channel_return_memory(v, v->gpadls.rows[i].relid);
    }
    return changed;
}

bool vmbus_look(struct vmbus *v)
{
    unsigned room = v->phase == VMBUS_RESETTING ? 0 : ROOM; /* what closes then says nothing */
    bool changed = false;

    v->blocked = false;
    for (unsigned i = 0; i < VMBUS_CHANNELS && may_step(v, room); i++)
        changed |= channel_look(v, i);
    if (v->phase == VMBUS_OFFERED) {
        changed |= return_memory(v);
        for (unsigned d = 0; d < VMBUS_DEVICES && may_step(v, ROOM); d++)
            changed |= channel_sync_device(v, d);
    }
    if (v->phase == VMBUS_RESETTING && channel_all_closed(v) && may_step(v, 1)) {
        end_reset(v);
        changed = true;
    }
    return changed;
}

bool vmbus_is_blocked(const struct vmbus *v)
{
    return v->blocked;
}

void vmbus_publish(const struct vmbus *v)
{
    for (unsigned i = 0; i < VMBUS_CHANNELS; i++)
        channel_publish(v, i);
    for (unsigned i = 0; i < GPADLS_MAX; i++)
        channel_publish_memory(v, i);
    atomic_store_explicit(&v->outbox->discard, v->discard, memory_order_relaxed);
    atomic_store_explicit(&v->outbox->tail, v->tail, memory_order_release);
}

static void clear_state(struct vmbus *v)
{
    v->phase = VMBUS_DISCONNECTED;
    v->version = 0;
    v->target_vp = 0;
    v->has_contact = 0;
    v->next_version = 0;
    v->next_target_vp = 0;
    v->tail = 0;
    v->discard = 0;
    memset(v->channels, 0, sizeof(v->channels));
    gpadls_free_all(&v->gpadls);
}

void vmbus_init(struct vmbus *v)
{
    clear_state(v);
    v->counters = (struct vmbus_counters){0};
    v->blocked = false;
}

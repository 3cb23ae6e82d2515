#include "workers/vmbus/vmbus.h"

#include <errno.h>
#include <string.h>

#include "base/num.h"
#include "workers/vmbus/channel.h"

enum {
    MESSAGE_CONNECTION = 1,     /* of guests before 5.0 */
    MESSAGE_CONNECTION_5_0 = 4, /* and of later ones */
    ROOM = 64,                  /* more messages than one call can have to say */
};

static const uint32_t VERSION_WIN10_5_0 = 0x00050000;

/* @spec Linux include/linux/hyperv.h (VERSION_WIN8 and so on) */
static const uint32_t versions[] = {0x00020004, 0x00030000, 0x00040000, 0x00040001,
                                    0x00050000, 0x00050001, 0x00050002, 0x00050003};

static bool has_room(const struct vmbus *v)
{
    uint64_t head = atomic_load_explicit(&v->outbox->head, memory_order_acquire);

    return v->tail - head <= VMBUS_OUTBOX_ENTRIES - ROOM;
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
    created(v, g->relid, g->id, VMBUS_STATUS_SUCCESS);
}

static int on_gpadl_header(struct vmbus *v, struct rd *r)
{
    struct message_gpadl m;
    struct gpadl *g;
    int e = message_read_gpadl(r, &m);

    if (e < 0)
        return e;
    if (!channel_may_have_memory(v, m.relid))
        return -EINVAL;
    if (m.n_ranges != 1 || m.said != 8 + 8 * (uint64_t)m.pages)
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
    channel_return_memory(v, relid);
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

static const struct {
    enum vmbus_type type;
    unsigned phases; /* mask of 1 << enum vmbus_phase */
    int (*handle)(struct vmbus *v, struct rd *r);
} rows[] = {
    {VMBUS_INITIATE_CONTACT, IN_ANY,       on_contact       },
    {VMBUS_UNLOAD,           IN_ANY,       on_unload        },
    {VMBUS_REQUEST_OFFERS,   IN_CONNECTED, on_request_offers},
    {VMBUS_GPADL_HEADER,     IN_OFFERED,   on_gpadl_header  },
    {VMBUS_GPADL_BODY,       IN_OFFERED,   on_gpadl_body    },
    {VMBUS_GPADL_TEARDOWN,   IN_OFFERED,   on_gpadl_teardown},
    {VMBUS_OPEN,             IN_OFFERED,   on_open          },
    {VMBUS_CLOSE,            IN_OFFERED,   on_close         },
    {VMBUS_MODIFY_CHANNEL,   IN_OFFERED,   on_modify        },
    {VMBUS_RELID_RELEASED,   IN_OFFERED,   on_released      },
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

static int dispatch_message(struct vmbus *v, uint32_t type, struct rd *r)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if ((uint32_t)rows[i].type != type)
            continue;
        return (rows[i].phases & 1u << v->phase) != 0 ? rows[i].handle(v, r) : -EPROTO;
    }
    return -ENOENT;
}

/* A guest that says nonsense is not told: a real host ignores what it does not know. */
bool vmbus_message(struct vmbus *v, const struct vmbus_post *post, enum hv_status *ret_status)
{
    struct rd r;
    uint32_t type;

    *ret_status = HV_SUCCESS;
    v->counters.messages++;
    if (post->connection != MESSAGE_CONNECTION && post->connection != MESSAGE_CONNECTION_5_0) {
        *ret_status = HV_INVALID_CONNECTION;
        return false;
    }
    if (!has_room(v)) {
        *ret_status = HV_INSUFFICIENT_BUFFERS;
        return false;
    }
    r = rd_over(post->payload,
                post->len < sizeof(post->payload) ? post->len : sizeof(post->payload));
    type = rd_le32(&r);
    (void)rd_le32(&r);
    count(v, !rd_ok(&r) || post->type != VMBUS_MESSAGE_TYPE ? -EBADMSG
                                                            : dispatch_message(v, type, &r));
    return true;
}

bool vmbus_look(struct vmbus *v)
{
    bool changed = false;

    for (unsigned i = 0; i < VMBUS_CHANNELS && has_room(v); i++)
        changed |= channel_look(v, i);
    if (v->phase == VMBUS_OFFERED && has_room(v))
        changed |= channel_sync_devices(v);
    if (v->phase == VMBUS_RESETTING && channel_all_closed(v)) {
        end_reset(v);
        changed = true;
    }
    return changed;
}

bool vmbus_is_blocked(const struct vmbus *v)
{
    return !has_room(v);
}

void vmbus_publish(const struct vmbus *v)
{
    for (unsigned i = 0; i < VMBUS_CHANNELS; i++)
        channel_publish(v, i);
    atomic_store_explicit(&v->outbox->discard, v->discard, memory_order_relaxed);
    atomic_store_explicit(&v->outbox->tail, v->tail, memory_order_release);
}

/* --- the state --- */

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
}

void vmbus_save(const struct vmbus *v, struct wr *w)
{
    wr_le32(w, v->phase);
    wr_le32(w, v->version);
    wr_le32(w, v->target_vp);
    wr_le32(w, v->has_contact);
    wr_le32(w, v->next_version);
    wr_le32(w, v->next_target_vp);
    wr_le64(w, v->tail);
    wr_le64(w, v->discard);
    for (unsigned i = 0; i < VMBUS_CHANNELS; i++)
        channel_save(&v->channels[i], w);
    gpadls_save(&v->gpadls, w);
}

int vmbus_load(struct vmbus *v, struct rd *r)
{
    struct vmbus n = *v;
    int e = 0;

    n.phase = rd_le32(r);
    n.version = rd_le32(r);
    n.target_vp = rd_le32(r);
    n.has_contact = rd_le32(r);
    n.next_version = rd_le32(r);
    n.next_target_vp = rd_le32(r);
    n.tail = rd_le64(r);
    n.discard = rd_le64(r);
    if (!rd_ok(r) || n.phase >= VMBUS_PHASES || n.discard > n.tail)
        return -EBADMSG;
    for (unsigned i = 0; e == 0 && i < VMBUS_CHANNELS; i++)
        e = channel_load(&n.channels[i], r);
    if (e == 0)
        e = gpadls_load(&n.gpadls, r);
    if (e == 0)
        e = rd_finish(r);
    if (e == 0)
        *v = n;
    return e;
}

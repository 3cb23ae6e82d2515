#include "workers/vmbus/channel.h"

#include <errno.h>
#include <string.h>

enum {
    MODIFIES_MAX = 8, /* answers due at once; a guest that does not wait for them gets refusals */
    PAGE_BYTES = 4096,
    RING_PAGES_MIN = 2, /* of one direction: its control page and one of data */
};

static const uint32_t VERSION_MODIFY_ANSWERED = 0x00050003;
static const uint32_t NEVER_INTERRUPT = UINT32_MAX;

uint8_t *channel_say_at(struct vmbus *v)
{
    return v->outbox->entries[v->tail % VMBUS_OUTBOX_ENTRIES].payload;
}

void channel_say(struct vmbus *v, uint32_t len)
{
    struct vmbus_message *m = &v->outbox->entries[v->tail % VMBUS_OUTBOX_ENTRIES];

    m->vp = v->target_vp;
    m->len = len;
    v->tail++;
}

static struct channel *find(struct vmbus *v, uint32_t relid)
{
    if (relid < 1 || relid > VMBUS_CHANNELS)
        return NULL;
    return &v->channels[vmbus_index(relid)];
}

static uint32_t relid_of(const struct vmbus *v, const struct channel *c)
{
    return (uint32_t)(c - v->channels) + 1;
}

static enum process process_of(unsigned index)
{
    return vmbus_devices[vmbus_device_of(index)].process;
}

/* --- offers --- */

static bool is_present(const struct vmbus *v, unsigned device)
{
    const struct vmbus_acks *acks = v->acks[vmbus_devices[device].process];

    return acks != NULL && (atomic_load(&acks->present) & 1u << device) != 0;
}

static unsigned wanted_subchannels(const struct vmbus *v, unsigned device)
{
    uint32_t n = atomic_load(&v->acks[vmbus_devices[device].process]->subchannels[device]);

    return n < VMBUS_SUBCHANNELS ? n : VMBUS_SUBCHANNELS - 1;
}

static void offer(struct vmbus *v, unsigned device, unsigned subchannel)
{
    v->channels[vmbus_index(vmbus_relid(device, subchannel))].state = CHANNEL_OFFERED;
    channel_say(v, message_offer(channel_say_at(v), device, subchannel));
}

void channel_offer_devices(struct vmbus *v)
{
    for (unsigned d = 0; d < VMBUS_DEVICES; d++) {
        if (is_present(v, d))
            offer(v, d, 0);
    }
}

static void rescind(struct vmbus *v, struct channel *c)
{
    c->state = CHANNEL_RESCINDED;
    channel_say(v, message_one(channel_say_at(v), VMBUS_RESCIND, relid_of(v, c)));
}

/* Subchannels come when the primary is open and the device asks for them. */
static bool sync_subchannels(struct vmbus *v, unsigned device)
{
    struct channel *all = &v->channels[device * VMBUS_SUBCHANNELS];
    unsigned wanted = all[0].state == CHANNEL_OPEN ? wanted_subchannels(v, device) : 0;
    bool changed = false;

    for (unsigned s = 1; s <= wanted; s++) {
        if (all[s].state != CHANNEL_ABSENT)
            continue;
        offer(v, device, s);
        changed = true;
    }
    return changed;
}

bool channel_sync_devices(struct vmbus *v)
{
    for (unsigned d = 0; d < VMBUS_DEVICES; d++) {
        struct channel *primary = &v->channels[d * VMBUS_SUBCHANNELS];
        bool present = is_present(v, d);

        if (present && primary->state == CHANNEL_ABSENT) {
            offer(v, d, 0);
            return true; /* the rest at the next look: room for messages is counted in calls */
        }
        if (!present && primary->state == CHANNEL_OFFERED) {
            rescind(v, primary);
            return true;
        }
        if (present && sync_subchannels(v, d))
            return true;
    }
    return false;
}

int channel_released(struct vmbus *v, uint32_t relid)
{
    struct channel *c = find(v, relid);

    if (c == NULL || c->state != CHANNEL_RESCINDED)
        return -EINVAL;
    c->state = CHANNEL_ABSENT;
    return 0;
}

/* --- memory --- */

bool channel_may_have_memory(const struct vmbus *v, uint32_t relid)
{
    if (relid < 1 || relid > VMBUS_CHANNELS)
        return false;
    switch ((enum channel_state)v->channels[vmbus_index(relid)].state) {
    case CHANNEL_OFFERED:
    case CHANNEL_OPENING:
    case CHANNEL_OPEN:
    case CHANNEL_CLOSING:
        return v->shared[process_of(vmbus_index(relid))] != NULL;
    case CHANNEL_ABSENT:
    case CHANNEL_RESCINDED:
    case CHANNEL_STATES:
        break;
    }
    return false;
}

static bool uses_rings(const struct channel *c)
{
    return c->state == CHANNEL_OPENING || c->state == CHANNEL_OPEN || c->state == CHANNEL_CLOSING;
}

void channel_return_memory(struct vmbus *v, uint32_t relid)
{
    const struct channel *c = find(v, relid);

    for (unsigned i = 0; i < GPADLS_MAX; i++) {
        struct gpadl *g = &v->gpadls.rows[i];

        if (g->state != GPADL_TEARING || g->relid != relid || (uses_rings(c) && c->gpadl == g->id))
            continue;
        channel_say(v, message_one(channel_say_at(v), VMBUS_GPADL_TORNDOWN, g->id));
        gpadl_free(g);
    }
}

/* --- open and close --- */

static bool is_target(const struct vmbus *v, uint32_t vp)
{
    return vp == NEVER_INTERRUPT || vp < atomic_load(&v->outbox->n_vps);
}

/* Can the list be the rings of a channel, split at that page? */
static bool can_be_rings(struct vmbus *v, uint32_t relid, uint32_t gpadl, uint32_t downstream)
{
    const struct gpadl *g = gpadls_find(&v->gpadls, gpadl);

    return g != NULL && g->relid == relid && g->state == GPADL_CREATED && g->offset == 0 &&
           g->bytes % PAGE_BYTES == 0 && g->pages <= VMBUS_RING_PAGES_MAX &&
           downstream >= RING_PAGES_MIN && downstream < g->pages &&
           g->pages - downstream >= RING_PAGES_MIN;
}

static void begin_open(struct channel *c, const struct message_open *m)
{
    c->state = CHANNEL_OPENING;
    c->epoch++;
    c->opening++;
    c->open_id = m->open_id;
    c->gpadl = m->gpadl;
    c->target_vp = m->target_vp;
    c->downstream = m->downstream;
    c->modifies = 0;
    c->reopen = 0;
}

static void say_open_result(struct vmbus *v, uint32_t relid, uint32_t open_id, uint32_t status)
{
    channel_say(v, message_open_result(channel_say_at(v), relid, open_id, status));
}

static void open_again_later(struct channel *c, const struct message_open *m)
{
    c->reopen = 1;
    c->next_open_id = m->open_id;
    c->next_gpadl = m->gpadl;
    c->next_target_vp = m->target_vp;
    c->next_downstream = m->downstream;
}

int channel_open(struct vmbus *v, const struct message_open *m)
{
    struct channel *c = find(v, m->relid);

    if (c == NULL || c->state == CHANNEL_RESCINDED) /* a real host is silent too */
        return -EINVAL;
    if (is_target(v, m->target_vp) && can_be_rings(v, m->relid, m->gpadl, m->downstream)) {
        if (c->state == CHANNEL_OFFERED) {
            begin_open(c, m);
            return 0;
        }
        if (c->state == CHANNEL_CLOSING && c->reopen == 0) {
            open_again_later(c, m);
            return 0;
        }
    }
    say_open_result(v, m->relid, m->open_id, VMBUS_STATUS_UNSUCCESSFUL);
    return -EINVAL;
}

static void begin_close(struct channel *c)
{
    c->state = CHANNEL_CLOSING;
    c->epoch++;
    c->modifies = 0;
    c->reopen = 0;
}

/* With its primary a subchannel goes; what the guest has opened of it, it closes itself. */
static void rescind_subchannels(struct vmbus *v, unsigned device)
{
    for (unsigned s = 1; s < VMBUS_SUBCHANNELS; s++) {
        struct channel *c = &v->channels[device * VMBUS_SUBCHANNELS + s];

        if (c->state == CHANNEL_OFFERED)
            rescind(v, c);
    }
}

int channel_close(struct vmbus *v, uint32_t relid)
{
    struct channel *c = find(v, relid);

    if (c == NULL || (c->state != CHANNEL_OPENING && c->state != CHANNEL_OPEN))
        return -EINVAL;
    begin_close(c);
    return 0;
}

int channel_modify(struct vmbus *v, const struct message_modify *m)
{
    struct channel *c = find(v, m->relid);

    if (c == NULL)
        return -EINVAL;
    if (c->state == CHANNEL_OPEN && c->modifies < MODIFIES_MAX && is_target(v, m->target_vp)) {
        c->target_vp = m->target_vp;
        c->epoch++;
        c->modifies++;
        return 0;
    }
    if (v->version >= VERSION_MODIFY_ANSWERED)
        channel_say(v, message_two(channel_say_at(v), VMBUS_MODIFY_RESPONSE, m->relid,
                                   VMBUS_STATUS_UNSUCCESSFUL));
    return -EINVAL;
}

/* --- the connection ends --- */

void channel_close_all(struct vmbus *v)
{
    for (unsigned i = 0; i < VMBUS_CHANNELS; i++) {
        struct channel *c = &v->channels[i];

        if (c->state == CHANNEL_OPENING || c->state == CHANNEL_OPEN)
            begin_close(c);
        c->reopen = 0;
    }
}

bool channel_all_closed(const struct vmbus *v)
{
    for (unsigned i = 0; i < VMBUS_CHANNELS; i++) {
        if (uses_rings(&v->channels[i]))
            return false;
    }
    return true;
}

/* Epoch and opening go on: the workers behind channels know them. */
void channel_forget_all(struct vmbus *v)
{
    for (unsigned i = 0; i < VMBUS_CHANNELS; i++)
        v->channels[i] =
            (struct channel){.epoch = v->channels[i].epoch, .opening = v->channels[i].opening};
}

/* --- acknowledgements --- */

static void opened(struct vmbus *v, struct channel *c, uint32_t status)
{
    c->state = status == 0 ? CHANNEL_OPEN : CHANNEL_OFFERED;
    say_open_result(v, relid_of(v, c), c->open_id,
                    status == 0 ? VMBUS_STATUS_SUCCESS : VMBUS_STATUS_UNSUCCESSFUL);
}

static void open_next(struct vmbus *v, struct channel *c)
{
    const struct message_open m = {.relid = relid_of(v, c),
                                   .open_id = c->next_open_id,
                                   .gpadl = c->next_gpadl,
                                   .target_vp = c->next_target_vp,
                                   .downstream = c->next_downstream};

    c->reopen = 0;
    if (channel_open(v, &m) < 0) /* the list has gone meanwhile: the guest was told */
        v->counters.refused++;
}

static void closed(struct vmbus *v, struct channel *c)
{
    uint32_t relid = relid_of(v, c);
    unsigned device = vmbus_device_of(vmbus_index(relid));

    c->state = CHANNEL_OFFERED;
    if (v->phase != VMBUS_OFFERED)
        return;
    channel_return_memory(v, relid);
    if (c->reopen != 0)
        open_next(v, c);
    if (c == &v->channels[device * VMBUS_SUBCHANNELS])
        rescind_subchannels(v, device);
    else if (v->channels[device * VMBUS_SUBCHANNELS].state == CHANNEL_OFFERED)
        rescind(v, c);
}

static void modified(struct vmbus *v, struct channel *c)
{
    for (; c->modifies > 0; c->modifies--) {
        if (v->version >= VERSION_MODIFY_ANSWERED)
            channel_say(v, message_two(channel_say_at(v), VMBUS_MODIFY_RESPONSE, relid_of(v, c),
                                       VMBUS_STATUS_SUCCESS));
    }
}

bool channel_look(struct vmbus *v, unsigned index)
{
    struct channel *c = &v->channels[index];
    const struct vmbus_acks *acks = v->acks[process_of(index)];
    uint32_t epoch;

    if (acks == NULL || !uses_rings(c))
        return false;
    epoch = atomic_load_explicit(&acks->channels[index].epoch, memory_order_acquire);
    if (epoch != c->epoch)
        return false;
    switch ((enum channel_state)c->state) {
    case CHANNEL_OPENING:
        opened(v, c, acks->channels[index].status);
        return true;
    case CHANNEL_CLOSING:
        closed(v, c);
        return true;
    case CHANNEL_OPEN:
        if (c->modifies == 0)
            return false;
        modified(v, c);
        return true;
    case CHANNEL_ABSENT:
    case CHANNEL_OFFERED:
    case CHANNEL_RESCINDED:
    case CHANNEL_STATES:
        break;
    }
    return false;
}

/* A predecessor may have died in the middle of it. */
static bool is_published(const struct vmbus_channel *e, const struct channel *c)
{
    return atomic_load(&e->seq) % 2 == 0 && e->epoch == c->epoch;
}

void channel_publish(const struct vmbus *v, unsigned index)
{
    const struct channel *c = &v->channels[index];
    struct vmbus_channels *shared = v->shared[process_of(index)];
    struct vmbus_channel e = {.epoch = c->epoch, .opening = c->opening, .target_vp = c->target_vp};

    if (shared == NULL || is_published(&shared->channels[index], c))
        return;
    e.open = c->state == CHANNEL_OPENING || c->state == CHANNEL_OPEN;
    for (unsigned i = 0; e.open != 0 && i < GPADLS_MAX; i++) {
        const struct gpadl *g = &v->gpadls.rows[i];

        if (g->state == GPADL_FREE || g->id != c->gpadl)
            continue;
        e.pages = g->pages;
        e.pool_at = g->pool_at;
        e.downstream = c->downstream;
    }
    vmbus_channel_write(shared, index, &e);
}

/* --- the state --- */

enum {
    CHANNEL_WORDS = sizeof(struct channel) / sizeof(uint32_t),
};
_Static_assert(sizeof(struct channel) == 13 * sizeof(uint32_t), "words and nothing else");

void channel_save(const struct channel *c, struct wr *w)
{
    uint32_t words[CHANNEL_WORDS];

    memcpy(words, c, sizeof(words));
    for (size_t i = 0; i < CHANNEL_WORDS; i++)
        wr_le32(w, words[i]);
}

int channel_load(struct channel *c, struct rd *r)
{
    uint32_t words[CHANNEL_WORDS];
    struct channel n;

    for (size_t i = 0; i < CHANNEL_WORDS; i++)
        words[i] = rd_le32(r);
    memcpy(&n, words, sizeof(n));
    if (!rd_ok(r) || n.state >= CHANNEL_STATES || n.modifies > MODIFIES_MAX || n.reopen > 1)
        return -EBADMSG;
    *c = n;
    return 0;
}

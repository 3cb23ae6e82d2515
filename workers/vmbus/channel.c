#include "workers/vmbus/channel.h"

#include <errno.h>

enum {
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

/* Also while it is closing: the worker behind it may still be at them. */
static bool uses_rings(const struct channel *c)
{
    return c->state == CHANNEL_OPENING || c->state == CHANNEL_OPEN || c->state == CHANNEL_CLOSING;
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

/* With its primary a subchannel goes; what the guest has opened of it, it closes itself first. */
static bool drop_subchannels(struct vmbus *v, unsigned device)
{
    bool changed = false;

    for (unsigned s = 1; s < VMBUS_SUBCHANNELS; s++) {
        struct channel *c = &v->channels[device * VMBUS_SUBCHANNELS + s];

        if (c->state != CHANNEL_OFFERED && c->state != CHANNEL_RELEASED)
            continue;
        if (c->state == CHANNEL_OFFERED)
            rescind(v, c);
        else
            c->state = CHANNEL_ABSENT;
        changed = true;
    }
    return changed;
}

/* Subchannels come when the primary is open and the device asks for them. */
static bool offer_subchannels(struct vmbus *v, unsigned device)
{
    const struct channel *all = &v->channels[device * VMBUS_SUBCHANNELS];
    unsigned wanted = wanted_subchannels(v, device);
    bool changed = false;

    for (unsigned s = 1; s <= wanted; s++) {
        if (all[s].state != CHANNEL_ABSENT)
            continue;
        offer(v, device, s);
        changed = true;
    }
    return changed;
}

static bool sync_primary(struct vmbus *v, unsigned device, bool present)
{
    struct channel *primary = &v->channels[device * VMBUS_SUBCHANNELS];

    if (present && primary->state == CHANNEL_ABSENT)
        offer(v, device, 0);
    else if (!present && primary->state == CHANNEL_OFFERED)
        rescind(v, primary);
    else if (!present && primary->state == CHANNEL_RELEASED)
        primary->state = CHANNEL_ABSENT;
    else
        return false;
    return true;
}

bool channel_sync_device(struct vmbus *v, unsigned device)
{
    const struct channel *primary = &v->channels[device * VMBUS_SUBCHANNELS];
    bool present = is_present(v, device);
    bool changed = sync_primary(v, device, present);

    if (!uses_rings(primary))
        changed |= drop_subchannels(v, device);
    else if (present && primary->state == CHANNEL_OPEN)
        changed |= offer_subchannels(v, device);
    return changed;
}

/*
 * Linux tears down no memory of a channel that was rescinded. It also gives a channel back that it
 * could make no device of: offered again at once, it would fail again.
 */
int channel_released(struct vmbus *v, uint32_t relid)
{
    struct channel *c = find(v, relid);

    if (c == NULL || (c->state != CHANNEL_RESCINDED && c->state != CHANNEL_OFFERED))
        return -EINVAL;
    c->state = c->state == CHANNEL_RESCINDED ? CHANNEL_ABSENT : CHANNEL_RELEASED;
    gpadls_free_of(&v->gpadls, relid);
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
    case CHANNEL_RELEASED:
    case CHANNEL_STATES:
        break;
    }
    return false;
}

/* May a device use lists of that channel for more than rings? It uses none while its first channel is closed. */
static bool may_borrow(const struct vmbus *v, uint32_t relid)
{
    unsigned device = vmbus_device_of(vmbus_index(relid));

    return vmbus_devices[device].borrows && uses_rings(&v->channels[device * VMBUS_SUBCHANNELS]);
}

static bool is_in_use(const struct vmbus *v, unsigned row)
{
    const struct gpadl *g = &v->gpadls.rows[row];
    const struct channel *c = &v->channels[vmbus_index(g->relid)];
    const struct vmbus_acks *acks = v->acks[process_of(vmbus_index(g->relid))];

    return (uses_rings(c) && c->gpadl == g->id) ||
           (may_borrow(v, g->relid) && acks != NULL &&
            atomic_load_explicit(&acks->memories[row], memory_order_acquire) != g->epoch);
}

bool channel_return_memory(struct vmbus *v, uint32_t relid)
{
    bool any = false;

    for (unsigned i = 0; i < GPADLS_MAX; i++) {
        struct gpadl *g = &v->gpadls.rows[i];

        if (g->state != GPADL_TEARING || g->relid != relid || is_in_use(v, i))
            continue;
        channel_say(v, message_one(channel_say_at(v), VMBUS_GPADL_TORNDOWN, g->id));
        gpadl_free(g);
        any = true;
    }
    return any;
}

/* --- open and close --- */

static bool is_target(const struct vmbus *v, uint32_t vp)
{
    return vp == NEVER_INTERRUPT || vp < atomic_load(&v->outbox->n_vps);
}

/* Can the list be the rings of a channel, split at that page? */
static bool can_be_rings(const struct gpadl *g, uint32_t relid, uint32_t downstream)
{
    return g != NULL && g->relid == relid && g->state != GPADL_BUILDING && g->offset == 0 &&
           g->bytes % PAGE_BYTES == 0 && g->pages <= VMBUS_RING_PAGES_MAX &&
           downstream >= RING_PAGES_MIN && downstream < g->pages &&
           g->pages - downstream >= RING_PAGES_MIN;
}

static bool is_primary(unsigned index)
{
    return index % VMBUS_SUBCHANNELS == 0;
}

static bool may_open(struct vmbus *v, const struct message_open *m)
{
    unsigned index = vmbus_index(m->relid);
    const struct gpadl *g = gpadls_find(&v->gpadls, m->gpadl);

    if (!is_primary(index) && v->channels[index - index % VMBUS_SUBCHANNELS].state != CHANNEL_OPEN)
        return false;
    return is_target(v, m->target_vp) && can_be_rings(g, m->relid, m->downstream) &&
           g->state == GPADL_CREATED;
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
    if (may_open(v, m)) {
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

/* Answer the modifications that are due. */
static void say_modified(struct vmbus *v, struct channel *c, uint32_t status)
{
    for (; c->modifies > 0; c->modifies--) {
        if (v->version >= VERSION_MODIFY_ANSWERED)
            channel_say(
                v, message_two(channel_say_at(v), VMBUS_MODIFY_RESPONSE, relid_of(v, c), status));
    }
}

int channel_close(struct vmbus *v, uint32_t relid)
{
    struct channel *c = find(v, relid);

    if (c == NULL)
        return -EINVAL;
    if (c->state == CHANNEL_CLOSING && c->reopen != 0) {
        c->reopen = 0;
        return 0;
    }
    if (c->state != CHANNEL_OPENING && c->state != CHANNEL_OPEN)
        return -EINVAL;
    say_modified(v, c, VMBUS_STATUS_UNSUCCESSFUL);
    begin_close(c);
    return 0;
}

int channel_modify(struct vmbus *v, const struct message_modify *m)
{
    struct channel *c = find(v, m->relid);

    if (c == NULL)
        return -EINVAL;
    if (c->state == CHANNEL_OPEN && c->modifies < CHANNEL_MODIFIES_MAX &&
        is_target(v, m->target_vp)) {
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

/* A worker that could not open it was told of the rings: it lets go of them as of any others. */
static void opened(struct vmbus *v, struct channel *c, uint32_t status)
{
    say_open_result(v, relid_of(v, c), c->open_id,
                    status == 0 ? VMBUS_STATUS_SUCCESS : VMBUS_STATUS_UNSUCCESSFUL);
    if (status == 0)
        c->state = CHANNEL_OPEN;
    else
        begin_close(c);
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

    c->state = CHANNEL_OFFERED;
    if (v->phase != VMBUS_OFFERED)
        return;
    (void)channel_return_memory(v, relid);
    if (is_primary(vmbus_index(relid))) /* now: opened again, it has others */
        (void)drop_subchannels(v, vmbus_device_of(vmbus_index(relid)));
    if (c->reopen != 0)
        open_next(v, c);
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
        say_modified(v, c, VMBUS_STATUS_SUCCESS);
        return true;
    case CHANNEL_ABSENT:
    case CHANNEL_OFFERED:
    case CHANNEL_RESCINDED:
    case CHANNEL_RELEASED:
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

static struct vmbus_memory memory_of(const struct gpadl *g, enum process p)
{
    bool is_lent = g->state == GPADL_CREATED || g->state == GPADL_TEARING;

    if (!is_lent || process_of(vmbus_index(g->relid)) != p)
        return (struct vmbus_memory){.state = VMBUS_MEMORY_NONE};
    return (struct vmbus_memory){
        .state = g->state == GPADL_CREATED ? VMBUS_MEMORY_LENT : VMBUS_MEMORY_WANTED,
        .epoch = g->epoch,
        .id = g->id,
        .relid = g->relid,
        .bytes = g->bytes,
        .offset = g->offset,
        .pages = g->pages,
        .pool_at = g->pool_at,
    };
}

static void publish_memory_to(const struct vmbus *v, unsigned row, enum process p)
{
    struct vmbus_memory *shown = &v->shared[p]->memories[row];
    struct vmbus_memory e = memory_of(&v->gpadls.rows[row], p);

    if (atomic_load(&shown->seq) % 2 != 0 || shown->state != e.state || shown->epoch != e.epoch)
        vmbus_memory_write(v->shared[p], row, &e);
}

void channel_publish_memory(const struct vmbus *v, unsigned row)
{
    for (enum process p = 0; p < PROCESS_COUNT; p++) {
        if (v->shared[p] != NULL)
            publish_memory_to(v, row, p);
    }
}

/* --- the state --- */

static bool rings_are_sound(struct vmbus *v, const struct channel *c)
{
    const struct gpadl *g = gpadls_find(&v->gpadls, c->gpadl);

    return is_target(v, c->target_vp) && can_be_rings(g, relid_of(v, c), c->downstream);
}

bool channel_is_sound(struct vmbus *v, unsigned index)
{
    const struct channel *c = &v->channels[index];
    enum process p = process_of(index);
    bool open = c->state == CHANNEL_OPENING || c->state == CHANNEL_OPEN;

    if (c->state == CHANNEL_ABSENT)
        return c->modifies == 0 && c->reopen == 0;
    if (v->shared[p] == NULL || v->acks[p] == NULL)
        return false;
    if (v->phase != VMBUS_OFFERED && (open || v->phase != VMBUS_RESETTING))
        return false;
    if ((c->modifies != 0 && c->state != CHANNEL_OPEN) ||
        (c->reopen != 0 && c->state != CHANNEL_CLOSING))
        return false;
    return !uses_rings(c) || rings_are_sound(v, c);
}

/* One that is wanted back is given back by the next look, if nobody uses it by then. */
bool channel_may_own(const struct vmbus *v, const struct gpadl *g)
{
    const struct channel *c = &v->channels[vmbus_index(g->relid)];

    return c->state != CHANNEL_ABSENT && c->state != CHANNEL_RELEASED;
}

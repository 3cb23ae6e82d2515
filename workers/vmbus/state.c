/* What survives the vmbus worker: written whole, and refused unless it can have been written by us. */
#include <errno.h>
#include <string.h>

#include "workers/vmbus/channel.h"
#include "workers/vmbus/vmbus.h"

enum {
    CHANNEL_WORDS = sizeof(struct channel) / sizeof(uint32_t),
};
_Static_assert(sizeof(struct channel) == 13 * sizeof(uint32_t), "words and nothing else");

static void channel_save(const struct channel *c, struct wr *w)
{
    uint32_t words[CHANNEL_WORDS];

    memcpy(words, c, sizeof(words));
    for (size_t i = 0; i < CHANNEL_WORDS; i++)
        wr_le32(w, words[i]);
}

static int channel_load(struct channel *c, struct rd *r)
{
    uint32_t words[CHANNEL_WORDS];
    struct channel n;

    for (size_t i = 0; i < CHANNEL_WORDS; i++)
        words[i] = rd_le32(r);
    memcpy(&n, words, sizeof(n));
    if (!rd_ok(r) || n.state >= CHANNEL_STATES || n.modifies > CHANNEL_MODIFIES_MAX || n.reopen > 1)
        return -EBADMSG;
    *c = n;
    return 0;
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

static bool is_vp(const struct vmbus *v, uint32_t vp)
{
    return vp == 0 || vp < atomic_load(&v->outbox->n_vps);
}

/* What the parts say of each other. */
static bool is_sound(struct vmbus *v)
{
    if (v->phase >= VMBUS_PHASES || v->has_contact > 1 || !is_vp(v, v->target_vp) ||
        !is_vp(v, v->next_target_vp) || v->discard > v->tail ||
        v->tail - atomic_load(&v->outbox->head) > VMBUS_OUTBOX_ENTRIES)
        return false;
    for (unsigned i = 0; i < VMBUS_CHANNELS; i++) {
        if (!channel_is_sound(v, i))
            return false;
    }
    for (unsigned i = 0; i < GPADLS_MAX; i++) {
        const struct gpadl *g = &v->gpadls.rows[i];

        if (g->state != GPADL_FREE && !channel_may_own(v, g))
            return false;
    }
    return true;
}

int vmbus_load(struct vmbus *v, struct rd *r, uint32_t schema)
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
    for (unsigned i = 0; e == 0 && i < VMBUS_CHANNELS; i++)
        e = channel_load(&n.channels[i], r);
    if (e == 0)
        e = gpadls_load(&n.gpadls, r, schema);
    if (e == 0)
        e = rd_finish(r);
    if (e == 0 && !is_sound(&n))
        e = -EBADMSG;
    if (e == 0)
        *v = n;
    return e;
}

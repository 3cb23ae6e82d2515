#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/rd.h"
#include "base/wr.h"
#include "ipc/manifest.h"
#include "ipc/vmbus.h"
#include "tests/sim/vmbus_guest.h"

enum {
    PFNS_IN_HEADER = 26,
    PFNS_IN_BODY = 28,
};

static const uint64_t OFFER_NS = 20 * NS_PER_S;
static const uint64_t LOOK_NS = 20 * NS_PER_MS;

/* --- memory that is lent --- */

static uint64_t post(struct vmbus_guest *g, const struct wr *w, const uint8_t *bytes)
{
    size_t len = 0;

    if (wr_finish(w, &len) < 0)
        vmbus_fail(g, "a message is too long");
    return vmbus_post(g, g->connection, bytes, len);
}

static uint32_t number_at(const struct received *m, size_t at)
{
    struct rd r = rd_over(m->bytes, m->len);

    (void)rd_span(&r, at);
    return rd_le32(&r);
}

uint32_t vmbus_lend(struct vmbus_guest *g, uint32_t relid, uint32_t gpadl, const uint64_t *pfns,
                    unsigned n)
{
    uint8_t bytes[GUEST_MESSAGE_BYTES];
    struct wr w = wr_over(bytes, sizeof(bytes));
    struct received m;
    unsigned i = 0;

    wr_le32(&w, MSG_GPADL_HEADER);
    wr_le32(&w, 0);
    wr_le32(&w, relid);
    wr_le32(&w, gpadl);
    wr_le16(&w, (uint16_t)(8 + 8 * n));
    wr_le16(&w, 1);
    wr_le32(&w, n * GUEST_PAGE);
    wr_le32(&w, 0);
    for (; i < n && i < PFNS_IN_HEADER; i++)
        wr_le64(&w, pfns[i]);
    (void)post(g, &w, bytes);
    while (i < n) {
        w = wr_over(bytes, sizeof(bytes));
        wr_le32(&w, MSG_GPADL_BODY);
        wr_le32(&w, 0);
        wr_le32(&w, 0);
        wr_le32(&w, gpadl);
        for (unsigned left = PFNS_IN_BODY; i < n && left > 0; left--)
            wr_le64(&w, pfns[i++]);
        (void)post(g, &w, bytes);
    }
    return vmbus_await(g, MSG_GPADL_CREATED, relid, gpadl, &m) ? number_at(&m, 16) : UINT32_MAX;
}

bool vmbus_take_back(struct vmbus_guest *g, uint32_t relid, uint32_t gpadl)
{
    uint8_t bytes[16];
    struct wr w = wr_over(bytes, sizeof(bytes));
    struct received m;

    wr_le32(&w, MSG_GPADL_TEARDOWN);
    wr_le32(&w, 0);
    wr_le32(&w, relid);
    wr_le32(&w, gpadl);
    (void)post(g, &w, bytes);
    return vmbus_await(g, MSG_GPADL_TORNDOWN, gpadl, 0, &m);
}

/* --- channels --- */

static uint32_t find_offer(const struct vmbus_guest *g, const uint8_t interface[16],
                           unsigned device, unsigned subchannel)
{
    const struct guest_offer *primary = NULL;

    for (uint32_t i = 1; i < GUEST_RELIDS; i++) {
        const struct guest_offer *o = &g->offers[i];

        if (!o->offered || memcmp(o->interface, interface, sizeof(o->interface)) != 0)
            continue;
        if (o->subchannel == 0 && primary == NULL && device-- == 0)
            primary = o;
        if (primary != NULL && o->subchannel == subchannel &&
            memcmp(o->instance, primary->instance, sizeof(o->instance)) == 0)
            return i;
    }
    return 0;
}

uint32_t vmbus_await_offer(struct vmbus_guest *g, const uint8_t interface[16], unsigned device,
                           unsigned subchannel)
{
    uint64_t end = clock_now_ns() + OFFER_NS;
    uint32_t relid = find_offer(g, interface, device, subchannel);

    for (; relid == 0 && !g->failed; relid = find_offer(g, interface, device, subchannel)) {
        if (clock_now_ns() > end)
            vmbus_fail(g, "channel %u of device %u is not offered", subchannel, device);
        (void)vmbus_halt(g, 0, LOOK_NS);
    }
    return relid;
}

static void make_rings(struct guest_channel *c, unsigned pages)
{
    c->pages = 2 * pages;
    for (unsigned i = 0; i < c->pages; i++) {
        struct vring *r = i < pages ? &c->out : &c->in;

        c->pfns[i] = vmbus_page(c->guest);
        r->page[i % pages] = vmbus_host(c->guest, c->pfns[i] * GUEST_PAGE);
    }
    vring_reset(&c->out, pages);
    vring_reset(&c->in, pages);
}

static uint32_t ask_open(struct vmbus_guest *g, const struct guest_channel *c, uint32_t open_id)
{
    uint8_t bytes[148];
    struct wr w = wr_over(bytes, sizeof(bytes));
    struct received m;

    wr_le32(&w, MSG_OPEN);
    wr_le32(&w, 0);
    wr_le32(&w, c->relid);
    wr_le32(&w, open_id);
    wr_le32(&w, c->gpadl);
    wr_le32(&w, c->vp);
    wr_le32(&w, c->pages / 2);
    wr_bytes(&w, (const uint8_t[120]){0}, 120);
    (void)post(g, &w, bytes);
    return vmbus_await(g, MSG_OPEN_RESULT, c->relid, open_id, &m) ? number_at(&m, 16) : UINT32_MAX;
}

bool vmbus_open(struct vmbus_guest *g, struct guest_channel *c, uint32_t relid, unsigned pages,
                uint32_t vp)
{
    uint32_t status;

    c->guest = g;
    c->relid = relid;
    c->connection = g->offers[relid].connection;
    c->vp = vp;
    c->gpadl = ++g->last_id;
    (void)pthread_mutex_init(&c->lock, NULL);
    make_rings(c, pages);
    status = vmbus_lend(g, relid, c->gpadl, c->pfns, c->pages);
    if (status == 0) {
        c->open = true;
        g->channels[relid] = c;
        status = ask_open(g, c, ++g->last_id);
    }
    if (status != 0)
        vmbus_fail(g, "relid %u cannot be opened: status %#x", relid, status);
    return status == 0;
}

bool vmbus_close(struct vmbus_guest *g, struct guest_channel *c)
{
    uint8_t bytes[12];
    struct wr w = wr_over(bytes, sizeof(bytes));

    vmbus_lock(c->guest, &c->lock);
    c->open = false;
    vmbus_unlock(c->guest, &c->lock);
    g->channels[c->relid] = NULL;
    wr_le32(&w, MSG_CLOSE);
    wr_le32(&w, 0);
    wr_le32(&w, c->relid);
    (void)post(g, &w, bytes);
    if (!vmbus_take_back(g, c->relid, c->gpadl))
        return false;
    for (unsigned i = 0; i < c->pages; i++) {
        /* Whoever still looks finds nonsense, and is found out if he writes. */
        memset(vmbus_host(g, c->pfns[i] * GUEST_PAGE), 0xee, GUEST_PAGE);
        vmbus_page_free(g, c->pfns[i]);
    }
    return true;
}

bool vmbus_move(struct vmbus_guest *g, struct guest_channel *c, uint32_t vp)
{
    uint8_t bytes[16];
    struct wr w = wr_over(bytes, sizeof(bytes));
    struct received m;

    wr_le32(&w, MSG_MODIFY);
    wr_le32(&w, 0);
    wr_le32(&w, c->relid);
    wr_le32(&w, vp);
    (void)post(g, &w, bytes);
    c->vp = vp;
    if (g->version < 0x50003)
        return true;
    if (!vmbus_await(g, MSG_MODIFIED, c->relid, 0, &m))
        return false;
    if (number_at(&m, 12) != 0)
        vmbus_fail(g, "relid %u cannot be moved: status %#x", c->relid, number_at(&m, 12));
    return number_at(&m, 12) == 0;
}

/* --- packets --- */

void vmbus_kick(struct guest_channel *c)
{
    static const uint64_t one = 1;
    unsigned device = vmbus_device_of(vmbus_index(c->relid));
    int bell = manifest_fd(PROCESS_SUPERVISOR, OBJECT_BELL, vmbus_devices[device].process);

    c->kicks++;
    (void)!write(bell, &one, sizeof(one));
}

static int put(struct guest_channel *c, uint16_t type, uint16_t flags, uint64_t transaction,
               struct span head, struct span payload)
{
    bool signal = false;
    int r = -ENOTCONN;

    vmbus_lock(c->guest, &c->lock);
    if (c->open)
        r = vring_write(&c->out, type, flags, transaction, head.at, (uint32_t)head.len, payload.at,
                        (uint32_t)payload.len, &signal);
    vmbus_unlock(c->guest, &c->lock);
    if (r == 0 && signal)
        vmbus_kick(c);
    return r;
}

int vmbus_send(struct guest_channel *c, uint16_t type, uint64_t transaction, const void *head,
               uint32_t head_len, const void *payload, uint32_t payload_len)
{
    return put(c, type, VRING_WANTS_COMPLETION, transaction, (struct span){head, head_len},
               (struct span){payload, payload_len});
}

int vmbus_put(struct guest_channel *c, uint16_t type, uint64_t transaction, const void *payload,
              uint32_t len)
{
    return put(c, type, 0, transaction, (struct span){0}, (struct span){payload, len});
}

static void take_packets(struct guest_channel *c)
{
    struct vring_packet p UNINITIALIZED;
    int r = 1;

    while (r > 0 && !c->guest->failed) {
        r = vring_read(&c->in, &p);
        if (r > 0)
            c->packet(c, &p);
    }
    if (r < 0)
        vmbus_fail(c->guest, "relid %u: no packet at %u of its ring", c->relid, c->in.read);
    if (vring_end_packets(&c->in))
        vmbus_kick(c);
}

/* @spec Linux drivers/hv/connection.c (vmbus_on_event), of a channel that is read in batches */
void vmbus_channel_event(struct guest_channel *c)
{
    bool again = true;

    vmbus_lock(c->guest, &c->lock);
    c->interrupts++;
    while (again && c->open && !c->guest->failed) {
        vring_begin_read(&c->in);
        take_packets(c);
        again = vring_end_read(&c->in);
    }
    vmbus_unlock(c->guest, &c->lock);
}

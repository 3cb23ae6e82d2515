#include <errno.h>
#include <string.h>

#include "workers/journal.h"
#include "workers/net/net.h"

/* --- interrupts --- */

static unsigned index_of(const struct nic *n, unsigned channel)
{
    return vmbus_index(vmbus_relid(NET_FIRST_DEVICE + n->index, channel));
}

void nic_interrupt(struct net *s, const struct nic *n, unsigned channel, bool anyway)
{
    uint32_t relid = vmbus_relid(NET_FIRST_DEVICE + n->index, channel);

    if (bus_interrupt(&s->bus, n->opened[channel].target_vp, relid, anyway))
        shown_interrupt(s, n, channel);
}

/* --- memory --- */

/* The row of a list that this NIC may use; -ENOENT. */
static int find_lent(const struct net *s, const struct nic *n, uint32_t gpadl,
                     struct vmbus_memory *ret)
{
    uint32_t relid = vmbus_relid(NET_FIRST_DEVICE + n->index, 0);

    for (unsigned i = 0; gpadl != 0 && i < VMBUS_MEMORIES; i++) {
        if (s->bus.channels->memories[i].id != gpadl ||
            !vmbus_memory_read(s->bus.channels, i, ret)) /* a hint; what counts is the copy */
            continue;
        if (ret->state == VMBUS_MEMORY_LENT && ret->id == gpadl && ret->relid == relid &&
            ret->pages <= NET_BUFFER_PAGES)
            return (int)i;
    }
    return -ENOENT;
}

uint64_t nic_lent_bytes(void *self, uint32_t gpadl)
{
    const struct nic_lookup *look = self;
    struct vmbus_memory m;

    return find_lent(look->net, look->nic, gpadl, &m) < 0 ? 0 : m.bytes;
}

static int take_lent(struct net *s, const struct nic *n, uint32_t gpadl, struct lent *ret)
{
    struct vmbus_memory m;
    int row = find_lent(s, n, gpadl, &m);
    int r;

    ret->id = 0;
    if (row < 0)
        return row;
    r = gmem_pages_init(&ret->pages, &s->bus.memory, &s->bus.channels->pool[m.pool_at], m.pages,
                        ret->hosts);
    if (r < 0)
        return r;
    ret->row = (uint32_t)row;
    ret->bytes = m.bytes;
    ret->offset = m.offset;
    ret->id = gpadl;
    return 0;
}

/* A list that cannot be resolved is not used: frames are dropped, and counted. */
static void take_buffer(struct net *s, struct nic *n, const struct nvsp_buffer *wanted,
                        struct lent *have)
{
    if (have->id == wanted->gpadl)
        return;
    have->id = 0;
    if (wanted->gpadl == 0)
        return;
    if (take_lent(s, n, wanted->gpadl, have) < 0 ||
        have->bytes < (uint64_t)wanted->sections * wanted->section_bytes) {
        have->id = 0; /* another list of that name, perhaps */
        board_log(&s->worker->board, LOG_LEVEL_WARN, "nic %u: buffer %u is not the guest's memory",
                  n->index, wanted->gpadl);
    }
}

static void free_all_sections(struct net *s, const struct nic *n)
{
    for (unsigned i = 0; i < FRAMES_SECTIONS; i++) {
        if (atomic_load(&s->log->owners[n->index][i]) != 0)
            atomic_store(&s->log->owners[n->index][i], 0);
    }
}

/* Without a receive buffer no section is the guest's; whoever took it back may have died before all were free. */
void nic_take_buffers(struct net *s, struct nic *n)
{
    uint32_t before = n->receive.id;

    if (n->nvsp.receive.gpadl == 0)
        free_all_sections(s, n);
    take_buffer(s, n, &n->nvsp.receive, &n->receive);
    take_buffer(s, n, &n->nvsp.send, &n->send);
    if (n->receive.id == before)
        return;
    n->rx_is_full = false;
    n->large.len = 0;
}

/* What is wanted back is let go of; so is what is not lent any more. */
static bool look_at_memory(struct net *s, unsigned row)
{
    uint32_t seq = vmbus_memory_seq(s->bus.channels, row);
    struct vmbus_memory m;

    if (seq == s->seen_memories[row])
        return true;
    if (!vmbus_memory_read(s->bus.channels, row, &m))
        return false;
    s->seen_memories[row] = seq;
    if (m.state == VMBUS_MEMORY_NONE || atomic_load(&s->bus.acks->memories[row]) == m.epoch)
        return true;
    for (unsigned i = 0; m.state == VMBUS_MEMORY_WANTED && i < NETS_MAX; i++) {
        struct nic *n = &s->nics[i];

        if (n->receive.id != 0 && n->receive.row == row)
            n->receive.id = 0;
        if (n->send.id != 0 && n->send.row == row)
            n->send.id = 0;
    }
    atomic_store_explicit(&s->bus.acks->memories[row], m.epoch, memory_order_release);
    bus_ring_vmbus(&s->bus);
    return true;
}

bool nic_look_at_memory(struct net *s)
{
    bool settled = true;

    for (unsigned i = 0; i < VMBUS_MEMORIES; i++)
        settled &= look_at_memory(s, i);
    return settled;
}

/* --- channels --- */

static void acknowledge(struct net *s, struct nic *n, unsigned channel,
                        const struct vmbus_channel *c, int status)
{
    n->opened[channel] = *c;
    bus_acknowledge(&s->bus, index_of(n, channel), c->epoch, status);
}

/* Another opening of the first channel is another NIC to its driver. */
static void begin(struct net *s, struct nic *n)
{
    nvsp_forget(&n->nvsp, &n->config);
    n->control = (struct control){0};
    nic_take_buffers(s, n);
    atomic_store(&s->bus.acks->subchannels[NET_FIRST_DEVICE + n->index], 0);
    journal_commit(s->worker);
}

static void open_channel(struct net *s, struct nic *n, unsigned channel,
                         const struct vmbus_channel *c)
{
    struct line *l = &n->lines[channel];
    bool resume = l->log->opening == c->opening;
    int r;

    if (channel == 0 && !resume)
        begin(s, n);
    r = line_open(l, &s->bus.memory, c, &s->bus.channels->pool[c->pool_at], resume);
    acknowledge(s, n, channel, c, l->open ? 0 : r);
    board_log(&s->worker->board, LOG_LEVEL_DEBUG,
              "nic %u: channel %u, opening %u, resumed %d, result %d", n->index, channel,
              c->opening, resume, l->open ? 0 : r);
    if (!l->open)
        return;
    shown_opened(n, channel);
    (void)line_free_sections(l);
    if (channel == 0)
        nic_take_buffers(s, n);
    nic_interrupt(s, n, channel, true); /* a signal may have died with its generation */
}

static void close_channel(struct net *s, struct nic *n, unsigned channel)
{
    line_close(&n->lines[channel]);
    board_log(&s->worker->board, LOG_LEVEL_DEBUG, "nic %u: channel %u closed", n->index, channel);
    if (channel == 0)
        begin(s, n);
}

static bool look_at_channel(struct net *s, struct nic *n, unsigned channel)
{
    struct line *l = &n->lines[channel];
    struct vmbus_channel c;

    if (!vmbus_channel_read(s->bus.channels, index_of(n, channel), &c))
        return false;
    if (c.epoch == n->opened[channel].epoch)
        return true;
    if (l->open && (c.open == 0 || l->log->opening != c.opening))
        close_channel(s, n, channel);
    if (l->open || c.open == 0)
        acknowledge(s, n, channel, &c, 0); /* another target of its interrupts, or closed */
    else
        open_channel(s, n, channel, &c);
    return true;
}

bool nic_look(struct net *s, struct nic *n)
{
    bool settled = true;

    for (unsigned i = 0; i < VMBUS_SUBCHANNELS; i++)
        settled &= look_at_channel(s, n, i);
    n->has_resumed |= settled;
    return settled;
}

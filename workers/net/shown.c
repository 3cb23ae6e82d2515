#include "base/clock.h"
#include "workers/net/net.h"

static const uint64_t SHOW_NS = 100 * NS_PER_MS;

/* --- counting --- */

void shown_opened(struct nic *n, unsigned channel)
{
    struct queue_shown *q = &n->queues[channel];

    q->seen_ns = 0;
    q->untold = 0;
    q->is_blocked = false;
}

/*
 * s->seen_ns is when the worker last knew that it was going to look: it woke up, or was done with the batch before. It
 * is read anew only where that is not known.
 */
void shown_tx_begins(struct net *s, struct nic *n, unsigned channel)
{
    struct queue_shown *q = &n->queues[channel];

    q->frames_before = n->counters->tx_frames;
    if (q->seen_ns != 0)
        return;
    if (s->seen_ns == 0)
        s->seen_ns = clock_now_ns();
    q->seen_ns = s->seen_ns;
}

static bool is_blocked(struct queue_shown *q, const struct line *l)
{
    bool blocked = line_is_blocked(l);

    q->blocked += blocked && !q->is_blocked;
    q->is_blocked = blocked;
    return blocked;
}

/* What is held back, or not told, was seen when it was seen first. */
void shown_tx_ends(struct net *s, struct nic *n, unsigned channel, unsigned done, bool held)
{
    struct queue_shown *q = &n->queues[channel];

    if (q->seen_ns == 0)
        return;
    q->tx_packets += done;
    q->tx_frames += n->counters->tx_frames - q->frames_before;
    q->frames_before = n->counters->tx_frames;
    q->tx_held += held;
    q->untold += done;
    if (is_blocked(q, &n->lines[channel]) || (held && q->untold == 0))
        return;
    s->seen_ns = clock_now_ns();
    latency_count(&q->latency, s->seen_ns - q->seen_ns, q->untold);
    q->untold = 0;
    if (!held)
        q->seen_ns = 0;
}

void shown_rx(struct nic *n, unsigned channel, const struct line_group *groups, unsigned all,
              unsigned given)
{
    struct queue_shown *q = &n->queues[channel];

    q->rx_packets += given;
    for (unsigned i = 0; i < given; i++)
        q->rx_messages += groups[i].n_ranges;
    for (unsigned i = given; i < all; i++)
        q->rx_dropped += groups[i].n_ranges;
    (void)is_blocked(q, &n->lines[channel]);
}

void shown_interrupt(struct net *s, const struct nic *n, unsigned channel)
{
    s->nics[n->index].queues[channel].interrupts++;
}

/* --- showing --- */

static struct board_row *add_row(struct net *s, const struct nic *n, unsigned channel,
                                 enum board_kind kind, const char *name)
{
    return board_addf(&s->worker->board, kind, "nic%u/queue%u/%s", n->index, channel, name);
}

/* Of a channel that is open for the first time: most NICs have fewer than there could be. */
static void add_queue_rows(struct net *s, struct nic *n, unsigned channel)
{
    struct queue_shown *q = &n->queues[channel];

    if (q->rows.tx_packets != NULL)
        return;
    q->rows.tx_packets = add_row(s, n, channel, BOARD_COUNTER, "tx/packets");
    q->rows.tx_frames = add_row(s, n, channel, BOARD_COUNTER, "tx/frames");
    q->rows.tx_held = add_row(s, n, channel, BOARD_COUNTER, "tx/held");
    q->rows.latency = add_row(s, n, channel, BOARD_HISTOGRAM, "tx");
    q->rows.rx_packets = add_row(s, n, channel, BOARD_COUNTER, "rx/packets");
    q->rows.rx_messages = add_row(s, n, channel, BOARD_COUNTER, "rx/messages");
    q->rows.rx_dropped = add_row(s, n, channel, BOARD_COUNTER, "rx/dropped");
    q->rows.interrupts = add_row(s, n, channel, BOARD_COUNTER, "interrupts");
    q->rows.blocked = add_row(s, n, channel, BOARD_COUNTER, "blocked");
}

static void show_queue(const struct queue_shown *q)
{
    board_set(q->rows.tx_packets, q->tx_packets);
    board_set(q->rows.tx_frames, q->tx_frames);
    board_set(q->rows.tx_held, q->tx_held);
    board_latency(q->rows.latency, &q->latency);
    board_set(q->rows.rx_packets, q->rx_packets);
    board_set(q->rows.rx_messages, q->rx_messages);
    board_set(q->rows.rx_dropped, q->rx_dropped);
    board_set(q->rows.interrupts, q->interrupts);
    board_set(q->rows.blocked, q->blocked);
}

void shown_link(struct nic *n)
{
    board_text(n->rows.link, n->backend.is_gone  ? "back end gone"
                             : n->config.link_up ? "up"
                                                 : "down");
}

static void show_queues(struct net *s, struct nic *n)
{
    struct latency all = {0};

    for (unsigned i = 0; i < VMBUS_SUBCHANNELS; i++) {
        if (n->lines[i].open)
            add_queue_rows(s, n, i);
        if (n->queues[i].rows.tx_packets == NULL)
            continue;
        show_queue(&n->queues[i]);
        latency_add(&all, &n->queues[i].latency);
    }
    board_latency(n->rows.latency, &all);
}

static void show_nic(struct net *s, struct nic *n)
{
    board_set(n->rows.tx_frames, n->counters->tx_frames - n->before.tx_frames);
    board_set(n->rows.tx_held, n->held);
    board_set(n->rows.tx_bytes, n->counters->tx_bytes - n->before.tx_bytes);
    board_set(n->rows.rx_frames, n->counters->rx_frames - n->before.rx_frames);
    board_set(n->rows.rx_bytes, n->counters->rx_bytes - n->before.rx_bytes);
    board_set(n->rows.version, n->nvsp.version);
    board_set(n->rows.mtu, n->nvsp.mtu);
    shown_link(n);
    for (unsigned i = 0; i < DROPS; i++)
        board_set(n->rows.drops[i], n->drops[i]);
    show_queues(s, n);
}

void shown_look(struct net *s, uint64_t now_ns)
{
    if (now_ns < s->shown_ns + SHOW_NS)
        return;
    s->shown_ns = now_ns;
    for (unsigned i = 0; i < NETS_MAX; i++) {
        if (s->nics[i].present)
            show_nic(s, &s->nics[i]);
    }
    board_set(s->bus.rows.spin_ns, s->bus.spin_ns);
    board_set(s->rows.rings, s->rings);
}

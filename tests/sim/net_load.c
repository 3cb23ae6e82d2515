#include "tests/sim/net_load.h"

#include <string.h>

#include "base/clock.h"

enum {
    FRAMES_MAX = 4, /* in one packet */
    BURST = 8,      /* packets of a flow, before others have their turn */
};

static const uint64_t HOARD_NS = 10 * NS_PER_S; /* without another section */
static const uint64_t DRAIN_NS = 10 * NS_PER_S;

/* --- times --- */

static void on_frame(void *self)
{
    struct net_load *l = self;
    uint64_t now_ns = clock_now_ns();
    uint64_t last_ns = atomic_exchange(&l->last_ns, now_ns);
    uint64_t most = l->gap_ns;

    if (last_ns == 0 || now_ns < last_ns)
        return;
    while (now_ns - last_ns > most &&
           !atomic_compare_exchange_weak(&l->gap_ns, &most, now_ns - last_ns))
        ;
}

void net_load_killed(struct net_load *l)
{
    uint64_t gap_ns = atomic_exchange(&l->gap_ns, 0);

    if (l->kills++ > 0 && gap_ns > 0 && l->n_stalls < NET_LOAD_STALLS)
        l->stalls[l->n_stalls++] = gap_ns;
}

/* --- load --- */

void net_load_init(struct net_load *l, struct net_guest *n, uint64_t random)
{
    l->net = n;
    n->received = on_frame;
    n->self = l;
    for (unsigned vp = 0; vp < GUEST_VPS; vp++)
        l->random[vp] = random + vp;
}

static bool send_flow(struct net_load *l, unsigned channel, struct flow *f, uint64_t *random)
{
    bool any = false;

    for (unsigned i = 0; i < BURST && flow_may_send(f, clock_now_ns()); i++) {
        unsigned count = 1 + (unsigned)(sim_random(random) % FRAMES_MAX);

        if (!net_send(l->net, channel, f, count, l->kills, sim_random(random)))
            break;
        any = true;
    }
    return any;
}

static bool send_channel(struct net_load *l, unsigned channel, uint64_t *random)
{
    bool any = false;

    for (unsigned i = channel; i < FLOWS; i += l->net->n_queues)
        any |= send_flow(l, channel, &l->net->flows[i], random);
    return any;
}

/* Of the channels from first on, each so many further. */
static void step(struct net_load *l, unsigned vp, unsigned first, unsigned stride)
{
    struct net_guest *n = l->net;
    uint64_t *random = &l->random[vp];
    bool any = false;

    for (unsigned i = first; i < n->n_queues; i += stride) {
        any |= send_channel(l, i, random);
        if (l->polls)
            vmbus_channel_event(&n->queues[i].channel);
        if (!l->hoards)
            (void)net_give_back(n, i, sim_random(random), sim_random(random) % 4 == 0);
    }
    (void)vmbus_halt(n->vmbus, vp, any ? 0 : NS_PER_MS);
}

void net_load_step(struct net_load *l, unsigned vp)
{
    step(l, vp, vp, l->net->vmbus->n_vps);
}

void net_load_step_alone(struct net_load *l, unsigned vp)
{
    step(l, vp, 0, 1);
}

bool net_load_begin(struct net_load *l)
{
    l->last_ns = 0;
    return net_set_filter(l->net, true);
}

bool net_load_end(struct net_load *l)
{
    return net_set_filter(l->net, false);
}

bool net_load_hoard(struct net_load *l)
{
    struct net_guest *n = l->net;
    unsigned all = n->receive.sections - NET_GUEST_CONTROL_SECTIONS;
    uint64_t end = clock_now_ns() + HOARD_NS;
    unsigned most = 0;

    l->hoards = true;
    while (n->n_frames_held < all && !n->vmbus->failed) {
        net_load_step(l, 0);
        if (n->n_frames_held > most) {
            most = n->n_frames_held;
            end = clock_now_ns() + HOARD_NS;
        }
        if (clock_now_ns() > end)
            vmbus_fail(n->vmbus, "of %u sections the guest got only %u: others are leaked", all,
                       n->n_frames_held);
    }
    l->hoards = false;
    l->last_ns = 0; /* there was no room for frames: no stall */
    l->hoarded += all;
    return !n->vmbus->failed;
}

/* What is in a ring may be for a vCPU that has not been interrupted yet. */
static bool is_drained(struct net_guest *n)
{
    bool drained = true;

    for (unsigned i = 0; i < n->n_queues; i++) {
        vmbus_channel_event(&n->queues[i].channel);
        drained &= net_give_back(n, i, 0, true) == 0 && n->queues[i].in_flight == 0;
    }
    return drained;
}

bool net_load_drain(struct net_load *l)
{
    struct net_guest *n = l->net;
    uint64_t end = clock_now_ns() + DRAIN_NS;

    while (!is_drained(n) && !n->vmbus->failed) {
        (void)vmbus_halt(n->vmbus, 0, NS_PER_MS);
        for (unsigned i = 0; clock_now_ns() > end && i < n->n_queues; i++) {
            if (n->queues[i].in_flight > 0)
                vmbus_fail(n->vmbus, "channel %u: %u transactions are lost", i,
                           n->queues[i].in_flight);
        }
    }
    return !n->vmbus->failed;
}

static uint64_t percentile(const struct net_load *l, unsigned percent)
{
    return l->n_stalls == 0 ? 0
                            : l->stalls[(uint64_t)(l->n_stalls - 1) * percent / 100] / NS_PER_US;
}

void net_load_print(struct net_load *l, uint64_t kills)
{
    struct sim *sim = l->net->vmbus->sim;
    struct flow_sums s = flows_sum(l->net->flows);
    uint64_t tenths = kills == 0 ? 0 : 10 * s.lost / kills;

    sim_sort(l->stalls, l->n_stalls);
    sim_print(sim, 0,
              "guest: %llu frames sent, %llu received, %llu lost in %llu gaps, %llu.%llu a kill\n",
              (unsigned long long)s.sent, (unsigned long long)s.received,
              (unsigned long long)s.lost, (unsigned long long)s.gaps,
              (unsigned long long)(tenths / 10), (unsigned long long)(tenths % 10));
    sim_print(sim, 0, "%llu completions, %llu answers, %llu sections had at phases' ends\n",
              (unsigned long long)l->net->completions, (unsigned long long)l->net->replies,
              (unsigned long long)l->hoarded);
    sim_print(sim, 0,
              "without a frame around a kill: p50 %llu us, p99 %llu us, max %llu us, of %u\n",
              (unsigned long long)percentile(l, 50), (unsigned long long)percentile(l, 99),
              (unsigned long long)percentile(l, 100), l->n_stalls);
}

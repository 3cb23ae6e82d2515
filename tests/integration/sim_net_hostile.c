/*
 * tests/integration/sim_net_hostile.c - a guest that breaks every rule of NVSP and RNDIS on its second NIC, against the
 * real workers.
 *
 * Attacks are made by vCPU 0. After each, no process may have died, the second NIC must work as new, and numbered frames
 * must have gone on over the first one all the time, which vCPU 1 serves: none of them may be lost.
 *
 * Arguments: seed=N rounds=N (of everything).
 */
#include <string.h>

#include "base/clock.h"
#include "tests/integration/net_hostile.h"
#include "tests/sim/net_load.h"
#include "tests/sim/ring_attacks.h"

enum {
    CHANNELS = 3,
    ENOUGH = 200, /* frames */
    RING_PAGES = 9,
};

static const uint64_t PATIENCE_NS = 20 * NS_PER_S;

struct story {
    struct sim *sim;
    struct vmbus_guest vmbus;
    struct net_guest good, victim;
    struct net_load load, victim_load;
    struct net_hostile hostile;
    struct guest_channel broken; /* whose rings are in no order */
    _Atomic bool ready, loading;
};

static struct story *the_story(void)
{
    static struct story story;

    return &story;
}

/* --- rings --- */

static bool attack_rings(struct story *s, unsigned channel)
{
    static bool (*const all[])(const struct ring_attacks *a) = {
        ring_attack_indices, ring_attack_packets, ring_attack_races, ring_attack_one_page};
    const struct ring_attacks a = {
        .vmbus = &s->vmbus,
        .channel = &s->broken,
        .relid = vmbus_await_offer(&s->vmbus, net_interface, 1, channel),
        .random = &s->hostile.random,
    };
    bool good = a.relid != 0;

    for (size_t i = 0; good && i < COUNT_OF(all); i++)
        good = all[i](&a);
    return good;
}

static bool attack_primary(struct story *s)
{
    return attack_rings(s, 0);
}

/* The first channel goes on: it answers afterwards. */
static bool attack_subchannel(struct story *s)
{
    static const uint32_t subchannels[] = {NVSP_SUBCHANNEL, 1, 2};
    static const uint32_t query[] = {RNDIS_QUERY, 28, 1, 0x00010106, 0, 20, 0};
    struct net_raw *n = &s->hostile.raw;

    return net_raw_open(n, 0, RING_PAGES, true) && net_raw_start(n) &&
           net_raw_ask(n, 0, subchannels, 3) == 1 && attack_rings(s, 1) &&
           net_raw_rndis(n, 0, true, query, sizeof(query)) && net_raw_close(n);
}

/* --- what goes on besides --- */

static const struct {
    const char *name;
    bool (*run)(struct net_hostile *h);
    bool (*run_rings)(struct story *s);
} attacks[] = {
    {"versions",    net_hostile_versions,    NULL             },
    {"buffers",     net_hostile_buffers,     NULL             },
    {"subchannels", net_hostile_subchannels, NULL             },
    {"nvsp",        net_hostile_nvsp,        NULL             },
    {"revokes",     net_hostile_revokes,     NULL             },
    {"frames",      net_hostile_frames,      NULL             },
    {"chains",      net_hostile_chains,      NULL             },
    {"requests",    net_hostile_requests,    NULL             },
    {"rss",         net_hostile_rss,         NULL             },
    {"completions", net_hostile_completions, NULL             },
    {"hoard",       net_hostile_hoard,       NULL             },
    {"unread",      net_hostile_unread,      NULL             },
    {"flood",       net_hostile_flood,       NULL             },
    {"rings",       NULL,                    attack_primary   },
    {"subchannel",  NULL,                    attack_subchannel},
};

/* Until so many more have come over it. */
static bool await_frames(struct story *s, struct net_guest *n, bool mine)
{
    uint64_t end = clock_now_ns() + PATIENCE_NS;
    uint64_t before = flows_sum(n->flows).received;

    while (flows_sum(n->flows).received < before + ENOUGH && !s->vmbus.failed) {
        if (clock_now_ns() > end)
            vmbus_fail(&s->vmbus, "NIC %u: frames do not come", n->device);
        if (mine)
            net_load_step_alone(&s->victim_load, 0);
        else
            (void)vmbus_halt(&s->vmbus, 0, NS_PER_MS);
    }
    return !s->vmbus.failed;
}

static bool load_goes_on(struct story *s)
{
    if (!await_frames(s, &s->good, false))
        return false;
    if (flows_sum(s->good.flows).lost > 0)
        vmbus_fail(&s->vmbus, "the other NIC has lost frames");
    return !s->vmbus.failed;
}

static bool victim_works(struct story *s)
{
    static const struct net_guest_way way = {.version = 0x60001,
                                             .channels = CHANNELS,
                                             .ring_pages = 33,
                                             .receive_pages = 256,
                                             .send_pages = 64};

    s->vmbus.n_inbox = 0;
    return net_connect(&s->victim, &way) && net_load_begin(&s->victim_load) &&
           await_frames(s, &s->victim, true) && net_load_end(&s->victim_load) &&
           net_load_drain(&s->victim_load) && net_disconnect(&s->victim);
}

static bool round_of_attacks(struct story *s)
{
    for (size_t i = 0; i < COUNT_OF(attacks); i++) {
        uint64_t began = clock_now_ns();
        bool good = attacks[i].run != NULL ? attacks[i].run(&s->hostile) : attacks[i].run_rings(s);

        if (!good || !load_goes_on(s) || !victim_works(s) || !sim_faultless(s->sim, PROCESS_NET) ||
            !sim_faultless(s->sim, PROCESS_VMBUS)) {
            sim_print(s->sim, 0, "it was: %s\n", attacks[i].name);
            return false;
        }
        sim_print(s->sim, 0, "%s: %llu ms\n", attacks[i].name,
                  (unsigned long long)((clock_now_ns() - began) / NS_PER_MS));
    }
    return true;
}

static bool prepare(struct story *s, uint64_t seed)
{
    static const struct net_guest_way way = {.version = 0x60001,
                                             .channels = CHANNELS,
                                             .ring_pages = 65,
                                             .receive_pages = 1024,
                                             .send_pages = 256};

    vmbus_start(&s->vmbus, s->sim, seed);
    s->vmbus.careless = true;
    s->ready = true;
    net_guest_init(&s->good, &s->vmbus, 0);
    flows_set_patient(s->good.flows);
    net_load_init(&s->load, &s->good, seed);
    net_guest_init(&s->victim, &s->vmbus, 1);
    net_load_init(&s->victim_load, &s->victim, ~seed);
    if (!vmbus_connect(&s->vmbus, 0x50003) || !net_connect(&s->good, &way) ||
        !net_load_begin(&s->load))
        return false;
    for (unsigned i = 0; i < CHANNELS; i++) {
        if (!vmbus_move(&s->vmbus, &s->good.queues[i].channel, 1))
            return false;
    }
    net_raw_init(&s->hostile.raw, &s->vmbus, 1);
    s->hostile.random = seed;
    s->hostile.foreign = s->good.receive.gpadl;
    s->loading = true;
    return true;
}

static void guest(struct sim *sim)
{
    struct story *s = the_story();
    struct flow_sums sums;

    s->sim = sim;
    if (!prepare(s, sim_option(sim, "seed", 1)))
        return;
    for (uint64_t left = sim_option(sim, "rounds", 1); left > 0; left--) {
        if (!round_of_attacks(s))
            return;
    }
    s->loading = false;
    sums = flows_sum(s->good.flows);
    sim_print(sim, 0, "the other NIC: %llu frames sent, %llu received, %llu lost\n",
              (unsigned long long)sums.sent, (unsigned long long)sums.received,
              (unsigned long long)sums.lost);
    sim_pass(sim);
}

static void vcpu(struct sim *sim, unsigned index)
{
    struct story *s = the_story();

    while (!vm_has_ended(&sim->super.vm)) {
        if (!s->ready)
            sim_sleep_ns(NS_PER_MS);
        else if (s->loading)
            net_load_step_alone(&s->load, index);
        else
            (void)vmbus_halt(&s->vmbus, index, NS_PER_MS);
    }
}

int main(int argc, char **argv)
{
    static struct sim sim = {.guest = guest, .vcpu = vcpu};

    return sim_main(&sim, argc, argv);
}

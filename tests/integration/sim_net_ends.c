/*
 * tests/integration/sim_net_ends.c - two NICs under load; what the second one is plugged into means harm.
 *
 * The first one, which vCPU 1 serves, must lose nothing. The second one goes on until its cable is pulled: whoever runs
 * this does it when he has seen enough. No process may have died.
 */
#include <string.h>

#include "base/clock.h"
#include "tests/sim/net_load.h"

enum {
    CHANNELS = 4,
    ENOUGH = 500, /* frames */
};

struct story {
    struct sim *sim;
    struct vmbus_guest vmbus;
    struct net_guest nets[2];
    struct net_load loads[2];
    _Atomic bool ready, loading;
};

static struct story *the_story(void)
{
    static struct story story;

    return &story;
}

static bool plug_in(struct story *s, unsigned i)
{
    static const struct net_guest_way way = {.version = 0x60001,
                                             .channels = CHANNELS,
                                             .ring_pages = 65,
                                             .receive_pages = 1024,
                                             .send_pages = 256};
    struct net_guest *n = &s->nets[i];

    net_guest_init(n, &s->vmbus, i);
    n->tolerant = i > 0;
    if (i == 0)
        flows_set_patient(n->flows);
    net_load_init(&s->loads[i], n, i);
    return net_connect(n, &way) && net_load_begin(&s->loads[i]);
}

static bool move_to(struct story *s, unsigned i, uint32_t vp)
{
    bool good = true;

    for (unsigned j = 0; good && j < s->nets[i].n_queues; j++)
        good = vmbus_move(&s->vmbus, &s->nets[i].queues[j].channel, vp);
    return good;
}

static void say(struct story *s, unsigned i)
{
    struct flow_sums sums = flows_sum(s->nets[i].flows);

    sim_print(s->sim, 0, "NIC %u: %llu frames sent, %llu received, %llu lost, %llu others\n", i,
              (unsigned long long)sums.sent, (unsigned long long)sums.received,
              (unsigned long long)sums.lost, (unsigned long long)s->nets[i].others);
}

/* Whatever becomes of the second NIC: the first one's frames still come. */
static void wait_for_more(struct story *s)
{
    uint64_t before = flows_sum(s->nets[0].flows).received;

    while (flows_sum(s->nets[0].flows).received < before + ENOUGH && !s->vmbus.failed)
        net_load_step_alone(&s->loads[1], 0);
}

static void run(struct story *s)
{
    bool said = false;

    while (s->nets[1].indications == 0 && !s->vmbus.failed) {
        net_load_step_alone(&s->loads[1], 0);
        if (!said && flows_sum(s->nets[1].flows).received >= ENOUGH) {
            sim_print(s->sim, 0, "enough came\n");
            said = true;
        }
    }
    wait_for_more(s);
}

static void guest(struct sim *sim)
{
    struct story *s = the_story();

    s->sim = sim;
    vmbus_start(&s->vmbus, sim, 1);
    s->ready = true;
    if (!vmbus_connect(&s->vmbus, 0x50003) || !plug_in(s, 0) || !plug_in(s, 1) ||
        !move_to(s, 0, 1) || !move_to(s, 1, 0))
        return;
    s->loading = true;
    run(s);
    s->loading = false;
    say(s, 0);
    say(s, 1);
    if (flows_sum(s->nets[0].flows).lost > 0)
        vmbus_fail(&s->vmbus, "the other NIC has lost frames");
    if (!s->vmbus.failed && sim_faultless(sim, PROCESS_NET) && sim_faultless(sim, PROCESS_VMBUS))
        sim_pass(sim);
}

static void vcpu(struct sim *sim, unsigned index)
{
    struct story *s = the_story();

    while (!vm_has_ended(&sim->super.vm)) {
        if (!s->ready)
            sim_sleep_ns(NS_PER_MS);
        else if (s->loading)
            net_load_step_alone(&s->loads[0], index);
        else
            (void)vmbus_halt(&s->vmbus, index, NS_PER_MS);
    }
}

int main(int argc, char **argv)
{
    static struct sim sim = {.guest = guest, .vcpu = vcpu};

    return sim_main(&sim, argc, argv);
}

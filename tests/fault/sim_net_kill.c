/*
 * tests/fault/sim_net_kill.c - SIGKILLs of the net and vmbus workers at random instants, while numbered frames go
 * both ways.
 *
 * Arguments: kills=N vmbus_kills=N seed=N seconds=N (at least so long) channels=N (0: as chance has it, phase by phase)
 * max_gap_us=N phase_ms=N; sham=1: the same instants, and nobody is killed, to compare the times with.
 *
 * At the end of a phase the guest keeps all sections of its receive buffer until it has every one, then all
 * is drained, and channels are closed and opened with other numbers, or the whole connection begins anew; during it
 * channels are moved to other vCPUs, and requests are made. After kills there is a phase without any, which finds out
 * whether one has left a stream out of step. What frames must be like is in net_guest.h, and in the peer that
 * run-sim plays.
 */
#include <string.h>

#include "base/clock.h"
#include "tests/sim/net_load.h"

enum {
    MOVES_EVERY_NS = 20 * 1000 * 1000,
    RELOAD_EVERY = 4, /* phases */
};

struct test {
    struct sim *sim;
    struct vmbus_guest vmbus;
    struct net_guest net;
    struct net_load load;
    uint64_t random;
    _Atomic unsigned round;           /* odd: a phase is on, the other vCPUs send */
    _Atomic unsigned seen[GUEST_VPS]; /* what each of them saw of it last */
    _Atomic uint64_t kills, vmbus_kills;
    unsigned phases, connections;
};

/* More than a stack should hold, and all threads'. */
static struct test *the_test(void)
{
    static struct test test;

    return &test;
}

static uint64_t chance(struct test *t, uint64_t least, uint64_t most)
{
    return least + sim_random(&t->random) % (most - least + 1);
}

static struct net_guest_way choose_way(struct test *t)
{
    static const uint32_t with_subchannels[] = {0x60001, 0x60000, 0x50000};
    static const uint32_t without[] = {2, 0x30002, 0x40000, 0x60001};
    uint64_t channels = sim_option(t->sim, "channels", 0);
    struct net_guest_way way = {
        .channels = (unsigned)(channels != 0 ? channels : chance(t, 1, NET_GUEST_CHANNELS)),
        .ring_pages = (unsigned)chance(t, 5, 65),
        .receive_pages = (unsigned)chance(t, 64, 1024),
        .send_pages = (unsigned)chance(t, 16, 256),
        .takes_back_early = chance(t, 0, 1) == 1,
    };

    way.version = way.channels > 1 ? with_subchannels[chance(t, 0, 2)] : without[chance(t, 0, 3)];
    return way;
}

static bool plug_in(struct test *t)
{
    struct net_guest_way way = choose_way(t);

    return net_connect(&t->net, &way);
}

static bool connect_all(struct test *t)
{
    static const uint32_t versions[] = {0x50003, 0x50002, 0x40001, 0x50003};
    uint32_t version = versions[t->connections++ % COUNT_OF(versions)];

    return vmbus_connect(&t->vmbus, version) && plug_in(t);
}

/* Other channels and buffers than before: closed one by one, or with the connection. */
static bool reconnect(struct test *t)
{
    if (t->phases++ == 0)
        return connect_all(t);
    if (!net_disconnect(&t->net))
        return false;
    if (chance(t, 1, RELOAD_EVERY) == 1)
        return vmbus_unload(&t->vmbus) && connect_all(t);
    return plug_in(t);
}

static bool move_one(struct test *t)
{
    unsigned i = (unsigned)chance(t, 0, t->net.n_queues - 1);

    return vmbus_move(&t->vmbus, &t->net.queues[i].channel,
                      (uint32_t)chance(t, 0, t->vmbus.n_vps - 1));
}

/* --- phases --- */

static bool all_have_seen(const struct test *t)
{
    for (unsigned vp = 1; vp < t->vmbus.n_vps; vp++) {
        if (t->seen[vp] != t->round)
            return false;
    }
    return true;
}

static void do_more(struct test *t)
{
    if (t->vmbus.version >= 0x40001)
        (void)move_one(t);
    (void)net_look_at_link(&t->net);
}

static bool run_phase(struct test *t)
{
    uint64_t end = clock_now_ns() + sim_option(t->sim, "phase_ms", 300) * NS_PER_MS;
    uint64_t next = 0;

    t->load.polls = chance(t, 0, 1) == 1;
    if (!net_load_begin(&t->load))
        return false;
    t->round++;
    while (clock_now_ns() < end && !t->vmbus.failed) {
        net_load_step(&t->load, 0);
        if (clock_now_ns() > next) {
            next = clock_now_ns() + MOVES_EVERY_NS;
            do_more(t);
        }
    }
    if (!net_load_hoard(&t->load))
        return false;
    t->round++;
    while (!all_have_seen(t) && !t->vmbus.failed)
        (void)vmbus_halt(&t->vmbus, 0, NS_PER_MS);
    return net_load_end(&t->load) && net_load_drain(&t->load);
}

static bool is_over(struct test *t, uint64_t end)
{
    return t->kills >= sim_option(t->sim, "kills", 100) &&
           t->vmbus_kills >= sim_option(t->sim, "vmbus_kills", 20) && clock_now_ns() >= end;
}

static void finish(struct test *t)
{
    sim_print(t->sim, 0, "kills %llu of net, %llu of vmbus%s; %u phases, %u connections\n",
              (unsigned long long)t->kills, (unsigned long long)t->vmbus_kills,
              sim_option(t->sim, "sham", 0) != 0 ? " (sham: none)" : "", t->phases, t->connections);
    net_load_print(&t->load, t->kills);
    t->sim->finished = true;
    if (sim_faultless(t->sim, PROCESS_NET) && sim_faultless(t->sim, PROCESS_VMBUS))
        sim_pass(t->sim);
}

/* --- threads --- */

static void guest(struct sim *sim)
{
    struct test *t = the_test();
    uint64_t end = clock_now_ns() + sim_option(sim, "seconds", 0) * NS_PER_S;

    t->sim = sim;
    t->random = sim_option(sim, "seed", 1);
    sim_print(sim, 0, "seed=%llu\n", (unsigned long long)t->random);
    vmbus_start(&t->vmbus, sim, t->random);
    net_guest_init(&t->net, &t->vmbus, 0);
    net_load_init(&t->load, &t->net, t->random);
    do {
        if (!reconnect(t) || !run_phase(t))
            return;
    } while (!is_over(t, end));
    if (t->kills == 0 || (reconnect(t) && run_phase(t)))
        finish(t);
}

static void vcpu(struct sim *sim, unsigned index)
{
    struct test *t = the_test();

    while (!vm_has_ended(&sim->super.vm)) {
        unsigned round = t->round;

        t->seen[index] = round;
        if (round % 2 != 0)
            net_load_step(&t->load, index);
        else if (round > 0)
            (void)vmbus_halt(&t->vmbus, index, NS_PER_MS);
        else
            sim_sleep_ns(NS_PER_MS);
    }
}

/* The guest's thread may not have begun yet. */
static void kill_one(struct sim *sim, struct test *t, bool of_vmbus)
{
    bool sham = sim_option(sim, "sham", 0) != 0;

    if (of_vmbus && (sham || sim_kill(sim, PROCESS_VMBUS)))
        t->vmbus_kills++;
    if (!of_vmbus && (sham || sim_kill(sim, PROCESS_NET))) {
        t->kills++;
        net_load_killed(&t->load);
    }
}

static void killer(struct sim *sim)
{
    struct test *t = the_test();
    uint64_t random = ~sim_option(sim, "seed", 1);
    uint64_t kills = sim_option(sim, "kills", 100);
    uint64_t vmbus_kills = sim_option(sim, "vmbus_kills", 20);
    uint64_t max_gap_us = sim_option(sim, "max_gap_us", 60000);

    while ((t->kills < kills || t->vmbus_kills < vmbus_kills) && !vm_has_ended(&sim->super.vm)) {
        bool of_vmbus = sim_random(&random) % (kills + vmbus_kills) < vmbus_kills;

        sim_sleep_ns(sim_random(&random) % (max_gap_us * NS_PER_US));
        if (of_vmbus ? t->vmbus_kills < vmbus_kills : t->kills < kills)
            kill_one(sim, t, of_vmbus);
    }
}

int main(int argc, char **argv)
{
    static struct sim sim = {.guest = guest, .vcpu = vcpu, .beside = killer};

    return sim_main(&sim, argc, argv);
}

/*
 * tests/fault/sim_chipset_kill.c - SIGKILLs of the chipset worker while the guest prints lines.
 *
 * Arguments: kills=N seed=N. Prints "line NNNNNNNN abcdefghijklmnopqrstuvwxyz" until N kills have
 * happened, then "end NNNNNNNN"; tests/fault/check-lines compares what arrived with that.
 */
#include "base/clock.h"
#include "tests/sim/sim.h"

static _Atomic uint64_t kills_done;

static void guest(struct sim *sim)
{
    uint64_t kills = sim_option(sim, "kills", 100);
    unsigned long long n = 0;

    while (kills_done < kills)
        sim_print(sim, 0, "line %08llu abcdefghijklmnopqrstuvwxyz\n", n++);
    sim_sleep_ns(200 * NS_PER_MS); /* the last generation is up: nothing may be lost now */
    sim_print(sim, 0, "end %08llu kills %llu\n", n, (unsigned long long)kills);
    if (sim_faultless(sim, PROCESS_CHIPSET))
        sim_pass(sim);
}

static void killer(struct sim *sim)
{
    uint64_t random = sim_option(sim, "seed", 1);
    uint64_t kills = sim_option(sim, "kills", 100);

    while (kills_done < kills && !vm_has_ended(&sim->super.vm)) {
        sim_sleep_ns(sim_random(&random) % (9 * NS_PER_MS));
        if (sim_kill(sim, PROCESS_CHIPSET))
            kills_done++;
    }
}

int main(int argc, char **argv)
{
    static struct sim sim = {.guest = guest, .beside = killer};

    return sim_main(&sim, argc, argv);
}

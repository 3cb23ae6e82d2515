/*
 * tests/sim/sim_idle.c - a guest that does nothing, so that start, processes and memory can be looked at.
 *
 * Arguments: ms=N. Says "idle" when all devices serve, and ends N milliseconds later.
 */
#include "base/clock.h"
#include "tests/sim/sim.h"

static void guest(struct sim *sim)
{
    sim_print(sim, 0, "idle\n");
    sim_sleep_ns(sim_option(sim, "ms", 0) * NS_PER_MS);
    sim->finished = true;
    sim_pass(sim);
}

int main(int argc, char **argv)
{
    static struct sim sim = {.guest = guest};

    return sim_main(&sim, argc, argv);
}

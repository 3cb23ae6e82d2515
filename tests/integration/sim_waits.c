/*
 * tests/integration/sim_waits.c - a guest that passes as soon as it runs: all devices serve.
 */
#include "tests/sim/sim.h"

int main(int argc, char **argv)
{
    static struct sim sim = {.guest = sim_pass};

    return sim_main(&sim, argc, argv);
}

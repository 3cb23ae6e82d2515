/*
 * tests/integration/sim_reset.c - a guest that resets itself as soon as something is typed at its console.
 */
#include "base/clock.h"
#include "tests/sim/sim.h"

enum {
    COM1 = 0x3f8,
    COM1_MCR = 0x3fc,
    COM1_LSR = 0x3fd,
    MCR_READY = 3, /* DTR and RTS: what is typed comes */
    LSR_DATA_READY = 1,
};

static void guest(struct sim *sim)
{
    sim_write(sim, 0, ACCESS_IO, COM1_MCR, 1, MCR_READY);
    while ((sim_read(sim, 0, ACCESS_IO, COM1_LSR, 1) & LSR_DATA_READY) == 0)
        sim_sleep_ns(10 * NS_PER_MS);
    (void)sim_read(sim, 0, ACCESS_IO, COM1, 1);
    sim->finished = true;
    vm_end(&sim->super.vm, BULKHEAD__GUEST_END__GUEST_END_RESET, "reset");
}

int main(int argc, char **argv)
{
    static struct sim sim = {.guest = guest};

    return sim_main(&sim, argc, argv);
}

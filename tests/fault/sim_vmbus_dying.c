/*
 * tests/fault/sim_vmbus_dying.c - has a vmbus die of a message, with dying_vmbus.c, and goes on with the next one; then stays, so
 * that operators can read what is told of it.
 */
#include "base/clock.h"
#include "ipc/vmbus.h"
#include "tests/sim/sim.h"
#include "tests/sim/vmbus_guest.h"

enum {
    VERSION = 0x00050003,
    STAY_S = 100, /* or until it is killed */
};

/* Two generations died of it: it is given up. */
static bool die(struct vmbus_guest *g)
{
    static const uint8_t modify[16] = {MSG_MODIFY};
    uint64_t status =
        vmbus_post_raw(g, 0, g->connection, 1, modify, sizeof(modify), sizeof(modify));

    if (status != HV_INVALID_PARAMETER)
        vmbus_fail(g, "the message that kills: status %#llx", (unsigned long long)status);
    return status == HV_INVALID_PARAMETER;
}

static void guest(struct sim *sim)
{
    static struct vmbus_guest g; /* more than a stack should hold */
    uint64_t end = clock_now_ns() + STAY_S * NS_PER_S;

    vmbus_start(&g, sim, 1);
    if (!vmbus_connect(&g, VERSION) || !die(&g) || !vmbus_unload(&g) || !vmbus_connect(&g, VERSION))
        return;
    sim_print(sim, 0, "all have died\n");
    while (clock_now_ns() < end && !vm_has_ended(&sim->super.vm))
        sim_sleep_ns(100 * NS_PER_MS);
    sim_pass(sim);
}

int main(int argc, char **argv)
{
    static struct sim sim = {.guest = guest};

    return sim_main(&sim, argc, argv);
}

/*
 * tests/fault/sim_vtpm_dying.c - has a vtpm die in each of its ways, with dying_vtpm.c, and of a kill; then stays, so that
 * operators can read what is told of it.
 */
#include <string.h>

#include "base/clock.h"
#include "supervisor/lifecycle.h"
#include "tests/fault/dying_vtpm.h"
#include "tests/sim/sim.h"
#include "tests/sim/tpm_client.h"
#include "tests/sim/tpm_commands.h"

enum {
    RC_CANCELED = 0x909, /* two generations died of it */
    STAY_S = 170,        /* or until it is killed */
};

/* The supervisor's registry is the loop's; who is parked would die no more. */
static _Atomic bool forget_wanted;

static bool forget(struct sim *sim)
{
    forget_wanted = true;
    while (forget_wanted && !vm_has_ended(&sim->super.vm))
        sim_sleep_ns(NS_PER_MS);
    return !vm_has_ended(&sim->super.vm);
}

static void every_tick(struct sim *sim)
{
    if (forget_wanted)
        health_forget(&sim->super.registry.rows[PROCESS_VTPM].health);
    forget_wanted = false;
}

static bool ask(struct sim *sim, struct tpm_client *tpm, uint16_t bytes, uint32_t rc)
{
    uint8_t cmd[TPM_CLIENT_BYTES], rsp[TPM_CLIENT_BYTES];
    size_t len;
    int r = tpm_client_call(tpm, cmd, tpm_cmd_get_random(cmd, bytes), rsp, &len);
    uint32_t got = r < 0 ? (uint32_t)r : tpm_client_rc(rsp, len);

    if (got != rc)
        sim_fail(sim, "%u bytes: %#x, not %#x", bytes, got, rc);
    return got == rc;
}

static void guest(struct sim *sim)
{
    static struct tpm_client tpm;
    uint64_t end = clock_now_ns() + STAY_S * NS_PER_S;
    bool good = tpm_client_open(&tpm, sim, 0) == 0;

    for (uint16_t way = 0; good && way < DYING_WAYS; way++) {
        good = ask(sim, &tpm, (uint16_t)(DYING_FIRST_BYTES + way), RC_CANCELED) &&
               ask(sim, &tpm, 8, 0) && forget(sim);
    }
    good = good && sim_kill(sim, PROCESS_VTPM) && ask(sim, &tpm, 8, 0);
    if (!good) {
        sim_fail(sim, "it does not die as it is told");
        return;
    }
    sim_print(sim, 0, "all have died\n");
    while (clock_now_ns() < end && !vm_has_ended(&sim->super.vm))
        sim_sleep_ns(100 * NS_PER_MS);
    sim_pass(sim);
}

int main(int argc, char **argv)
{
    static struct sim sim = {.guest = guest, .every_tick = every_tick};

    return sim_main(&sim, argc, argv);
}

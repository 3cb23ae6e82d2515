/*
 * tests/fault/sim_vtpm_faults.c - poison, hang, crash loop, parking, revival; with faulty_vtpm.c.
 *
 * The guest's TPM must answer every command, with its own error where it cannot do better, and
 * must have forgotten nothing in the end: a PCR is compared with what was extended.
 */
#include <string.h>

#include "base/clock.h"
#include "supervisor/lifecycle.h"
#include "tests/fault/faulty_vtpm.h"
#include "tests/sim/sim.h"
#include "tests/sim/tpm_client.h"
#include "tests/sim/tpm_commands.h"

enum {
    PCR = 16,
    RC_SUCCESS = 0,
    RC_FAILURE = 0x101,
    RC_CANCELED = 0x909,
};

struct story {
    struct sim *sim;
    struct tpm_client tpm;
    struct registry_row *row;
    uint8_t rsp[TPM_CLIENT_BYTES];
    size_t rsp_len;
};

static bool expect_rc(struct story *s, const char *what, const uint8_t *cmd, size_t len,
                      uint32_t rc)
{
    uint64_t began = clock_now_ns();
    int r = tpm_client_call(&s->tpm, cmd, len, s->rsp, &s->rsp_len);
    uint32_t got = r < 0 ? (uint32_t)r : tpm_client_rc(s->rsp, s->rsp_len);

    sim_print(s->sim, 0, "%s: %#x after %llu ms; %s\n", what, got,
              (unsigned long long)((clock_now_ns() - began) / NS_PER_MS),
              s->row->shown.last_death->text);
    if (got != rc)
        sim_fail(s->sim, "%s: %#x, not %#x", what, got, rc);
    return got == rc;
}

static bool random_answers(struct story *s, const char *what, uint16_t bytes, uint32_t rc)
{
    uint8_t cmd[TPM_CLIENT_BYTES];

    return expect_rc(s, what, cmd, tpm_cmd_get_random(cmd, bytes), rc);
}

static bool told(struct story *s, const char *what)
{
    if (strstr(s->row->shown.last_death->text, what) != NULL)
        return true;
    sim_fail(s->sim, "operators were told: %s", s->row->shown.last_death->text);
    return false;
}

static bool poison(struct story *s)
{
    uint64_t before = s->row->shown.faults->value;

    if (!random_answers(s, "a command that crashes the TPM", FAULT_CRASH_BYTES, RC_CANCELED))
        return false;
    if (s->row->shown.faults->value != before + 2) {
        sim_fail(s->sim, "it killed %llu generations, not two",
                 (unsigned long long)(s->row->shown.faults->value - before));
        return false;
    }
    return told(s, "signal 11") && random_answers(s, "the next command", 8, RC_SUCCESS);
}

static bool hang(struct story *s)
{
    return random_answers(s, "a command that hangs the TPM", FAULT_HANG_BYTES, RC_CANCELED) &&
           told(s, "hang") && random_answers(s, "the next command", 8, RC_SUCCESS);
}

/* Kill until the generations that crash have their turn. */
static bool reach_loop(struct story *s)
{
    health_forget(&s->row->health); /* the faults before are another story */
    while (s->row->live.number < FAULT_LOOP_FIRST) {
        (void)sim_kill(s->sim, PROCESS_VTPM);
        if (!random_answers(s, "a command after a kill", 8, RC_SUCCESS))
            return s->row->state == ROW_PARKED;
        sim_sleep_ns(150 * NS_PER_MS);
        if (s->row->live.number == FAULT_LOOP_FIRST - 1)
            break;
    }
    return sim_kill(s->sim, PROCESS_VTPM);
}

static bool await_state(struct story *s, enum row_state state)
{
    uint64_t end = clock_now_ns() + 30 * NS_PER_S;

    while (s->row->state != state || s->row->live.active_ns == 0) {
        if (clock_now_ns() > end) {
            sim_fail(s->sim, "it does not become %s",
                     state == ROW_PARKED ? "parked" : "running again");
            return false;
        }
        sim_sleep_ns(5 * NS_PER_MS);
    }
    return true;
}

static _Atomic bool revive_wanted;

static bool park_and_revive(struct story *s)
{
    if (!reach_loop(s) || !await_state(s, ROW_PARKED))
        return false;
    if (!random_answers(s, "a command to the parked TPM", 8, RC_FAILURE))
        return false;
    revive_wanted = true;
    return await_state(s, ROW_RUNNING) && random_answers(s, "and revived", 8, RC_SUCCESS);
}

static bool extend_and_check(struct story *s, bool extend, uint8_t pcr[TPM_DIGEST_BYTES])
{
    static const uint8_t digest[TPM_DIGEST_BYTES] = {1, 2, 3};
    uint8_t cmd[TPM_CLIENT_BYTES];

    if (extend && !expect_rc(s, "extend", cmd, tpm_cmd_pcr_extend(cmd, PCR, digest), RC_SUCCESS))
        return false;
    if (!expect_rc(s, "read", cmd, tpm_cmd_pcr_read(cmd, PCR), RC_SUCCESS))
        return false;
    if (extend)
        memcpy(pcr, s->rsp + s->rsp_len - TPM_DIGEST_BYTES, TPM_DIGEST_BYTES);
    else if (memcmp(pcr, s->rsp + s->rsp_len - TPM_DIGEST_BYTES, TPM_DIGEST_BYTES) != 0) {
        sim_fail(s->sim, "the PCR was forgotten");
        return false;
    }
    return true;
}

static void guest(struct sim *sim)
{
    static struct story s;
    uint8_t pcr[TPM_DIGEST_BYTES];

    s.sim = sim;
    s.row = &sim->super.registry.rows[PROCESS_VTPM];
    if (tpm_client_open(&s.tpm, sim, 0) < 0) {
        sim_fail(sim, "no TPM");
        return;
    }
    if (extend_and_check(&s, true, pcr) && poison(&s) && hang(&s) && park_and_revive(&s) &&
        extend_and_check(&s, false, pcr))
        sim_pass(sim);
}

/* As an operator: on the loop's thread, where the registry lives. */
static void every_tick(struct sim *sim)
{
    if (revive_wanted) {
        revive_wanted = false;
        (void)lifecycle_revive(&sim->super.registry, PROCESS_VTPM);
    }
}

int main(int argc, char **argv)
{
    static struct sim sim = {.guest = guest, .every_tick = every_tick};

    return sim_main(&sim, argc, argv);
}

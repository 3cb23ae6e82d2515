/*
 * tests/bench/sim_recovery.c - how long a guest's TPM command stands still when the worker is killed.
 *
 * Arguments: kills=N seed=N. The guest sends PCR_Extends without a pause; the stall is the time of
 * the one that the death fell into, from its first register write to its answer. "spare" kills
 * come so far apart that a spare generation stands by; "none" kills come right after the spare has
 * taken over, when there is no other yet.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "tests/bench/tpm_series.h"
#include "tests/sim/sim.h"
#include "tests/sim/tpm_client.h"
#include "tests/sim/tpm_commands.h"

enum {
    MAX_KILLS = 10000,
    DEFAULT_KILLS = 200,
    GAP_MIN_MS = 150,
    GAP_SPREAD_MS = 150,
    PCR = 16,
};

static const uint64_t LIMIT_NS = 10ull * 1000 * 1000 * 1000;

/* Of one way to be killed. */
struct times {
    uint64_t stall_ns[MAX_KILLS];    /* of the command */
    uint64_t death_ns[MAX_KILLS];    /* from the kill until the next generation is told to serve */
    uint64_t takeover_ns[MAX_KILLS]; /* from then until the command is answered */
    size_t n;
};

struct victim {
    struct sim *sim;
    struct tpm_client tpm;
    struct times with_spare, without;
};

static const struct registry_row *row_of(const struct victim *v)
{
    return &v->sim->super.registry.rows[PROCESS_VTPM];
}

static int extend(struct victim *v, uint64_t *ret_ns)
{
    static const uint8_t digest[TPM_DIGEST_BYTES] = {4, 5, 6};
    uint8_t cmd[TPM_CLIENT_BYTES];
    uint8_t rsp[TPM_CLIENT_BYTES];
    size_t len = tpm_cmd_pcr_extend(cmd, PCR, digest);
    uint64_t began = clock_now_ns();
    int r = tpm_client_call(&v->tpm, cmd, len, rsp, &len);

    *ret_ns = clock_now_ns() - began;
    if (r == 0 && tpm_client_rc(rsp, len) != 0)
        r = -EPROTO;
    return r;
}

/* Commands until another generation serves; the longest one is the one that stood still. */
static int kill_once(struct victim *v, struct times *t)
{
    uint32_t before = row_of(v)->live.number;
    uint64_t began = clock_now_ns();
    uint64_t longest = 0;
    bool other = false;

    if (!sim_kill(v->sim, PROCESS_VTPM))
        return -EAGAIN;
    while (!other) {
        uint64_t ns;
        int r = extend(v, &ns);

        if (r < 0)
            return r;
        if (clock_now_ns() > began + LIMIT_NS)
            return -ETIMEDOUT;
        longest = ns > longest ? ns : longest;
        other = row_of(v)->live.number != before && row_of(v)->live.active_ns != 0;
    }
    t->stall_ns[t->n] = longest;
    t->death_ns[t->n] = row_of(v)->live.active_ns - began;
    t->takeover_ns[t->n] = clock_now_ns() - row_of(v)->live.active_ns;
    t->n++;
    return 0;
}

static int await_spare(const struct victim *v)
{
    uint64_t end = clock_now_ns() + LIMIT_NS;

    while (!row_of(v)->standby.verified) {
        if (clock_now_ns() > end)
            return -ETIMEDOUT;
        sim_sleep_ns(NS_PER_MS);
    }
    return 0;
}

static unsigned long long percentile_us(uint64_t *sorted_ns, size_t n, size_t percent)
{
    return sorted_ns[n * percent / 100] / NS_PER_US;
}

static void report(struct victim *v, const char *spare, struct times *t)
{
    tpm_series_sort(t->stall_ns, t->n);
    tpm_series_sort(t->death_ns, t->n);
    tpm_series_sort(t->takeover_ns, t->n);
    sim_print(v->sim, 0,
              "{\"bench\": \"recovery\", \"spare\": \"%s\", \"kills\": %zu, \"p50_us\": %llu, "
              "\"p90_us\": %llu, \"p99_us\": %llu, \"max_us\": %llu, \"death_p50_us\": %llu, "
              "\"takeover_p50_us\": %llu}\n",
              spare, t->n, percentile_us(t->stall_ns, t->n, 50),
              percentile_us(t->stall_ns, t->n, 90), percentile_us(t->stall_ns, t->n, 99),
              (unsigned long long)(t->stall_ns[t->n - 1] / NS_PER_US),
              percentile_us(t->death_ns, t->n, 50), percentile_us(t->takeover_ns, t->n, 50));
}

static int run(struct victim *v, size_t kills)
{
    uint64_t random = sim_option(v->sim, "seed", 1);
    uint64_t ignored;
    int r = tpm_client_open(&v->tpm, v->sim, 0);

    if (r == 0)
        r = extend(v, &ignored);
    for (size_t i = 0; r == 0 && i < kills; i++) {
        sim_sleep_ns((GAP_MIN_MS + sim_random(&random) % GAP_SPREAD_MS) * NS_PER_MS);
        r = await_spare(v);
        if (r == 0)
            r = kill_once(v, &v->with_spare);
        if (r == 0)
            r = kill_once(v, &v->without);
    }
    if (r < 0)
        return r;
    report(v, "ready", &v->with_spare);
    report(v, "none", &v->without);
    return 0;
}

static void guest(struct sim *sim)
{
    static struct victim v;
    uint64_t kills = sim_option(sim, "kills", DEFAULT_KILLS);
    int r;

    v.sim = sim;
    r = kills == 0 || kills > MAX_KILLS ? -EINVAL : run(&v, kills);
    sim->finished = true;
    if (r < 0)
        sim_fail(sim, "%s", strerror(-r));
    else
        sim_pass(sim);
}

int main(int argc, char **argv)
{
    static struct sim sim = {.guest = guest};

    return sim_main(&sim, argc, argv);
}

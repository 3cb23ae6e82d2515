/*
 * tests/fault/sim_vtpm_kill.c - SIGKILLs of the vtpm worker at random instants under load.
 *
 * Arguments: kills=N seed=N max_gap_us=N seconds=N (at least so long, for who does something from
 * outside meanwhile). The oracle is a model kept here, never the product's own
 * counters: a PCR's value by OpenSSL's SHA-256, an NV counter, every random answer ever seen, and
 * what each quote must contain. Nothing may be lost, doubled or repeated.
 */
/* The plain functions: no provider, no allocation, no file under the supervisor's filter. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <errno.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/rd.h"
#include "tests/sim/sim.h"
#include "tests/sim/tpm_client.h"
#include "tests/sim/tpm_commands.h"

enum {
    PCR = 16,
    RANDOM_BYTES = 16,
    MAX_RANDOMS = 1 << 22, /* more than a run draws */
    MAX_STALLS = 1 << 16,
    RC_NO_ERROR = 0,
    TOGGLES_EVERY = 128, /* steps */
    TOGGLES = 16,        /* in a row: longer than a death takes */
};

static const uint32_t NV_INDEX = 0x01800001;

struct model {
    struct sim *sim;
    struct tpm_client tpm;
    uint8_t pcr[TPM_DIGEST_BYTES];
    uint64_t counter;
    uint32_t key;
    uint64_t extends, increments, randoms, quotes;
    uint8_t seen[MAX_RANDOMS][RANDOM_BYTES]; /* random answers */
    uint64_t stall_us[MAX_STALLS];           /* of commands that met a death */
    size_t n_stalls;
    uint64_t deaths_before;
    uint8_t rsp[TPM_CLIENT_BYTES];
    size_t rsp_len;
};

static _Atomic uint64_t kills_done;

static uint64_t deaths(const struct model *m)
{
    return m->sim->super.registry.rows[PROCESS_VTPM].last_number;
}

/* Send; note how long it took if a generation died meanwhile. */
static int call(struct model *m, const uint8_t *cmd, size_t len)
{
    uint64_t began = clock_now_ns();
    uint64_t before = deaths(m);
    int r = tpm_client_call(&m->tpm, cmd, len, m->rsp, &m->rsp_len);

    if (deaths(m) != before && m->n_stalls < MAX_STALLS)
        m->stall_us[m->n_stalls++] = (clock_now_ns() - began) / NS_PER_US;
    if (r < 0)
        return r;
    return tpm_client_rc(m->rsp, m->rsp_len) == RC_NO_ERROR ? 0 : -EPROTO;
}

static int fail(struct model *m, const char *what)
{
    sim_print(m->sim, 0, "%s: response code %#x\n", what, tpm_client_rc(m->rsp, m->rsp_len));
    sim_fail(m->sim, "%s", what);
    return -EPROTO;
}

static void sha256(const void *bytes, size_t len, uint8_t digest[TPM_DIGEST_BYTES])
{
    SHA256_CTX c;

    (void)SHA256_Init(&c);
    (void)SHA256_Update(&c, bytes, len);
    (void)SHA256_Final(digest, &c);
}

static void extend_model(struct model *m, const uint8_t digest[TPM_DIGEST_BYTES])
{
    uint8_t both[2 * TPM_DIGEST_BYTES];

    memcpy(both, m->pcr, TPM_DIGEST_BYTES);
    memcpy(both + TPM_DIGEST_BYTES, digest, TPM_DIGEST_BYTES);
    sha256(both, sizeof(both), m->pcr);
}

static int do_extend(struct model *m)
{
    uint8_t cmd[TPM_CLIENT_BYTES];
    uint8_t digest[TPM_DIGEST_BYTES];

    sha256(&m->extends, sizeof(m->extends), digest);
    m->extends++;
    if (call(m, cmd, tpm_cmd_pcr_extend(cmd, PCR, digest)) < 0)
        return fail(m, "PCR_Extend");
    extend_model(m, digest);
    return 0;
}

static int check_pcr(struct model *m)
{
    uint8_t cmd[TPM_CLIENT_BYTES];

    if (call(m, cmd, tpm_cmd_pcr_read(cmd, PCR)) < 0)
        return fail(m, "PCR_Read");
    if (m->rsp_len < TPM_DIGEST_BYTES ||
        memcmp(m->rsp + m->rsp_len - TPM_DIGEST_BYTES, m->pcr, TPM_DIGEST_BYTES) != 0)
        return fail(m, "the PCR differs from the model");
    return 0;
}

static int do_increment(struct model *m)
{
    uint8_t cmd[TPM_CLIENT_BYTES];
    struct rd r;
    uint32_t high, low;

    if (call(m, cmd, tpm_cmd_nv_increment(cmd, NV_INDEX)) < 0)
        return fail(m, "NV_Increment");
    m->increments++;
    if (call(m, cmd, tpm_cmd_nv_read(cmd, NV_INDEX, 8)) < 0)
        return fail(m, "NV_Read");
    r = rd_over(m->rsp, m->rsp_len);
    (void)rd_span(&r, 10 + 4 + 2); /* header, parameter size, length of the data */
    high = rd_be32(&r);
    low = rd_be32(&r);
    if (m->increments == 1)
        m->counter = (uint64_t)high << 32 | low; /* a counter begins where the TPM likes */
    else
        m->counter++;
    if (((uint64_t)high << 32 | low) != m->counter)
        return fail(m, "the NV counter differs from the model");
    return 0;
}

/* Remember a random answer, in an open hash table. Its own bytes are the hash. */
static bool seen_before(struct model *m, const uint8_t random[RANDOM_BYTES])
{
    static const uint8_t empty[RANDOM_BYTES];
    size_t slot;

    memcpy(&slot, random, sizeof(slot));
    for (slot %= MAX_RANDOMS; memcmp(m->seen[slot], empty, RANDOM_BYTES) != 0;
         slot = (slot + 1) % MAX_RANDOMS) {
        if (memcmp(m->seen[slot], random, RANDOM_BYTES) == 0)
            return true;
    }
    memcpy(m->seen[slot], random, RANDOM_BYTES);
    return false;
}

static int do_random(struct model *m)
{
    uint8_t cmd[TPM_CLIENT_BYTES];

    if (call(m, cmd, tpm_cmd_get_random(cmd, RANDOM_BYTES)) < 0)
        return fail(m, "GetRandom");
    if (m->rsp_len != 10 + 2 + RANDOM_BYTES)
        return fail(m, "GetRandom's length");
    m->randoms++;
    return seen_before(m, m->rsp + 12) ? fail(m, "GetRandom repeated its output") : 0;
}

/* The attested structure ends with the digest over the selected PCRs. */
static int do_quote(struct model *m)
{
    uint8_t cmd[TPM_CLIENT_BYTES];
    uint8_t digest[TPM_DIGEST_BYTES];
    struct rd r;
    struct span attest;

    if (call(m, cmd, tpm_cmd_quote(cmd, m->key, PCR, m->quotes++)) < 0)
        return fail(m, "Quote");
    r = rd_over(m->rsp, m->rsp_len);
    (void)rd_span(&r, 10 + 4);
    attest = rd_span(&r, rd_be16(&r));
    sha256(m->pcr, TPM_DIGEST_BYTES, digest);
    if (attest.len < TPM_DIGEST_BYTES ||
        memcmp(attest.at + attest.len - TPM_DIGEST_BYTES, digest, TPM_DIGEST_BYTES) != 0)
        return fail(m, "the quote is not of the model's PCR");
    return 0;
}

/* Without a command the worker is killed while nobody waits for it. */
static int do_registers(struct model *m, uint64_t *random)
{
    for (unsigned i = 0; i < TOGGLES; i++) {
        if (tpm_client_toggle(&m->tpm, sim_random(random) % NS_PER_MS) < 0)
            return fail(m, "a register did not keep what was written");
    }
    return 0;
}

static int prepare(struct model *m)
{
    uint8_t cmd[TPM_CLIENT_BYTES];
    struct rd r;

    if (tpm_client_open(&m->tpm, m->sim, 0) < 0)
        return fail(m, "no TPM");
    if (call(m, cmd, tpm_cmd_create_primary_ecc(cmd)) < 0)
        return fail(m, "CreatePrimary");
    r = rd_over(m->rsp, m->rsp_len);
    (void)rd_span(&r, 10);
    m->key = rd_be32(&r);
    if (call(m, cmd, tpm_cmd_nv_define_counter(cmd, NV_INDEX)) < 0)
        return fail(m, "NV_DefineSpace");
    return check_pcr(m);
}

static int step(struct model *m, uint64_t *random)
{
    if (sim_random(random) % TOGGLES_EVERY == 0)
        return do_registers(m, random);
    switch (sim_random(random) % 16) {
    case 0:
        return do_quote(m);
    case 1:
    case 2:
        return do_increment(m);
    case 3:
    case 4:
        return m->randoms < MAX_RANDOMS / 2 ? do_random(m) : 0;
    case 5:
        return check_pcr(m);
    default:
        return do_extend(m);
    }
}

static void print_result(struct model *m)
{
    uint64_t *t = m->stall_us;
    size_t n = m->n_stalls;

    sim_sort(t, n);
    sim_print(m->sim, 0, "kills %llu, extends %llu, increments %llu, randoms %llu, quotes %llu\n",
              (unsigned long long)kills_done, (unsigned long long)m->extends,
              (unsigned long long)m->increments, (unsigned long long)m->randoms,
              (unsigned long long)m->quotes);
    if (n > 0)
        sim_print(
            m->sim, 0,
            "stall of %zu commands that met a death: p50 %llu p90 %llu p99 %llu max %llu us\n", n,
            (unsigned long long)t[n / 2], (unsigned long long)t[n * 9 / 10],
            (unsigned long long)t[n * 99 / 100], (unsigned long long)t[n - 1]);
}

static void guest(struct sim *sim)
{
    static struct model m;
    uint64_t random = sim_option(sim, "seed", 1);
    uint64_t kills = sim_option(sim, "kills", 300);
    uint64_t end = clock_now_ns() + sim_option(sim, "seconds", 0) * NS_PER_S;

    m.sim = sim;
    sim_print(sim, 0, "seed=%llu kills=%llu\n", (unsigned long long)random,
              (unsigned long long)kills);
    if (prepare(&m) < 0)
        return;
    while (kills_done < kills || clock_now_ns() < end) {
        if (step(&m, &random) < 0)
            return;
    }
    if (check_pcr(&m) < 0 || do_increment(&m) < 0)
        return;
    print_result(&m);
    sim->finished = true;
    if (kills == 0 || sim_faultless(sim, PROCESS_VTPM)) /* without kills, others do worse to it */
        sim_pass(sim);
}

static void killer(struct sim *sim)
{
    uint64_t random = ~sim_option(sim, "seed", 1);
    uint64_t kills = sim_option(sim, "kills", 300);
    uint64_t max_gap_us = sim_option(sim, "max_gap_us", 9000);

    while (kills_done < kills && !vm_has_ended(&sim->super.vm)) {
        sim_sleep_ns(sim_random(&random) % (max_gap_us * NS_PER_US));
        if (sim_kill(sim, PROCESS_VTPM))
            kills_done++;
    }
}

int main(int argc, char **argv)
{
    static struct sim sim = {.guest = guest, .beside = killer};

    return sim_main(&sim, argc, argv);
}

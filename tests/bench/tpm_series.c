#include "tests/bench/tpm_series.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/rd.h"
#include "tests/sim/tpm_client.h"
#include "tests/sim/tpm_commands.h"

enum {
    PCR = 16,
    RANDOM_BYTES = 32,
};

static size_t build_extend(uint8_t *cmd)
{
    static const uint8_t digest[TPM_DIGEST_BYTES] = {1, 2, 3};

    return tpm_cmd_pcr_extend(cmd, PCR, digest);
}

static size_t build_read(uint8_t *cmd)
{
    return tpm_cmd_pcr_read(cmd, PCR);
}

static size_t build_random(uint8_t *cmd)
{
    return tpm_cmd_get_random(cmd, RANDOM_BYTES);
}

static const struct {
    const char *name;
    size_t (*build)(uint8_t *cmd);
} kinds[] = {
    {"PCR_Extend", build_extend},
    {"PCR_Read",   build_read  },
    {"GetRandom",  build_random},
};

void tpm_series_sort(uint64_t *values, size_t n)
{
    for (size_t gap = n / 2; gap > 0; gap /= 2) { /* Shell */
        for (size_t i = gap; i < n; i++) {
            uint64_t v = values[i];
            size_t j = i;

            for (; j >= gap && values[j - gap] > v; j -= gap)
                values[j] = values[j - gap];
            values[j] = v;
        }
    }
}

static uint32_t response_code(const uint8_t *rsp, size_t len)
{
    struct rd r = rd_over(rsp, len);
    uint32_t rc;

    (void)rd_be16(&r);
    (void)rd_be32(&r);
    rc = rd_be32(&r);
    return rd_ok(&r) ? rc : UINT32_MAX;
}

/* libtpms decrypts in place, so each call gets a command of its own. */
static int call_once(const struct tpm_series *s, size_t (*build)(uint8_t *cmd), uint64_t *ret_ns)
{
    static uint8_t cmd[TPM_CLIENT_BYTES];
    static uint8_t rsp[TPM_CLIENT_BYTES];
    size_t cmd_len = build(cmd);
    size_t rsp_len = 0;
    uint64_t began = clock_now_ns();
    int r = s->call(s->self, cmd, cmd_len, rsp, &rsp_len);

    *ret_ns = clock_now_ns() - began;
    if (r == 0 && response_code(rsp, rsp_len) != 0)
        r = -EPROTO;
    return r;
}

static int measure(const struct tpm_series *s, size_t (*build)(uint8_t *cmd), uint64_t *ns,
                   uint64_t *ret_total_ns)
{
    uint64_t ignored;
    uint64_t began;
    int r = 0;

    for (unsigned i = 0; r == 0 && i < s->warm_up; i++)
        r = call_once(s, build, &ignored);
    began = clock_now_ns();
    for (unsigned i = 0; r == 0 && i < s->count; i++)
        r = call_once(s, build, &ns[i]);
    *ret_total_ns = clock_now_ns() - began;
    return r;
}

static void report(const struct tpm_series *s, const char *name, uint64_t *ns, uint64_t total_ns)
{
    char line[TPM_SERIES_LINE_BYTES];

    tpm_series_sort(ns, s->count);
    (void)snprintf(
        line, sizeof(line),
        "{\"bench\": \"tpm\", \"who\": \"%s\", \"placement\": \"%s\", \"command\": \"%s\", "
        "\"p50_ns\": %llu, \"p99_ns\": %llu, \"mean_ns\": %llu, \"per_s\": %llu}\n",
        s->who, s->placement, name, (unsigned long long)ns[s->count / 2],
        (unsigned long long)ns[s->count * 99 / 100], (unsigned long long)(total_ns / s->count),
        (unsigned long long)(s->count * NS_PER_S / total_ns));
    s->say(s->self, line);
}

int tpm_series_run(const struct tpm_series *s)
{
    static uint64_t ns[TPM_SERIES_MAX];
    uint64_t total_ns;

    if (s->count == 0 || s->count > TPM_SERIES_MAX)
        return -EINVAL;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        int r = measure(s, kinds[i].build, ns, &total_ns);

        if (r < 0)
            return r;
        report(s, kinds[i].name, ns, total_ns);
    }
    return 0;
}

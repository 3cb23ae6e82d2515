/*
 * tests/bench/libtpms_floor.c - a TPM command with nothing around it: libtpms in this process.
 *
 *   libtpms_floor [COUNT]
 *
 * "libtpms" is the command alone; "libtpms+export" is the command and both states as bytes, which
 * is the least that a TPM costs whose owner may die after any command. Pin it with taskset.
 */
#include <errno.h>
#include <libtpms/tpm_error.h>
#include <libtpms/tpm_library.h>
#include <limits.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/tpm_series.h"
#include "tests/sim/tpm_client.h"

enum {
    WARM_UP = 300,
    DEFAULT_COUNT = 20000,
    HEAP_PAD_BYTES = 1 << 20,
};

struct floor_tpm {
    unsigned char *response; /* libtpms allocates and reuses it */
    uint32_t response_len, response_cap;
    bool exports;
};

static TPM_RESULT on_init(void)
{
    return TPM_SUCCESS;
}

static TPM_RESULT on_load(unsigned char **data, uint32_t *len, uint32_t number, const char *name)
{
    (void)data;
    (void)len;
    (void)number;
    (void)name;
    return TPM_RETRY; /* none yet: manufacture one */
}

static TPM_RESULT on_store(const unsigned char *data, uint32_t len, uint32_t number,
                           const char *name)
{
    (void)data;
    (void)len;
    (void)number;
    (void)name;
    return TPM_SUCCESS;
}

static TPM_RESULT on_delete(uint32_t number, const char *name, TPM_BOOL must_exist)
{
    (void)number;
    (void)name;
    (void)must_exist;
    return TPM_SUCCESS;
}

static int export_one(enum TPMLIB_StateType type)
{
    unsigned char *bytes = NULL;
    uint32_t len = 0;
    TPM_RESULT r = TPMLIB_GetState(type, &bytes, &len);

    free(bytes);
    return r == TPM_SUCCESS ? 0 : -EIO;
}

static int call(void *self, const uint8_t *cmd, size_t len, uint8_t *rsp, size_t *ret_len)
{
    struct floor_tpm *t = self;
    unsigned char *command = (unsigned char *)(uintptr_t)cmd; /* libtpms wants it writable */
    int r = 0;

    if (TPMLIB_Process(&t->response, &t->response_len, &t->response_cap, command, (uint32_t)len) !=
            TPM_SUCCESS ||
        t->response_len > TPM_CLIENT_BYTES)
        return -EIO;
    memcpy(rsp, t->response, t->response_len);
    *ret_len = t->response_len;
    if (t->exports)
        r = export_one(TPMLIB_STATE_PERMANENT);
    if (r == 0 && t->exports)
        r = export_one(TPMLIB_STATE_VOLATILE);
    return r;
}

static int start(struct floor_tpm *t)
{
    static const uint8_t startup[] = {0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x44, 0, 0};
    struct libtpms_callbacks callbacks = {
        .sizeOfStruct = sizeof(callbacks),
        .tpm_nvram_init = on_init,
        .tpm_nvram_loaddata = on_load,
        .tpm_nvram_storedata = on_store,
        .tpm_nvram_deletename = on_delete,
    };
    uint8_t rsp[TPM_CLIENT_BYTES];
    uint8_t cmd[sizeof(startup)];
    size_t len;

    /* As the worker does: exports are large and short-lived. */
    (void)mallopt(M_TRIM_THRESHOLD, INT_MAX);
    (void)mallopt(M_TOP_PAD, HEAP_PAD_BYTES);
    if (TPMLIB_RegisterCallbacks(&callbacks) != TPM_SUCCESS ||
        TPMLIB_ChooseTPMVersion(TPMLIB_TPM_VERSION_2) != TPM_SUCCESS ||
        TPMLIB_MainInit() != TPM_SUCCESS)
        return -EIO;
    memcpy(cmd, startup, sizeof(cmd));
    return call(t, cmd, sizeof(cmd), rsp, &len);
}

static void say(void *self, const char *line)
{
    (void)self;
    (void)fputs(line, stdout);
    (void)fflush(stdout);
}

int main(int argc, char **argv)
{
    struct floor_tpm t = {0};
    struct tpm_series s = {
        .who = "libtpms",
        .placement = "none",
        .count = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : DEFAULT_COUNT,
        .warm_up = WARM_UP,
        .call = call,
        .say = say,
        .self = &t,
    };
    int r = start(&t);

    if (r == 0)
        r = tpm_series_run(&s);
    t.exports = true;
    s.who = "libtpms+export";
    if (r == 0)
        r = tpm_series_run(&s);
    if (r < 0)
        fprintf(stderr, "libtpms_floor: %s\n", strerror(-r));
    TPMLIB_Terminate();
    free(t.response);
    return r < 0;
}

/*
 * workers/vtpm/tpm.h - libtpms: one TPM 2.0, its state as bytes, and nothing of it on any disk.
 *
 * libtpms keeps its TPM in the process, so there is one struct tpm. One thread at a time may use
 * it; tpm_cancel() alone may be called beside tpm_execute().
 *
 * Its errors are printed nowhere, and its store cannot fail: a store callback that fails would put
 * it into failure mode for good.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "base/rd.h"

enum {
    /* libtpms 0.9.2: 174 KiB of NV memory with 98 KiB to spare; a 16-bit length. */
    TPM_PERMANENT_BYTES_MAX = 272 * 1024,
    TPM_VOLATILE_BYTES_MAX = 64 * 1024,
    TPM_STIR_BYTES = 48, /* fresh entropy for each generation: more than the DRBG's strength */
};

/* Secret bytes, wiped before they are freed. */
struct tpm_blob {
    uint8_t *bytes; /* from malloc */
    uint32_t len;
};

struct tpm {
    struct tpm_blob permanent; /* both as of the last export: what a successor gets */
    struct tpm_blob volatile_state;
    struct tpm_blob stored; /* what libtpms has stored since; bytes NULL: nothing */
    uint8_t *response;      /* of the last command; libtpms allocates it */
    uint32_t response_len;  /* bytes */
    uint32_t response_cap;  /* bytes */
    uint8_t locality;       /* of the command being executed */
    bool powered;
    uint64_t n_exports;
};

/*
 * Prepare the library for a process that will be sandboxed: afterwards it makes no call but those
 * of profile.c. 0, -EBUSY when there is a TPM already, -EIO when libtpms refuses.
 */
int MUST_USE tpm_setup(struct tpm *t);

/* A new TPM, started as firmware would: Startup(CLEAR). Exported. 0 or -EIO. */
int MUST_USE tpm_manufacture(struct tpm *t);

/*
 * Be the TPM of an export, with fresh entropy mixed in before it can be asked for anything. No
 * Startup: the guest has not noticed. The blobs are copied.
 *   0         it runs
 *   -EBADMSG  libtpms refuses the blobs
 *   -EIO      no entropy
 */
int MUST_USE tpm_restore(struct tpm *t, struct span permanent, struct span volatile_state);

/* Keep an export without a TPM that runs on it: tpm_execute() must not be called. */
int MUST_USE tpm_keep(struct tpm *t, struct span permanent, struct span volatile_state);

/*
 * Execute the command; the answer is t->response. -EIO when it broke the TPM, which must be rolled
 * back then.
 */
int MUST_USE tpm_execute(struct tpm *t, uint8_t locality, uint8_t *command, size_t len);

/* Make the state as it is now the export. 0, or -ENOMEM with the last export untouched. */
int MUST_USE tpm_export(struct tpm *t);

/* Be as at the last export again. 0 or as tpm_restore(). */
int MUST_USE tpm_roll_back(struct tpm *t);

/* The running command is to end as soon as it can. Any thread. */
void tpm_cancel(void);

/*
 * Does an operation with this key take longer than a millisecond? One with the private part of an
 * RSA key does, one with its public part does not; large curves do either way. Asks libtpms.
 */
bool tpm_key_is_slow(struct tpm *t, uint32_t handle, bool private_part);

/* The same of the response to TPM2_ReadPublic; pure. */
bool tpm_public_is_slow(const uint8_t *response, size_t len, bool private_part);

/* Power off and wipe. */
void tpm_done(struct tpm *t);

/*
 * workers/vtpm/redo.h - commands that changed the TPM since its last export.
 *
 * The TPM of the export that executes them again is the TPM. Kept as bytes, one command after the
 * other: locality, length in two bytes, command.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "base/rd.h"
#include "ipc/region.h"
#include "workers/vtpm/tpm.h"

enum {
    REDO_BYTES_MAX = REGION_RECORDS * REGION_RECORD_MAX, /* all that a log can hold */
};

struct redo {
    uint8_t bytes[REDO_BYTES_MAX];
    size_t len;
};

/* Add a command, before libtpms gets the bytes, which it may change. False: there is no room. */
bool redo_add(struct redo *r, uint8_t locality, const uint8_t *command, size_t len);

/* Add what another generation had, as bytes. 0, or -EBADMSG when it cannot have had so much. */
int MUST_USE redo_load(struct redo *r, struct span commands);

/* Execute all of it. 0, or -EBADMSG when one is malformed or fails. *ret_n: how many it did. */
int MUST_USE redo_all(const struct redo *r, struct tpm *t, unsigned *ret_n);

void redo_forget(struct redo *r);

/*
 * tests/sim/tpm_client.h - a guest's TPM driver for the simulator: CRB as Linux drives it.
 *
 * @spec TCG PC Client Platform TPM Profile 1.05 6.5.3 (CRB)
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "tests/sim/sim.h"

enum {
    TPM_CLIENT_BYTES = 4096, /* of a command or a response */
};

struct tpm_client {
    struct sim *sim;
    unsigned vcpu; /* as which vCPU it makes its accesses */
};

/* Take locality 0. 0 or -ETIMEDOUT. */
int MUST_USE tpm_client_open(struct tpm_client *c, struct sim *sim, unsigned vcpu);

/*
 * Send a command, wait for its response.
 *   0           *ret_len bytes are in rsp (TPM_CLIENT_BYTES)
 *   -ETIMEDOUT  a register did not change in 60 s
 *   -EBADMSG    a response of an impossible length
 */
int MUST_USE tpm_client_call(struct tpm_client *c, const uint8_t *cmd, size_t len, uint8_t *rsp,
                             size_t *ret_len);

/* The two halves of a call, for who wants to do something in between. */
int MUST_USE tpm_client_start(struct tpm_client *c, const uint8_t *cmd, size_t len);
int MUST_USE tpm_client_finish(struct tpm_client *c, uint8_t *rsp, size_t *ret_len);

/*
 * Move the interface to ready and back to idle, with a pause after each; 0, or -EPROTO when a register
 * does not show what was written or does not keep it.
 */
int MUST_USE tpm_client_toggle(struct tpm_client *c, uint64_t pause_ns);

/* Ask that the running command be cancelled. */
void tpm_client_cancel(struct tpm_client *c);

/* The response code of a response; UINT32_MAX for one too short to have any. */
uint32_t tpm_client_rc(const uint8_t *rsp, size_t len);

/*
 * tests/sim/tpm_commands.h - the TPM commands that tests and benchmarks send, as bytes.
 *
 * Each builder writes into buf (at least TPM_CLIENT_BYTES) and returns the command's length.
 *
 * @spec TCG TPM 2.0 Library Part 3
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum {
    TPM_DIGEST_BYTES = 32, /* SHA-256 */
};

size_t tpm_cmd_pcr_extend(uint8_t *buf, uint32_t pcr, const uint8_t digest[TPM_DIGEST_BYTES]);
size_t tpm_cmd_pcr_read(uint8_t *buf, uint32_t pcr);
size_t tpm_cmd_get_random(uint8_t *buf, uint16_t bytes);
size_t tpm_cmd_nv_define_counter(uint8_t *buf, uint32_t index);
size_t tpm_cmd_nv_increment(uint8_t *buf, uint32_t index);
size_t tpm_cmd_nv_read(uint8_t *buf, uint32_t index, uint16_t bytes);
/* A restricted ECC P-256 signing key in the owner hierarchy; the response begins with its handle. */
size_t tpm_cmd_create_primary_ecc(uint8_t *buf);
/* RSA-2048: the command that takes long. */
size_t tpm_cmd_create_primary_rsa(uint8_t *buf);
/* Quote one PCR of the SHA-256 bank, qualified by nonce. */
size_t tpm_cmd_quote(uint8_t *buf, uint32_t key, uint32_t pcr, uint64_t nonce);
size_t tpm_cmd_get_capability(uint8_t *buf);
size_t tpm_cmd_flush_context(uint8_t *buf, uint32_t handle);

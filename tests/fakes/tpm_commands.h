/*
 * tests/fakes/tpm_commands.h - TPM commands as bytes, for tests that speak to the vtpm worker.
 *
 * @spec TPM 2.0 Part 3
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/wr.h"

enum {
    TPM_TEST_NV_INDEX = 0x01500016,
    TPM_TEST_NV_COUNTER = 0x01500017,
    TPM_TEST_PCR = 16,
    TPM_OWNER = 0x40000001,
    TPM_RS_PW = 0x40000009,
};

struct tpm_bytes {
    uint8_t at[512];
    size_t len;
};

static inline struct wr tpm_begin(struct tpm_bytes *b, uint16_t tag, uint32_t code)
{
    struct wr w = wr_over(b->at, sizeof(b->at));

    wr_be16(&w, tag);
    wr_be32(&w, 0); /* tpm_end() knows */
    wr_be32(&w, code);
    return w;
}

static inline void tpm_end(struct tpm_bytes *b, const struct wr *w)
{
    if (wr_finish(w, &b->len) < 0)
        __builtin_trap();
    b->at[4] = (uint8_t)(b->len >> 8);
    b->at[5] = (uint8_t)b->len;
}

/* One empty password. */
static inline void tpm_password(struct wr *w)
{
    wr_be32(w, 9);
    wr_be32(w, TPM_RS_PW);
    wr_be16(w, 0);
    wr_u8(w, 0);
    wr_be16(w, 0);
}

static inline struct tpm_bytes tpm_pcr_extend(unsigned pcr, const uint8_t digest[32])
{
    struct tpm_bytes b;
    struct wr w = tpm_begin(&b, 0x8002, 0x182);

    wr_be32(&w, pcr);
    tpm_password(&w);
    wr_be32(&w, 1);
    wr_be16(&w, 0x000b); /* SHA-256 */
    wr_bytes(&w, digest, 32);
    tpm_end(&b, &w);
    return b;
}

/* The digest is the last 32 bytes of the response. */
static inline struct tpm_bytes tpm_pcr_read(unsigned pcr)
{
    struct tpm_bytes b;
    struct wr w = tpm_begin(&b, 0x8001, 0x17e);

    wr_be32(&w, 1);
    wr_be16(&w, 0x000b);
    wr_u8(&w, 3);
    for (unsigned i = 0; i < 3; i++)
        wr_u8(&w, pcr / 8 == i ? (uint8_t)(1u << pcr % 8) : 0);
    tpm_end(&b, &w);
    return b;
}

static inline struct tpm_bytes tpm_pcr_reset(unsigned pcr)
{
    struct tpm_bytes b;
    struct wr w = tpm_begin(&b, 0x8002, 0x13d);

    wr_be32(&w, pcr);
    tpm_password(&w);
    tpm_end(&b, &w);
    return b;
}

/* The random bytes are the last n of the response. */
static inline struct tpm_bytes tpm_get_random(uint16_t n)
{
    struct tpm_bytes b;
    struct wr w = tpm_begin(&b, 0x8001, 0x17b);

    wr_be16(&w, n);
    tpm_end(&b, &w);
    return b;
}

/* clock, in ms, is at 10 + 8 in the response. */
static inline struct tpm_bytes tpm_read_clock(void)
{
    struct tpm_bytes b;
    struct wr w = tpm_begin(&b, 0x8001, 0x181);

    tpm_end(&b, &w);
    return b;
}

/* attributes: TPMA_NV; 8 bytes of data, owner may read and write. */
static inline struct tpm_bytes tpm_nv_define(uint32_t index, uint32_t attributes, uint16_t len)
{
    struct tpm_bytes b;
    struct wr w = tpm_begin(&b, 0x8002, 0x12a);

    wr_be32(&w, TPM_OWNER);
    tpm_password(&w);
    wr_be16(&w, 0); /* auth value */
    wr_be16(&w, 14);
    wr_be32(&w, index);
    wr_be16(&w, 0x000b);
    wr_be32(&w, attributes | 0x00020002); /* owner reads, owner writes */
    wr_be16(&w, 0);
    wr_be16(&w, len);
    tpm_end(&b, &w);
    return b;
}

static inline struct tpm_bytes tpm_nv_increment(uint32_t index)
{
    struct tpm_bytes b;
    struct wr w = tpm_begin(&b, 0x8002, 0x134);

    wr_be32(&w, TPM_OWNER);
    wr_be32(&w, index);
    tpm_password(&w);
    tpm_end(&b, &w);
    return b;
}

static inline struct tpm_bytes tpm_nv_write(uint32_t index, uint64_t value)
{
    struct tpm_bytes b;
    struct wr w = tpm_begin(&b, 0x8002, 0x137);

    wr_be32(&w, TPM_OWNER);
    wr_be32(&w, index);
    tpm_password(&w);
    wr_be16(&w, 8);
    wr_be32(&w, (uint32_t)(value >> 32));
    wr_be32(&w, (uint32_t)value);
    wr_be16(&w, 0);
    tpm_end(&b, &w);
    return b;
}

/* The data is at 16 in the response. */
static inline struct tpm_bytes tpm_nv_read(uint32_t index)
{
    struct tpm_bytes b;
    struct wr w = tpm_begin(&b, 0x8002, 0x14e);

    wr_be32(&w, TPM_OWNER);
    wr_be32(&w, index);
    tpm_password(&w);
    wr_be16(&w, 8);
    wr_be16(&w, 0);
    tpm_end(&b, &w);
    return b;
}

/* A primary signing key in the owner hierarchy; unique makes each one another. */
static inline struct tpm_bytes tpm_create_primary(bool rsa, uint32_t unique)
{
    struct tpm_bytes b;
    struct wr w = tpm_begin(&b, 0x8002, 0x131);

    wr_be32(&w, TPM_OWNER);
    tpm_password(&w);
    wr_be16(&w, 4); /* inSensitive: nothing */
    wr_be32(&w, 0);
    wr_be16(&w, 26);
    wr_be16(&w, rsa ? 0x0001 : 0x0023);
    wr_be16(&w, 0x000b);
    wr_be32(&w, 0x00040472); /* sign, noDA, userWithAuth, sensitiveDataOrigin, fixed */
    wr_be16(&w, 0);
    wr_be16(&w, 0x0010); /* symmetric: none */
    wr_be16(&w, 0x0010); /* scheme: none */
    if (rsa) {
        wr_be16(&w, 2048);
        wr_be32(&w, 0); /* exponent: the usual one */
        wr_be16(&w, 4); /* unique */
        wr_be32(&w, unique);
    } else {
        wr_be16(&w, 3);      /* P-256 */
        wr_be16(&w, 0x0010); /* kdf: none */
        wr_be16(&w, 4);      /* unique: x, y */
        wr_be32(&w, unique);
        wr_be16(&w, 0);
    }
    wr_be16(&w, 0); /* outsideInfo */
    wr_be32(&w, 0); /* creationPCR */
    tpm_end(&b, &w);
    return b;
}

static inline struct tpm_bytes tpm_with_handle(uint32_t code, uint32_t handle)
{
    struct tpm_bytes b;
    struct wr w = tpm_begin(&b, 0x8001, code);

    wr_be32(&w, handle);
    tpm_end(&b, &w);
    return b;
}

static inline struct tpm_bytes tpm_read_public(uint32_t handle)
{
    return tpm_with_handle(0x173, handle);
}

static inline struct tpm_bytes tpm_flush_context(uint32_t handle)
{
    return tpm_with_handle(0x165, handle);
}

static inline struct tpm_bytes tpm_policy_get_digest(uint32_t session)
{
    return tpm_with_handle(0x189, session);
}

/* A signature over a digest of zeroes: ECDSA or RSASSA with SHA-256. */
static inline struct tpm_bytes tpm_sign(uint32_t key, bool rsa)
{
    static const uint8_t digest[32];
    struct tpm_bytes b;
    struct wr w = tpm_begin(&b, 0x8002, 0x15d);

    wr_be32(&w, key);
    tpm_password(&w);
    wr_be16(&w, sizeof(digest));
    wr_bytes(&w, digest, sizeof(digest));
    wr_be16(&w, rsa ? 0x0014 : 0x0018);
    wr_be16(&w, 0x000b);
    wr_be16(&w, 0x8024); /* ticket: null */
    wr_be32(&w, 0x40000007);
    wr_be16(&w, 0);
    tpm_end(&b, &w);
    return b;
}

/* An unsalted policy session; its handle is at 10 in the response. */
static inline struct tpm_bytes tpm_start_policy_session(void)
{
    static const uint8_t nonce[16];
    struct tpm_bytes b;
    struct wr w = tpm_begin(&b, 0x8001, 0x176);

    wr_be32(&w, 0x40000007);
    wr_be32(&w, 0x40000007);
    wr_be16(&w, sizeof(nonce));
    wr_bytes(&w, nonce, sizeof(nonce));
    wr_be16(&w, 0);
    wr_u8(&w, 1); /* policy */
    wr_be16(&w, 0x0010);
    wr_be16(&w, 0x000b);
    tpm_end(&b, &w);
    return b;
}

static inline struct tpm_bytes tpm_policy_command_code(uint32_t session, uint32_t code)
{
    struct tpm_bytes b;
    struct wr w = tpm_begin(&b, 0x8001, 0x16c);

    wr_be32(&w, session);
    wr_be32(&w, code);
    tpm_end(&b, &w);
    return b;
}

static inline struct tpm_bytes tpm_self_test(bool full)
{
    struct tpm_bytes b;
    struct wr w = tpm_begin(&b, 0x8001, 0x143);

    wr_u8(&w, full ? 1 : 0);
    tpm_end(&b, &w);
    return b;
}

/* Audit GetRandom from now on. */
static inline struct tpm_bytes tpm_audit_get_random(void)
{
    struct tpm_bytes b;
    struct wr w = tpm_begin(&b, 0x8002, 0x140);

    wr_be32(&w, TPM_OWNER);
    tpm_password(&w);
    wr_be16(&w, 0x0010);
    wr_be32(&w, 1);
    wr_be32(&w, 0x17b);
    wr_be32(&w, 0);
    tpm_end(&b, &w);
    return b;
}

#include "tests/sim/tpm_commands.h"

#include "base/wr.h"
#include "tests/sim/tpm_client.h"

enum {
    ST_NO_SESSIONS = 0x8001,
    ST_SESSIONS = 0x8002,
    ALG_RSA = 0x0001,
    ALG_AES = 0x0006,
    ALG_SHA256 = 0x000b,
    ALG_NULL = 0x0010,
    ALG_ECDSA = 0x0018,
    ALG_ECC = 0x0023,
    ALG_CFB = 0x0043,
    ECC_P256 = 0x0003,
    CC_NV_DEFINE = 0x12a,
    CC_CREATE_PRIMARY = 0x131,
    CC_NV_INCREMENT = 0x134,
    CC_NV_READ = 0x14e,
    CC_QUOTE = 0x158,
    CC_FLUSH_CONTEXT = 0x165,
    CC_GET_CAPABILITY = 0x17a,
    CC_GET_RANDOM = 0x17b,
    CC_PCR_READ = 0x17e,
    CC_PCR_EXTEND = 0x182,
};

static const uint32_t RH_OWNER = 0x40000001;
static const uint32_t RS_PW = 0x40000009;
/* AUTHREAD | AUTHWRITE | NO_DA | TPM_NT_COUNTER */
static const uint32_t NV_COUNTER = 1u << 18 | 1u << 2 | 1u << 25 | 1u << 4;
/* fixedTPM | fixedParent | sensitiveDataOrigin | userWithAuth | noDA */
static const uint32_t KEY_BASE = 1u << 1 | 1u << 4 | 1u << 5 | 1u << 6 | 1u << 10;
static const uint32_t KEY_RESTRICTED = 1u << 16;
static const uint32_t KEY_DECRYPT = 1u << 17;
static const uint32_t KEY_SIGN = 1u << 18;

static struct wr begin(uint8_t *buf, uint16_t tag, uint32_t code)
{
    struct wr w = wr_over(buf, TPM_CLIENT_BYTES);

    wr_be16(&w, tag);
    wr_be32(&w, 0); /* the length: finish() */
    wr_be32(&w, code);
    return w;
}

static size_t finish(struct wr *w)
{
    struct wr head = wr_over(w->start + 2, 4);
    size_t len = 0;

    (void)!wr_finish(w, &len);
    wr_be32(&head, (uint32_t)len);
    return len;
}

/* One empty password session. */
static void password(struct wr *w)
{
    wr_be32(w, 9); /* bytes that follow */
    wr_be32(w, RS_PW);
    wr_be16(w, 0);
    wr_u8(w, 0);
    wr_be16(w, 0);
}

static void pcr_selection(struct wr *w, uint32_t pcr)
{
    wr_be32(w, 1);
    wr_be16(w, ALG_SHA256);
    wr_u8(w, 3);
    for (uint32_t byte = 0; byte < 3; byte++)
        wr_u8(w, (uint8_t)(pcr / 8 == byte ? 1u << pcr % 8 : 0));
}

size_t tpm_cmd_pcr_extend(uint8_t *buf, uint32_t pcr, const uint8_t digest[TPM_DIGEST_BYTES])
{
    struct wr w = begin(buf, ST_SESSIONS, CC_PCR_EXTEND);

    wr_be32(&w, pcr);
    password(&w);
    wr_be32(&w, 1);
    wr_be16(&w, ALG_SHA256);
    wr_bytes(&w, digest, TPM_DIGEST_BYTES);
    return finish(&w);
}

size_t tpm_cmd_pcr_read(uint8_t *buf, uint32_t pcr)
{
    struct wr w = begin(buf, ST_NO_SESSIONS, CC_PCR_READ);

    pcr_selection(&w, pcr);
    return finish(&w);
}

size_t tpm_cmd_get_random(uint8_t *buf, uint16_t bytes)
{
    struct wr w = begin(buf, ST_NO_SESSIONS, CC_GET_RANDOM);

    wr_be16(&w, bytes);
    return finish(&w);
}

size_t tpm_cmd_nv_define_counter(uint8_t *buf, uint32_t index)
{
    struct wr w = begin(buf, ST_SESSIONS, CC_NV_DEFINE);

    wr_be32(&w, RH_OWNER);
    password(&w);
    wr_be16(&w, 0);  /* no authorization value */
    wr_be16(&w, 14); /* the public area */
    wr_be32(&w, index);
    wr_be16(&w, ALG_SHA256);
    wr_be32(&w, NV_COUNTER);
    wr_be16(&w, 0); /* no policy */
    wr_be16(&w, 8); /* a counter's size */
    return finish(&w);
}

size_t tpm_cmd_nv_increment(uint8_t *buf, uint32_t index)
{
    struct wr w = begin(buf, ST_SESSIONS, CC_NV_INCREMENT);

    wr_be32(&w, index);
    wr_be32(&w, index);
    password(&w);
    return finish(&w);
}

size_t tpm_cmd_nv_read(uint8_t *buf, uint32_t index, uint16_t bytes)
{
    struct wr w = begin(buf, ST_SESSIONS, CC_NV_READ);

    wr_be32(&w, index);
    wr_be32(&w, index);
    password(&w);
    wr_be16(&w, bytes);
    wr_be16(&w, 0);
    return finish(&w);
}

static void primary_head(struct wr *w)
{
    wr_be32(w, RH_OWNER);
    password(w);
    wr_be16(w, 4); /* sensitive: no authorization, no data */
    wr_be16(w, 0);
    wr_be16(w, 0);
}

static void primary_tail(struct wr *w)
{
    wr_be16(w, 0); /* outside info */
    wr_be32(w, 0); /* creation PCRs */
}

size_t tpm_cmd_create_primary_ecc(uint8_t *buf)
{
    struct wr w = begin(buf, ST_SESSIONS, CC_CREATE_PRIMARY);

    primary_head(&w);
    wr_be16(&w, 24); /* public */
    wr_be16(&w, ALG_ECC);
    wr_be16(&w, ALG_SHA256);
    wr_be32(&w, KEY_BASE | KEY_RESTRICTED | KEY_SIGN);
    wr_be16(&w, 0); /* policy */
    wr_be16(&w, ALG_NULL);
    wr_be16(&w, ALG_ECDSA);
    wr_be16(&w, ALG_SHA256);
    wr_be16(&w, ECC_P256);
    wr_be16(&w, ALG_NULL);
    wr_be16(&w, 0);
    wr_be16(&w, 0);
    primary_tail(&w);
    return finish(&w);
}

size_t tpm_cmd_create_primary_rsa(uint8_t *buf)
{
    struct wr w = begin(buf, ST_SESSIONS, CC_CREATE_PRIMARY);

    primary_head(&w);
    wr_be16(&w, 26); /* public */
    wr_be16(&w, ALG_RSA);
    wr_be16(&w, ALG_SHA256);
    wr_be32(&w, KEY_BASE | KEY_RESTRICTED | KEY_DECRYPT);
    wr_be16(&w, 0); /* policy */
    wr_be16(&w, ALG_AES);
    wr_be16(&w, 128);
    wr_be16(&w, ALG_CFB);
    wr_be16(&w, ALG_NULL);
    wr_be16(&w, 2048);
    wr_be32(&w, 0); /* default exponent */
    wr_be16(&w, 0);
    primary_tail(&w);
    return finish(&w);
}

size_t tpm_cmd_quote(uint8_t *buf, uint32_t key, uint32_t pcr, uint64_t nonce)
{
    struct wr w = begin(buf, ST_SESSIONS, CC_QUOTE);

    wr_be32(&w, key);
    password(&w);
    wr_be16(&w, 8);
    wr_le64(&w, nonce);
    wr_be16(&w, ALG_NULL);
    pcr_selection(&w, pcr);
    return finish(&w);
}

size_t tpm_cmd_get_capability(uint8_t *buf)
{
    struct wr w = begin(buf, ST_NO_SESSIONS, CC_GET_CAPABILITY);

    wr_be32(&w, 6);     /* TPM_CAP_TPM_PROPERTIES */
    wr_be32(&w, 0x100); /* PT_FIXED */
    wr_be32(&w, 8);
    return finish(&w);
}

size_t tpm_cmd_flush_context(uint8_t *buf, uint32_t handle)
{
    struct wr w = begin(buf, ST_NO_SESSIONS, CC_FLUSH_CONTEXT);

    wr_be32(&w, handle);
    return finish(&w);
}

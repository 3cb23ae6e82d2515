#include "workers/vtpm/command.h"

#include <errno.h>

#include "base/rd.h"
#include "base/wr.h"

/*
 * Times on one core at about 3 GHz, libtpms 0.9.2 (README.md). Short commands are not listed, even
 * those that sound long: Load 0.2 ms, ContextLoad 0.1 ms, Clear 0.1 ms.
 */
static const struct command_row rows[] = {
    {0x17a,      COMMAND_READ_ONLY, 0, "GetCapability: properties"                                  },
    {0x17b,      COMMAND_READ_ONLY, 0, "GetRandom: moves the DRBG, but a successor mixes entropy in"},
    {0x17c,      COMMAND_READ_ONLY, 0, "GetTestResult"                                              },
    {0x17d,      COMMAND_READ_ONLY, 0, "Hash: of its own input"                                     },
    {0x17e,      COMMAND_READ_ONLY, 0, "PCR_Read"                                                   },
    {0x173,      COMMAND_READ_ONLY, 0, "ReadPublic"                                                 },
    {0x169,      COMMAND_READ_ONLY, 0, "NV_ReadPublic"                                              },
    {0x181,      COMMAND_READ_ONLY, 0, "ReadClock: a restored clock has gone on"                    },
    {0x18a,      COMMAND_READ_ONLY, 0, "TestParms"                                                  },
    {0x178,      COMMAND_READ_ONLY, 0, "ECC_Parameters"                                             },
    {0x189,      COMMAND_READ_ONLY, 0, "PolicyGetDigest: names a session, does not use one"         },
    {0x182,      COMMAND_REDO,      0, "PCR_Extend"                                                 },
    {0x13c,      COMMAND_REDO,      0, "PCR_Event"                                                  },
    {0x13d,      COMMAND_REDO,      0, "PCR_Reset"                                                  },
    {0x131,      COMMAND_LONG,      0, "CreatePrimary: RSA 20 to 100 ms, longer above 2048 bits"    },
    {0x153,      COMMAND_LONG,      0, "Create: RSA 200 to 1000 ms"                                 },
    {0x191,      COMMAND_LONG,      0, "CreateLoaded: the same"                                     },
    {0x143,      COMMAND_LONG,      0, "SelfTest: 26 ms"                                            },
    {0x142,      COMMAND_LONG,      0, "IncrementalSelfTest: as long as what it is given"           },
    {0x159,      COMMAND_LONG,      0, "RSA_Decrypt: 3 ms"                                          },
    {0x163,      COMMAND_LONG,      0, "ECDH_KeyGen: two multiplications, 0.8 ms and more"          },
    {0x18d,      COMMAND_LONG,      0, "ZGen_2Phase: two multiplications"                           },
    {0x18b,      COMMAND_LONG,      0, "Commit: three multiplications"                              },
    {0x18e,      COMMAND_LONG,      0, "EC_Ephemeral: any curve"                                    },
    {0x20000000, COMMAND_LONG,      0, "Vendor_TCG_Test: its own affair"                            },
    {0x15d,      COMMAND_BY_KEY,    0, "Sign: RSA 3 ms, P-256 0.5 ms, P-384 1.3 ms, P-521 3 ms"     },
    {0x158,      COMMAND_BY_KEY,    0, "Quote"                                                      },
    {0x148,      COMMAND_BY_KEY,    1, "Certify: object, then key"                                  },
    {0x14a,      COMMAND_BY_KEY,    0, "CertifyCreation"                                            },
    {0x197,      COMMAND_BY_KEY,    1, "CertifyX509: object, then key"                              },
    {0x14c,      COMMAND_BY_KEY,    1, "GetTime: hierarchy, then key"                               },
    {0x14d,      COMMAND_BY_KEY,    1, "GetSessionAuditDigest: hierarchy, then key"                 },
    {0x133,      COMMAND_BY_KEY,    1, "GetCommandAuditDigest: hierarchy, then key"                 },
    {0x184,      COMMAND_BY_KEY,    0, "NV_Certify"                                                 },
    {0x154,      COMMAND_BY_KEY,    0, "ECDH_ZGen"                                                  },
    {0x147,      COMMAND_BY_KEY,    1, "ActivateCredential: object, then the key that decrypts"     },
    {0x156,      COMMAND_BY_KEY,    0, "Import: the parent decrypts the seed"                       },
    {0x152,      COMMAND_BY_KEY,    0, "Rewrap: the old parent decrypts the seed"                   },
    {0x176,      COMMAND_BY_KEY,    0, "StartAuthSession: the key that decrypts the salt, or none"  },
    {0x177,      COMMAND_BY_CURVE,  0, "VerifySignature: RSA 0.1 ms, P-256 0.4 ms, P-384 1 ms"      },
    {0x160,      COMMAND_BY_CURVE,  0, "PolicySigned: verifies"                                     },
    {0x168,      COMMAND_BY_CURVE,  0, "MakeCredential: encrypts"                                   },
    {0x174,      COMMAND_BY_CURVE,  0, "RSA_Encrypt: 0.1 ms"                                        },
    {0x14b,      COMMAND_BY_CURVE,  1, "Duplicate: object, then the new parent, which encrypts"     },
};

static const struct command_row short_row = {0, COMMAND_SHORT, 0, "not in the table"};

int command_parse(const uint8_t *bytes, size_t len, struct command *ret)
{
    struct rd r = rd_over(bytes, len);
    struct command c = {0};

    c.tag = rd_be16(&r);
    c.len = rd_be32(&r);
    c.code = rd_be32(&r);
    if (!rd_ok(&r) || c.len < COMMAND_HEADER_BYTES || c.len > len)
        return -EBADMSG;
    r = rd_over(bytes + COMMAND_HEADER_BYTES, c.len - COMMAND_HEADER_BYTES);
    for (size_t i = 0; i < COUNT_OF(c.words); i++)
        c.words[i] = rd_be32(&r);
    *ret = c;
    return 0;
}

/* One handle, and one session that has no nonce. */
static bool by_empty_password(const struct command *c)
{
    return c->tag == COMMAND_SESSIONS && c->words[1] == COMMAND_EMPTY_PASSWORD_BYTES &&
           c->words[2] == COMMAND_SESSION_PASSWORD;
}

static bool row_holds(const struct command_row *row, const struct command *c)
{
    if (row->class == COMMAND_READ_ONLY)
        return c->tag == COMMAND_NO_SESSIONS;
    return row->class != COMMAND_REDO || by_empty_password(c);
}

const struct command_row *command_find(const struct command *c)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (rows[i].code == c->code)
            return row_holds(&rows[i], c) ? &rows[i] : &short_row;
    }
    return &short_row;
}

/* libtpms answers TPM_RC_VALUE to a bad tag; the specification wants this. */
uint32_t command_header_error(const struct command *c)
{
    bool known = c->tag == COMMAND_NO_SESSIONS || c->tag == COMMAND_SESSIONS;

    return known ? COMMAND_RC_OK : COMMAND_RC_BAD_TAG;
}

/* @spec TPM 2.0 Part 1 18.5: to a tag of TPM 1.2, an answer that TPM 1.2 drivers understand */
void command_error(uint32_t rc, uint8_t *out)
{
    struct wr w = wr_over(out, COMMAND_HEADER_BYTES);

    wr_be16(&w, rc == COMMAND_RC_BAD_TAG ? COMMAND_BAD_TAG_RESPONSE : COMMAND_NO_SESSIONS);
    wr_be32(&w, COMMAND_HEADER_BYTES);
    wr_be32(&w, rc);
}

uint32_t command_response_code(const uint8_t *response, size_t len)
{
    struct rd r = rd_over(response, len);
    uint32_t rc;

    (void)rd_be16(&r);
    (void)rd_be32(&r);
    rc = rd_be32(&r);
    return rd_ok(&r) ? rc : (uint32_t)COMMAND_RC_FAILURE;
}

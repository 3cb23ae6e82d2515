/*
 * workers/vtpm/command.h - the header of a TPM command, and how each command is to be executed.
 *
 * @spec TPM 2.0 Part 1 18 (command and response structure), Part 2 6.5.2 (command codes)
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

enum {
    COMMAND_HEADER_BYTES = 10,
    COMMAND_BYTES_MAX = 4096,
    COMMAND_NO_SESSIONS = 0x8001,
    COMMAND_SESSIONS = 0x8002,
    COMMAND_BAD_TAG_RESPONSE = 0x00c4,
    COMMAND_HANDLE_NULL = 0x40000007,
    COMMAND_SESSION_PASSWORD = 0x40000009,
    COMMAND_EMPTY_PASSWORD_BYTES = 9, /* handle, nonce, attributes, value */
};

enum command_rc {
    COMMAND_RC_OK = 0,
    COMMAND_RC_BAD_TAG = 0x01e,
    COMMAND_RC_FAILURE = 0x101,
    COMMAND_RC_SIZE = 0x142, /* TPM_RC_COMMAND_SIZE */
    COMMAND_RC_CANCELED = 0x909,
};

enum command_class {
    COMMAND_READ_ONLY, /* changes nothing that a successor must know */
    COMMAND_REDO,      /* as short, and executed again on the same state it does the same */
    COMMAND_SHORT,     /* may change state; under a millisecond */
    COMMAND_LONG,      /* may take longer: must not hold a vCPU */
    COMMAND_BY_KEY,    /* uses the private part of the key that it names: RSA is long */
    COMMAND_BY_CURVE,  /* uses its public part: RSA is short; large curves are long in both */
};

struct command {
    uint16_t tag;
    uint32_t len; /* bytes, header included */
    uint32_t code;
    uint32_t words[3]; /* the first ones after the header, 0 where there are none: handles, size
                          of the authorization area, first session */
};

struct command_row {
    uint32_t code;
    enum command_class class;
    unsigned key; /* COMMAND_BY_*: which word names the key, 0 or 1 */
    const char *reason;
};

/*
 * Read the header of the command in bytes, a buffer of len.
 *   0          *ret is valid; ret->len <= len
 *   -EBADMSG   its size field is below the header's or above the buffer's
 */
int MUST_USE command_parse(const uint8_t *bytes, size_t len, struct command *ret);

/*
 * The row of a command; never NULL. What is not in the table is short: an unknown code is refused
 * at once. A read-only command with sessions is short too, since these roll their nonces; so is one
 * that could be redone with any authorization but a single empty password.
 */
const struct command_row *command_find(const struct command *c);

/* The TPM's answer to a header that it does not even look behind, or COMMAND_RC_OK. */
uint32_t command_header_error(const struct command *c);

/* The response that consists of an error: COMMAND_HEADER_BYTES in out. */
void command_error(uint32_t rc, uint8_t *out);

/* The response code of a response, or COMMAND_RC_FAILURE when it is too short to have one. */
uint32_t command_response_code(const uint8_t *response, size_t len);

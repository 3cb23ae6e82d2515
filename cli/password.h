/*
 * cli/password.h - the password of a file that travels, wiped when its scope ends.
 */
#pragma once

#include <openssl/crypto.h>

#include "base/macro.h"

enum {
    PASSWORD_MIN_BYTES = 8,
    PASSWORD_MAX_BYTES = 128,
};

struct password {
    char text[PASSWORD_MAX_BYTES + 2]; /* room to see that a line is too long */
};

static inline void password_wipe(struct password *p)
{
    OPENSSL_cleanse(p, sizeof(*p));
}

#define AUTO_PASSWORD CLEANUP(password_wipe) struct password

/* One that nobody guesses, of characters that nobody mixes up. -EIO: no randomness. */
int MUST_USE password_make(struct password *ret);

/*
 * The first line of a file.
 *   -EBADMSG      it is no 8 to 128 printable characters of ASCII, which mean the same everywhere
 *   other errno   the file cannot be read
 */
int MUST_USE password_read(const char *path, struct password *ret);

/*
 * workers/diag/tls_revoked.h - the list of revoked certificates that counts, and how another takes its place.
 *
 * @spec RFC 5280 5, 6.3
 */
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/macro.h"

/*
 * Have a list count, in PEM, which is anybody's. It must be signed by the authority whose certificates count, have a higher
 * number than the one before, and be one by which the authority itself would be let in. NULL; *ret_new: it was not the very
 * list that counts already. Or what is wrong, and nothing has changed.
 */
const char *tls_revoke(SSL_CTX *c, const void *text, size_t len, bool *ret_new);

/* Does the certificate of the other end count now, as it did when it came? */
bool tls_counts(SSL_CTX *c, const SSL *ssl);

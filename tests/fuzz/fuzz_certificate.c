/*
 * tests/fuzz/fuzz_certificate.c - an operator's certificate, in DER, after OpenSSL has found that it counts.
 *
 * Promises checked: who is let in has a name that is printable and ends, and a role.
 */
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "workers/diag/tls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    X509 *x = d2i_X509(NULL, &data, (long)size);
    struct caller c;

    if (x != NULL && tls_caller_of(x, &c)) {
        size_t len = strnlen(c.name, sizeof(c.name));

        if (len == 0 || len == sizeof(c.name) || c.role <= ROLE_NONE || c.role >= ROLES ||
            !c.remote)
            abort();
        for (size_t i = 0; i < len; i++) {
            if (c.name[i] <= ' ' || c.name[i] > '~')
                abort();
        }
    }
    X509_free(x);
    ERR_clear_error();
    return 0;
}

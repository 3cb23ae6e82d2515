/*
 * tests/fuzz/fuzz_pki_read.c - certificates and lists of what is revoked, as bytes and as the DER in them.
 */
#include <openssl/pem.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/pki_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at_facts(const struct pki_facts *f)
{
    for (const char *c = f->name; *c != '\0'; c++) {
        if (*c < ' ' || *c > '~')
            abort();
    }
    if (strspn(f->serial, "0123456789ABCDEF") != strlen(f->serial) || f->days_left < 0 ||
        (f->expired && f->days_left > 0) || (f->has_role && f->role >= PKI_ROLE_COUNT))
        abort();
}

static void look_at_cert(const void *pem, size_t len)
{
    AUTO_CERT *cert = pki_read_cert(pem, len);
    struct pki_facts facts;

    if (cert == NULL)
        return;
    if (pki_read_facts(cert, &facts) == 0)
        look_at_facts(&facts);
    (void)pki_is_from(cert, cert);
}

static void look_at_crl(const void *pem, size_t len)
{
    AUTO_CRL *crl = pki_read_crl(pem, len);
    AUTO_CERT *cert = X509_new();

    if (crl == NULL || cert == NULL)
        return;
    (void)pki_is_revoked(crl, cert);
    (void)pki_crl_is_from(crl, cert);
}

static void look_inside(const char *what, const uint8_t *data, size_t size,
                        void (*look)(const void *pem, size_t len))
{
    AUTO_BIO *out = BIO_new(BIO_s_mem());
    char *pem = NULL;
    long len;

    if (out == NULL || PEM_write_bio(out, what, "", data, (long)size) <= 0)
        return;
    len = BIO_get_mem_data(out, &pem);
    look(pem, (size_t)len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    EVP_PKEY_free(pki_read_key(data, size));
    look_at_cert(data, size);
    look_at_crl(data, size);
    look_inside(PEM_STRING_X509, data, size, look_at_cert);
    look_inside(PEM_STRING_X509_CRL, data, size, look_at_crl);
    return 0;
}

/*
 * tests/fuzz/fuzz_revoked.c - a list of revoked certificates that somebody brings to a running VM.
 *
 * The input: u8 1 for DER, which is put into PEM here; else the rest is brought as it is. Promises checked: what is taken was
 * signed by the authority, and is no news a second time; what is refused leaves the one before in its place; no terminal is
 * opened.
 */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdint.h>
#include <stdlib.h>

#include "workers/diag/tls_revoked.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char authority[] = "-----BEGIN CERTIFICATE-----\n"
                                "MIIBcTCCARegAwIBAgIUbmamVmV9QG/Y+LwH2/gBMKJV7AwwCgYIKoZIzj0EAwIw\n"
                                "DTELMAkGA1UEAwwCY2EwIBcNMjYxMTI2MjAyMzM2WhgPMjEyNjExMDIyMDIzMzZa\n"
                                "MA0xCzAJBgNVBAMMAmNhMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEoTAOakLA\n"
                                "AuJoIuL8Jt9Iyeo74zZWa4OjZ2SPvsMU5k6yFc+pyhEAaD+Uz1S94Ac4NsX7v6tA\n"
                                "48dGr4F5SV/6wKNTMFEwHQYDVR0OBBYEFKNKB6kiZZrjQIuM3hzicw30g6+mMB8G\n"
                                "A1UdIwQYMBaAFKNKB6kiZZrjQIuM3hzicw30g6+mMA8GA1UdEwEB/wQFMAMBAf8w\n"
                                "CgYIKoZIzj0EAwIDSAAwRQIgcwT1yZntIEpV7IspcAvpVVsNiCvVezpHpFHTU3rz\n"
                                "DgwCIQDSZMw/zHaA/cE1C6PTql/5uQQ8ae5vgUwUp9hLEOxvYg==\n"
                                "-----END CERTIFICATE-----\n";

static X509 *ca;

static void must(bool holds)
{
    if (!holds)
        abort();
}

static SSL_CTX *make_server(void)
{
    SSL_CTX *c = SSL_CTX_new(TLS_server_method());
    BIO *b = BIO_new_mem_buf(authority, -1);

    if (ca == NULL)
        ca = PEM_read_bio_X509(b, NULL, NULL, NULL);
    BIO_free(b);
    must(c != NULL && X509_STORE_add_cert(SSL_CTX_get_cert_store(c), ca) == 1);
    return c;
}

static int lists(SSL_CTX *c, X509_CRL **ret)
{
    const STACK_OF(X509_OBJECT) *all = X509_STORE_get0_objects(SSL_CTX_get_cert_store(c));
    int n = 0;

    for (int i = 0; i < sk_X509_OBJECT_num(all); i++) {
        if (X509_OBJECT_get_type(sk_X509_OBJECT_value(all, i)) == X509_LU_CRL) {
            *ret = X509_OBJECT_get0_X509_CRL(sk_X509_OBJECT_value(all, i));
            n++;
        }
    }
    return n;
}

static void bring(const void *text, size_t len)
{
    SSL_CTX *c = make_server();
    X509_CRL *list = NULL;
    bool is_new = false;

    if (tls_revoke(c, text, len, &is_new) == NULL) {
        must(is_new && lists(c, &list) == 1);
        must(X509_CRL_verify(list, X509_get0_pubkey(ca)) == 1);
        must(tls_revoke(c, text, len, &is_new) == NULL && !is_new);
    }
    must(lists(c, &list) <= 1);
    SSL_CTX_free(c);
    ERR_clear_error();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    BIO *b = BIO_new(BIO_s_mem());
    char *text;
    long len;

    if (size > 0 && data[0] == 1)
        (void)PEM_write_bio(b, PEM_STRING_X509_CRL, "", data + 1, (long)size - 1);
    else if (size > 0)
        (void)BIO_write(b, data + 1, (int)size - 1);
    len = BIO_get_mem_data(b, &text);
    bring(text, (size_t)len);
    BIO_free(b);
    return 0;
}

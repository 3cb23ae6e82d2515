#include "cli/pki_read.h"

#include <errno.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Nobody is asked for a password: what needs one is not read. */
static int no_password(char *buf, int size, int rwflag, void *self)
{
    (void)buf;
    (void)size;
    (void)rwflag;
    (void)self;
    return -1;
}

static BIO *over(const void *bytes, size_t len)
{
    return len > PKI_FILE_MAX_BYTES ? NULL : BIO_new_mem_buf(bytes, (int)len);
}

X509 *pki_read_cert(const void *pem, size_t len)
{
    AUTO_BIO *in = over(pem, len);

    return in == NULL ? NULL : PEM_read_bio_X509(in, NULL, no_password, NULL);
}

EVP_PKEY *pki_read_key(const void *pem, size_t len)
{
    AUTO_BIO *in = over(pem, len);

    return in == NULL ? NULL : PEM_read_bio_PrivateKey(in, NULL, no_password, NULL);
}

X509_CRL *pki_read_crl(const void *pem, size_t len)
{
    AUTO_BIO *in = over(pem, len);

    return in == NULL ? NULL : PEM_read_bio_X509_CRL(in, NULL, no_password, NULL);
}

static void read_name(const X509 *cert, char *ret, size_t len)
{
    int n = X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, ret, (int)len);

    if (n < 0)
        ret[0] = '\0';
    for (char *c = ret; *c != '\0'; c++) {
        if (*c < ' ' || *c > '~')
            *c = '?';
    }
}

static int read_serial(const X509 *cert, char ret[PKI_SERIAL_BYTES])
{
    AUTO_NUMBER *serial = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
    char *hex = serial != NULL ? BN_bn2hex(serial) : NULL;
    int r = -EBADMSG;

    if (hex != NULL && BN_is_negative(serial) == 0 && strlen(hex) < PKI_SERIAL_BYTES) {
        (void)snprintf(ret, PKI_SERIAL_BYTES, "%s", hex);
        r = 0;
    }
    OPENSSL_free(hex);
    return r;
}

static int read_expiry(const X509 *cert, struct pki_facts *ret)
{
    const ASN1_TIME *end = X509_get0_notAfter(cert);
    struct tm tm;
    int days, seconds;

    if (ASN1_TIME_to_tm(end, &tm) != 1 || ASN1_TIME_diff(&days, &seconds, NULL, end) != 1 ||
        strftime(ret->expires, PKI_TIME_BYTES, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        return -EBADMSG;
    ret->expired = days <= 0 && seconds <= 0; /* they have the same sign */
    ret->days_left = days > 0 ? days : 0;
    return 0;
}

/* Two roles are none: which of them counts would be a matter of who reads. */
static void read_role(const X509 *cert, struct pki_facts *ret)
{
    AUTO_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    int n_roles = 0;

    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        const ASN1_STRING *uri = name->d.uniformResourceIdentifier;

        if (name->type == GEN_URI &&
            pki_role_of_uri((const char *)ASN1_STRING_get0_data(uri),
                            (size_t)ASN1_STRING_length(uri), &ret->role) == 0)
            n_roles++;
    }
    ret->has_role = n_roles == 1;
}

int pki_read_facts(const X509 *cert, struct pki_facts *ret)
{
    struct pki_facts facts = {.days_left = 0};
    int r = read_serial(cert, facts.serial);

    if (r == 0)
        r = read_expiry(cert, &facts);
    if (r < 0)
        return r;
    read_name(cert, facts.name, sizeof(facts.name));
    read_role(cert, &facts);
    *ret = facts;
    return 0;
}

bool pki_is_from(X509 *cert, X509 *ca)
{
    EVP_PKEY *key = X509_get0_pubkey(ca);

    return key != NULL &&
           X509_NAME_cmp(X509_get_issuer_name(cert), X509_get_subject_name(ca)) == 0 &&
           X509_verify(cert, key) == 1;
}

bool pki_crl_is_from(X509_CRL *crl, X509 *ca)
{
    EVP_PKEY *key = X509_get0_pubkey(ca);

    return key != NULL && X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_subject_name(ca)) == 0 &&
           X509_CRL_verify(crl, key) == 1;
}

static ASN1_INTEGER *number_of(const X509_CRL *crl)
{
    return crl == NULL ? NULL : X509_CRL_get_ext_d2i(crl, NID_crl_number, NULL, NULL);
}

bool pki_crl_is_newer(const X509_CRL *crl, const X509_CRL *old)
{
    AUTO_INTEGER *number = number_of(crl);
    AUTO_INTEGER *before = number_of(old);

    return number != NULL && (before == NULL || ASN1_INTEGER_cmp(number, before) > 0);
}

bool pki_is_revoked(X509_CRL *crl, X509 *cert)
{
    X509_REVOKED *row = NULL;

    return X509_CRL_get0_by_cert(crl, &row, cert) == 1;
}

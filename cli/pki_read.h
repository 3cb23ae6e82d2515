/*
 * cli/pki_read.h - what a certificate says.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "cli/ossl.h"
#include "cli/pki_name.h"

enum {
    PKI_FILE_MAX_BYTES = 1 << 20, /* a revocation list has some 30,000 entries then */
    PKI_SERIAL_BYTES = 2 * 20 + 1,
    PKI_TIME_BYTES = 32,
};

struct pki_facts {
    char name[65];                 /* common name, printable; "" when there is none */
    char serial[PKI_SERIAL_BYTES]; /* hexadecimal */
    char expires[PKI_TIME_BYTES];  /* 2027-01-31T12:00:00Z */
    int days_left;                 /* 0: less than one, or over */
    bool expired;
    bool has_role; /* exactly one, of those there are */
    enum pki_role role;
};

/* One PEM certificate, key or list of len bytes; NULL: they are none. A key has no password. */
X509 *pki_read_cert(const void *pem, size_t len);
EVP_PKEY *pki_read_key(const void *pem, size_t len);
X509_CRL *pki_read_crl(const void *pem, size_t len);

/* -EBADMSG: its serial or its time is nothing that X.509 permits. */
int MUST_USE pki_read_facts(const X509 *cert, struct pki_facts *ret);

/* Signed by that key, and issued by that name? */
bool pki_is_from(X509 *cert, X509 *ca);
bool pki_crl_is_from(X509_CRL *crl, X509 *ca);

/* Of a higher number than the other, which may be NULL? */
bool pki_crl_is_newer(const X509_CRL *crl, const X509_CRL *old);

bool pki_is_revoked(X509_CRL *crl, X509 *cert);

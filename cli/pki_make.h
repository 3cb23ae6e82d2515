/*
 * cli/pki_make.h - keys, certificates and revocation lists of a small CA. Objects, no files.
 *
 * ECDSA with P-256 and SHA-256 throughout: every browser takes it. Serial numbers are random.
 * All return 0, -EINVAL for what the caller should have checked, or -ENOMEM.
 */
#pragma once

#include "cli/option.h"
#include "cli/ossl.h"
#include "cli/pki_name.h"

enum {
    PKI_CA_DAYS = 3653,
    PKI_SERVER_DAYS = 825, /* more than that some browsers do not take */
    PKI_CLIENT_DAYS = 365,
};

struct pki_pair {
    EVP_PKEY *key;
    X509 *cert;
};

/* Free both; fine on a zeroed struct. */
void pki_pair_done(struct pki_pair *pair);

#define AUTO_PAIR CLEANUP(pki_pair_done) struct pki_pair

int MUST_USE pki_make_ca(struct pki_pair *ret);

/* Alternative names of the hosts, each a name or an address. */
int MUST_USE pki_make_hosts(const struct text_list *hosts, GENERAL_NAMES **ret);

int MUST_USE pki_make_server(const struct pki_pair *ca, GENERAL_NAMES *hosts, int days,
                             struct pki_pair *ret);

/* For an operator of that name and role. */
int MUST_USE pki_make_client(const struct pki_pair *ca, const char *name, enum pki_role role,
                             int days, struct pki_pair *ret);

/* A list that has what old has (NULL: nothing) and revoked (NULL: nothing more). It ends with the CA. */
int MUST_USE pki_make_crl(const struct pki_pair *ca, X509_CRL *old, X509 *revoked, X509_CRL **ret);

/* Key, certificate and the CA's certificate as browsers want them. */
int MUST_USE pki_make_p12(const struct pki_pair *ca, const struct pki_pair *client,
                          const char *name, const char *password, PKCS12 **ret);

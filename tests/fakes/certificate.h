/*
 * tests/fakes/certificate.h - certificates made on the spot.
 */
#pragma once

#include <check.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stddef.h>

struct made {
    X509 *x;
    EVP_PKEY *key;
};

static inline void add_extension(X509 *x, int nid, const char *value)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    ck_assert_ptr_nonnull(e);
    ck_assert_int_eq(X509_add_ext(x, e, -1), 1);
    X509_EXTENSION_free(e);
}

/* by: who signs; NULL: itself, an authority. names: alternative ones; NULL: none. cn may have any bytes. */
static inline struct made make_certificate(const struct made *by, const void *cn, int cn_len,
                                           const char *names, long days)
{
    struct made m = {.x = X509_new(), .key = EVP_EC_gen("P-256")};
    X509_NAME *subject = X509_get_subject_name(m.x);

    ck_assert_ptr_nonnull(m.key);
    (void)X509_set_version(m.x, 2);
    (void)ASN1_INTEGER_set(X509_get_serialNumber(m.x), by == NULL ? 1 : days + 1000);
    (void)X509_gmtime_adj(X509_getm_notBefore(m.x), -3600 * 48);
    (void)X509_gmtime_adj(X509_getm_notAfter(m.x), 3600 * 24 * days);
    (void)X509_set_pubkey(m.x, m.key);
    if (cn_len > 0)
        ck_assert_int_eq(
            X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_ASC, cn, cn_len, -1, 0),
            1);
    (void)X509_set_issuer_name(m.x, by == NULL ? subject : X509_get_subject_name(by->x));
    if (by == NULL)
        add_extension(m.x, NID_basic_constraints, "critical,CA:TRUE");
    if (names != NULL)
        add_extension(m.x, NID_subject_alt_name, names);
    ck_assert_int_gt(X509_sign(m.x, by == NULL ? m.key : by->key, EVP_sha256()), 0);
    return m;
}

static inline void made_done(struct made *m)
{
    X509_free(m->x);
    EVP_PKEY_free(m->key);
}

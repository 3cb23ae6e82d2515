#include "cli/pki_make.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    SERIAL_BYTES = 16,
    BACKDATE_S = 5 * 60,     /* clocks of others may be behind */
    P12_ROUNDS = 100 * 1000, /* what one guess at its password costs */
};

struct extension {
    int nid;
    const char *value;
};

/* Kinds of certificates: what each may be used for, and no more. */
static const struct extension ca_extensions[] = {
    {NID_basic_constraints,      "critical,CA:TRUE,pathlen:0"  },
    {NID_key_usage,              "critical,keyCertSign,cRLSign"},
    {NID_subject_key_identifier, "hash"                        },
};

static const struct extension server_extensions[] = {
    {NID_basic_constraints,        "critical,CA:FALSE"        },
    {NID_key_usage,                "critical,digitalSignature"},
    {NID_ext_key_usage,            "serverAuth"               },
    {NID_subject_key_identifier,   "hash"                     },
    {NID_authority_key_identifier, "keyid:always"             },
};

static const struct extension client_extensions[] = {
    {NID_basic_constraints,        "critical,CA:FALSE"        },
    {NID_key_usage,                "critical,digitalSignature"},
    {NID_ext_key_usage,            "clientAuth"               },
    {NID_subject_key_identifier,   "hash"                     },
    {NID_authority_key_identifier, "keyid:always"             },
};

void pki_pair_done(struct pki_pair *pair)
{
    ossl_key_freep(&pair->key);
    ossl_cert_freep(&pair->cert);
}

static void hand_on(struct pki_pair *pair, struct pki_pair *ret)
{
    *ret = *pair;
    *pair = (struct pki_pair){0};
}

/* --- parts of a certificate; each says whether it worked --- */

static bool set_serial(X509 *cert)
{
    AUTO_NUMBER *serial = BN_new();

    return serial != NULL &&
           BN_rand(serial, SERIAL_BYTES * 8 - 1, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
           BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(cert)) != NULL;
}

static bool set_times(X509 *cert, int days)
{
    return X509_gmtime_adj(X509_getm_notBefore(cert), -BACKDATE_S) != NULL &&
           X509_time_adj_ex(X509_getm_notAfter(cert), days, 0, NULL) != NULL;
}

static bool set_name(X509 *cert, const char *name)
{
    return X509_NAME_add_entry_by_NID(X509_get_subject_name(cert), NID_commonName, MBSTRING_ASC,
                                      (const unsigned char *)name, -1, -1, 0) == 1;
}

static bool add_extension(X509 *cert, X509V3_CTX *context, const struct extension *row)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, context, row->nid, row->value);
    bool added = e != NULL && X509_add_ext(cert, e, -1) == 1;

    X509_EXTENSION_free(e);
    return added;
}

static bool add_extensions(X509 *cert, X509 *issuer, const struct extension *rows, size_t n)
{
    X509V3_CTX context;

    X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
    for (size_t i = 0; i < n; i++) {
        if (!add_extension(cert, &context, &rows[i]))
            return false;
    }
    return true;
}

/* A new key, and a certificate of it that has everything but names, extensions and a signature. */
static bool begin(struct pki_pair *pair, int days)
{
    pair->key = EVP_EC_gen("P-256");
    pair->cert = X509_new();
    return pair->key != NULL && pair->cert != NULL &&
           X509_set_version(pair->cert, X509_VERSION_3) == 1 && set_serial(pair->cert) &&
           set_times(pair->cert, days) && X509_set_pubkey(pair->cert, pair->key) == 1;
}

static bool sign(const struct pki_pair *ca, X509 *cert)
{
    return X509_set_issuer_name(cert, X509_get_subject_name(ca->cert)) == 1 &&
           X509_sign(cert, ca->key, EVP_sha256()) != 0;
}

/* --- alternative names --- */

static ASN1_STRING *ia5(const char *text)
{
    ASN1_STRING *s = ASN1_STRING_type_new(V_ASN1_IA5STRING);

    if (s != NULL && ASN1_STRING_set(s, text, -1) == 1)
        return s;
    ASN1_STRING_free(s);
    return NULL;
}

/* Takes the value, also when it fails. */
static bool add_name(GENERAL_NAMES *names, int type, ASN1_STRING *value)
{
    AUTO_NAME *name = GENERAL_NAME_new();

    if (name == NULL || value == NULL) {
        ASN1_STRING_free(value);
        return false;
    }
    GENERAL_NAME_set0_value(name, type, value);
    if (sk_GENERAL_NAME_push(names, name) <= 0)
        return false;
    name = NULL;
    return true;
}

int pki_make_hosts(const struct text_list *hosts, GENERAL_NAMES **ret)
{
    AUTO_NAMES *names = GENERAL_NAMES_new();
    enum pki_host kind;

    if (names == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < hosts->n; i++) {
        const char *host = hosts->at[i];
        bool added;

        if (pki_host_kind(host, &kind) < 0)
            return -EINVAL;
        added = kind == PKI_HOST_ADDRESS ? add_name(names, GEN_IPADD, a2i_IPADDRESS(host))
                                         : add_name(names, GEN_DNS, ia5(host));
        if (!added)
            return -ENOMEM;
    }
    *ret = names;
    names = NULL;
    return 0;
}

static bool add_names(X509 *cert, GENERAL_NAMES *names)
{
    return X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, 0) == 1;
}

static bool add_role(X509 *cert, enum pki_role role)
{
    AUTO_NAMES *names = GENERAL_NAMES_new();
    char uri[sizeof(PKI_ROLE_PREFIX) + 16];

    (void)snprintf(uri, sizeof(uri), PKI_ROLE_PREFIX "%s", pki_role_text(role));
    return names != NULL && add_name(names, GEN_URI, ia5(uri)) && add_names(cert, names);
}

/* --- certificates --- */

/* Browsers show several of them in one list: each has a name of its own. */
static bool name_ca(X509 *cert)
{
    AUTO_NUMBER *serial = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
    char *hex = serial != NULL ? BN_bn2hex(serial) : NULL;
    char name[32];
    bool named = false;

    if (hex != NULL) {
        (void)snprintf(name, sizeof(name), "Bulkhead CA %.8s", hex);
        named = set_name(cert, name);
    }
    OPENSSL_free(hex);
    return named;
}

int pki_make_ca(struct pki_pair *ret)
{
    AUTO_PAIR pair = {0};

    if (!begin(&pair, PKI_CA_DAYS) || !name_ca(pair.cert) ||
        !add_extensions(pair.cert, pair.cert, ca_extensions, COUNT_OF(ca_extensions)) ||
        !sign(&pair, pair.cert))
        return -ENOMEM;
    hand_on(&pair, ret);
    return 0;
}

int pki_make_server(const struct pki_pair *ca, GENERAL_NAMES *hosts, int days, struct pki_pair *ret)
{
    AUTO_PAIR pair = {0};

    if (!begin(&pair, days) || !set_name(pair.cert, "Bulkhead server") ||
        !add_extensions(pair.cert, ca->cert, server_extensions, COUNT_OF(server_extensions)) ||
        !add_names(pair.cert, hosts) || !sign(ca, pair.cert))
        return -ENOMEM;
    hand_on(&pair, ret);
    return 0;
}

int pki_make_client(const struct pki_pair *ca, const char *name, enum pki_role role, int days,
                    struct pki_pair *ret)
{
    AUTO_PAIR pair = {0};

    if (pki_name_trouble(name) != NULL)
        return -EINVAL;
    if (!begin(&pair, days) || !set_name(pair.cert, name) ||
        !add_extensions(pair.cert, ca->cert, client_extensions, COUNT_OF(client_extensions)) ||
        !add_role(pair.cert, role) || !sign(ca, pair.cert))
        return -ENOMEM;
    hand_on(&pair, ret);
    return 0;
}

/* --- revocation --- */

static bool add_revoked(X509_CRL *crl, X509 *cert)
{
    X509_REVOKED *row = X509_REVOKED_new();
    AUTO_TIME *now = X509_gmtime_adj(NULL, 0);

    if (row != NULL && now != NULL &&
        X509_REVOKED_set_serialNumber(row, X509_get_serialNumber(cert)) == 1 &&
        X509_REVOKED_set_revocationDate(row, now) == 1 && X509_CRL_add0_revoked(crl, row) == 1)
        return true;
    X509_REVOKED_free(row);
    return false;
}

/* Each list has a number, and it only grows. */
static bool set_number(X509_CRL *crl)
{
    AUTO_INTEGER *old = X509_CRL_get_ext_d2i(crl, NID_crl_number, NULL, NULL);
    AUTO_INTEGER *number = ASN1_INTEGER_new();
    int64_t n = 0;

    if (number == NULL || (old != NULL && ASN1_INTEGER_get_int64(&n, old) != 1))
        return false;
    return ASN1_INTEGER_set_int64(number, n + 1) == 1 &&
           X509_CRL_add1_ext_i2d(crl, NID_crl_number, number, 0, X509V3_ADD_REPLACE) == 1;
}

static X509_CRL *empty_crl(const struct pki_pair *ca)
{
    static const struct extension authority = {NID_authority_key_identifier, "keyid:always"};
    X509_CRL *crl = X509_CRL_new();
    X509_EXTENSION *e;
    X509V3_CTX context;
    bool made;

    X509V3_set_ctx(&context, ca->cert, NULL, NULL, crl, 0);
    e = X509V3_EXT_conf_nid(NULL, &context, authority.nid, authority.value);
    made = crl != NULL && e != NULL && X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 &&
           X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca->cert)) == 1 &&
           X509_CRL_add_ext(crl, e, -1) == 1;
    X509_EXTENSION_free(e);
    if (made)
        return crl;
    X509_CRL_free(crl);
    return NULL;
}

int pki_make_crl(const struct pki_pair *ca, X509_CRL *old, X509 *revoked, X509_CRL **ret)
{
    AUTO_CRL *crl = old != NULL ? X509_CRL_dup(old) : empty_crl(ca);
    AUTO_TIME *now = X509_gmtime_adj(NULL, -BACKDATE_S);

    if (crl == NULL || now == NULL || X509_CRL_set1_lastUpdate(crl, now) != 1 ||
        X509_CRL_set1_nextUpdate(crl, X509_get0_notAfter(ca->cert)) != 1 ||
        (revoked != NULL && !add_revoked(crl, revoked)) || !set_number(crl) ||
        X509_CRL_sort(crl) != 1 || X509_CRL_sign(crl, ca->key, EVP_sha256()) == 0)
        return -ENOMEM;
    *ret = crl;
    crl = NULL;
    return 0;
}

int pki_make_p12(const struct pki_pair *ca, const struct pki_pair *client, const char *name,
                 const char *password, PKCS12 **ret)
{
    STACK_OF(X509) *chain = sk_X509_new_null();
    PKCS12 *p12 = NULL;

    if (chain != NULL && sk_X509_push(chain, ca->cert) > 0)
        p12 = PKCS12_create(password, name, client->key, client->cert, chain, 0, 0, P12_ROUNDS,
                            P12_ROUNDS, 0);
    sk_X509_free(chain);
    if (p12 == NULL)
        return -ENOMEM;
    *ret = p12;
    return 0;
}

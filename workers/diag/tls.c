#include "workers/diag/tls.h"

#include <errno.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"

static const char ROLE_URI[] = "urn:bulkhead:role:";

/* --- our end --- */

static BIO *text_of(const struct tls_page *page, enum tls_part part)
{
    uint32_t len = page->len[part];

    return len == 0 || len > TLS_PART_BYTES ? NULL : BIO_new_mem_buf(page->text[part], (int)len);
}

static bool take_certificate(SSL_CTX *c, BIO *from)
{
    X509 *x = PEM_read_bio_X509(from, NULL, NULL, NULL);
    bool good = x != NULL && SSL_CTX_use_certificate(c, x) == 1;

    X509_free(x);
    while (good && (x = PEM_read_bio_X509(from, NULL, NULL, NULL)) != NULL)
        good = SSL_CTX_add0_chain_cert(c, x) == 1;
    return good;
}

static bool take_key(SSL_CTX *c, BIO *from)
{
    EVP_PKEY *key = PEM_read_bio_PrivateKey(from, NULL, NULL, NULL);
    bool good = key != NULL && SSL_CTX_use_PrivateKey(c, key) == 1 && SSL_CTX_check_private_key(c);

    EVP_PKEY_free(key);
    return good;
}

/* Browsers choose a certificate by the names of authorities that we send. */
static bool take_authority(SSL_CTX *c, BIO *from)
{
    X509_STORE *store = SSL_CTX_get_cert_store(c);
    bool any = false;
    X509 *x;

    while ((x = PEM_read_bio_X509(from, NULL, NULL, NULL)) != NULL) {
        any = X509_STORE_add_cert(store, x) == 1 && SSL_CTX_add_client_CA(c, x) == 1;
        X509_free(x);
        if (!any)
            return false;
    }
    return any;
}

/* None at all: nothing was ever revoked. */
static bool take_revoked(SSL_CTX *c, BIO *from)
{
    X509_STORE *store = SSL_CTX_get_cert_store(c);
    X509_CRL *list = PEM_read_bio_X509_CRL(from, NULL, NULL, NULL);
    bool good = list != NULL && X509_STORE_add_crl(store, list) == 1 &&
                X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK) == 1;

    X509_CRL_free(list);
    return good;
}

/* An old list is better than nobody who can come in to bring a new one. What else is wrong is found all the same. */
int tls_look(int good, X509_STORE_CTX *store)
{
    if (good != 1 && X509_STORE_CTX_get_error(store) == X509_V_ERR_CRL_HAS_EXPIRED) {
        X509_STORE_CTX_set_error(store, X509_V_OK);
        return 1;
    }
    return good;
}

static void demand(SSL_CTX *c)
{
    (void)SSL_CTX_set_options(c,
                              SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    (void)SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS);
    (void)SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_num_tickets(c, 0);
    SSL_CTX_set_verify(c, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, tls_look);
    SSL_CTX_set_verify_depth(c, TLS_CHAIN_MAX);
}

static const char *fill(SSL_CTX *c, const struct tls_page *page)
{
    static const struct {
        enum tls_part part;
        bool (*take)(SSL_CTX *c, BIO *from);
        const char *wrong;
    } parts[] = {
        {TLS_CERTIFICATE, take_certificate, "the server's certificate is none"                   },
        {TLS_KEY,         take_key,         "the server's key is none, or of another certificate"},
        {TLS_CLIENT_CA,   take_authority,   "the certificate of the operators' authority is none"},
        {TLS_REVOKED,     take_revoked,     "the list of revoked certificates is none"           },
    };

    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        BIO *from = text_of(page, parts[i].part);
        bool good = from != NULL ? parts[i].take(c, from) : parts[i].part == TLS_REVOKED;

        BIO_free(from);
        if (!good)
            return parts[i].wrong;
    }
    return NULL;
}

int tls_new(const struct tls_page *page, SSL_CTX **ret, const char **ret_why)
{
    SSL_CTX *c;

    /* Nothing is read from files, not even for gmtime(): to glibc ":" is a time zone without one. */
    if (setenv("TZ", ":", 1) == 0)
        tzset();
    (void)OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL);
    c = SSL_CTX_new(TLS_server_method());
    *ret_why = "no memory";
    if (c != NULL && SSL_CTX_set_min_proto_version(c, TLS1_3_VERSION) == 1) {
        demand(c);
        *ret_why = fill(c, page);
    }
    if (*ret_why != NULL) {
        SSL_CTX_free(c);
        return -EINVAL;
    }
    *ret = c;
    return 0;
}

/* --- the other one --- */

/* ROLE_NONE: it is no role's name. */
static enum role role_of(const ASN1_IA5STRING *uri)
{
    const unsigned char *text = ASN1_STRING_get0_data(uri);
    size_t len = (size_t)ASN1_STRING_length(uri);
    size_t head = sizeof(ROLE_URI) - 1;

    if (len <= head || memcmp(text, ROLE_URI, head) != 0)
        return ROLE_NONE;
    for (unsigned r = ROLE_VIEWER; r < ROLES; r++) {
        const char *name = audit_role_name(r);

        if (strlen(name) == len - head && memcmp(name, text + head, len - head) == 0)
            return (enum role)r;
    }
    return ROLE_NONE;
}

static enum role find_role(const X509 *x)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    enum role found = ROLE_NONE;
    unsigned n = 0;

    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        enum role r =
            name->type == GEN_URI ? role_of(name->d.uniformResourceIdentifier) : ROLE_NONE;

        if (r != ROLE_NONE) {
            found = r;
            n++;
        }
    }
    GENERAL_NAMES_free(names);
    return n == 1 ? found : ROLE_NONE;
}

static bool find_name(const X509 *x, char ret[AUDIT_WHO_BYTES])
{
    const X509_NAME *subject = X509_get_subject_name(x);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    const ASN1_STRING *text;
    int len;

    if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
        return false;
    text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
    len = ASN1_STRING_length(text);
    if (len <= 0 || len >= AUDIT_WHO_BYTES)
        return false;
    for (int i = 0; i < len; i++) {
        unsigned char c = ASN1_STRING_get0_data(text)[i];

        if (c <= ' ' || c > '~')
            return false;
        ret[i] = (char)c;
    }
    return true;
}

bool tls_caller_of(const X509 *certificate, struct caller *ret)
{
    *ret = (struct caller){.remote = true};
    ret->role = find_role(certificate);
    return find_name(certificate, ret->name) && ret->role != ROLE_NONE;
}

const char *tls_refusal(const SSL *ssl)
{
    long r = SSL_get_verify_result(ssl);

    if (r != X509_V_OK)
        return X509_verify_cert_error_string(r);
    return SSL_get0_peer_certificate(ssl) != NULL ? "a certificate without a role, or name"
                                                  : "no certificate";
}

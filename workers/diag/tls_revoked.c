#include "workers/diag/tls_revoked.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "ipc/remote.h"
#include "workers/diag/tls.h"

enum {
    NUMBER_BYTES = 20, /* of a list's number, at most */
};

/* --- what counts now --- */

/* The next object of that kind, from *at on; NULL: there is none. */
static const X509_OBJECT *next_of(const X509_STORE *store, X509_LOOKUP_TYPE type, int *at)
{
    const STACK_OF(X509_OBJECT) *all = X509_STORE_get0_objects(store);

    while (*at < sk_X509_OBJECT_num(all)) {
        const X509_OBJECT *o = sk_X509_OBJECT_value(all, (*at)++);

        if (X509_OBJECT_get_type(o) == type)
            return o;
    }
    return NULL;
}

static X509_CRL *current(const X509_STORE *store)
{
    int at = 0;
    const X509_OBJECT *o = next_of(store, X509_LU_CRL, &at);

    return o == NULL ? NULL : X509_OBJECT_get0_X509_CRL(o);
}

/* Who signed it; NULL: nobody whom we know. */
static X509 *signer_of(const X509_STORE *store, X509_CRL *list)
{
    const X509_OBJECT *o;
    int at = 0;

    while ((o = next_of(store, X509_LU_X509, &at)) != NULL) {
        X509 *x = X509_OBJECT_get0_X509(o);

        if (X509_NAME_cmp(X509_get_subject_name(x), X509_CRL_get_issuer(list)) == 0 &&
            X509_CRL_verify(list, X509_get0_pubkey(x)) == 1)
            return x;
    }
    return NULL;
}

/* --- another one --- */

/* OpenSSL would ask for a password at a terminal. */
static int no_password(char *buf, int size, int writing, void *self)
{
    (void)buf;
    (void)size;
    (void)writing;
    (void)self;
    return -1;
}

static X509_CRL *read_list(const void *text, size_t len)
{
    BIO *from = len == 0 || len > TLS_PART_BYTES ? NULL : BIO_new_mem_buf(text, (int)len);
    X509_CRL *list = from == NULL ? NULL : PEM_read_bio_X509_CRL(from, NULL, no_password, NULL);

    BIO_free(from);
    return list;
}

/* NULL: it has none. The caller frees it. */
static ASN1_INTEGER *number_of(const X509_CRL *list)
{
    return list == NULL ? NULL : X509_CRL_get_ext_d2i(list, NID_crl_number, NULL, NULL);
}

static bool is_newer(const X509_CRL *list, const X509_CRL *old)
{
    ASN1_INTEGER *number = number_of(list), *before = number_of(old);
    const bool good = number != NULL && ASN1_STRING_type(number) == V_ASN1_INTEGER &&
                      ASN1_STRING_length(number) <= NUMBER_BYTES &&
                      (before == NULL || ASN1_INTEGER_cmp(number, before) > 0);

    ASN1_INTEGER_free(number);
    ASN1_INTEGER_free(before);
    return good;
}

/* The authorities of the old one, and the list. NULL: no memory. */
static X509_STORE *store_with(const X509_STORE *old, X509_CRL *list)
{
    X509_STORE *store = X509_STORE_new();
    bool good = store != NULL && X509_STORE_add_crl(store, list) == 1 &&
                X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK) == 1;
    const X509_OBJECT *o;
    int at = 0;

    while (good && (o = next_of(old, X509_LU_X509, &at)) != NULL)
        good = X509_STORE_add_cert(store, X509_OBJECT_get0_X509(o)) == 1;
    if (good)
        return store;
    X509_STORE_free(store);
    return NULL;
}

/* X509_V_OK, or why it does not count. */
static int judge(X509_STORE *store, X509 *x, STACK_OF(X509) * chain, const char *purpose)
{
    X509_STORE_CTX *v = X509_STORE_CTX_new();
    int verdict = X509_V_ERR_OUT_OF_MEM;

    if (v != NULL && X509_STORE_CTX_init(v, store, x, chain) == 1 &&
        (purpose == NULL || X509_STORE_CTX_set_default(v, purpose) == 1)) {
        X509_STORE_CTX_set_verify_cb(v, tls_look);
        X509_STORE_CTX_set_depth(v, TLS_CHAIN_MAX);
        verdict = X509_verify_cert(v) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(v);
    }
    X509_STORE_CTX_free(v);
    return verdict;
}

/* What would keep everybody out: one that is not in force yet, that is for others, or of a kind that is not understood. */
static const char *put_in_place(SSL_CTX *c, X509_CRL *list, X509 *signer)
{
    X509_STORE *store = store_with(SSL_CTX_get_cert_store(c), list);
    int verdict = store == NULL ? X509_V_ERR_OUT_OF_MEM : judge(store, signer, NULL, NULL);

    if (verdict != X509_V_OK &&
        verdict != X509_V_ERR_CERT_REVOKED) { /* which says that it was looked at */
        X509_STORE_free(store);
        return X509_verify_cert_error_string(verdict);
    }
    SSL_CTX_set_cert_store(c, store);
    return NULL;
}

static const char *replace(SSL_CTX *c, X509_CRL *list, bool *ret_new)
{
    const X509_STORE *store = SSL_CTX_get_cert_store(c);
    const X509_CRL *old = current(store);
    X509 *signer = signer_of(store, list);
    const char *why;

    if (signer == NULL)
        return "the operators' authority has not signed that list";
    if (X509_CRL_get_ext_by_NID(list, NID_delta_crl, -1) >= 0)
        return "a whole list is wanted, not what has changed of one";
    if (old != NULL && X509_CRL_match(list, old) == 0) {
        *ret_new = false;
        return NULL;
    }
    if (!is_newer(list, old))
        return "a list with a higher number counts already, or this one has none";
    why = put_in_place(c, list, signer);
    *ret_new = why == NULL;
    return why;
}

const char *tls_revoke(SSL_CTX *c, const void *text, size_t len, bool *ret_new)
{
    X509_CRL *list = read_list(text, len);
    const char *why = list == NULL
                          ? "that is no list of revoked certificates in PEM, of 32 KiB at most"
                          : replace(c, list, ret_new);

    X509_CRL_free(list);
    ERR_clear_error();
    return why;
}

bool tls_counts(SSL_CTX *c, const SSL *ssl)
{
    X509 *x = SSL_get0_peer_certificate(ssl);
    const bool good = x != NULL && judge(SSL_CTX_get_cert_store(c), x, SSL_get_peer_cert_chain(ssl),
                                         "ssl_client") == X509_V_OK;

    ERR_clear_error();
    return good;
}

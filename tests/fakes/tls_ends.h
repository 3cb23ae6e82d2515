/*
 * tests/fakes/tls_ends.h - a page of certificates for diag, and whoever comes to it.
 */
#pragma once

#include <check.h>
#include <openssl/ssl.h>
#include <string.h>

#include "ipc/remote.h"
#include "tests/fakes/certificate.h"

static inline void put_pem(struct tls_page *p, enum tls_part part, X509 *x, EVP_PKEY *key)
{
    BIO *b = BIO_new(BIO_s_mem());

    ck_assert_int_eq(x != NULL ? PEM_write_bio_X509(b, x)
                               : PEM_write_bio_PrivateKey(b, key, NULL, NULL, 0, NULL, NULL),
                     1);
    p->len[part] = (uint32_t)BIO_read(b, p->text[part], TLS_PART_BYTES);
    BIO_free(b);
}

static inline void put_ends(struct tls_page *page, const struct made *ca, const struct made *server)
{
    memset(page, 0, sizeof(*page));
    put_pem(page, TLS_CERTIFICATE, server->x, NULL);
    put_pem(page, TLS_KEY, NULL, server->key);
    put_pem(page, TLS_CLIENT_CA, ca->x, NULL);
}

static inline SSL *client_of(const struct made *who, int version)
{
    SSL_CTX *c = SSL_CTX_new(TLS_client_method());
    SSL *ssl;

    (void)SSL_CTX_set_max_proto_version(c, version);
    if (who != NULL) {
        ck_assert_int_eq(SSL_CTX_use_certificate(c, who->x), 1);
        ck_assert_int_eq(SSL_CTX_use_PrivateKey(c, who->key), 1);
    }
    ssl = SSL_new(c);
    SSL_CTX_free(c);
    SSL_set_connect_state(ssl);
    return ssl;
}

/* A client's and a server's end after their handshake, in memory. 1: the server lets it in. */
static inline int shake_hands(SSL_CTX *c, SSL *client, SSL **ret_server)
{
    SSL *server = SSL_new(c);
    BIO *near, *far;
    int r = 0;

    SSL_set_accept_state(server);
    ck_assert_int_eq(BIO_new_bio_pair(&near, 0, &far, 0), 1);
    SSL_set_bio(client, near, near);
    SSL_set_bio(server, far, far);
    for (int i = 0; r != 1 && i < 10; i++) {
        (void)SSL_do_handshake(client);
        r = SSL_do_handshake(server);
    }
    *ret_server = server;
    return r;
}

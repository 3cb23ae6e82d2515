/*
 * workers/diag/tls.h - TLS 1.3 with certificates at both ends, and what an operator's certificate says.
 *
 * A role is a URI among the certificate's alternative names, "urn:bulkhead:role:viewer"; there must be one, and only one. The
 * common name is the operator's.
 *
 * @spec RFC 8446; RFC 5280 4.2.1.6
 */
#pragma once

#include <openssl/ssl.h>

#include "base/macro.h"
#include "ipc/remote.h"
#include "workers/diag/caller.h"

enum {
    TLS_CHAIN_MAX = 4, /* certificates between the operators' authority and an operator's */
};

/* Certificates of the page, which are copied. 0 and *ret, which SSL_CTX_free() frees, or -EINVAL and what is wrong. */
int MUST_USE tls_new(const struct tls_page *page, SSL_CTX **ret, const char **ret_why);

/* Whoever the certificate is for. False: it names no role, or more than one, or nobody. */
bool tls_caller_of(const X509 *certificate, struct caller *ret);

/* What OpenSSL calls for each step of its judgement. */
int tls_look(int good, X509_STORE_CTX *store);

/* Why the other end is nobody that we know. */
const char *tls_refusal(const SSL *ssl);

/*
 * cli/remote_peer.h - a VM's operators' address, and connections to it by which each side knows the other.
 */
#pragma once

#include <openssl/ssl.h>
#include <stdint.h>

#include "base/macro.h"

enum {
    REMOTE_PEER_ERROR_BYTES = 512,
    REMOTE_PEER_HOST_BYTES = 256,
};

struct evbuffer;
struct event_base;
struct evhttp_connection;

struct remote_peer {
    char host[REMOTE_PEER_HOST_BYTES];
    uint16_t port;
    SSL_CTX *tls;
};

/*
 * "HOST:PORT" or "[ADDRESS]:PORT". identity says who we are: IDENTITY.pem and IDENTITY-key.pem, and ca.pem in the same
 * folder, as `bulkhead pki` makes them. 0, or negative errno, and error holds one line. remote_peer_done() in any case.
 */
int MUST_USE remote_peer_init(struct remote_peer *p, const char *where, const char *identity,
                              char error[REMOTE_PEER_ERROR_BYTES]);

void remote_peer_done(struct remote_peer *p);

/* Begin to connect. The caller frees it, and *ret_ssl with it; NULL: no memory. */
struct evhttp_connection *remote_peer_connect(const struct remote_peer *p, struct event_base *base,
                                              SSL **ret_ssl);

/* Why a request was refused, with its answer's status and body, or (status 0) got no answer. */
void remote_peer_why(const struct remote_peer *p, struct evhttp_connection *c, const SSL *ssl,
                     int status, struct evbuffer *answer, char ret[REMOTE_PEER_ERROR_BYTES]);

#include "cli/remote_peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/http.h>
#include <jansson.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/operator.h"

enum {
    ERROR_BODY_MAX = 1024,
};

static int wrong(char *error, int r, const char *fmt, ...) PRINTF_LIKE(3, 4);

static int wrong(char *error, int r, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(error, REMOTE_PEER_ERROR_BYTES, fmt, args);
    va_end(args);
    return r;
}

/* --- where, and who we are --- */

static int parse_where(const char *where, struct remote_peer *p, char *error)
{
    const char *colon = strrchr(where, ':');
    size_t len = colon == NULL ? 0 : (size_t)(colon - where);
    bool v6 = len > 2 && where[0] == '[' && where[len - 1] == ']';
    char *end;
    unsigned long port = colon == NULL ? 0 : strtoul(colon + 1, &end, 10);

    if (len == 0 || len >= REMOTE_PEER_HOST_BYTES || port == 0 || port > UINT16_MAX || *end != '\0')
        return wrong(error, -EINVAL, "--connect %s: HOST:PORT or [ADDRESS]:PORT is wanted", where);
    (void)snprintf(p->host, sizeof(p->host), "%.*s", (int)(v6 ? len - 2 : len),
                   where + (v6 ? 1 : 0));
    p->port = (uint16_t)port;
    return 0;
}

static int take_file(const char *path, int (*take)(SSL_CTX *c, const char *path), SSL_CTX *c,
                     char *error)
{
    if (access(path, R_OK) < 0)
        return wrong(error, -errno, "--identity: %s: %s: `bulkhead pki issue` makes it", path,
                     strerror(errno));
    if (take(c, path) != 1)
        return wrong(error, -EINVAL, "--identity: %s is not what it must be (PEM)", path);
    return 0;
}

static int use_certificate(SSL_CTX *c, const char *path)
{
    return SSL_CTX_use_certificate_chain_file(c, path);
}

static int use_key(SSL_CTX *c, const char *path)
{
    return SSL_CTX_use_PrivateKey_file(c, path, SSL_FILETYPE_PEM);
}

static int use_authority(SSL_CTX *c, const char *path)
{
    return SSL_CTX_load_verify_file(c, path);
}

static int take_identity(const char *identity, SSL_CTX *c, char *error)
{
    const char *slash = strrchr(identity, '/');
    char path[PATH_MAX];
    int r;

    if (strlen(identity) + 16 > sizeof(path))
        return wrong(error, -ENAMETOOLONG, "--identity: the path is too long");
    (void)snprintf(path, sizeof(path), "%s.pem", identity);
    r = take_file(path, use_certificate, c, error);
    (void)snprintf(path, sizeof(path), "%s-key.pem", identity);
    if (r == 0)
        r = take_file(path, use_key, c, error);
    (void)snprintf(path, sizeof(path), "%.*sca.pem",
                   slash == NULL ? 0 : (int)(slash - identity + 1), identity);
    return r == 0 ? take_file(path, use_authority, c, error) : r;
}

static int open_tls(const char *identity, struct remote_peer *p, char *error)
{
    (void)OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
    p->tls = SSL_CTX_new(TLS_client_method());
    if (p->tls == NULL || SSL_CTX_set_min_proto_version(p->tls, TLS1_3_VERSION) != 1)
        return wrong(error, -ENOMEM, "%s", strerror(ENOMEM));
    SSL_CTX_set_verify(p->tls, SSL_VERIFY_PEER, NULL);
    return take_identity(identity, p->tls, error);
}

/* --- connections --- */

static bool expect_host(SSL *ssl, const char *host)
{
    uint8_t bytes[sizeof(struct in6_addr)];
    bool numeric = inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;

    if (numeric)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    /* SSL_set_tlsext_host_name() would cast const away. */
    return SSL_set1_host(ssl, host) == 1 &&
           SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                    (void *)(uintptr_t)host) == 1;
}

struct evhttp_connection *remote_peer_connect(const struct remote_peer *p, struct event_base *base,
                                              SSL **ret_ssl)
{
    SSL *ssl = SSL_new(p->tls);
    struct evhttp_connection *c;
    struct bufferevent *bev;

    if (ssl == NULL || !expect_host(ssl, p->host)) {
        SSL_free(ssl);
        return NULL;
    }
    bev = bufferevent_openssl_socket_new(base, -1, ssl, BUFFEREVENT_SSL_CONNECTING,
                                         BEV_OPT_CLOSE_ON_FREE);
    if (bev == NULL) {
        SSL_free(ssl);
        return NULL;
    }
    bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
    c = evhttp_connection_base_bufferevent_new(base, NULL, bev, p->host, p->port);
    if (c == NULL) {
        bufferevent_free(bev);
        return NULL;
    }
    *ret_ssl = ssl;
    return c;
}

/* --- what goes wrong --- */

/* {"error": text} */
static void say_refusal(int status, struct evbuffer *answer, char ret[REMOTE_PEER_ERROR_BYTES])
{
    char body[ERROR_BODY_MAX];
    ev_ssize_t len = evbuffer_copyout(answer, body, sizeof(body));
    json_t *value = json_loadb(body, len < 0 ? 0 : (size_t)len, 0, NULL);
    const char *text = NULL;

    if (value != NULL && json_unpack(value, "{s:s}", "error", &text) == 0)
        (void)wrong(ret, 0, "%s", text);
    else
        (void)wrong(ret, 0, "the VM answers with status %d", status);
    operator_clean(ret);
    json_decref(value);
}

/* OpenSSL knows most about why. */
static void say_broken(const struct remote_peer *p, struct evhttp_connection *c, const SSL *ssl,
                       char ret[REMOTE_PEER_ERROR_BYTES])
{
    long verdict = SSL_get_verify_result(ssl);
    unsigned long err = bufferevent_get_openssl_error(evhttp_connection_get_bufferevent(c));
    const char *reason = err == 0 ? NULL : ERR_reason_error_string(err);

    if (verdict != X509_V_OK)
        (void)wrong(ret, 0, "%s:%u: its certificate does not count: %s", p->host, p->port,
                    X509_verify_cert_error_string(verdict));
    else if (reason != NULL)
        (void)wrong(ret, 0, "%s:%u: %s: does our certificate count there?", p->host, p->port,
                    reason);
    else
        (void)wrong(ret, 0,
                    "%s:%u: no connection, or it broke off: is the VM running, with --operators?",
                    p->host, p->port);
}

void remote_peer_why(const struct remote_peer *p, struct evhttp_connection *c, const SSL *ssl,
                     int status, struct evbuffer *answer, char ret[REMOTE_PEER_ERROR_BYTES])
{
    if (status != 0)
        say_refusal(status, answer, ret);
    else
        say_broken(p, c, ssl, ret);
}

/* --- life --- */

int remote_peer_init(struct remote_peer *p, const char *where, const char *identity,
                     char error[REMOTE_PEER_ERROR_BYTES])
{
    int r;

    *p = (struct remote_peer){.tls = NULL};
    if (identity == NULL)
        return wrong(error, -EINVAL,
                     "--connect needs --identity: who are we? (bulkhead pki issue)");
    r = parse_where(where, p, error);
    return r == 0 ? open_tls(identity, p, error) : r;
}

void remote_peer_done(struct remote_peer *p)
{
    SSL_CTX_free(p->tls);
    p->tls = NULL;
}

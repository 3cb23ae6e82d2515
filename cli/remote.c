#include "cli/remote.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/option.h"
#include "cli/pki_read.h"
#include "cli/say.h"
#include "ipc/remote.h"

static int wrong(char *error, int status, const char *fmt, ...) PRINTF_LIKE(3, 4);

static int wrong(char *error, int status, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(error, REMOTE_ERROR_BYTES, fmt, args);
    va_end(args);
    return status;
}

/* --- where --- */

static bool parse_port(const char *text, uint64_t max, uint64_t *ret)
{
    return option_number(text, ret) == 0 && *ret >= 1 && *ret <= max;
}

/* The address is a number: nothing asks a name server before a VM starts. */
static bool parse_tcp(const char *where, struct remote_plan *p)
{
    const char *colon = strrchr(where, ':');
    size_t len = colon == NULL ? 0 : (size_t)(colon - where);
    uint8_t bytes[sizeof(struct in6_addr)];
    uint64_t port;
    bool v6;

    if (len == 0 || len >= REMOTE_ADDRESS_BYTES || !parse_port(colon + 1, UINT16_MAX, &port))
        return false;
    v6 = where[0] == '[' && where[len - 1] == ']';
    (void)snprintf(p->address, sizeof(p->address), "%.*s", (int)(v6 ? len - 2 : len),
                   where + (v6 ? 1 : 0));
    p->family = v6 ? REMOTE_V6 : REMOTE_V4;
    p->port = (uint32_t)port;
    return inet_pton(v6 ? AF_INET6 : AF_INET, p->address, bytes) == 1;
}

static bool parse_vsock(const char *where, struct remote_plan *p)
{
    static const char prefix[] = "vsock:";
    uint64_t port;

    if (strncmp(where, prefix, strlen(prefix)) != 0 ||
        !parse_port(where + strlen(prefix), VMADDR_PORT_ANY - 1, &port))
        return false;
    p->family = REMOTE_VSOCK;
    p->port = (uint32_t)port;
    return true;
}

static int parse_where(const char *where, bool nested, struct remote_plan *p, char *error)
{
    if (!parse_vsock(where, p) && !parse_tcp(where, p))
        return wrong(error, EXIT_USAGE,
                     "--operators %s: ADDRESS:PORT, [ADDRESS]:PORT or vsock:PORT is wanted, with a "
                     "numeric address",
                     where);
    if (nested && p->family == REMOTE_VSOCK)
        return wrong(
            error, EXIT_USAGE,
            "--operators %s: nested mode has no vsock: give ADDRESS:PORT, or --mode hosted", where);
    return 0;
}

/* --- certificates --- */

static const char crl_file[] = "crl.pem";

/* A missing file that is not needed has no bytes. */
static int read_file(struct pool *pool, const char *pki, const char *name, bool needed,
                     ProtobufCBinaryData *ret, char *error)
{
    char *path = pool_printf(pool, "%s/%s", pki, name);
    uint8_t *text = pool_alloc(pool, TLS_PART_BYTES + 1);
    AUTO_FD fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t len;

    if (path == NULL || text == NULL)
        return wrong(error, EXIT_FAILED, "%s", strerror(ENOMEM));
    if (fd < 0 && errno == ENOENT && !needed)
        return 0;
    if (fd < 0)
        return wrong(error, EXIT_FAILED,
                     "--operators: %s: %s: `bulkhead pki init --dir %s` makes it", path,
                     strerror(errno), pki);
    len = read(fd, text, TLS_PART_BYTES + 1);
    if (len <= 0 || len > TLS_PART_BYTES)
        return wrong(error, EXIT_FAILED, "--operators: %s: %s", path,
                     len < 0    ? strerror(errno)
                     : len == 0 ? "it is empty"
                                : "it is too long to be one");
    *ret = (ProtobufCBinaryData){.data = text, .len = (size_t)len};
    return 0;
}

static X509 *certificate_of(const ProtobufCBinaryData *text)
{
    BIO *bio = BIO_new_mem_buf(text->data, (int)text->len);
    X509 *x = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, NULL, NULL);

    BIO_free(bio);
    return x;
}

static EVP_PKEY *key_of(const ProtobufCBinaryData *text)
{
    BIO *bio = BIO_new_mem_buf(text->data, (int)text->len);
    EVP_PKEY *key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

    BIO_free(bio);
    return key;
}

static int judge(const char *pki, X509 *server, X509 *authority, EVP_PKEY *key, char *error)
{
    if (server == NULL)
        return wrong(error, EXIT_FAILED, "--operators: %s/server.pem is no certificate", pki);
    if (authority == NULL)
        return wrong(error, EXIT_FAILED, "--operators: %s/ca.pem is no certificate", pki);
    if (key == NULL || X509_check_private_key(server, key) != 1)
        return wrong(error, EXIT_FAILED,
                     "--operators: %s/server-key.pem is not the key of %s/server.pem", pki, pki);
    if (X509_cmp_current_time(X509_get0_notAfter(server)) < 0)
        return wrong(error, EXIT_FAILED,
                     "--operators: %s/server.pem has expired: make a new one (bulkhead pki)", pki);
    return 0;
}

static int check_certificates(const char *pki, const Bulkhead__Remote *m, char *error)
{
    X509 *server = certificate_of(&m->certificate);
    X509 *authority = certificate_of(&m->client_ca);
    EVP_PKEY *key = key_of(&m->key);
    int r = judge(pki, server, authority, key, error);

    X509_free(server);
    X509_free(authority);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return r;
}

static int read_certificates(struct remote_plan *p, const char *pki, char *error)
{
    Bulkhead__Remote *m = &p->message;
    int r = read_file(&p->pool, pki, "server.pem", true, &m->certificate, error);

    if (r == 0)
        r = read_file(&p->pool, pki, "server-key.pem", true, &m->key, error);
    if (r == 0)
        r = read_file(&p->pool, pki, "ca.pem", true, &m->client_ca, error);
    if (r == 0)
        r = read_file(&p->pool, pki, crl_file, false, &m->revoked, error);
    return r == 0 ? check_certificates(pki, m, error) : r;
}

/* --- what was revoked since --- */

/* Signed by one of those in the text? */
static bool is_from_one(const ProtobufCBinaryData *authorities, X509_CRL *list)
{
    AUTO_BIO *from = BIO_new_mem_buf(authorities->data, (int)authorities->len);
    bool is = false;
    X509 *x;

    while (!is && from != NULL && (x = PEM_read_bio_X509(from, NULL, NULL, NULL)) != NULL) {
        is = pki_crl_is_from(list, x);
        X509_free(x);
    }
    return is;
}

/* NULL, or why it does not. An authority of tomorrow, or numbers from yesterday, would undo what was revoked. */
static const char *judge_list(const Bulkhead__Remote *m, const ProtobufCBinaryData *text)
{
    AUTO_CRL *list = pki_read_crl(text->data, text->len);
    AUTO_CRL *old = pki_read_crl(m->revoked.data, m->revoked.len);
    const char *why = NULL;

    if (list == NULL)
        why = "it is no list of revoked certificates";
    else if (!is_from_one(&m->client_ca, list))
        why = "the VM's authority has not signed it";
    else if (!pki_crl_is_newer(list, old))
        why = "it has no higher number";
    ERR_clear_error();
    return why;
}

static bool is_same(const ProtobufCBinaryData *a, const ProtobufCBinaryData *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

/* What was in to goes, and what is in from takes its place. */
static void pool_move(struct pool *to, struct pool *from)
{
    pool_done(to);
    *to = *from;
    *from = (struct pool){0};
}

int remote_read_again(struct remote_plan *plan, const char *pki, char error[REMOTE_ERROR_BYTES])
{
    const char *folder = pki == NULL ? REMOTE_PKI : pki;
    Bulkhead__Remote *m = &plan->message;
    CLEANUP(pool_done) struct pool pool = {0};
    ProtobufCBinaryData list = {0};
    const char *why;
    int r = plan->wanted ? read_file(&pool, folder, crl_file, false, &list, error) : 0;

    if (r != 0 || list.len == 0 || is_same(&list, &m->revoked))
        return r;
    why = judge_list(m, &list);
    if (why != NULL)
        return wrong(error, EXIT_FAILED, "--operators: %s/%s: %s: the list before counts on",
                     folder, crl_file, why);
    m->revoked = list;
    pool_move(&plan->again, &pool);
    return 0;
}

void remote_keep_brought(struct remote_plan *plan, const ProtobufCBinaryData *list)
{
    CLEANUP(pool_done) struct pool pool = {0};
    const bool fits = list->len > 0 && list->len <= TLS_PART_BYTES;
    uint8_t *text = plan->wanted && fits ? pool_alloc(&pool, list->len) : NULL;

    if (text == NULL)
        return;
    memcpy(text, list->data, list->len);
    plan->message.brought = (ProtobufCBinaryData){.data = text, .len = list->len};
    pool_move(&plan->brought, &pool);
}

/* --- the socket --- */

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_vm vm;
};

static socklen_t address_of(const struct remote_plan *p, union address *ret)
{
    memset(ret, 0, sizeof(*ret));
    if (p->family == REMOTE_VSOCK) {
        ret->vm.svm_family = AF_VSOCK;
        ret->vm.svm_cid = VMADDR_CID_ANY;
        ret->vm.svm_port = p->port;
        return sizeof(ret->vm);
    }
    if (p->family == REMOTE_V6) {
        ret->v6.sin6_family = AF_INET6;
        ret->v6.sin6_port = htons((uint16_t)p->port);
        (void)inet_pton(AF_INET6, p->address, &ret->v6.sin6_addr);
        return sizeof(ret->v6);
    }
    ret->v4.sin_family = AF_INET;
    ret->v4.sin_port = htons((uint16_t)p->port);
    (void)inet_pton(AF_INET, p->address, &ret->v4.sin_addr);
    return sizeof(ret->v4);
}

static const char *mend(int err)
{
    switch (err) {
    case EADDRINUSE:
        return "the port is in use: take another, or end what uses it";
    case EADDRNOTAVAIL:
        return "this machine has no such address";
    case EACCES:
        return "ports below 1024 are root's";
    case EAFNOSUPPORT:
        return "this kernel has no such sockets";
    default:
        return strerror(err);
    }
}

/* Connections inherit it: an answer's pieces do not wait for one another's receipt, nor anybody for one who vanished. */
static bool tune(int fd, enum remote_family family)
{
    const int one = 1, patience_ms = REMOTE_PATIENCE_MS;

    return family == REMOTE_VSOCK ||
           (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == 0 &&
            setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience_ms, sizeof(patience_ms)) == 0);
}

static int listen_here(const char *where, struct remote_plan *p, bool only_look, char *error)
{
    union address a;
    socklen_t len = address_of(p, &a);
    AUTO_FD fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 || !tune(fd, p->family) || bind(fd, &a.any, len) < 0 ||
        listen(fd, REMOTE_BACKLOG) < 0)
        return wrong(error, EXIT_FAILED, "--operators %s: %s", where, mend(errno));
    if (!only_look)
        p->listener = fd_steal(&fd);
    return 0;
}

int remote_plan(const char *where, const char *pki, bool nested, struct remote_plan *ret,
                char error[REMOTE_ERROR_BYTES])
{
    int r;

    *ret = (struct remote_plan){.listener = -1};
    bulkhead__remote__init(&ret->message);
    if (where == NULL)
        return 0;
    r = parse_where(where, nested, ret, error);
    if (r == 0)
        r = read_certificates(ret, pki == NULL ? REMOTE_PKI : pki, error);
    if (r == 0)
        r = listen_here(where, ret, nested, error);
    ret->message.port = ret->port;
    ret->wanted = r == 0;
    return r;
}

void remote_done(struct remote_plan *plan)
{
    if (plan->message.key.data != NULL)
        explicit_bzero(plan->message.key.data, plan->message.key.len);
    fd_closep(&plan->listener);
    pool_done(&plan->pool);
    pool_done(&plan->again);
    pool_done(&plan->brought);
}

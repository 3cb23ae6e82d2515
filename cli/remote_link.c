#include "cli/remote_link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/http.h>
#include <jansson.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin.pb-c.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/rd.h"
#include "cli/operator.h"

enum {
    HOST_BYTES = 256,
    ERROR_BODY_MAX = 1024,
};

/* The process that carries. */
struct link {
    int fd; /* our end; the command has the other */
    char host[HOST_BYTES];
    uint16_t port;
    SSL_CTX *tls;
    SSL *ssl; /* of the connection */
    struct event_base *base;
    struct evhttp_connection *connection;
    struct evbuffer *frames; /* what came, up to a whole one */
    bool answered;           /* with its last frame */
};

static int wrong(char *error, int r, const char *fmt, ...) PRINTF_LIKE(3, 4);

static int wrong(char *error, int r, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(error, REMOTE_LINK_ERROR_BYTES, fmt, args);
    va_end(args);
    return r;
}

/* --- where, and who we are --- */

static int parse_where(const char *where, struct link *l, char *error)
{
    const char *colon = strrchr(where, ':');
    size_t len = colon == NULL ? 0 : (size_t)(colon - where);
    bool v6 = len > 2 && where[0] == '[' && where[len - 1] == ']';
    char *end;
    unsigned long port = colon == NULL ? 0 : strtoul(colon + 1, &end, 10);

    if (len == 0 || len >= HOST_BYTES || port == 0 || port > UINT16_MAX || *end != '\0')
        return wrong(error, -EINVAL, "--connect %s: HOST:PORT or [ADDRESS]:PORT is wanted", where);
    (void)snprintf(l->host, sizeof(l->host), "%.*s", (int)(v6 ? len - 2 : len),
                   where + (v6 ? 1 : 0));
    l->port = (uint16_t)port;
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

static int open_tls(const char *identity, struct link *l, char *error)
{
    (void)OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
    l->tls = SSL_CTX_new(TLS_client_method());
    if (l->tls == NULL || SSL_CTX_set_min_proto_version(l->tls, TLS1_3_VERSION) != 1)
        return wrong(error, -ENOMEM, "%s", strerror(ENOMEM));
    SSL_CTX_set_verify(l->tls, SSL_VERIFY_PEER, NULL);
    return take_identity(identity, l->tls, error);
}

/* --- what the command is told --- */

static _Noreturn void leave(int status)
{
    _exit(status);
}

static void hand_on(struct link *l, const uint8_t *bytes, size_t len)
{
    if (send(l->fd, bytes, len, MSG_NOSIGNAL) < 0)
        leave(EXIT_FAILURE); /* it does not wait any more */
}

static void say(struct link *l, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void say(struct link *l, const char *fmt, ...)
{
    char text[REMOTE_LINK_ERROR_BYTES];
    uint8_t bytes[REMOTE_LINK_ERROR_BYTES + 16];
    Bulkhead__AdminAnswer a;
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    bulkhead__admin_answer__init(&a);
    a.error = text;
    a.done = true;
    hand_on(l, bytes, bulkhead__admin_answer__pack(&a, bytes));
    l->answered = true;
}

/* The last one says so; only then may the command's silence be an end. */
static void hand_on_frame(struct link *l, const uint8_t *bytes, size_t len)
{
    Bulkhead__AdminAnswer *a = bulkhead__admin_answer__unpack(NULL, len, bytes);

    if (a == NULL) {
        say(l, "the VM's answer makes no sense");
        return;
    }
    l->answered |= a->done != 0;
    bulkhead__admin_answer__free_unpacked(a, NULL);
    hand_on(l, bytes, len);
}

static void on_chunk(struct evhttp_request *request, void *arg)
{
    struct link *l = arg;
    uint8_t head[4], bytes[OPERATOR_MAX_BYTES];

    (void)evbuffer_add_buffer(l->frames, evhttp_request_get_input_buffer(request));
    if (evhttp_request_get_response_code(request) != HTTP_OK)
        return; /* whatever it is, it is no frame: on_done() looks at it */
    while (!l->answered && evbuffer_copyout(l->frames, head, sizeof(head)) == sizeof(head)) {
        struct rd r = rd_over(head, sizeof(head));
        uint32_t len = rd_le32(&r);

        if (len > sizeof(bytes)) {
            say(l, "the VM's answer is too long");
            return;
        }
        if (evbuffer_get_length(l->frames) < sizeof(head) + len)
            return;
        (void)evbuffer_drain(l->frames, sizeof(head));
        (void)evbuffer_remove(l->frames, bytes, len);
        if (len > 0) /* else it only says that it is there */
            hand_on_frame(l, bytes, len);
    }
}

/* {"error": text} */
static void say_refusal(struct link *l, int status)
{
    char body[ERROR_BODY_MAX];
    ev_ssize_t len = evbuffer_copyout(l->frames, body, sizeof(body));
    json_t *value = json_loadb(body, len < 0 ? 0 : (size_t)len, 0, NULL);
    const char *text = NULL;

    if (value != NULL && json_unpack(value, "{s:s}", "error", &text) == 0)
        say(l, "%s", text);
    else
        say(l, "the VM answers with status %d", status);
    json_decref(value);
}

/* Nothing came, or nothing more. OpenSSL knows most about why. */
static void say_broken(struct link *l)
{
    long verdict = SSL_get_verify_result(l->ssl);
    unsigned long err =
        bufferevent_get_openssl_error(evhttp_connection_get_bufferevent(l->connection));
    const char *reason = err == 0 ? NULL : ERR_reason_error_string(err);

    if (verdict != X509_V_OK)
        say(l, "%s:%u: its certificate does not count: %s", l->host, l->port,
            X509_verify_cert_error_string(verdict));
    else if (reason != NULL)
        say(l, "%s:%u: %s: does our certificate count there?", l->host, l->port, reason);
    else
        say(l, "%s:%u: no connection, or it broke off: is the VM running, with --operators?",
            l->host, l->port);
}

static void on_done(struct evhttp_request *request, void *arg)
{
    struct link *l = arg;
    int status = request == NULL ? 0 : evhttp_request_get_response_code(request);

    if (!l->answered && status != 0 && status != HTTP_OK)
        say_refusal(l, status);
    else if (!l->answered)
        say_broken(l);
    (void)event_base_loopbreak(l->base);
}

/* --- what it asks --- */

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

static bool connect_to(struct link *l)
{
    struct bufferevent *bev;

    l->ssl = SSL_new(l->tls);
    if (l->ssl == NULL || !expect_host(l->ssl, l->host))
        return false;
    bev = bufferevent_openssl_socket_new(l->base, -1, l->ssl, BUFFEREVENT_SSL_CONNECTING,
                                         BEV_OPT_CLOSE_ON_FREE);
    if (bev == NULL)
        return false;
    bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
    l->connection = evhttp_connection_base_bufferevent_new(l->base, NULL, bev, l->host, l->port);
    return l->connection != NULL;
}

static bool request(struct link *l, const uint8_t *bytes, size_t len)
{
    struct evhttp_request *rq = evhttp_request_new(on_done, l);

    if (rq == NULL)
        return false;
    evhttp_request_set_chunked_cb(rq, on_chunk);
    (void)evhttp_add_header(evhttp_request_get_output_headers(rq), "Host", l->host);
    (void)evhttp_add_header(evhttp_request_get_output_headers(rq), "Content-Type",
                            "application/x-protobuf");
    (void)evbuffer_add(evhttp_request_get_output_buffer(rq), bytes, len);
    return evhttp_make_request(l->connection, rq, EVHTTP_REQ_POST, "/v1/call") == 0;
}

static void ask(struct link *l, const uint8_t *bytes, size_t len)
{
    l->answered = false;
    l->base = event_base_new();
    l->frames = evbuffer_new();
    if (l->base == NULL || l->frames == NULL || !connect_to(l) || !request(l, bytes, len)) {
        say(l, "%s:%u: no connection: is the name right, and is there memory?", l->host, l->port);
        leave(EXIT_FAILURE);
    }
    (void)event_base_dispatch(l->base);
    evhttp_connection_free(l->connection);
    evbuffer_free(l->frames);
    event_base_free(l->base);
}

/* A file that comes along is closed with us. */
static _Noreturn void carry(struct link *l)
{
    uint8_t bytes[OPERATOR_MAX_BYTES];
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    struct iovec iov = {.iov_base = bytes, .iov_len = sizeof(bytes)};

    for (;;) {
        struct msghdr msg = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof(control)};
        ssize_t len = recvmsg(l->fd, &msg, 0);

        if (len <= 0)
            leave(EXIT_SUCCESS);
        if (msg.msg_controllen > 0)
            say(l, "no file can be sent over the network: do this on the VM's own machine");
        else
            ask(l, bytes, (size_t)len);
    }
}

/* --- beginning --- */

static int start(struct link *l, int theirs, char *error)
{
    pid_t parent = getpid();
    pid_t pid = fork();

    if (pid < 0)
        return wrong(error, -errno, "%s", strerror(errno));
    if (pid > 0)
        return 0;
    (void)close(theirs);
    (void)signal(SIGPIPE, SIG_IGN);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
        leave(EXIT_FAILURE);
    carry(l);
}

int remote_link_open(const char *where, const char *identity, int *ret_fd,
                     char error[REMOTE_LINK_ERROR_BYTES])
{
    AUTO_FREE struct link *l = calloc(1, sizeof(*l));
    int pair[2];
    int r;

    if (l == NULL)
        return wrong(error, -ENOMEM, "%s", strerror(ENOMEM));
    if (identity == NULL)
        return wrong(error, -EINVAL,
                     "--connect needs --identity: who are we? (bulkhead pki issue)");
    r = parse_where(where, l, error);
    if (r == 0)
        r = open_tls(identity, l, error);
    if (r == 0 && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        r = wrong(error, -errno, "%s", strerror(errno));
    if (r == 0) {
        l->fd = pair[0];
        r = start(l, pair[1], error);
        (void)close(pair[0]);
        if (r == 0)
            *ret_fd = pair[1];
        else
            (void)close(pair[1]);
    }
    SSL_CTX_free(l->tls);
    return r;
}

#include "cli/remote_link.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/http.h>
#include <openssl/ssl.h>
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
#include "cli/remote_feed.h"
#include "cli/remote_peer.h"

/* The process that carries. */
struct link {
    int fd; /* our end; the command has the other */
    struct remote_peer peer;
    SSL *ssl; /* of the connection */
    struct event_base *base;
    struct evhttp_connection *connection;
    struct evbuffer *frames; /* what came, up to a whole one */
    struct feed *feed;       /* of GDB's session; NULL: it is none, or not yet */
    bool answered;           /* with its last frame */
};

static int wrong(char *error, int r)
{
    (void)snprintf(error, REMOTE_LINK_ERROR_BYTES, "%s", strerror(-r));
    return r;
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

static void on_feed_failed(void *self, const char *text)
{
    struct link *l = self;

    say(l, "%s", text);
    (void)event_base_loopbreak(l->base);
}

/* From now on what the command says is for that session. */
static bool feed_begin(struct link *l, uint32_t session)
{
    l->feed = feed_new(&l->peer, l->base, l->fd, session, on_feed_failed, l);
    return l->feed != NULL;
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
    if (a->session != 0 && l->feed == NULL && !feed_begin(l, a->session))
        leave(EXIT_FAILURE);
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

static void on_done(struct evhttp_request *request, void *arg)
{
    struct link *l = arg;
    int status = request == NULL ? 0 : evhttp_request_get_response_code(request);
    char why[REMOTE_PEER_ERROR_BYTES];

    if (!l->answered) {
        remote_peer_why(&l->peer, l->connection, l->ssl, status == HTTP_OK ? 0 : status, l->frames,
                        why);
        say(l, "%s", why);
    }
    (void)event_base_loopbreak(l->base);
}

/* --- what it asks --- */

static bool request(struct link *l, const uint8_t *bytes, size_t len)
{
    struct evhttp_request *rq = evhttp_request_new(on_done, l);

    if (rq == NULL)
        return false;
    evhttp_request_set_chunked_cb(rq, on_chunk);
    (void)evhttp_add_header(evhttp_request_get_output_headers(rq), "Host", l->peer.host);
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
    if (l->base == NULL || l->frames == NULL ||
        (l->connection = remote_peer_connect(&l->peer, l->base, &l->ssl)) == NULL ||
        !request(l, bytes, len)) {
        say(l, "%s:%u: no connection: is the name right, and is there memory?", l->peer.host,
            l->peer.port);
        leave(EXIT_FAILURE);
    }
    (void)event_base_dispatch(l->base);
    feed_free(l->feed);
    l->feed = NULL;
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
        return wrong(error, -errno);
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
        return wrong(error, -ENOMEM);
    r = remote_peer_init(&l->peer, where, identity, error);
    if (r == 0 && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        r = wrong(error, -errno);
    if (r == 0) {
        l->fd = pair[0];
        r = start(l, pair[1], error);
        (void)close(pair[0]);
        if (r == 0)
            *ret_fd = pair[1];
        else
            (void)close(pair[1]);
    }
    remote_peer_done(&l->peer);
    return r;
}

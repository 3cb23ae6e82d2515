#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/commands.h"
#include "cli/loopback.h"
#include "cli/operator.h"
#include "cli/options.h"
#include "cli/query.h"
#include "cli/say.h"

enum {
    SAY_MAX = 4096, /* bytes of one call: well within what diag takes */
};

static const char DEFAULT_LISTEN[] = "127.0.0.1:1234";

/* GDB at one end, the VM at the other. */
struct bridge {
    int in, out; /* GDB's, borrowed; the same socket, or stdin and stdout */
    int vm;
    uint8_t bytes[SAY_MAX]; /* from GDB, not yet taken by the VM */
    size_t len;
    Bulkhead__AdminAnswer *answer; /* from the VM, not yet taken by GDB */
    size_t sent;
    bool done; /* one of both has left */
};

static int send_to_vm(struct bridge *b)
{
    Bulkhead__AdminCall call;
    int r;

    bulkhead__admin_call__init(&call);
    call.verb = BULKHEAD__ADMIN_CALL__VERB__GDB;
    call.data = (ProtobufCBinaryData){.data = b->bytes, .len = b->len};
    r = operator_call(b->vm, &call, -1);
    if (r == -EAGAIN)
        return 0;
    b->len = 0;
    return r < 0 ? say(EXIT_FAILED, "the VM, or its diag worker, went away in the middle") : 0;
}

/* GDB's end is the end: the guest goes on. */
static void read_gdb(struct bridge *b)
{
    const ssize_t n = read(b->in, b->bytes, sizeof(b->bytes));

    if (n > 0)
        b->len = (size_t)n;
    else if (n == 0 || (errno != EINTR && errno != EAGAIN))
        b->done = true;
}

static int read_vm(struct bridge *b)
{
    int status = query_next(b->vm, &b->answer);

    b->sent = 0;
    return status;
}

static void drop_answer(struct bridge *b)
{
    b->done |= b->answer->done != 0;
    bulkhead__admin_answer__free_unpacked(b->answer, NULL);
    b->answer = NULL;
}

static void write_gdb(struct bridge *b)
{
    const ssize_t n = write(b->out, b->answer->data.data + b->sent, b->answer->data.len - b->sent);

    if (n >= 0)
        b->sent += (size_t)n;
    else if (errno != EINTR && errno != EAGAIN)
        b->done = true;
}

/* Each side is listened to only when what it said last was taken by the other. */
static int step(struct bridge *b)
{
    struct pollfd fds[] = {
        {.fd = b->len == 0 ? b->in : -1,        .events = POLLIN                         },
        {.fd = b->answer != NULL ? b->out : -1, .events = POLLOUT                        },
        {.fd = b->vm,
         .events = (short)((b->len > 0 ? POLLOUT : 0) | (b->answer == NULL ? POLLIN : 0))},
    };
    int status = 0;

    if (poll(fds, COUNT_OF(fds), -1) < 0)
        return errno == EINTR ? 0 : say(EXIT_FAILED, "poll: %s", strerror(errno));
    if (fds[0].revents != 0)
        read_gdb(b);
    if (fds[1].revents != 0)
        write_gdb(b);
    if ((fds[2].revents & POLLOUT) != 0)
        status = send_to_vm(b);
    if (status == 0 && b->answer == NULL && (fds[2].revents & ~POLLOUT) != 0)
        status = read_vm(b);
    if (b->answer != NULL && b->sent == b->answer->data.len)
        drop_answer(b);
    return status;
}

static int begin(const struct cli_args *args, struct bridge *b)
{
    Bulkhead__AdminCall call;
    int status;

    bulkhead__admin_call__init(&call);
    call.verb = BULKHEAD__ADMIN_CALL__VERB__GDB;
    status = query_begin(args, &call, &b->vm);
    if (status == 0)
        status = read_vm(b);
    if (status == 0)
        drop_answer(b); /* it has nothing but: begun */
    if (status == 0 && fcntl(b->vm, F_SETFL, O_NONBLOCK) < 0)
        status = say(EXIT_FAILED, "%s", strerror(errno));
    return status;
}

static int bridge(const struct cli_args *args, int in, int out)
{
    struct bridge b = {.in = in, .out = out, .vm = -1};
    int status = begin(args, &b);

    while (status == 0 && !b.done)
        status = step(&b);
    if (b.answer != NULL)
        drop_answer(&b);
    fd_closep(&b.vm);
    return status;
}

static int serve(const struct cli_args *args, int listener, unsigned port)
{
    const int on = 1;
    AUTO_FD fd = -1;

    (void)say(
        0, "waiting for GDB on port %u, whoever of this machine comes: gdb -ex 'target remote :%u'",
        port, port);
    do {
        fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return say(EXIT_FAILED, "gdb: %s", strerror(errno));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return bridge(args, fd, fd);
}

int gdb_command(const struct cli_args *args)
{
    const char *at = args->listen != NULL ? args->listen : DEFAULT_LISTEN;
    char error[LOOPBACK_ERROR_BYTES];
    AUTO_FD listener = -1;
    unsigned port;
    int status;

    (void)signal(SIGPIPE, SIG_IGN);
    if (args->stdio && args->listen != NULL)
        return say(EXIT_USAGE, "gdb: --stdio or --listen, not both");
    if (args->stdio)
        return bridge(args, STDIN_FILENO, STDOUT_FILENO);
    status = loopback_listen(at, &listener, &port, error);
    if (status != 0)
        return say(status, "--listen %s: %s", at, error);
    return serve(args, listener, port);
}

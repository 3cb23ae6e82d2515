#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/commands.h"
#include "cli/operator.h"
#include "cli/options.h"
#include "cli/query.h"
#include "cli/say.h"
#include "ipc/trace_json.h"

/* A time line, from the VM to the file. */
struct trace {
    const struct cli_args *args;
    FILE *out;
    char *path; /* what is written until it is whole; NULL: it is written to as it is */
    int fd;     /* to diag */
    int stop_fd;
    uint64_t n, lost;
    bool is_begun;
};

/* --- the file --- */

static bool is_stdout(const struct cli_args *args)
{
    return args->write == NULL || strcmp(args->write, "-") == 0;
}

/* What is there and is no file, a pipe or a device, is written to and stays what it is. */
static bool is_to_replace(const char *path)
{
    struct stat st;

    return stat(path, &st) < 0 || S_ISREG(st.st_mode);
}

static void drop_partial(struct trace *t)
{
    if (t->path != NULL)
        (void)unlink(t->path);
    free(t->path);
    t->path = NULL;
}

/* The descriptor, or -1 and errno. */
static int open_partial(struct trace *t)
{
    if (asprintf(&t->path, "%s.XXXXXX", t->args->write) < 0) {
        t->path = NULL;
        errno = ENOMEM;
        return -1;
    }
    return mkostemp(t->path, O_CLOEXEC);
}

static int open_out(struct trace *t)
{
    int fd, status;

    if (is_stdout(t->args)) {
        if (t->args->write == NULL && isatty(STDOUT_FILENO))
            return say(EXIT_USAGE, "trace: a time line is for a file or a pipe: -w FILE");
        t->out = stdout;
        return 0;
    }
    fd = is_to_replace(t->args->write) ? open_partial(t)
                                       : open(t->args->write, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    t->out = fd < 0 ? NULL : fdopen(fd, "w");
    if (t->out != NULL)
        return 0;
    status = say(EXIT_FAILED, "%s: %s", t->args->write, strerror(errno));
    drop_partial(t);
    return status;
}

static int finish(const struct trace *t)
{
    if (!t->is_begun)
        return say(EXIT_FAILED, "trace: it was stopped before it had begun");
    (void)fputs(TRACE_JSON_END, t->out);
    if (fflush(t->out) != 0 || ferror(t->out))
        return say(EXIT_FAILED, "%s: %s", is_stdout(t->args) ? "stdout" : t->args->write,
                   strerror(errno));
    return 0;
}

/* It is there when it is whole, or not at all. */
static int close_out(struct trace *t, int status)
{
    if (status == 0)
        status = finish(t);
    if (t->out != stdout)
        (void)fclose(t->out);
    if (t->path != NULL && status == 0 && rename(t->path, t->args->write) < 0)
        status = say(EXIT_FAILED, "%s: %s", t->args->write, strerror(errno));
    if (status != 0)
        drop_partial(t);
    free(t->path);
    return status;
}

static void put(struct trace *t, json_t *value)
{
    if (t->n++ > 0)
        (void)fputs(",\n", t->out);
    (void)json_dumpf(value, t->out, JSON_COMPACT);
    json_decref(value);
}

static void take(struct trace *t, const Bulkhead__AdminAnswer *a)
{
    struct trace_json_cursor c = {.answer = a, .first = !t->is_begun};
    json_t *value;

    if (!t->is_begun)
        (void)fputs(TRACE_JSON_BEGIN, t->out);
    t->is_begun = true;
    while ((value = trace_json_next(&c)) != NULL)
        put(t, value);
    if (a->tracing)
        t->lost = a->lost;
}

/* --- what comes --- */

static int watch_signals(struct trace *t)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    t->stop_fd = signalfd(-1, &set, SFD_CLOEXEC);
    return t->stop_fd < 0 ? say(EXIT_FAILED, "signalfd: %s", strerror(errno)) : 0;
}

/* True: an answer is there; false: it was stopped. */
static bool wait_for_answer(const struct trace *t)
{
    struct pollfd fds[] = {
        {.fd = t->fd,      .events = POLLIN},
        {.fd = t->stop_fd, .events = POLLIN}
    };

    while (poll(fds, 2, -1) < 0 && errno == EINTR)
        continue;
    return fds[1].revents == 0;
}

static int take_all(struct trace *t)
{
    Bulkhead__AdminAnswer *a;
    bool done = false;
    int status = 0;

    while (status == 0 && !done && !ferror(t->out) && wait_for_answer(t)) {
        status = query_next(t->fd, &a);
        if (status != 0)
            break;
        take(t, a);
        done = a->done;
        bulkhead__admin_answer__free_unpacked(a, NULL);
    }
    return status;
}

int trace_command(const struct cli_args *args)
{
    struct trace t = {.args = args, .fd = -1, .stop_fd = -1};
    Bulkhead__AdminCall call;
    int status = open_out(&t);

    if (status != 0)
        return status;
    bulkhead__admin_call__init(&call);
    call.verb = BULKHEAD__ADMIN_CALL__VERB__TRACE;
    call.number = args->seconds;
    status = watch_signals(&t);
    if (status == 0)
        status = query_begin(args, &call, &t.fd);
    if (status == 0)
        status = take_all(&t);
    status = close_out(&t, status);
    if (status == 0)
        (void)fprintf(stderr, "bulkhead: %llu entries, %llu lost\n", (unsigned long long)t.n,
                      (unsigned long long)t.lost);
    fd_closep(&t.fd);
    fd_closep(&t.stop_fd);
    return status;
}

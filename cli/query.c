#include "cli/query.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/binary.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/operator.h"
#include "cli/options.h"
#include "cli/remote_link.h"
#include "cli/render.h"
#include "cli/say.h"
#include "ipc/admin_json.h"
#include "ipc/manifest.h"

enum {
    ANSWER_MS = OPERATOR_ANSWER_S * 1000,
    RESTART_MS = START_DEADLINE_MS + ANSWER_MS, /* and a new process so long */
    MAX_ANSWERS = 256,
};

/* A question and all its answers. */
struct query {
    const struct cli_args *args;
    const char *about; /* what is said begins so; NULL: with nothing */
    bool quiet;        /* nothing is said */
    int fd;
    Bulkhead__AdminAnswer *answers[MAX_ANSWERS];
    size_t n_answers;
};

static bool is_coloured(void)
{
    const char *no = getenv("NO_COLOR");

    return isatty(STDOUT_FILENO) && (no == NULL || *no == '\0');
}

static void query_done(struct query *q)
{
    for (size_t i = 0; i < q->n_answers; i++)
        bulkhead__admin_answer__free_unpacked(q->answers[i], NULL);
    q->n_answers = 0;
    fd_closep(&q->fd);
}

static int fail(const struct query *q, const char *fmt, ...) PRINTF_LIKE(2, 3);

static int fail(const struct query *q, const char *fmt, ...)
{
    char text[1024];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (!q->quiet)
        (void)say(EXIT_FAILED, "%s%s", q->about != NULL ? q->about : "", text);
    return EXIT_FAILED;
}

static int not_there(const struct query *q, const char *path, int r)
{
    if (r == -ENOENT || r == -ECONNREFUSED)
        return fail(q, "no VM named %s is running here (socket %s): start one with `bulkhead run`",
                    q->args->name, path);
    if (r == -EAGAIN)
        return fail(q, "no answer from the VM");
    return fail(q, "socket %s: %s", path, strerror(-r));
}

static Bulkhead__AdminCall call_of(Bulkhead__AdminCall__Verb verb)
{
    Bulkhead__AdminCall call;

    bulkhead__admin_call__init(&call);
    call.verb = verb;
    return call;
}

static int connect_here(struct query *q)
{
    char path[128];
    char error[256];
    int r;

    if (operator_path(q->args, path, sizeof(path), error, sizeof(error)) < 0)
        return say(EXIT_USAGE, "%s", error);
    r = operator_connect(path, OPERATOR_ANSWER_S, &q->fd);
    return r < 0 ? not_there(q, path, r) : 0;
}

static int connect_query(struct query *q)
{
    char error[REMOTE_LINK_ERROR_BYTES];

    if (q->args->connect == NULL)
        return connect_here(q);
    if (remote_link_open(q->args->connect, q->args->identity, &q->fd, error) < 0)
        return say(EXIT_USAGE, "%s", error);
    return 0;
}

static int ask(struct query *q, Bulkhead__AdminCall call, int file)
{
    int r = connect_query(q);

    if (r != 0)
        return r;
    if (q->args->target != NULL)
        call.target = (char *)(uintptr_t)q->args->target; /* packing does not change it */
    call.follow = q->args->follow;
    call.has_binary = file >= 0;
    r = operator_call(q->fd, &call, file);
    if (r == -EAGAIN)
        return fail(q, "no answer from the VM");
    return r < 0 ? fail(q, "the VM's operators' socket: %s", strerror(-r)) : 0;
}

/* The next answer, kept in q; it is checked for a refusal. */
static int next_answer(struct query *q, int timeout_ms, const Bulkhead__AdminAnswer **ret)
{
    Bulkhead__AdminAnswer *answer;
    int r = q->n_answers == MAX_ANSWERS ? -ENOBUFS : operator_next(q->fd, timeout_ms, &answer);

    if (r == -ETIMEDOUT)
        return fail(q, "no answer from the VM");
    if (r == -EPIPE || r == -ECONNRESET)
        return fail(q, "the VM, or its diag worker, went away in the middle");
    if (r < 0)
        return fail(q, "the VM's answer makes no sense: %s", strerror(-r));
    q->answers[q->n_answers++] = answer;
    if (answer->error[0] != '\0')
        return fail(q, "%s", answer->error);
    *ret = answer;
    return 0;
}

static int ask_all(struct query *q, Bulkhead__AdminCall call, int file)
{
    const bool restart = call.verb == BULKHEAD__ADMIN_CALL__VERB__RESTART;
    const Bulkhead__AdminAnswer *answer = NULL;
    int r = ask(q, call, file);

    while (r == 0 && (answer == NULL || !answer->done))
        r = next_answer(q, restart ? RESTART_MS : ANSWER_MS, &answer);
    return r;
}

int query_begin(const struct cli_args *args, const Bulkhead__AdminCall *call, int *ret_fd)
{
    struct query q = {.args = args, .fd = -1};
    int status = ask(&q, *call, -1);

    *ret_fd = q.fd;
    return status;
}

static int next_of(int fd, int timeout_ms, Bulkhead__AdminAnswer **ret)
{
    struct query q = {.fd = fd};
    const Bulkhead__AdminAnswer *answer;
    int status = next_answer(&q, timeout_ms, &answer);

    if (status == 0)
        *ret = q.answers[0];
    else if (q.n_answers > 0)
        bulkhead__admin_answer__free_unpacked(q.answers[0], NULL);
    return status;
}

int query_next(int fd, Bulkhead__AdminAnswer **ret)
{
    return next_of(fd, ANSWER_MS, ret);
}

int query_follow(int fd, Bulkhead__AdminAnswer **ret)
{
    return next_of(fd, -1, ret);
}

int ps_command(const struct cli_args *args)
{
    struct query q = {.args = args, .fd = -1};
    int status = ask_all(&q, call_of(BULKHEAD__ADMIN_CALL__VERB__PS), -1);
    json_t *list = json_array();

    for (size_t i = 0; status == 0 && i < q.n_answers; i++) {
        const Bulkhead__AdminAnswer *a = q.answers[i];

        if (args->json) {
            json_t *part = render_processes_json(a->processes, a->n_processes);

            (void)json_array_extend(list, part);
            json_decref(part);
        } else if (a->n_processes > 0) { /* few enough for one answer */
            render_processes(a->processes, a->n_processes, is_coloured(), stdout);
        }
    }
    if (status == 0 && args->json)
        json_document(json_incref(list), stdout);
    json_decref(list);
    query_done(&q);
    return status;
}

/* All values of all answers in one array of borrowed rows. */
static Bulkhead__ValueRow **collect_values(const struct query *q, size_t *ret_n)
{
    Bulkhead__ValueRow **rows;
    size_t n = 0;

    for (size_t i = 0; i < q->n_answers; i++)
        n += q->answers[i]->n_values;
    rows = calloc(n + 1, sizeof(*rows));
    if (rows == NULL)
        return NULL;
    n = 0;
    for (size_t i = 0; i < q->n_answers; i++) {
        for (size_t j = 0; j < q->answers[i]->n_values; j++)
            rows[n++] = q->answers[i]->values[j];
    }
    *ret_n = n;
    return rows;
}

static int show_values(const struct query *q)
{
    size_t n = 0;
    Bulkhead__ValueRow **rows = collect_values(q, &n);

    if (rows == NULL)
        return say(EXIT_FAILED, "%s", strerror(ENOMEM));
    if (q->args->json)
        json_document(render_values_json(rows, n), stdout);
    else
        render_values(rows, n, stdout);
    free(rows);
    if (n == 0 && q->args->target != NULL)
        return say(EXIT_FAILED, "nothing is published at %s", q->args->target);
    return EXIT_OK;
}

static int inspect_once(const struct cli_args *args)
{
    struct query q = {.args = args, .fd = -1};
    Bulkhead__AdminCall call = call_of(BULKHEAD__ADMIN_CALL__VERB__INSPECT);
    int status;

    call.number = args->depth;
    status = ask_all(&q, call, -1);
    if (status == 0)
        status = show_values(&q);
    query_done(&q);
    return status;
}

/* On a terminal the newest is at the top; elsewhere one comes after the other. */
static int watch_values(const struct cli_args *args)
{
    static const char clear[] = "\033[H\033[2J";
    int status = EXIT_OK;

    while (status == EXIT_OK && !ferror(stdout)) {
        if (isatty(STDOUT_FILENO))
            (void)fputs(clear, stdout);
        status = inspect_once(args);
        (void)fflush(stdout);
        (void)sleep(1);
    }
    return status;
}

int inspect_command(const struct cli_args *args)
{
    return args->watch ? watch_values(args) : inspect_once(args);
}

static void show_lines(const struct cli_args *args, const Bulkhead__AdminAnswer *answer)
{
    for (size_t i = 0; i < answer->n_lines; i++) {
        if (args->json)
            json_line(admin_line_json(answer->lines[i]), stdout);
        else
            render_line(answer->lines[i], is_coloured(), stdout);
    }
    (void)fflush(stdout);
}

int logs_command(const struct cli_args *args)
{
    struct query q = {.args = args, .fd = -1};
    const Bulkhead__AdminAnswer *answer = NULL;
    int status = ask(&q, call_of(BULKHEAD__ADMIN_CALL__VERB__LOGS), -1);

    while (status == 0 && (answer == NULL || !answer->done) && !ferror(stdout)) {
        status = next_answer(&q, args->follow ? -1 : ANSWER_MS, &answer);
        if (status != 0)
            break;
        show_lines(args, answer);
        if (answer->done)
            break;
        bulkhead__admin_answer__free_unpacked(q.answers[--q.n_answers], NULL);
        answer = NULL;
    }
    query_done(&q);
    return status;
}

/* Did it take a program for when there is something to do? */
static bool is_idle(const struct cli_args *args)
{
    struct cli_args all = *args;
    Bulkhead__AdminAnswer *processes;
    bool idle;

    all.target = NULL;
    if (query_processes(&all, true, &processes) != 0)
        return false;
    idle = query_row(processes, args->target) == NULL;
    bulkhead__admin_answer__free_unpacked(processes, NULL);
    return idle;
}

static const char *done_text(const struct cli_args *args, bool revived, int binary)
{
    if (revived)
        return "revived";
    return binary >= 0 && is_idle(args) ? "will start as the new one" : "replaced";
}

/* One verb without rows in its answer. */
static int act(const struct cli_args *args, Bulkhead__AdminCall__Verb verb, int binary)
{
    struct query q = {.args = args, .fd = -1};
    int status = ask_all(&q, call_of(verb), binary);
    bool revived = verb == BULKHEAD__ADMIN_CALL__VERB__REVIVE;

    if (status == 0 && args->json)
        json_document(json_pack("{s:s, s:s}", "process", args->target, "done",
                                revived ? "revive" : "restart"),
                      stdout);
    else if (status == 0)
        (void)printf("%s: %s\n", args->target, done_text(args, revived, binary));
    query_done(&q);
    return status;
}

int restart_command(const struct cli_args *args)
{
    AUTO_FD binary = -1;
    int r;

    if (args->binary != NULL && args->connect != NULL)
        return say(
            EXIT_USAGE,
            "--binary: no program goes over the network: whoever could send one would have what the process has. On "
            "the VM's own machine: `bulkhead restart --binary`, or install it and `bulkhead upgrade`");
    if (args->binary != NULL) {
        r = binary_seal(args->binary, &binary);
        if (r < 0)
            return say(EXIT_USAGE, "--binary %s: %s", args->binary,
                       r == -ENOEXEC ? "not a program" : strerror(-r));
    }
    return act(args, BULKHEAD__ADMIN_CALL__VERB__RESTART, binary);
}

int revive_command(const struct cli_args *args)
{
    return act(args, BULKHEAD__ADMIN_CALL__VERB__REVIVE, -1);
}

int query_processes(const struct cli_args *args, bool quiet, Bulkhead__AdminAnswer **ret)
{
    struct query q = {.args = args, .quiet = quiet, .fd = -1};
    int status = ask_all(&q, call_of(BULKHEAD__ADMIN_CALL__VERB__PS), -1);

    if (status == 0) { /* few enough for one answer */
        *ret = q.answers[0];
        q.answers[0] = q.answers[--q.n_answers];
    }
    query_done(&q);
    return status;
}

const Bulkhead__ProcessRow *query_row(const Bulkhead__AdminAnswer *processes, const char *name)
{
    for (size_t i = 0; i < processes->n_processes; i++) {
        if (strcmp(processes->processes[i]->name, name) == 0)
            return processes->processes[i];
    }
    return NULL;
}

int query_restart(const struct cli_args *args, const char *about, int binary)
{
    struct query q = {.args = args, .about = about, .fd = -1};
    int status = ask_all(&q, call_of(BULKHEAD__ADMIN_CALL__VERB__RESTART), binary);

    query_done(&q);
    return status;
}

int query_disk(const struct cli_args *args, Bulkhead__DiskChange *change, int file)
{
    struct query q = {.args = args, .fd = -1};
    Bulkhead__AdminCall call = call_of(BULKHEAD__ADMIN_CALL__VERB__DISK);
    int status;

    call.disk = change;
    status = ask_all(&q, call, file);
    query_done(&q);
    return status;
}

int query_do(const struct cli_args *args, Bulkhead__AdminCall__Verb verb)
{
    struct query q = {.args = args, .fd = -1};
    int status = ask_all(&q, call_of(verb), -1);

    query_done(&q);
    return status;
}

int query_file(const struct cli_args *args, Bulkhead__AdminCall__Verb verb, int file)
{
    struct cli_args nothing_else = *args;
    struct query q = {.args = &nothing_else, .fd = -1};
    int status;

    nothing_else.target = NULL;
    status = ask_all(&q, call_of(verb), file);
    query_done(&q);
    return status;
}

int query_link(const struct cli_args *args, Bulkhead__LinkChange *change)
{
    struct query q = {.args = args, .fd = -1};
    Bulkhead__AdminCall call = call_of(BULKHEAD__ADMIN_CALL__VERB__LINK);
    int status;

    call.link = change;
    status = ask_all(&q, call, -1);
    query_done(&q);
    return status;
}

int query_text(const struct cli_args *args, bool quiet, const char *path,
               char ret[QUERY_TEXT_BYTES])
{
    struct cli_args look = *args;
    struct query q = {.args = &look, .quiet = quiet, .fd = -1};
    int status;

    look.target = path;
    ret[0] = '\0';
    status = ask_all(&q, call_of(BULKHEAD__ADMIN_CALL__VERB__INSPECT), -1);
    for (size_t i = 0; status == 0 && i < q.n_answers; i++) {
        if (q.answers[i]->n_values > 0)
            (void)snprintf(ret, QUERY_TEXT_BYTES, "%s", q.answers[i]->values[0]->text);
    }
    query_done(&q);
    return status;
}

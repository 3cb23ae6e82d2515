#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/operator.h"
#include "cli/option.h"
#include "cli/options.h"
#include "cli/query.h"
#include "cli/render_records.h"
#include "cli/say.h"
#include "ipc/records_json.h"

/* Lines of JSON may be lost, too, but not in the middle of others. */
static void show_lost(const char *what, uint64_t lost, uint64_t *told)
{
    if (lost > *told)
        (void)fprintf(stderr, "bulkhead: %llu %s lost: they came too fast, or make no sense\n",
                      (unsigned long long)(lost - *told), what);
    *told = lost;
}

/* --- events --- */

static void show_events(const struct cli_args *args, const Bulkhead__AdminAnswer *a)
{
    for (size_t i = 0; i < a->n_events; i++) {
        if (args->json)
            json_line(admin_event_json(a->events[i]), stdout);
        else
            render_event(a->events[i], stdout);
    }
    (void)fflush(stdout);
}

int events_command(const struct cli_args *args)
{
    Bulkhead__AdminCall call;
    Bulkhead__AdminAnswer *a;
    AUTO_FD fd = -1;
    uint64_t told = 0;
    bool done = false;
    int status;

    bulkhead__admin_call__init(&call);
    call.verb = BULKHEAD__ADMIN_CALL__VERB__EVENTS;
    status = query_begin(args, &call, &fd);
    while (status == 0 && !done && !ferror(stdout)) {
        status = args->follow ? query_follow(fd, &a) : query_next(fd, &a);
        if (status != 0)
            break;
        show_lost("events", a->lost, &told);
        show_events(args, a);
        done = a->done;
        bulkhead__admin_answer__free_unpacked(a, NULL);
    }
    return status;
}

/* --- crashes --- */

static void list_crashes(const struct cli_args *args, const Bulkhead__AdminAnswer *a, json_t *list)
{
    for (size_t i = 0; args->json && i < a->n_crashes; i++)
        (void)json_array_append_new(list, admin_crash_json(a->crashes[i]));
    if (!args->json)
        render_crashes(a->crashes, a->n_crashes, stdout);
}

static void show_crash(const struct cli_args *args, const Bulkhead__AdminAnswer *a)
{
    if (a->n_crashes == 0)
        return;
    if (args->json)
        json_document(admin_crash_json(a->crashes[0]), stdout);
    else
        render_crash(a->crashes[0], stdout);
}

/* number 0: all. */
static int ask_crashes(const struct cli_args *args, uint64_t number)
{
    struct cli_args plain = *args;
    json_t *list = json_array();
    Bulkhead__AdminCall call;
    Bulkhead__AdminAnswer *a;
    AUTO_FD fd = -1;
    uint64_t told = 0;
    bool done = false;
    int status;

    plain.target = NULL;
    bulkhead__admin_call__init(&call);
    call.verb = BULKHEAD__ADMIN_CALL__VERB__CRASHES;
    call.number = number;
    status = query_begin(&plain, &call, &fd);
    if (status == 0 && number == 0 && !args->json)
        render_crash_heading(stdout);
    while (status == 0 && !done) {
        status = query_next(fd, &a);
        if (status != 0)
            break;
        show_lost("crashes", a->lost, &told);
        if (number != 0)
            show_crash(args, a);
        else
            list_crashes(args, a, list);
        done = a->done;
        bulkhead__admin_answer__free_unpacked(a, NULL);
    }
    if (status == 0 && number == 0 && args->json)
        json_document(json_incref(list), stdout);
    json_decref(list);
    return status;
}

int crash_command(const struct cli_args *args)
{
    bool list = strcmp(args->target, "list") == 0;
    uint64_t number = 0;

    if (!list && strcmp(args->target, "show") != 0)
        return say(EXIT_USAGE, "crash %s: one of list|show is wanted", args->target);
    if (list && args->detail != NULL)
        return say(EXIT_USAGE, "crash list: takes no number; `bulkhead crash show %s`?",
                   args->detail);
    if (!list && args->detail == NULL)
        return say(EXIT_USAGE, "crash show: which one? `bulkhead crash list` shows their numbers");
    if (!list && (option_number(args->detail, &number) < 0 || number == 0))
        return say(EXIT_USAGE, "crash show %s: a number is wanted, as in `bulkhead crash list`",
                   args->detail);
    return ask_crashes(args, number);
}

#include <stdio.h>
#include <string.h>

#include "base/board.h"
#include "base/fd.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/option.h"
#include "cli/options.h"
#include "cli/query.h"
#include "cli/say.h"

static const char levels[] = "error|warn|info|debug"; /* as enum log_level, from the first on */

static int set(const struct cli_args *args)
{
    Bulkhead__AdminCall call;
    Bulkhead__AdminAnswer *answer;
    AUTO_FD fd = -1;
    unsigned which;
    int status;

    if (option_choice(args->detail, levels, &which) < 0)
        return say(EXIT_USAGE, "log-level %s %s: one of %s is wanted", args->target, args->detail,
                   levels);
    bulkhead__admin_call__init(&call);
    call.verb = BULKHEAD__ADMIN_CALL__VERB__LOG_LEVEL;
    call.number = LOG_LEVEL_ERROR + which;
    status = query_begin(args, &call, &fd);
    if (status == 0)
        status = query_next(fd, &answer);
    if (status == 0)
        bulkhead__admin_answer__free_unpacked(answer, NULL);
    return status;
}

/* "supervisor/NAME/log_level" as NAME. */
static void show(const Bulkhead__ValueRow *row, json_t *json)
{
    const char *name = strchr(row->path, '/');
    const char *end = name == NULL ? NULL : strchr(name + 1, '/');
    char text[32];

    if (end == NULL)
        return;
    (void)snprintf(text, sizeof(text), "%.*s", (int)(end - name - 1), name + 1);
    if (json != NULL)
        (void)json_object_set_new(json, text, json_string(row->text));
    else
        (void)printf("%-12s %s\n", text, row->text);
}

static int show_all(int fd, json_t *json, size_t *ret_n)
{
    bool done = false;
    int status = 0;

    while (status == 0 && !done) {
        Bulkhead__AdminAnswer *answer;

        status = query_next(fd, &answer);
        if (status != 0)
            return status;
        for (size_t i = 0; i < answer->n_values; i++)
            show(answer->values[i], json);
        *ret_n += answer->n_values;
        done = answer->done != 0;
        bulkhead__admin_answer__free_unpacked(answer, NULL);
    }
    return 0;
}

static int get(const struct cli_args *args)
{
    struct cli_args look = *args;
    json_t *json = args->json ? json_object() : NULL;
    Bulkhead__AdminCall call;
    AUTO_FD fd = -1;
    char path[64];
    size_t n = 0;
    int status;

    (void)snprintf(path, sizeof(path), "supervisor/%s/log_level",
                   args->target == NULL ? "*" : args->target);
    look.target = path;
    bulkhead__admin_call__init(&call);
    call.verb = BULKHEAD__ADMIN_CALL__VERB__INSPECT;
    status = query_begin(&look, &call, &fd);
    if (status == 0)
        status = show_all(fd, json, &n);
    if (status == 0 && n == 0)
        status = say(EXIT_FAILED, "no process of that name: `bulkhead ps` lists them");
    if (status == 0 && json != NULL)
        json_document(json_incref(json), stdout);
    json_decref(json);
    return status;
}

int log_level_command(const struct cli_args *args)
{
    int status = args->detail == NULL ? 0 : set(args);

    return status == 0 ? get(args) : status;
}

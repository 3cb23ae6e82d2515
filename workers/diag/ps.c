#include "workers/diag/ps.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/macro.h"

static void set_state(struct ps_row *row, const struct board_value *v, uint64_t now_ns)
{
    (void)now_ns;
    row->present = true;
    memcpy(row->state, v->text, sizeof(row->state));
}

static void set_build_id(struct ps_row *row, const struct board_value *v, uint64_t now_ns)
{
    (void)now_ns;
    memcpy(row->build_id, v->text, sizeof(row->build_id));
}

static void set_program(struct ps_row *row, const struct board_value *v, uint64_t now_ns)
{
    (void)now_ns;
    memcpy(row->program, v->text, sizeof(row->program));
}

static void set_last_death(struct ps_row *row, const struct board_value *v, uint64_t now_ns)
{
    (void)now_ns;
    memcpy(row->last_death, v->text, sizeof(row->last_death));
}

static void set_sandbox(struct ps_row *row, const struct board_value *v, uint64_t now_ns)
{
    (void)now_ns;
    memcpy(row->sandbox, v->text, sizeof(row->sandbox));
}

static void set_pid(struct ps_row *row, const struct board_value *v, uint64_t now_ns)
{
    (void)now_ns;
    row->pid = v->value <= INT32_MAX ? (int32_t)v->value : 0;
}

static void set_generation(struct ps_row *row, const struct board_value *v, uint64_t now_ns)
{
    (void)now_ns;
    row->generation = (uint32_t)v->value;
}

static void set_restarts(struct ps_row *row, const struct board_value *v, uint64_t now_ns)
{
    (void)now_ns;
    row->restarts = (uint32_t)v->value;
}

static void set_since(struct ps_row *row, const struct board_value *v, uint64_t now_ns)
{
    row->uptime_ms = v->value != 0 && v->value < now_ns ? (now_ns - v->value) / NS_PER_MS : 0;
}

struct field_row {
    const char *name;
    void (*set)(struct ps_row *row, const struct board_value *v, uint64_t now_ns);
};

static const struct field_row supervisor_fields[] = {
    {"state",         set_state},
    {"build_id",               set_build_id},
    {"last_death",set_last_death},
    {"sandbox",    set_sandbox},
    {"pid",               set_pid},
    {"generation", set_generation},
    {"restarts",           set_restarts},
    {"since_ns",               set_since},
    {NULL},
};

static const struct field_row init_fields[] = {
    {"build_id",   set_build_id},
    {"program",            set_program},
    {"last_end",set_last_death},
    {"pid",   set_pid},
    {"generation",            set_generation},
    {NULL  },
};

/* The process of "NAME/field", and the field; -ENOENT when it is about something else. */
static int split(const char *path, const char **ret_field)
{
    char name[BOARD_NAME_BYTES];
    const char *slash = strchr(path, '/');
    int process;

    if (slash == NULL)
        return -ENOENT;
    memcpy(name, path, (size_t)(slash - path)); /* shorter than the row's name */
    name[slash - path] = '\0';
    process = manifest_find(name);
    if (process >= 0)
        *ret_field = slash + 1;
    return process;
}

static void collect(const struct board_page *page, const char *prefix,
                    const struct field_row *fields, uint64_t now_ns,
                    struct ps_row ret[PROCESS_COUNT])
{
    size_t prefix_len = strlen(prefix);
    struct board_value v;
    int r = 0;

    for (uint32_t i = 0; r != -ENOENT; i++) {
        const char *name;
        int process = -ENOENT;

        r = board_read_row(page, i, &v);
        if (r == 0 && strncmp(v.name, prefix, prefix_len) == 0)
            process = split(v.name + prefix_len, &name);
        for (const struct field_row *f = fields; process >= 0 && f->name != NULL; f++) {
            if (strcmp(name, f->name) == 0)
                f->set(&ret[process], &v, now_ns);
        }
    }
}

void ps_collect(const struct board_page *supervisor, const struct board_page *init, uint64_t now_ns,
                struct ps_row ret[PROCESS_COUNT])
{
    struct ps_row by_init[PROCESS_COUNT] = {0};

    memset(ret, 0, PROCESS_COUNT * sizeof(*ret));
    collect(supervisor, "", supervisor_fields, now_ns, ret);
    collect(init, "process/", init_fields, now_ns, by_init);
    for (unsigned i = 0; i < PROCESS_COUNT; i++)
        memcpy(ret[i].program, by_init[i].program, sizeof(ret[i].program));
    if (!ret[PROCESS_SUPERVISOR].present && by_init[PROCESS_SUPERVISOR].pid != 0) {
        ret[PROCESS_SUPERVISOR] = by_init[PROCESS_SUPERVISOR];
        ret[PROCESS_SUPERVISOR].present = true;
        memcpy(ret[PROCESS_SUPERVISOR].state, "running", sizeof("running"));
    }
}

#include "cli/render.h"

#include <stdlib.h>
#include <string.h>

#include "base/board.h"
#include "base/macro.h"
#include "ipc/admin_json.h"

enum {
    COLUMNS = 9,
    CELL_BYTES = 80,
    BUILD_ID_CHARS = 12,
    VALUE_COLUMN = 36,
    INDENT = 2,
};

static const char RED[] = "\033[31m";
static const char GREEN[] = "\033[32m";
static const char YELLOW[] = "\033[33m";
static const char PLAIN[] = "\033[0m";

static const char *const headings[COLUMNS] = {
    "NAME", "STATE", "PID", "GEN", "RESTARTS", "UP", "BUILD", "LAST DEATH", "SANDBOX",
};

enum {
    COLUMN_STATE = 1,
};

struct table_row {
    char cells[COLUMNS][CELL_BYTES];
};

/* Never let foreign bytes steer the terminal. */
static void put_clean(const char *text, FILE *out)
{
    for (; *text != '\0'; text++)
        (void)fputc(*text < ' ' || *text > '~' ? '?' : *text, out);
}

static void cell(char ret[CELL_BYTES], const char *text)
{
    size_t i;

    for (i = 0; i + 1 < CELL_BYTES && text[i] != '\0'; i++)
        ret[i] = text[i] < ' ' || text[i] > '~' ? '?' : text[i];
    ret[i] = '\0';
    if (i == 0)
        memcpy(ret, "-", 2);
}

void render_uptime(uint64_t ms, char *ret, size_t len)
{
    uint64_t s = ms / 1000;

    if (s < 60)
        (void)snprintf(ret, len, "%llu.%llu s", (unsigned long long)s,
                       (unsigned long long)(ms / 100 % 10));
    else if (s < 3600)
        (void)snprintf(ret, len, "%llu min", (unsigned long long)(s / 60));
    else if (s < 48 * 3600)
        (void)snprintf(ret, len, "%llu h", (unsigned long long)(s / 3600));
    else
        (void)snprintf(ret, len, "%llu d", (unsigned long long)(s / (24 * 3600)));
}

static void fill_row(const Bulkhead__ProcessRow *p, struct table_row *row)
{
    char text[CELL_BYTES];

    cell(row->cells[0], p->name);
    cell(row->cells[COLUMN_STATE], p->state);
    (void)snprintf(row->cells[2], CELL_BYTES, "%d", p->pid);
    (void)snprintf(row->cells[3], CELL_BYTES, "%u", p->generation);
    (void)snprintf(row->cells[4], CELL_BYTES, "%u", p->restarts);
    cell(row->cells[5], "");
    if (p->uptime_ms != 0)
        render_uptime(p->uptime_ms, row->cells[5], CELL_BYTES);
    (void)snprintf(text, sizeof(text), "%.*s", BUILD_ID_CHARS, p->build_id);
    cell(row->cells[6], text);
    cell(row->cells[7], p->last_death);
    cell(row->cells[8], p->sandbox);
}

static const char *state_colour(const char *state)
{
    if (strcmp(state, "running") == 0)
        return GREEN;
    if (strcmp(state, "parked") == 0 || strcmp(state, "dead") == 0)
        return RED;
    return YELLOW;
}

static void print_row(const struct table_row *row, const size_t widths[COLUMNS], bool colour,
                      FILE *out)
{
    for (size_t i = 0; i < COLUMNS; i++) {
        const char *text = row->cells[i];
        bool last = i == COLUMNS - 1;
        bool coloured = colour && i == COLUMN_STATE;

        (void)fprintf(out, "%s%s%s", coloured ? state_colour(text) : "", text,
                      coloured ? PLAIN : "");
        (void)fprintf(out, "%*s", last ? 0 : (int)(widths[i] - strlen(text) + 2), "");
    }
    (void)fputc('\n', out);
}

void render_processes(Bulkhead__ProcessRow *const *rows, size_t n, bool colour, FILE *out)
{
    struct table_row heading = {0};
    struct table_row row = {0};
    size_t widths[COLUMNS];

    for (size_t c = 0; c < COLUMNS; c++) {
        cell(heading.cells[c], headings[c]);
        widths[c] = strlen(headings[c]);
    }
    for (size_t i = 0; i < n; i++) {
        fill_row(rows[i], &row);
        for (size_t c = 0; c < COLUMNS; c++) {
            size_t len = strlen(row.cells[c]);

            widths[c] = len > widths[c] ? len : widths[c];
        }
    }
    print_row(&heading, widths, false, out);
    for (size_t i = 0; i < n; i++) {
        fill_row(rows[i], &row);
        print_row(&row, widths, colour, out);
    }
}

json_t *render_processes_json(Bulkhead__ProcessRow *const *rows, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(list, admin_process_json(rows[i]));
    return list;
}

/* Numbers in names by their value: vcpu/2 before vcpu/10. */
static int by_path(const void *a, const void *b)
{
    const Bulkhead__ValueRow *const *left = a;
    const Bulkhead__ValueRow *const *right = b;

    return strverscmp((*left)->path, (*right)->path);
}

/* Bytes of path up to and with the last slash that it shares with before. */
static size_t shared_folders(const char *path, const char *before)
{
    size_t shared = 0;

    for (size_t i = 0; path[i] != '\0' && path[i] == before[i]; i++) {
        if (path[i] == '/')
            shared = i + 1;
    }
    return shared;
}

static int depth_of(const char *path, size_t len)
{
    int depth = 0;

    for (size_t i = 0; i < len; i++)
        depth += path[i] == '/' ? 1 : 0;
    return depth;
}

static void render_value(const Bulkhead__ValueRow *row, const char *before, FILE *out)
{
    const char *path = row->path;
    size_t at = shared_folders(path, before);
    const char *slash;
    int width;

    while ((slash = strchr(path + at, '/')) != NULL && slash[1] != '\0') {
        (void)fprintf(out, "%*s", INDENT * depth_of(path, at), "");
        (void)fprintf(out, "%.*s\n", (int)(slash - path - (ptrdiff_t)at), path + at);
        at = (size_t)(slash - path) + 1;
    }
    width = fprintf(out, "%*s%s", INDENT * depth_of(path, at), "", path + at);
    (void)fprintf(out, "%*s", width < VALUE_COLUMN ? VALUE_COLUMN - width : 1, "");
    if (row->is_text)
        put_clean(row->text, out);
    else
        (void)fprintf(out, "%llu", (unsigned long long)row->number);
    (void)fputc('\n', out);
}

void render_values(Bulkhead__ValueRow **rows, size_t n, FILE *out)
{
    const char *before = "";

    if (n > 0)
        qsort(rows, n, sizeof(*rows), by_path);
    for (size_t i = 0; i < n; i++) {
        render_value(rows[i], before, out);
        before = rows[i]->path;
    }
}

json_t *render_values_json(Bulkhead__ValueRow *const *rows, size_t n)
{
    json_t *object = json_object();

    for (size_t i = 0; i < n; i++)
        (void)json_object_set_new(object, rows[i]->path, admin_value_json(rows[i]));
    return object;
}

static const char *level_colour(uint32_t level)
{
    return level == LOG_LEVEL_ERROR ? RED : level == LOG_LEVEL_WARN ? YELLOW : PLAIN;
}

void render_line(const Bulkhead__LogRow *row, bool colour, FILE *out)
{
    (void)fprintf(out, "[%6llu.%06llu] ", (unsigned long long)(row->time_ns / 1000000000),
                  (unsigned long long)(row->time_ns / 1000 % 1000000));
    put_clean(row->process, out);
    (void)fprintf(out, "/%u %s%s%s: ", row->generation, colour ? level_colour(row->level) : "",
                  admin_level_name(row->level), colour ? PLAIN : "");
    put_clean(row->text, out);
    (void)fputc('\n', out);
}

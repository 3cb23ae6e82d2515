#include "cli/top.h"

#include <fnmatch.h>
#include <string.h>

#include "base/clock.h"
#include "base/macro.h"
#include "cli/render.h"

enum {
    LINE_BYTES = 256,
};

/* --- what is told --- */

static void take_process(struct top_look *look, const Bulkhead__ProcessRow *row)
{
    struct top_process *p = &look->processes[look->n];

    if (look->n == TOP_PROCESSES)
        return;
    look->n++;
    *p = (struct top_process){
        .generation = row->generation, .restarts = row->restarts, .uptime_ms = row->uptime_ms};
    (void)snprintf(p->name, sizeof(p->name), "%s", row->name);
    (void)snprintf(p->state, sizeof(p->state), "%s", row->state);
    (void)snprintf(p->last_death, sizeof(p->last_death), "%s", row->last_death);
}

static const struct {
    const char *pattern;
    size_t offset; /* of a sum in struct top_look */
} sums[] = {
    {"supervisor/vcpu/*/exits",     offsetof(struct top_look, exits)      },
    {"supervisor/vcpu/*/forwarded", offsetof(struct top_look, hops)       },
    {"storage/disk/*/*/ops",        offsetof(struct top_look, disk_ops)   },
    {"storage/disk/*/*/bytes",      offsetof(struct top_look, disk_bytes) },
    {"net/nic*/[tr]x/frames",       offsetof(struct top_look, frames)     },
    {"net/nic*/[tr]x/bytes",        offsetof(struct top_look, frame_bytes)},
};

/* What init shows of a process: init/process/NAME/cpu_us */
static void take_usage(struct top_look *look, const char *path, uint64_t number)
{
    static const char prefix[] = "init/process/";
    const char *name = path + sizeof(prefix) - 1;
    const char *slash = strncmp(path, prefix, sizeof(prefix) - 1) == 0 ? strchr(name, '/') : NULL;

    for (size_t i = 0; slash != NULL && i < look->n; i++) {
        struct top_process *p = &look->processes[i];

        if (strlen(p->name) != (size_t)(slash - name) ||
            memcmp(p->name, name, strlen(p->name)) != 0)
            continue;
        if (strcmp(slash, "/cpu_us") == 0)
            p->cpu_us = number;
        if (strcmp(slash, "/memory_bytes") == 0)
            p->memory_bytes = number;
    }
}

static void take_value(struct top_look *look, const Bulkhead__ValueRow *row)
{
    for (size_t i = 0; !row->is_text && i < COUNT_OF(sums); i++) {
        if (fnmatch(sums[i].pattern, row->path, FNM_PATHNAME) == 0)
            *(uint64_t *)(void *)((char *)look + sums[i].offset) += row->number;
    }
    if (!row->is_text)
        take_usage(look, row->path, row->number);
}

void top_take(struct top_look *look, const Bulkhead__AdminAnswer *a)
{
    for (size_t i = 0; i < a->n_processes; i++)
        take_process(look, a->processes[i]);
    for (size_t i = 0; i < a->n_values; i++)
        take_value(look, a->values[i]);
}

/* --- rates --- */

/* Whoever counts has begun anew where a count fell. */
static double rate(uint64_t before, uint64_t now, uint64_t ns)
{
    uint64_t more = now < before ? now : now - before;

    return ns == 0 ? 0.0 : (double)more * 1e9 / (double)ns;
}

/* "999", "12k", "3.4M": as wide as five characters. */
static void short_number(double v, char ret[16])
{
    static const char units[] = " kMGTPE";
    size_t unit = 0;

    while (v >= 1000 && unit + 2 < sizeof(units)) {
        v /= 1000;
        unit++;
    }
    if (unit == 0)
        (void)snprintf(ret, 16, "%.0f", v);
    else
        (void)snprintf(ret, 16, "%.*f%c", v < 10 ? 1 : 0, v, units[unit]);
}

/* --- the screen --- */

struct screen {
    unsigned rows, columns, row;
    const char *eol;
    FILE *out;
};

static void put_line(struct screen *s, const char *line)
{
    if (s->row == s->rows)
        return;
    (void)fprintf(s->out, "%s%.*s", s->row == 0 ? "" : s->eol, (int)s->columns, line);
    s->row++;
}

static void put_rates(struct screen *s, const struct top_look *b, const struct top_look *n)
{
    uint64_t ns = n->time_ns - b->time_ns;
    const struct {
        const char *what;
        uint64_t before, now;
    } rates[] = {
        {"exits/s ",   b->exits,       n->exits      },
        {"port/s ",    b->hops,        n->hops       },
        {"disk/s ",    b->disk_ops,    n->disk_ops   },
        {"disk B/s ",  b->disk_bytes,  n->disk_bytes },
        {"frames/s ",  b->frames,      n->frames     },
        {"frame B/s ", b->frame_bytes, n->frame_bytes},
    };
    char line[LINE_BYTES] = "";
    size_t len = 0;

    for (size_t i = 0; i < COUNT_OF(rates); i++) {
        char number[16];

        short_number(rate(rates[i].before, rates[i].now, ns), number);
        len += (size_t)snprintf(line + len, sizeof(line) - len, "%s%-7s", rates[i].what, number);
    }
    put_line(s, line);
}

static const struct top_process *same_of(const struct top_look *look, const struct top_process *p)
{
    for (size_t i = 0; i < look->n; i++) {
        if (strcmp(look->processes[i].name, p->name) == 0)
            return &look->processes[i];
    }
    return p;
}

static void put_process(struct screen *s, const struct top_look *before, const struct top_look *now,
                        const struct top_process *p)
{
    uint64_t ns = now->time_ns - before->time_ns;
    double cpu = rate(same_of(before, p)->cpu_us, p->cpu_us, ns) / 1e4; /* us a second: per cent */
    char line[LINE_BYTES], memory[16], up[TOP_NAME_BYTES];

    short_number((double)p->memory_bytes, memory);
    render_uptime(p->uptime_ms, up, sizeof(up));
    (void)snprintf(line, sizeof(line), "%-11s%-11s%5u %5u %8s %6.1f %6s  %s", p->name, p->state,
                   p->generation, p->restarts, up, cpu, memory, p->last_death);
    put_line(s, line);
}

void top_render(const struct top_look *before, const struct top_look *now, const char *vm,
                unsigned rows, unsigned columns, const char *eol, FILE *out)
{
    struct screen s = {.rows = rows, .columns = columns, .eol = eol, .out = out};
    char line[LINE_BYTES];

    (void)snprintf(line, sizeof(line), "bulkhead top: %s   (q: leave)", vm);
    put_line(&s, line);
    put_rates(&s, before, now);
    put_line(&s, "");
    (void)snprintf(line, sizeof(line), "%-11s%-11s%5s %5s %8s %6s %6s  %s", "NAME", "STATE", "GEN",
                   "RST", "UP", "%CPU", "MEM", "LAST DEATH");
    put_line(&s, line);
    for (size_t i = 0; i < now->n; i++)
        put_process(&s, before, now, &now->processes[i]);
}

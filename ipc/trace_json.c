#include "ipc/trace_json.h"

#include <string.h>

#include "base/macro.h"
#include "ipc/manifest.h"

enum {
    NAME_BYTES = 64,
};

static double us_of(uint64_t ns)
{
    return (double)ns / 1000.0;
}

/* Not 0: that is the idle task of what people trace usually. */
static int pid_of(unsigned process)
{
    return (int)process + 1;
}

/* --- names of processes and threads --- */

static json_t *name_of(unsigned process, int thread, const char *name)
{
    return json_pack("{s:s, s:s, s:i, s:i, s:{s:s}}", "name",
                     thread == 0 ? "process_name" : "thread_name", "ph", "M", "pid",
                     pid_of(process), "tid", thread, "args", "name", name);
}

static json_t *next_name(struct trace_json_cursor *c)
{
    char vcpu[NAME_BYTES];
    unsigned i = c->name++;

    if (!c->first)
        return NULL;
    if (i < PROCESS_COUNT)
        return name_of(i, 0, manifest[i].name);
    if (i >= PROCESS_COUNT + VPS_MAX)
        return NULL;
    (void)snprintf(vcpu, sizeof(vcpu), "vCPU %u", i - PROCESS_COUNT);
    return name_of(PROCESS_SUPERVISOR, (int)(i - PROCESS_COUNT) + 1, vcpu);
}

/* --- what happened --- */

static json_t *moment(const Bulkhead__EventRow *row)
{
    int process = row->process[0] == '\0' ? PROCESS_SUPERVISOR : manifest_find(row->process);

    return json_pack("{s:s, s:s, s:s, s:s, s:f, s:i, s:i, s:{s:I, s:s}}", "name", row->event, "cat",
                     "event", "ph", "i", "s", row->process[0] == '\0' ? "g" : "p", "ts",
                     us_of(row->monotonic_ns), "pid",
                     pid_of(process < 0 ? PROCESS_INIT : (unsigned)process), "tid", 1, "args",
                     "generation", (json_int_t)row->generation, "cause", row->cause);
}

static bool overlaps(const struct trace_record *r)
{
    return r->kind == TRACE_DISK_READ || r->kind == TRACE_DISK_WRITE || r->kind == TRACE_DISK_OTHER;
}

/* A port hop is told by where it goes. */
static const char *span_name(const struct trace_record *r, char name[NAME_BYTES])
{
    if (r->kind != TRACE_HOP || r->id >= PROCESS_COUNT)
        return trace_kind_name(r->kind);
    (void)snprintf(name, NAME_BYTES, "port: %s", manifest[r->id].name);
    return name;
}

static json_t *span(const Bulkhead__TraceBatch *b, const struct trace_record *r, const char *phase,
                    uint64_t at_ns)
{
    char name[NAME_BYTES];

    return json_pack("{s:s, s:s, s:s, s:f, s:i, s:i, s:{s:I, s:I}}", "name", span_name(r, name),
                     "cat", manifest[b->process].name, "ph", phase, "ts", us_of(at_ns), "pid",
                     pid_of(b->process), "tid", (int)b->ring + 1, "args", "id", (json_int_t)r->id,
                     "value", (json_int_t)r->value);
}

static json_t *whole(const Bulkhead__TraceBatch *b, const struct trace_record *r)
{
    json_t *value = span(b, r, "X", r->begin_ns);

    (void)json_object_set_new(value, "dur", json_real(us_of(r->took_ns)));
    return value;
}

/* Beginning and end of one have a number in common. */
static json_t *part(const Bulkhead__TraceBatch *b, const struct trace_record *r, bool end)
{
    char id[NAME_BYTES];
    json_t *value = span(b, r, end ? "e" : "b", r->begin_ns + (end ? r->took_ns : 0));

    (void)snprintf(id, sizeof(id), "%llx.%llx.%x", (unsigned long long)r->begin_ns,
                   (unsigned long long)r->id, r->took_ns);
    (void)json_object_set_new(value, "id", json_string(id));
    return value;
}

static bool is_batch(const Bulkhead__TraceBatch *b)
{
    return b->process < PROCESS_COUNT && b->ring < trace_rings((enum process)b->process);
}

/* The record that the cursor is at; false: there is none. */
static bool record_at(struct trace_json_cursor *c, const Bulkhead__TraceBatch **ret_batch,
                      struct trace_record *ret)
{
    for (; c->batch < c->answer->n_traces; c->batch++, c->record = 0) {
        const Bulkhead__TraceBatch *b = c->answer->traces[c->batch];

        for (; is_batch(b) && c->record < b->records.len / sizeof(*ret); c->record++) {
            memcpy(ret, b->records.data + c->record * sizeof(*ret), sizeof(*ret));
            if (trace_kind_name(ret->kind) == NULL)
                continue;
            *ret_batch = b;
            return true;
        }
    }
    return false;
}

static json_t *next_span(struct trace_json_cursor *c)
{
    const Bulkhead__TraceBatch *b;
    struct trace_record r;

    if (!record_at(c, &b, &r))
        return NULL;
    if (!overlaps(&r)) {
        c->record++;
        return whole(b, &r);
    }
    c->end = !c->end;
    if (c->end)
        return part(b, &r, false);
    c->record++;
    return part(b, &r, true);
}

json_t *trace_json_next(struct trace_json_cursor *c)
{
    json_t *name = next_name(c);

    if (name != NULL)
        return name;
    if (c->event < c->answer->n_events)
        return moment(c->answer->events[c->event++]);
    return next_span(c);
}

#include "workers/diag/reply.h"

#include <endian.h>
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "base/mem.h"
#include "ipc/admin_json.h"
#include "ipc/records_json.h"
#include "ipc/trace_json.h"
#include "workers/diag/metrics.h"

/* clang-format off */
static const struct {
    const char *type;
    const char *begin, *before, *between, *after, *end;
} shapes[] = {
    [SHAPE_DONE] = {"application/json", "{", "", "", "", "}\n"},
    [SHAPE_LIST] = {"application/json", "[", "", ",\n", "", "]\n"},
    [SHAPE_TRACE] = {"application/json", TRACE_JSON_BEGIN, "", ",\n", "", TRACE_JSON_END},
    [SHAPE_OBJECT] = {"application/json", "{", "", ",\n", "", "}\n"},
    [SHAPE_LINES] = {"application/x-ndjson", "", "", "", "\n", ""},
    [SHAPE_EVENTS] = {"text/event-stream", "", "data: ", "", "\n\n", ""},
    [SHAPE_METRICS] = {METRICS_OPEN_TYPE, "", "", "", "", ""},
    [SHAPE_METRICS_PLAIN] = {METRICS_PLAIN_TYPE, "", "", "", "", ""},
    [SHAPE_BYTES] = {"application/octet-stream", "", "", "", "", ""},
    [SHAPE_TEXT] = {"application/json", "", "", "", "", ""},
    [SHAPE_FRAMES] = {"application/x-protobuf", "", "", "", "", ""},
};
/* clang-format on */

const char *reply_type(enum shape shape)
{
    return shapes[shape].type;
}

static int add(struct evbuffer *to, const char *text)
{
    return evbuffer_add(to, text, strlen(text)) < 0 ? -ENOMEM : 0;
}

int reply_begin(enum shape shape, struct evbuffer *to)
{
    return add(to, shapes[shape].begin);
}

int reply_end(enum shape shape, struct evbuffer *to)
{
    return add(to, shapes[shape].end);
}

/* value is taken over. */
static int add_json(struct evbuffer *to, json_t *value)
{
    AUTO_FREE char *text = value == NULL ? NULL : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

    json_decref(value);
    return text == NULL ? -ENOMEM : add(to, text);
}

static int add_element(enum shape shape, const char *name, json_t *value, bool *first,
                       struct evbuffer *to)
{
    int r = add(to, *first ? "" : shapes[shape].between);

    *first = false;
    if (r == 0)
        r = add(to, shapes[shape].before);
    if (r == 0 && name != NULL) {
        r = add_json(to, json_string(name));
        if (r == 0)
            r = add(to, ":");
    }
    if (r < 0) {
        json_decref(value);
        return r;
    }
    r = add_json(to, value);
    return r < 0 ? r : add(to, shapes[shape].after);
}

static json_t *record_of(const ProtobufCBinaryData *bytes)
{
    struct audit_record r;

    memcpy(&r, bytes->data, sizeof(r));
    return admin_audit_json(&r);
}

static int add_trace(enum shape shape, const Bulkhead__AdminAnswer *a, bool *first,
                     struct evbuffer *to)
{
    struct trace_json_cursor c = {.answer = a, .first = *first};
    json_t *value;
    int r = 0;

    while (r == 0 && (value = trace_json_next(&c)) != NULL)
        r = add_element(shape, NULL, value, first, to);
    return r;
}

int reply_elements(enum shape shape, const Bulkhead__AdminAnswer *a, bool *first,
                   struct evbuffer *to)
{
    int r = 0;

    if (shape == SHAPE_TRACE)
        return add_trace(shape, a, first, to);

    if (a->data.len > 0 && evbuffer_add(to, a->data.data, a->data.len) < 0)
        r = -ENOMEM;
    for (size_t i = 0; r == 0 && i < a->n_processes; i++)
        r = add_element(shape, NULL, admin_process_json(a->processes[i]), first, to);
    for (size_t i = 0; r == 0 && i < a->n_values; i++)
        r = add_element(shape, a->values[i]->path, admin_value_json(a->values[i]), first, to);
    for (size_t i = 0; r == 0 && i < a->n_lines; i++)
        r = add_element(shape, NULL, admin_line_json(a->lines[i]), first, to);
    for (size_t i = 0; r == 0 && i < a->n_events; i++)
        r = add_element(shape, NULL, admin_event_json(a->events[i]), first, to);
    for (size_t i = 0; r == 0 && i < a->n_crashes; i++)
        r = add_element(shape, NULL, admin_crash_json(a->crashes[i]), first, to);
    for (size_t i = 0; r == 0 && i < a->n_audit; i++)
        r = add_element(shape, NULL, record_of(&a->audit[i]), first, to);
    return r == 0 ? add(to, a->metrics) : r;
}

int reply_value(json_t *value, struct evbuffer *to)
{
    int r = add_json(to, value);

    return r < 0 ? r : add(to, "\n");
}

int reply_frame(const uint8_t *bytes, size_t len, struct evbuffer *to)
{
    uint32_t head = htole32((uint32_t)len);

    if (evbuffer_add(to, &head, sizeof(head)) < 0 || evbuffer_add(to, bytes, len) < 0)
        return -ENOMEM;
    return 0;
}

bool reply_has_life(enum shape shape)
{
    return shape == SHAPE_EVENTS || shape == SHAPE_FRAMES;
}

int reply_life(enum shape shape, struct evbuffer *to)
{
    return shape == SHAPE_FRAMES ? reply_frame(NULL, 0, to) : add(to, ":\n\n");
}

#include "ipc/records_json.h"

#include <stdio.h>
#include <sys/wait.h>
#include <time.h>

#include "ipc/admin_json.h"

enum {
    TIME_BYTES = 40,
};

static const uint64_t NS_IN_S = 1000ull * 1000 * 1000;

/* As RFC 3339 has it. */
static void put_utc(uint64_t time_ns, char ret[TIME_BYTES])
{
    time_t seconds = (time_t)(time_ns / NS_IN_S);
    struct tm tm;
    size_t len =
        gmtime_r(&seconds, &tm) == NULL ? 0 : strftime(ret, TIME_BYTES, "%Y-%m-%dT%H:%M:%S", &tm);

    (void)snprintf(ret + len, TIME_BYTES - len, ".%09uZ", (unsigned)(time_ns % NS_IN_S));
}

/* What does not apply is not there. */
json_t *admin_event_json(const Bulkhead__EventRow *row)
{
    char time[TIME_BYTES];
    json_t *object;

    put_utc(row->time_ns, time);
    object = json_pack("{s:I, s:s, s:I, s:s}", "seq", (json_int_t)row->seq, "time", time,
                       "monotonic_ns", (json_int_t)row->monotonic_ns, "event", row->event);
    if (row->process[0] != '\0')
        (void)json_object_set_new(object, "process", json_string(row->process));
    if (row->generation != 0)
        (void)json_object_set_new(object, "generation", json_integer(row->generation));
    if (row->pid != 0)
        (void)json_object_set_new(object, "pid", json_integer(row->pid));
    if (row->cause[0] != '\0')
        (void)json_object_set_new(object, "cause", json_string(row->cause));
    if (row->crash != 0)
        (void)json_object_set_new(object, "crash", json_integer((json_int_t)row->crash));
    for (size_t i = 0; i < row->n_numbers; i++)
        (void)json_object_set_new(object, row->numbers[i]->name,
                                  json_integer((json_int_t)row->numbers[i]->value));
    return object;
}

static bool has_signal(const Bulkhead__CrashRow *row)
{
    return WIFSIGNALED(row->wait_status);
}

json_t *admin_crash_json(const Bulkhead__CrashRow *row)
{
    char time[TIME_BYTES], code[TIME_BYTES];
    json_t *object, *lines = json_array();

    put_utc(row->time_ns, time);
    (void)snprintf(code, sizeof(code), "%#llx", (unsigned long long)row->code);
    for (size_t i = 0; i < row->n_lines; i++)
        (void)json_array_append_new(lines, admin_line_json(row->lines[i]));
    object = json_pack(
        "{s:I, s:s, s:I, s:s, s:I, s:i, s:s, s:I, s:I, s:b, s:s, s:o}", "number",
        (json_int_t)row->number, "time", time, "monotonic_ns", (json_int_t)row->monotonic_ns,
        "process", row->process, "generation", (json_int_t)row->generation, "pid", row->pid,
        "cause", row->cause, "served_ms", (json_int_t)row->served_ms, "restarts",
        (json_int_t)row->restarts, "spare", row->spare, "build_id", row->build_id, "log", lines);
    (void)json_object_set_new(
        object, has_signal(row) ? "signal" : "exit",
        json_integer(has_signal(row) ? WTERMSIG(row->wait_status) : WEXITSTATUS(row->wait_status)));
    if (row->has_code)
        (void)json_object_set_new(object, "code", json_string(code));
    if (row->doing[0] != '\0')
        (void)json_object_set_new(
            object, "doing",
            json_pack("{s:s, s:I}", "what", row->doing, "code", (json_int_t)row->doing_code));
    return object;
}

/*
 * ipc/trace_json.h - a time line as JSON that Perfetto and chrome://tracing read: the same over the network and on the
 * command line.
 *
 * @spec Trace Event Format (Google, 2016): "X" are spans of a thread, "b" and "e" those that may overlap, "i" moments, "M"
 * names. Times are microseconds of CLOCK_MONOTONIC.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "admin.pb-c.h"
#include "ipc/trace.h"

/* What stands before and behind the elements. */
#define TRACE_JSON_BEGIN "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n"
#define TRACE_JSON_END   "]}\n"

/* Where the elements of one answer are. */
struct trace_json_cursor {
    const Bulkhead__AdminAnswer *answer; /* borrowed */
    bool first;                          /* of the answers: names come before it */
    unsigned name;
    size_t event, batch, record;
    bool end; /* of a span that may overlap: its beginning was told */
};

/* The next element, a new reference; NULL: no more. What makes no sense is passed over. */
json_t *trace_json_next(struct trace_json_cursor *c);

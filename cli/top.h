/*
 * cli/top.h - what `bulkhead top` shows: two looks at a VM, and what happened between them.
 *
 * Pure: answers in, text out. The texts were made printable when they came (operator.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "admin.pb-c.h"

enum {
    TOP_PROCESSES = 32,
    TOP_NAME_BYTES = 24,
    TOP_TEXT_BYTES = 128,
};

struct top_process {
    char name[TOP_NAME_BYTES], state[TOP_NAME_BYTES], last_death[TOP_TEXT_BYTES];
    uint32_t generation, restarts;
    uint64_t uptime_ms, cpu_us, memory_bytes;
};

/* One look. Counts are since whoever counts has begun: a restart begins anew. */
struct top_look {
    uint64_t time_ns;
    struct top_process processes[TOP_PROCESSES];
    size_t n;
    uint64_t exits, hops, disk_ops, disk_bytes, frames, frame_bytes;
};

/* Take what an answer tells, of processes or of values; processes come first. */
void top_take(struct top_look *look, const Bulkhead__AdminAnswer *a);

/*
 * A screen of so many rows and columns: the look, and rates since the one before. Each line but the last ends with
 * eol; nothing is wider or longer than the screen.
 */
void top_render(const struct top_look *before, const struct top_look *now, const char *vm,
                unsigned rows, unsigned columns, const char *eol, FILE *out);

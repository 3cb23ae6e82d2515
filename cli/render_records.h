/*
 * cli/render_records.h - events and crashes, as people read them; as JSON: ipc/records_json.h.
 *
 * The texts were made printable when they came (operator.h).
 */
#pragma once

#include <stddef.h>
#include <stdio.h>

#include "admin.pb-c.h"

/* One line. */
void render_event(const Bulkhead__EventRow *row, FILE *out);

/* A table, in parts: its heading, then a line each. */
void render_crash_heading(FILE *out);
void render_crashes(Bulkhead__CrashRow *const *rows, size_t n, FILE *out);

/* All of one. */
void render_crash(const Bulkhead__CrashRow *row, FILE *out);

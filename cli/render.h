/*
 * cli/render.h - what diag answers, as people read it and as JSON.
 *
 * The text comes from processes that may have been taken over; unprintable bytes are replaced.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "admin.pb-c.h"

/* A table of processes. */
void render_processes(Bulkhead__ProcessRow *const *rows, size_t n, bool colour, FILE *out);
json_t *render_processes_json(Bulkhead__ProcessRow *const *rows, size_t n);

/* A tree of values; sorts rows by path. */
void render_values(Bulkhead__ValueRow **rows, size_t n, FILE *out);
json_t *render_values_json(Bulkhead__ValueRow *const *rows, size_t n);

/* One line; as JSON: ipc/admin_json.h. */
void render_line(const Bulkhead__LogRow *row, bool colour, FILE *out);

/* "5.3 s", "12 min", "3 h", "9 d". */
void render_uptime(uint64_t ms, char *ret, size_t len);

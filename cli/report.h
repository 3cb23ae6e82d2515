/*
 * cli/report.h - the short report once everything runs, and the last word when nothing does.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "cli/check.h"
#include "control.pb-c.h"

struct report_times {
    uint64_t start_ms; /* from the command line to all processes ready */
};

/* For people. */
void report_started(const struct cli_args *args, const struct run_plan *plan,
                    const Bulkhead__Report *r, const struct report_times *times, FILE *out);

/* The same as one line of JSON. */
void report_started_json(const struct cli_args *args, const struct run_plan *plan,
                         const Bulkhead__Report *r, const struct report_times *times, FILE *out);

/* That the guest starts again, and why, as one line of JSON. */
void report_restart_json(const char *why, FILE *out);

/* How it ended, as one line of JSON. */
void report_ended_json(int status, const char *why, FILE *out);

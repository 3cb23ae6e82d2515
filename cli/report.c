#include "cli/report.h"

#include <jansson.h>

#include "cli/json.h"

static const char *const mode_names[] = {
    [RUN_AUTO] = "auto",
    [RUN_HOSTED] = "hosted",
    [RUN_NESTED] = "nested",
};

/* What every guest finds; one row per line of the report. */
static const char *const devices[] = {
    "COM1 (console), COM2 to COM4",
    "TPM 2.0 (CRB; its state lasts as long as this VM runs)",
    "RTC, ACPI PM timer and power management, i8042 reset, empty PCI bus",
};

void report_started(const struct cli_args *args, const struct run_plan *plan,
                    const Bulkhead__Report *r, const struct report_times *times, FILE *out)
{
    (void)fprintf(out, "bulkhead: VM %s, mode %s: %s\n", args->name, mode_names[plan->mode],
                  plan->why);
    for (size_t i = 0; i < r->n_processes; i++) {
        const Bulkhead__ProcessReport *p = r->processes[i];

        (void)fprintf(out, "  %-11s pid %-5d build %.12s  %s\n", p->name, p->pid,
                      p->build_id[0] != '\0' ? p->build_id : "-",
                      p->sandbox[0] != '\0' ? p->sandbox : "stands by");
    }
    (void)fprintf(out, "  %-11s %llu vCPU%s, %llu MiB\n", "guest", (unsigned long long)args->vcpus,
                  args->vcpus == 1 ? "" : "s", (unsigned long long)(args->memory_bytes >> 20));
    for (size_t i = 0; i < COUNT_OF(devices); i++)
        (void)fprintf(out, "  %-11s %s\n", i == 0 ? "devices" : "", devices[i]);
    (void)fprintf(
        out, "  %-11s all processes ready in %llu.%01llu ms, %llu.%02llu s after the start\n",
        "times", (unsigned long long)r->started_us / 1000,
        (unsigned long long)r->started_us / 100 % 10, (unsigned long long)times->start_ms / 1000,
        (unsigned long long)times->start_ms / 10 % 100);
    if (!args->exec && args->vtl2_exec == NULL)
        (void)fprintf(out, "bulkhead: the guest's console follows; Ctrl-A X ends the VM\n");
}

static json_t *process_json(const Bulkhead__ProcessReport *p)
{
    return json_pack("{s:s, s:i, s:I, s:s, s:s}", "name", p->name, "pid", p->pid, "generation",
                     (json_int_t)p->generation, "build_id", p->build_id, "sandbox", p->sandbox);
}

void report_started_json(const struct cli_args *args, const struct run_plan *plan,
                         const Bulkhead__Report *r, const struct report_times *times, FILE *out)
{
    json_t *processes = json_array();
    json_t *list = json_array();

    for (size_t i = 0; i < r->n_processes; i++)
        (void)json_array_append_new(processes, process_json(r->processes[i]));
    for (size_t i = 0; i < COUNT_OF(devices); i++)
        (void)json_array_append_new(list, json_string(devices[i]));
    json_line(json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:o, s:o, s:{s:I, s:I}}", "event",
                        "started", "name", args->name, "mode", mode_names[plan->mode], "reason",
                        plan->why, "vcpus", (json_int_t)args->vcpus, "memory_bytes",
                        (json_int_t)args->memory_bytes, "processes", processes, "devices", list,
                        "times", "start_ms", (json_int_t)times->start_ms, "processes_us",
                        (json_int_t)r->started_us),
              out);
}

void report_restart_json(const char *why, FILE *out)
{
    json_line(json_pack("{s:s, s:s}", "event", "restart", "reason", why), out);
}

void report_ended_json(int status, const char *why, FILE *out)
{
    json_line(json_pack("{s:s, s:i, s:s}", "event", "ended", "status", status, "reason", why), out);
}

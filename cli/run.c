#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/check.h"
#include "cli/commands.h"
#include "cli/launch.h"
#include "cli/lock.h"
#include "cli/outcome.h"
#include "cli/pump.h"
#include "cli/report.h"
#include "cli/say.h"

struct run {
    const struct cli_args *args;
    const struct run_plan *plan;
    uint64_t start_ns;
};

static void on_started(void *self, const Bulkhead__Report *report)
{
    const struct run *run = self;
    struct report_times times = {.start_ms = (clock_now_ns() - run->start_ns) / NS_PER_MS};

    if (run->args->json)
        report_started_json(run->args, run->plan, report, &times, stderr);
    else if (run->args->verbose || (!run->args->exec && run->args->vtl2_exec == NULL))
        report_started(run->args, run->plan, report, &times, stderr);
}

/* Which of the two kept streams explains the end. */
static void show_logs(const struct outcome *o, const struct pump_logs *logs)
{
    tail_print(&logs->outside, "below Bulkhead", stderr);
    if (o->started)
        tail_print(&logs->console, "the guest's console", stderr);
}

static int tell(const struct run *run, const struct outcome *o, const struct pump_logs *logs)
{
    char why[OUTCOME_TEXT_BYTES];
    int status = outcome_judge(o, why);

    if (outcome_is_failure(o) && !run->args->verbose)
        show_logs(o, logs);
    if (run->args->json)
        report_ended_json(status, why, stderr);
    else if (why[0] != '\0')
        (void)say(status, "%s", why);
    return status;
}

static int run_vm(const struct run *run, const struct machine *m)
{
    struct pump_options options = {
        .exec = run->args->exec,
        .vtl2_exec = run->args->vtl2_exec != NULL,
        .verbose = run->args->verbose,
        .timeout_s = (unsigned)run->args->timeout_s,
        .started = on_started,
        .self = (void *)(uintptr_t)run,
    };
    struct pump_logs logs = {0};
    struct outcome outcome = {0};
    struct child child;
    int r = launch(run->args, run->plan, m, &child);

    if (r < 0)
        return say(EXIT_FAILED, "the VM cannot be started: %s", strerror(-r));
    r = pump_run(&child, &options, &logs, &outcome);
    child_end(&child);
    if (r < 0)
        return say(EXIT_INTERNAL, "%s", strerror(-r));
    return tell(run, &outcome, &logs);
}

static int run_locked(const struct run *run, const struct machine *m)
{
    int lock = -1;
    int status;
    int r = lock_take(run->plan->socket, &lock);

    if (r == -EBUSY)
        return say(EXIT_FAILED, "a VM named %s is already running here (socket %s)",
                   run->args->name, run->plan->socket);
    if (r < 0)
        return say(EXIT_FAILED, "%s: %s", run->plan->socket, strerror(-r));
    status = run_vm(run, m);
    lock_drop(run->plan->socket, &lock);
    return status;
}

static int run_planned(struct run *run, struct run_plan *plan)
{
    struct machine m;
    char error[CHECK_ERROR_BYTES];
    int r = machine_look(&m);

    if (r < 0)
        return say(EXIT_FAILED, "/proc/cpuinfo: %s", strerror(-r));
    r = check_run(run->args, &m, plan, error);
    if (r != 0)
        return say(r, "%s", error);
    run->plan = plan;
    if (plan->mode == RUN_HOSTED && m.virtualization == NULL)
        (void)say(0, "this CPU offers neither vmx nor svm: the guest may not get anywhere");
    return run_locked(run, &m);
}

int run_command(const struct cli_args *args)
{
    struct run run = {.args = args, .start_ns = clock_now_ns()};
    struct run_plan *plan = malloc(sizeof(*plan)); /* its paths are too much for a stack */
    int status;

    if (plan == NULL)
        return say(EXIT_FAILED, "%s", strerror(ENOMEM));
    *plan = (struct run_plan){0};
    status = run_planned(&run, plan);
    check_done(plan);
    free(plan);
    return status;
}

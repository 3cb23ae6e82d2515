#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/check.h"
#include "cli/commands.h"
#include "cli/launch.h"
#include "cli/lock.h"
#include "cli/machine.h"
#include "cli/notify.h"
#include "cli/outcome.h"
#include "cli/payload.h"
#include "cli/pump.h"
#include "cli/report.h"
#include "cli/restarts.h"
#include "cli/say.h"

enum {
    RESET_WINDOW_S = 30, /* more resets than RESTARTS_MAX within are a loop */
};

struct run {
    const struct cli_args *args;
    struct run_plan *plan;
    uint64_t start_ns; /* of this start of the VM */
    uint64_t end_ns;   /* when the timeout is over; 0: never */
    bool again;        /* not the first start */
    struct restarts resets;
};

/* To the service manager, if one started us. That it cannot hear ends no VM. */
static void tell_manager(const char *state, const char *status)
{
    int r = notify_send("%sSTATUS=%s", state, status);

    if (r < 0)
        (void)say(0, "the service manager is not told: $NOTIFY_SOCKET: %s", strerror(-r));
}

static void on_started(void *self, const Bulkhead__Report *report)
{
    const struct run *run = self;
    struct report_times times = {.start_ms = (clock_now_ns() - run->start_ns) / NS_PER_MS};
    char status[64];

    (void)snprintf(status, sizeof(status), "%zu processes serve the guest", report->n_processes);
    tell_manager("READY=1\n", status);
    if (run->args->json)
        report_started_json(run->args, run->plan, report, &times, stderr);
    else if (run->again)
        return;
    else if (run->args->verbose || (!run->args->exec && run->args->vtl2_exec == NULL))
        report_started(run->args, run->plan, report, &times, stderr);
}

/* Operators' word, not the guest's: it counts for the next start, too. */
static void on_ended(void *self, const Bulkhead__GuestEnded *ended)
{
    const struct run *run = self;

    nets_set_links_down(&run->plan->nets, ended->links_down);
    remote_keep_brought(&run->plan->remote, &ended->brought);
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

/* Scripts are told of a reset by the exit status. */
static bool restarts(struct run *run, const struct outcome *o)
{
    char why[OUTCOME_TEXT_BYTES];
    const struct cli_args *args = run->args;

    if (args->reboot != REBOOT_RESTART || args->exec || args->vtl2_exec != NULL ||
        outcome_judge(o, why) != EXIT_RESET)
        return false;
    if (!restarts_again(&run->resets, clock_now_ns(), RESET_WINDOW_S)) {
        (void)say(0, "the guest reset itself more than %d times in %d s", RESTARTS_MAX,
                  RESET_WINDOW_S);
        return false;
    }
    if (args->json)
        report_restart_json(why, stderr);
    else
        (void)say(0, "%s: it starts again, with the same disks and a new TPM", why);
    return true;
}

static unsigned seconds_left(const struct run *run)
{
    uint64_t now_ns = clock_now_ns();

    if (run->end_ns == 0)
        return 0;
    return now_ns >= run->end_ns ? 1 : (unsigned)((run->end_ns - now_ns) / NS_PER_S) + 1;
}

/* *ret_again: the guest reset itself, and is to start again. */
static int run_child(struct run *run, struct net_ends *nets, bool *ret_again)
{
    struct pump_options options = {
        .exec = run->args->exec,
        .vtl2_exec = run->args->vtl2_exec != NULL,
        .verbose = run->args->verbose,
        .timeout_s = seconds_left(run),
        .silence_s = payload_start_s(&run->plan->disks),
        .nets = nets,
        .started = on_started,
        .ended = on_ended,
        .self = run,
    };
    struct pump_logs logs = {0};
    struct outcome outcome = {0};
    struct child child;
    int r = launch(run->args, run->plan, nets, &child);

    if (r < 0)
        return say(EXIT_FAILED, "the VM cannot be started: %s", strerror(-r));
    r = pump_run(&child, &options, &logs, &outcome);
    outcome.timeout_s = (unsigned)run->args->timeout_s;
    *ret_again = r == 0 && restarts(run, &outcome);
    if (*ret_again)
        tell_manager("", "the guest reset itself: it starts again");
    else
        tell_manager("STOPPING=1\n", "the VM ends");
    child_end(&child);
    if (r < 0)
        return say(EXIT_INTERNAL, "%s", strerror(-r));
    return *ret_again ? EXIT_RESET : tell(run, &outcome, &logs);
}

/* What the NICs are plugged into is as new as the VM. */
static int run_once(struct run *run, bool *ret_again)
{
    char error[NETS_ERROR_BYTES];
    struct net_ends nets;
    bool whole = run->plan->mode == RUN_HOSTED; /* QEMU takes what there is */
    int status = net_ends_open(&run->plan->nets, run->plan->passt, whole, &nets, error);

    if (status == 0)
        status = run_child(run, &nets, ret_again);
    else
        (void)say(status, "%s", error);
    net_ends_done(&nets);
    return status;
}

/* Whoever was revoked since the first start. */
static void look_again(const struct run *run)
{
    char error[REMOTE_ERROR_BYTES];

    if (remote_read_again(&run->plan->remote, run->args->pki, error) != 0)
        (void)say(0, "%s", error);
}

static int run_vm(struct run *run)
{
    bool again;
    int status;

    if (run->args->timeout_s != 0)
        run->end_ns = run->start_ns + run->args->timeout_s * NS_PER_S;
    do {
        if (run->again)
            look_again(run);
        again = false;
        status = run_once(run, &again);
        run->again = true;
        run->start_ns = clock_now_ns();
    } while (again);
    return status;
}

static int prepare_disks(const struct run *run)
{
    char error[DISKS_ERROR_BYTES];
    int r = 0;

    if (run->plan->mode == RUN_NESTED)
        r = disks_make_room(&run->plan->disks, error);
    return r != 0 ? say(r, "%s", error) : 0;
}

static int run_locked(struct run *run)
{
    int lock = -1;
    int status;
    int r = lock_take(run->plan->socket, &lock);

    if (r == -EBUSY)
        return say(EXIT_FAILED, "a VM named %s is already running here (socket %s)",
                   run->args->name, run->plan->socket);
    if (r == -EEXIST)
        return say(EXIT_FAILED, "%s exists and is not a socket: name another with --socket",
                   run->plan->socket);
    if (r < 0)
        return say(EXIT_FAILED, "%s: %s", run->plan->socket, strerror(-r));
    status = prepare_disks(run);
    if (status == 0)
        status = run_vm(run);
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
    for (size_t i = 0; i < plan->notes.n; i++)
        (void)say(0, "%s", plan->notes.at[i]);
    run->plan = plan;
    if (plan->mode == RUN_HOSTED && m.virtualization == NULL)
        (void)say(0, "this CPU offers neither vmx nor svm: the guest may not get anywhere");
    return run_locked(run);
}

int run_command(const struct cli_args *args)
{
    struct run run = {.args = args, .start_ns = clock_now_ns()};
    struct run_plan *plan = malloc(sizeof(*plan)); /* its paths are too much for a stack */
    int status;

    if (plan == NULL)
        return say(EXIT_FAILED, "%s", strerror(ENOMEM));
    *plan = (struct run_plan){.remote.listener = -1};
    status = run_planned(&run, plan);
    check_done(plan);
    free(plan);
    return status;
}

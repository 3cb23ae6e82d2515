#include "supervisor/lifecycle.h"

#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fd.h"
#include "ipc/region.h"
#include "supervisor/admin.h"

enum {
    TOMBSTONE_FAULTS = 3, /* deaths of error-only generations until the device is given up */
};

static const uint64_t SPARE_AFTER_NS = 20ull * 1000 * 1000;       /* let the new one serve first */
static const uint64_t SPARE_RETRY_NS = 5ull * 1000 * 1000 * 1000; /* after one that failed */
static const uint64_t LEAVE_DEADLINE_NS = 20ull * 1000 * 1000;    /* then a tick kills it */
static const uint64_t DEAF_DEADLINE_NS = 10ull * 1000 * 1000 * 1000; /* init may be busy, too */

static const char *const state_words[ROW_STATES] = {
    [ROW_STARTING] = "starting", [ROW_RUNNING] = "running", [ROW_RESTARTING] = "restarting",
    [ROW_PARKED] = "parked",     [ROW_DEAD] = "dead",
};

/* To whoever waits for a replacement. */
static const char parked_meanwhile[] = "it had too many faults meanwhile, and is parked: revive it";

static void set_state(struct registry_row *row, enum row_state state)
{
    row->state = state;
    board_text(row->shown.state, state_words[state]);
}

struct generation *lifecycle_find(struct registry_row *row, uint32_t number)
{
    if (number != 0 && row->live.number == number)
        return &row->live;
    if (number != 0 && row->standby.number == number)
        return &row->standby;
    return NULL;
}

static void generation_done(struct generation *g)
{
    if (g->readable != NULL)
        event_free(g->readable);
    fd_closep(&g->channel);
    *g = (struct generation){.channel = -1};
}

static void ask_spawn(struct registry *reg, uint32_t process, struct generation *g, int binary)
{
    struct registry_row *row = &reg->rows[process];
    Bulkhead__Spawn spawn;
    Bulkhead__Envelope e;

    *g = (struct generation){.registry = reg,
                             .process = process,
                             .number = ++row->last_number,
                             .channel = -1,
                             .asked_ns = clock_now_ns()};
    if (g == &row->live)
        history_process(&reg->history, EVENT_STARTING, g, 0);
    board_log(reg->board, LOG_LEVEL_DEBUG, "%s: generation %u is asked for", manifest[process].name,
              g->number);
    bulkhead__spawn__init(&spawn);
    bulkhead__envelope__init(&e);
    spawn.process = process;
    spawn.generation = g->number;
    spawn.has_binary = binary >= 0;
    e.body_case = BULKHEAD__ENVELOPE__BODY_SPAWN;
    e.spawn = &spawn;
    registry_tell_init(reg, &e, binary);
}

static void send_kill(struct registry *reg, const struct generation *g)
{
    Bulkhead__Kill order;
    Bulkhead__Envelope e;

    bulkhead__kill__init(&order);
    bulkhead__envelope__init(&e);
    order.process = g->process;
    order.generation = g->number;
    e.body_case = BULKHEAD__ENVELOPE__BODY_KILL;
    e.kill = &order;
    registry_tell_init(reg, &e, -1);
}

void lifecycle_kill(struct registry *reg, struct generation *g, enum death_cause cause)
{
    if (g->killed)
        return;
    g->killed = true;
    g->cause = cause;
    board_log(reg->board, LOG_LEVEL_DEBUG, "%s: generation %u is killed, cause %d",
              manifest[g->process].name, g->number, (int)cause);
    if (g->channel >= 0)
        send_kill(reg, g); /* else when it is spawned: until then init has nothing to kill */
}

void lifecycle_unheard(struct registry *reg, struct generation *g, int error)
{
    if (error == -EPIPE || error == -ECONNRESET)
        g->deaf_ns = clock_now_ns(); /* dead, most likely: init will tell */
    else
        lifecycle_kill(reg, g, DEATH_PROTOCOL);
}

/* A successor stands by. */
static void replace_live(struct registry *reg, struct registry_row *row)
{
    struct generation *g = &row->live;

    if (!manifest[g->process].leaves || g->killed) {
        lifecycle_kill(reg, g, DEATH_PLANNED);
        return;
    }
    g->leave_ns = clock_now_ns();
    port_ask_to_leave(row->port, g->number);
}

int lifecycle_spawned(struct registry *reg, struct generation *g)
{
    if (g->killed)
        send_kill(reg, g);
    return registry_watch(g);
}

static void show_generation(const struct registry_row *row)
{
    board_set(row->shown.pid, (uint64_t)row->live.pid);
    board_set(row->shown.generation, row->live.number);
    board_set(row->shown.since_ns, row->live.active_ns);
    board_text(row->shown.build_id, row->live.build_id);
    board_text(row->shown.sandbox, row->live.sandbox);
}

static void announce_when_all_run(struct registry *reg)
{
    for (uint32_t p = 0; p < PROCESS_COUNT; p++) {
        if (registry_has(reg, p) && reg->rows[p].live.active_ns == 0)
            return;
    }
    if (reg->announced)
        return;
    reg->announced = true;
    history_vm(&reg->history, EVENT_STARTED, 0, 0);
    reg->callbacks.all_running(reg->callbacks.self);
}

static void activate(struct registry *reg, struct registry_row *row)
{
    struct generation *g = &row->live;
    Bulkhead__Activate order;
    Bulkhead__Envelope e;
    int r;

    bulkhead__activate__init(&order);
    bulkhead__envelope__init(&e);
    order.generation = g->number;
    order.poison = row->poison;
    order.parked = row->tombstone;
    order.confidential = reg->confidential;
    e.body_case = BULKHEAD__ENVELOPE__BODY_ACTIVATE;
    e.activate = &order;
    r = channel_send(g->channel, &e, NULL, 0);
    if (r < 0) {
        lifecycle_unheard(reg, g, r);
        return;
    }
    g->active_ns = clock_now_ns();
    g->blamed_ns = g->active_ns;
    row->ping_ns = 0;
    row->background = 0;
    row->placed_cpu = UINT32_MAX;
    set_state(row, row->tombstone ? ROW_PARKED : ROW_RUNNING);
    show_generation(row);
    history_process(&reg->history, row->tombstone ? EVENT_PARKED : EVENT_RUNNING, g, 0);
    board_log(reg->board, LOG_LEVEL_INFO, "%s: generation %u serves%s", manifest[g->process].name,
              g->number, row->tombstone ? ", errors only" : "");
    announce_when_all_run(reg);
}

static void promote(struct registry *reg, struct registry_row *row)
{
    row->live = row->standby;
    row->standby = (struct generation){.channel = -1};
    if (registry_watch(&row->live) < 0)
        board_log(reg->board, LOG_LEVEL_ERROR, "no memory to listen to a promoted generation");
    if (row->replacing)
        history_process(&reg->history, EVENT_REPLACED, &row->live, 0);
    if (row->standby_binary >= 0) {
        fd_closep(&row->binary);
        row->binary = fd_steal(&row->standby_binary);
    }
    row->replacing = false;
    row->spare_ns = clock_now_ns() + SPARE_AFTER_NS;
    board_text(row->shown.spare, "none");
    activate(reg, row);
    admin_finish(reg, row, row->tombstone ? parked_meanwhile : "");
}

void lifecycle_start(struct registry *reg, uint32_t process)
{
    struct registry_row *row = &reg->rows[process];

    set_state(row, row->tombstone ? ROW_PARKED : ROW_STARTING);
    row->spare_ns = clock_now_ns() + SPARE_AFTER_NS;
    if (row->standby.number == 0)
        ask_spawn(reg, process, &row->live, row->binary);
    else if (row->standby.verified && !row->standby.killed)
        promote(reg, row); /* one that is not yet verified is promoted then */
}

static void ask_standby(struct registry *reg, uint32_t process)
{
    struct registry_row *row = &reg->rows[process];

    ask_spawn(reg, process, &row->standby,
              row->standby_binary >= 0 ? row->standby_binary : row->binary);
    board_text(row->shown.spare, row->replacing ? "replacement starting" : "starting");
}

void lifecycle_replace(struct registry *reg, uint32_t process, int binary,
                       const struct waiting_admin *admin)
{
    struct registry_row *row = &reg->rows[process];

    row->admin = *admin;
    row->replacing = true;
    row->standby_binary = binary;
    if (row->standby.number == 0)
        ask_standby(reg, process);
    else if (binary >= 0)
        lifecycle_kill(reg, &row->standby, DEATH_PLANNED); /* another program: its death goes on */
    else if (row->standby.verified)
        replace_live(reg, row);
}

void lifecycle_verified(struct registry *reg, struct generation *g)
{
    struct registry_row *row = &reg->rows[g->process];

    if (g->killed) /* the answer came too late: its death is what comes next */
        return;
    g->verified = true;
    board_log(reg->board, LOG_LEVEL_DEBUG, "%s: generation %u is ready, after %" PRIu64 " us",
              manifest[g->process].name, g->number, (clock_now_ns() - g->asked_ns) / 1000);
    if (g == &row->live) {
        activate(reg, row);
        return;
    }
    board_text(row->shown.spare, row->replacing ? "replacement ready" : "ready");
    if (row->live.number == 0 && row->state != ROW_RESTARTING)
        promote(reg, row);
    else if (row->replacing)
        replace_live(reg, row); /* its death promotes the standby */
}

/* Which request did it die of? The region is the dead one's word: at worst it blames its own. */
static void blame(struct registry_row *row, uint32_t generation)
{
    uint64_t id = row->region == NULL
                      ? 0
                      : health_blame(&row->health, region_executing(row->region, generation));

    if (id != 0)
        row->poison = id;
}

static void give_up(struct registry *reg, struct registry_row *row, uint32_t process)
{
    set_state(row, ROW_DEAD);
    history_process(&reg->history, EVENT_DEAD, &(struct generation){.process = process}, 0);
    if (row->port != NULL)
        port_set_gone(row->port, true);
    board_log(reg->board, LOG_LEVEL_ERROR, "%s: given up; its addresses answer all-ones",
              manifest[process].name);
}

/* Without this process the guest would never start: better to say so than to wait. */
static void cannot_start(struct registry *reg, const struct registry_row *row, uint32_t process)
{
    char text[2 * BOARD_TEXT_BYTES];

    (void)snprintf(text, sizeof(text), "%s does not start: %s", manifest[process].name,
                   row->shown.last_death == NULL ? "?" : row->shown.last_death->text);
    reg->callbacks.cannot_start(reg->callbacks.self, text);
}

static void park(struct registry *reg, struct registry_row *row, uint32_t process)
{
    if (!reg->announced) {
        cannot_start(reg, row, process);
        return;
    }
    row->tombstone = true;
    board_log(reg->board, LOG_LEVEL_ERROR, "%s: too many faults: parked; revive it when mended",
              manifest[process].name);
    lifecycle_start(reg, process);
}

/*
 * Without a device there is no error to serve, and operators who would revive it come through it: what
 * serves no device is restarted for ever, as slowly as it gets.
 */
static bool can_park(const struct registry *reg, const struct registry_row *row)
{
    return row->port != NULL || !reg->announced;
}

static void after_fault(struct registry *reg, struct registry_row *row, uint32_t process,
                        uint32_t generation)
{
    uint64_t now = clock_now_ns();
    uint64_t delay_ns = 0;

    board_inc(row->shown.faults);
    blame(row, generation);
    if (row->tombstone) {
        if (++row->tomb_faults >= TOMBSTONE_FAULTS) {
            give_up(reg, row, process);
            return;
        }
    } else if (health_fault(&row->health, now, &delay_ns) == HEALTH_PARK) {
        if (can_park(reg, row)) {
            park(reg, row, process);
            return;
        }
        delay_ns = HEALTH_BACKOFF_MAX_NS;
    }
    row->retry_ns = now + delay_ns;
    set_state(row, ROW_RESTARTING);
    history_process(&reg->history, EVENT_RESTARTING, &(struct generation){.process = process},
                    (uint32_t)(delay_ns / NS_PER_MS));
    lifecycle_tick(reg, now); /* a first restart is at once */
}

static void show_death(struct registry *reg, const struct registry_row *row,
                       const struct generation *g, int wait_status)
{
    const char *word = health_word(g->cause, wait_status);
    char text[BOARD_TEXT_BYTES];

    if (WIFSIGNALED(wait_status))
        (void)snprintf(text, sizeof(text), "generation %u: %s (signal %d)", g->number, word,
                       WTERMSIG(wait_status));
    else
        (void)snprintf(text, sizeof(text), "generation %u: %s (exit %d)", g->number, word,
                       WEXITSTATUS(wait_status));
    history_death(&reg->history, row, g, wait_status);
    board_text(row->shown.last_death, text);
    board_log(reg->board, g->cause == DEATH_PLANNED ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, "%s: %s",
              manifest[g->process].name, text);
}

static void replacement_failed(struct registry *reg, struct registry_row *row, int wait_status)
{
    char error[BOARD_TEXT_BYTES * 2];

    (void)snprintf(error, sizeof(error), "the new generation %s; %s",
                   health_word(row->standby.cause, wait_status),
                   row->tombstone ? parked_meanwhile : "the old one serves on");
    row->replacing = false;
    fd_closep(&row->standby_binary);
    admin_finish(reg, row, error);
}

static void standby_died(struct registry *reg, struct registry_row *row, uint32_t process,
                         int wait_status)
{
    bool made_room = row->standby.cause == DEATH_PLANNED;

    if (row->replacing && !made_room)
        replacement_failed(reg, row, wait_status);
    generation_done(&row->standby);
    board_text(row->shown.spare, "none");
    row->spare_ns = clock_now_ns() + SPARE_RETRY_NS;
    if (row->replacing)
        ask_standby(reg, process);
    else if (row->live.number == 0 && row->state != ROW_RESTARTING)
        lifecycle_start(reg, process);
}

void lifecycle_died(struct registry *reg, struct generation *g, int wait_status)
{
    struct registry_row *row = &reg->rows[g->process];
    uint32_t process = g->process;
    uint32_t number = g->number;
    bool fault;

    if (g->leave_ns != 0 && !g->killed && WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0)
        g->cause = DEATH_PLANNED;
    fault = health_is_fault(g->cause, wait_status);
    show_death(reg, row, g, wait_status);
    if (g == &row->standby) {
        standby_died(reg, row, process, wait_status);
        return;
    }
    if (row->port != NULL)
        port_server_died(row->port); /* whoever waits for it to leave need not */
    board_inc(row->shown.restarts);
    row->n_deaths++;
    generation_done(&row->live);
    board_set(row->shown.pid, 0);
    if (fault)
        after_fault(reg, row, process, number);
    else
        lifecycle_start(reg, process);
}

int lifecycle_revive(struct registry *reg, uint32_t process)
{
    struct registry_row *row = &reg->rows[process];

    if (row->state != ROW_PARKED && row->state != ROW_DEAD)
        return -EALREADY;
    history_process(&reg->history, EVENT_REVIVED, &(struct generation){.process = process}, 0);
    health_forget(&row->health);
    row->poison = 0;
    row->tombstone = false;
    row->tomb_faults = 0;
    if (row->port != NULL)
        port_set_gone(row->port, false);
    if (row->live.number != 0)
        lifecycle_kill(reg, &row->live, DEATH_PLANNED);
    else
        lifecycle_start(reg, process);
    return 0;
}

/* A process that is started ahead takes over in a fraction of the time. */
static void keep_spare(struct registry *reg, uint32_t process, uint64_t now_ns)
{
    struct registry_row *row = &reg->rows[process];

    if (reg->announced && row->port != NULL && row->state == ROW_RUNNING &&
        row->live.active_ns != 0 && row->standby.number == 0 && now_ns > row->spare_ns)
        ask_standby(reg, process);
}

static void check_deadlines(struct registry *reg, struct generation *g, uint64_t now_ns)
{
    if (g->number == 0)
        return;
    if (!g->verified && now_ns > g->asked_ns + START_DEADLINE_MS * NS_PER_MS)
        lifecycle_kill(reg, g, DEATH_START);
    if (g->leave_ns != 0 && now_ns > g->leave_ns + LEAVE_DEADLINE_NS)
        lifecycle_kill(reg, g, DEATH_PLANNED);
    if (g->deaf_ns != 0 && now_ns > g->deaf_ns + DEAF_DEADLINE_NS)
        lifecycle_kill(reg, g, DEATH_PROTOCOL); /* it lives, and has closed its channel */
}

void lifecycle_tick(struct registry *reg, uint64_t now_ns)
{
    for (uint32_t p = 0; p < PROCESS_COUNT; p++) {
        struct registry_row *row = &reg->rows[p];

        if (!registry_has(reg, p))
            continue;
        if (row->state == ROW_RESTARTING && now_ns >= row->retry_ns)
            lifecycle_start(reg, p);
        keep_spare(reg, p, now_ns);
        check_deadlines(reg, &row->live, now_ns);
        check_deadlines(reg, &row->standby, now_ns);
    }
}

#include "init/shows.h"

#include <inttypes.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/shm.h"
#include "init/usage.h"

static const uint32_t GENERATION = 1; /* init has only one */

static void add_rows(struct shows *s, enum process process)
{
    struct shows_process *row = &s->processes[process];
    const char *name = manifest[process].name;
    struct board *b = &s->board;

    row->cpu_us = board_addf(b, BOARD_COUNTER, "process/%s/cpu_us", name);
    row->memory_bytes = board_addf(b, BOARD_GAUGE, "process/%s/memory_bytes", name);
    if (manifest[process].program == NULL) /* nobody starts init */
        return;
    row->pid = board_addf(b, BOARD_GAUGE, "process/%s/pid", name);
    row->generation = board_addf(b, BOARD_GAUGE, "process/%s/generation", name);
    row->starts = board_addf(b, BOARD_COUNTER, "process/%s/starts", name);
    row->deaths = board_addf(b, BOARD_COUNTER, "process/%s/deaths", name);
    row->violations = board_addf(b, BOARD_COUNTER, "process/%s/violations", name);
    row->unverified = board_addf(b, BOARD_COUNTER, "process/%s/unverified", name);
    row->build_id = board_addf(b, BOARD_TEXT, "process/%s/build_id", name);
    row->program = board_addf(b, BOARD_TEXT, "process/%s/program", name);
    row->last_end = board_addf(b, BOARD_TEXT, "process/%s/last_end", name);
}

int shows_open(struct shows *s, int board, int levels)
{
    void *page, *other;
    int r = shm_map(board, BOARD_BYTES, true, &page);

    if (r < 0)
        return r;
    s->page = page;
    r = shm_map(levels, manifest_object_bytes(OBJECT_LEVELS, 0), false, &other);
    if (r < 0)
        return r;
    s->levels = other;
    board_attach(&s->board, page, GENERATION);
    s->board.level = &s->levels->level[PROCESS_INIT];
    board_take_rows(&s->board);
    for (enum process p = 0; p < PROCESS_COUNT; p++)
        add_rows(s, p);
    return 0;
}

void shows_done(struct shows *s)
{
    if (s->page != NULL)
        (void)munmap(s->page, BOARD_BYTES);
    s->page = NULL;
    if (s->levels != NULL)
        (void)munmap(s->levels, manifest_object_bytes(OBJECT_LEVELS, 0));
    s->levels = NULL;
}

/* Counts what it used since it was looked at last. */
static void look(struct proc *p, struct usage *sum)
{
    struct usage u = {.cpu_ns = p->cpu_ns};

    usage_read(p->jail.pid, &u);
    p->cpu_ns = u.cpu_ns;
    sum->cpu_ns += u.cpu_ns;
    sum->memory_bytes += u.memory_bytes;
}

static void show_usage(struct shows *s, enum process process, const struct usage *u)
{
    const struct shows_process *row = &s->processes[process];

    board_set(row->cpu_us, (row->cpu_ns + u->cpu_ns) / NS_PER_US);
    board_set(row->memory_bytes, u->memory_bytes);
}

void shows_usage(struct shows *s, struct procs *procs)
{
    struct usage sums[PROCESS_COUNT] = {0};

    if (s->page == NULL)
        return;
    usage_read(getpid(), &sums[PROCESS_INIT]);
    for (int i = 0; i < PROC_SLOTS; i++) {
        struct proc *p = &procs->slots[i];

        if (p->state == PROC_LIVE)
            look(p, &sums[p->process]);
    }
    for (enum process p = 0; p < PROCESS_COUNT; p++)
        show_usage(s, p, &sums[p]);
}

/* What it used at last; its body is still there. */
static void settle_usage(struct shows_process *row, const struct proc *p)
{
    struct usage u = {.cpu_ns = p->cpu_ns};

    usage_read(p->jail.pid, &u);
    row->cpu_ns += u.cpu_ns;
}

void shows_running(struct shows *s, const struct proc *p)
{
    const struct shows_process *row = &s->processes[p->process];

    if (s->page == NULL)
        return;
    board_set(row->pid, (uint64_t)p->jail.pid);
    board_set(row->generation, p->generation);
    board_inc(row->starts);
    board_text(row->build_id, p->build_id);
    board_text(row->program, manifest_program(p->process, p->owner->remote));
    board_log(&s->board, LOG_LEVEL_INFO, "%s %" PRIu32 " runs, pid %d, build %s",
              manifest[p->process].name, p->generation, p->jail.pid, p->build_id);
}

void shows_failed(struct shows *s, const struct proc *p, const char *error)
{
    if (s->page != NULL)
        board_log(&s->board, LOG_LEVEL_ERROR, "%s %" PRIu32 " was not started: %s",
                  manifest[p->process].name, p->generation, error);
}

void shows_died(struct shows *s, const struct proc *p, int wait_status)
{
    struct shows_process *row = &s->processes[p->process];
    char text[PROC_END_BYTES];

    if (s->page == NULL)
        return;
    proc_end_text(wait_status, text);
    settle_usage(row, p);
    board_inc(row->deaths);
    if (WIFSIGNALED(wait_status) && WTERMSIG(wait_status) == SIGSYS)
        board_inc(row->violations);
    board_text(row->last_end, text);
    board_log(&s->board, p->killed ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, "%s %" PRIu32 " ended: %s%s",
              manifest[p->process].name, p->generation, text,
              p->out_of_memory ? ": out of memory" : "");
}

void shows_verified(struct shows *s, const struct proc *p, const char *error)
{
    if (s->page == NULL)
        return;
    if (error[0] != '\0')
        board_inc(s->processes[p->process].unverified);
    if (error[0] == '\0')
        board_log(&s->board, LOG_LEVEL_INFO, "%s %" PRIu32 " verified: %s",
                  manifest[p->process].name, p->generation, p->sandbox);
    else
        board_log(&s->board, LOG_LEVEL_ERROR, "%s %" PRIu32 " is not as it must be: %s",
                  manifest[p->process].name, p->generation, error);
}

void shows_line(struct shows *s, enum log_level level, const char *text)
{
    if (s->page != NULL)
        board_log(&s->board, level, "%s", text);
}

void shows_plain(struct shows *s, const char *why)
{
    if (s->page != NULL)
        board_log(&s->board, LOG_LEVEL_WARN,
                  "disks are served by plain system calls, and none comes or goes: %s", why);
}

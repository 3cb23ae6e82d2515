#include "init/shows.h"

#include <inttypes.h>
#include <sys/mman.h>

#include "base/shm.h"

static const uint32_t GENERATION = 1; /* init has only one */

static void add_rows(struct shows *s, enum process process)
{
    struct shows_process *row = &s->processes[process];
    const char *name = manifest[process].name;
    struct board *b = &s->board;

    row->pid = board_addf(b, BOARD_GAUGE, "process/%s/pid", name);
    row->generation = board_addf(b, BOARD_GAUGE, "process/%s/generation", name);
    row->starts = board_addf(b, BOARD_COUNTER, "process/%s/starts", name);
    row->deaths = board_addf(b, BOARD_COUNTER, "process/%s/deaths", name);
    row->build_id = board_addf(b, BOARD_TEXT, "process/%s/build_id", name);
    row->last_end = board_addf(b, BOARD_TEXT, "process/%s/last_end", name);
}

int shows_open(struct shows *s, int fd)
{
    void *page;
    int r = shm_map(fd, BOARD_BYTES, true, &page);

    if (r < 0)
        return r;
    s->page = page;
    board_attach(&s->board, page, GENERATION);
    board_take_rows(&s->board);
    for (int i = 0; i < PROCESS_COUNT; i++) {
        if (manifest[i].program != NULL)
            add_rows(s, (enum process)i);
    }
    return 0;
}

void shows_done(struct shows *s)
{
    if (s->page != NULL)
        (void)munmap(s->page, BOARD_BYTES);
    s->page = NULL;
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
    const struct shows_process *row = &s->processes[p->process];
    char text[PROC_END_BYTES];

    if (s->page == NULL)
        return;
    proc_end_text(wait_status, text);
    board_inc(row->deaths);
    board_text(row->last_end, text);
    board_log(&s->board, p->killed ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, "%s %" PRIu32 " ended: %s%s",
              manifest[p->process].name, p->generation, text,
              p->out_of_memory ? ": out of memory" : "");
}

void shows_verified(struct shows *s, const struct proc *p, const char *error)
{
    if (s->page == NULL)
        return;
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

#include "supervisor/history.h"

#include <string.h>

#include "base/board_read.h"
#include "base/clock.h"
#include "ipc/region.h"
#include "supervisor/health.h"
#include "supervisor/registry.h"

void history_init(struct history *h, struct records_page *page)
{
    h->page = page;
    (void)pthread_mutex_init(&h->lock, NULL);
}

static void add(struct history *h, struct event_record *event)
{
    if (h->page == NULL)
        return;
    (void)pthread_mutex_lock(&h->lock);
    (void)records_add_event(h->page, event);
    (void)pthread_mutex_unlock(&h->lock);
}

static struct event_record event_about(enum event_kind kind, const struct generation *g)
{
    return (struct event_record){.kind = (uint16_t)kind,
                                 .process = (uint8_t)g->process,
                                 .generation = g->number,
                                 .pid = g->pid};
}

void history_process(struct history *h, enum event_kind kind, const struct generation *g,
                     uint32_t number)
{
    struct event_record event = event_about(kind, g);

    event.numbers[0] = number;
    add(h, &event);
}

void history_vm(struct history *h, enum event_kind kind, uint32_t first, uint32_t second)
{
    struct event_record event = {
        .kind = (uint16_t)kind, .process = RECORDS_VM, .numbers = {first, second}
    };

    add(h, &event);
}

/* --- crashes --- */

static void take_line(struct crash_record *crash, const struct board_line *line)
{
    struct crash_line *to = &crash->lines[crash->n_lines++];

    to->monotonic_ns = line->time_ns;
    to->generation = line->generation;
    to->level = (uint16_t)line->level;
    to->len = (uint16_t)strlen(line->text);
    memcpy(to->text, line->text, to->len);
}

static void take_lines(struct crash_record *crash, const struct board_page *board)
{
    uint64_t newest = atomic_load(&board->log_seq);
    uint64_t from = newest > RECORDS_LINES ? newest - RECORDS_LINES + 1 : 1;
    struct board_line line;

    while (crash->n_lines < RECORDS_LINES && board_read_log(board, from, &line) == 0) {
        take_line(crash, &line);
        from = line.seq + 1;
    }
}

/* The dead one's word: it may have lied, about itself. */
static void take_doing(struct crash_record *crash, const struct registry_row *row)
{
    uint64_t doing;

    if (row->region == NULL || crash->is_spare ||
        region_executing(row->region, crash->generation) == 0)
        return;
    doing = region_doing(row->region);
    if (doing >> 32 >= DOINGS)
        return;
    crash->doing = (uint8_t)(doing >> 32);
    crash->doing_code = (uint32_t)doing;
}

static void take_words(const struct history *h, struct crash_record *crash)
{
    const struct board_page *board = h->boards[crash->process];

    if (board == NULL)
        return;
    crash->has_code = board_read_fault(board, crash->generation, &crash->code) == 0;
    if (!h->confidential)
        take_lines(crash, board);
}

static uint32_t add_crash(struct history *h, const struct registry_row *row,
                          const struct generation *g, enum cause cause, int wait_status)
{
    struct crash_record crash = {.process = (uint8_t)g->process,
                                 .cause = (uint8_t)cause,
                                 .generation = g->number,
                                 .pid = g->pid,
                                 .wait_status = wait_status,
                                 .is_spare = g == &row->standby,
                                 .restarts = row->n_deaths};

    if (g->active_ns != 0)
        crash.served_ns = clock_now_ns() - g->active_ns;
    memcpy(crash.build_id, g->build_id, sizeof(g->build_id));
    take_doing(&crash, row);
    take_words(h, &crash);
    return (uint32_t)records_add_crash(h->page, &crash);
}

void history_death(struct history *h, const struct registry_row *row, const struct generation *g,
                   int wait_status)
{
    bool spare = g == &row->standby;
    struct event_record event = event_about(spare ? EVENT_SPARE_DIED : EVENT_DIED, g);
    enum cause cause = health_cause(g->cause, wait_status);

    if (h->page == NULL)
        return;
    event.cause = (uint8_t)cause;
    if (cause != CAUSE_REPLACED)
        event.crash = add_crash(h, row, g, cause, wait_status);
    add(h, &event);
}

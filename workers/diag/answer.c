#include "workers/diag/answer.h"

#include <assert.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/macro.h"
#include "workers/diag/audit.h"
#include "workers/diag/ps.h"

enum {
    ROW_OVERHEAD = 48, /* tags, lengths and numbers of one row, at most */
    ERROR_BYTES = 512,
    METRICS_BYTES = ANSWER_MAX_BYTES - 64,
};
_Static_assert(ANSWER_VALUES *(INSPECT_PATH_BYTES + BOARD_TEXT_BYTES + ROW_OVERHEAD) <=
                   ANSWER_MAX_BYTES - 64,
               "the longest values fit into one datagram");
_Static_assert(ANSWER_LINES *(BOARD_LOG_TEXT_BYTES + 16 + ROW_OVERHEAD) <= ANSWER_MAX_BYTES - 64,
               "the longest lines fit into one datagram");
_Static_assert(PROCESS_COUNT *(4 * BOARD_TEXT_BYTES + 16 + 2 * ROW_OVERHEAD) <=
                   ANSWER_MAX_BYTES - 64,
               "all processes fit into one datagram");

/* Strings of protobuf-c messages are not const; packing does not change them. */
static char *text_of(const char *text)
{
    return (char *)(uintptr_t)text;
}

void answer_pack(const Bulkhead__AdminAnswer *a, struct datagram *ret)
{
    assert(bulkhead__admin_answer__get_packed_size(a) <= sizeof(ret->bytes));
    ret->len = bulkhead__admin_answer__pack(a, ret->bytes);
    ret->last = a->done != 0;
}

void answer_end(const char *error, struct datagram *ret)
{
    char text[ERROR_BYTES];
    Bulkhead__AdminAnswer a;

    (void)snprintf(text, sizeof(text), "%s", error);
    bulkhead__admin_answer__init(&a);
    a.error = text;
    a.done = true;
    answer_pack(&a, ret);
}

static void answer_ps(const struct board_page *const boards[PROCESS_COUNT], struct datagram *ret)
{
    struct ps_row found[PROCESS_COUNT];
    Bulkhead__ProcessRow rows[PROCESS_COUNT];
    Bulkhead__ProcessRow *list[PROCESS_COUNT];
    Bulkhead__AdminAnswer a;

    bulkhead__admin_answer__init(&a);
    a.processes = list;
    a.done = true;
    ps_collect(boards[PROCESS_SUPERVISOR], boards[PROCESS_INIT], clock_now_ns(), found);
    for (size_t i = 0; i < PROCESS_COUNT; i++) {
        Bulkhead__ProcessRow *row = &rows[a.n_processes];

        if (!found[i].present)
            continue;
        bulkhead__process_row__init(row);
        row->name = text_of(manifest[i].name);
        row->state = found[i].state;
        row->build_id = found[i].build_id;
        row->program = found[i].program;
        row->last_death = found[i].last_death;
        row->sandbox = found[i].sandbox;
        row->pid = found[i].pid;
        row->generation = found[i].generation;
        row->restarts = found[i].restarts;
        row->uptime_ms = found[i].uptime_ms;
        list[a.n_processes++] = row;
    }
    answer_pack(&a, ret);
}

static void answer_inspect(struct inspect_cursor *c,
                           const struct board_page *const boards[PROCESS_COUNT],
                           struct datagram *ret)
{
    struct inspect_value found[ANSWER_VALUES];
    Bulkhead__ValueRow rows[ANSWER_VALUES];
    Bulkhead__ValueRow *list[ANSWER_VALUES];
    Bulkhead__AdminAnswer a;

    bulkhead__admin_answer__init(&a);
    a.values = list;
    while (a.n_values < ANSWER_VALUES && inspect_next(c, boards, &found[a.n_values])) {
        const struct inspect_value *v = &found[a.n_values];
        Bulkhead__ValueRow *row = &rows[a.n_values];

        bulkhead__value_row__init(row);
        row->path = text_of(v->path);
        row->text = text_of(v->value.text);
        row->number = v->value.value;
        row->is_text = v->value.kind == BOARD_TEXT;
        row->is_counter = v->value.kind == BOARD_COUNTER;
        list[a.n_values++] = row;
    }
    a.done = a.n_values < ANSWER_VALUES;
    answer_pack(&a, ret);
}

static void answer_logs(struct question *q, const struct board_page *const boards[PROCESS_COUNT],
                        struct datagram *ret)
{
    struct board_line found[ANSWER_LINES];
    Bulkhead__LogRow rows[ANSWER_LINES];
    Bulkhead__LogRow *list[ANSWER_LINES];
    Bulkhead__AdminAnswer a;
    enum process process;

    bulkhead__admin_answer__init(&a);
    a.lines = list;
    while (a.n_lines < ANSWER_LINES && logs_next(&q->logs, boards, &process, &found[a.n_lines])) {
        const struct board_line *line = &found[a.n_lines];
        Bulkhead__LogRow *row = &rows[a.n_lines];

        bulkhead__log_row__init(row);
        row->process = text_of(manifest[process].name);
        row->generation = line->generation;
        row->level = line->level;
        row->time_ns = line->time_ns;
        row->text = text_of(line->text);
        list[a.n_lines++] = row;
    }
    if (q->follow && a.n_lines == 0)
        return;
    a.done = !q->follow && a.n_lines < ANSWER_LINES;
    answer_pack(&a, ret);
}

static void answer_metrics(struct metrics_cursor *c,
                           const struct board_page *const boards[PROCESS_COUNT],
                           struct datagram *ret)
{
    char text[METRICS_BYTES + 1];
    Bulkhead__AdminAnswer a;
    size_t len = metrics_next(c, boards, clock_now_ns(), text, METRICS_BYTES);

    bulkhead__admin_answer__init(&a);
    text[len] = '\0';
    a.metrics = text;
    a.done = len == 0;
    answer_pack(&a, ret);
}

void answer_next(struct question *q, const struct board_page *const boards[PROCESS_COUNT],
                 struct datagram *ret)
{
    switch (q->verb) {
    case BULKHEAD__ADMIN_CALL__VERB__PS:
        answer_ps(boards, ret);
        return;
    case BULKHEAD__ADMIN_CALL__VERB__INSPECT:
        answer_inspect(&q->inspect, boards, ret);
        return;
    case BULKHEAD__ADMIN_CALL__VERB__LOGS:
        answer_logs(q, boards, ret);
        return;
    case BULKHEAD__ADMIN_CALL__VERB__CAPTURE:
        capture_answer_next(&q->capture, ret);
        return;
    case BULKHEAD__ADMIN_CALL__VERB__REGISTERS:
    case BULKHEAD__ADMIN_CALL__VERB__DUMP:
    case BULKHEAD__ADMIN_CALL__VERB__GDB:
        debug_answer_next(&q->debug, ret);
        return;
    case BULKHEAD__ADMIN_CALL__VERB__AUDIT:
        audit_answer_next(&q->audit, ret);
        return;
    case BULKHEAD__ADMIN_CALL__VERB__TRACE:
        trace_answer_next(&q->trace, ret);
        return;
    case BULKHEAD__ADMIN_CALL__VERB__EVENTS:
        records_answer_events(&q->records, q->follow, ret);
        return;
    case BULKHEAD__ADMIN_CALL__VERB__CRASHES:
        records_answer_crashes(&q->records, ret);
        return;
    case BULKHEAD__ADMIN_CALL__VERB__METRICS:
        answer_metrics(&q->metrics, boards, ret);
        return;
    case BULKHEAD__ADMIN_CALL__VERB__NONE:
    case BULKHEAD__ADMIN_CALL__VERB__RESTART:
    case BULKHEAD__ADMIN_CALL__VERB__REVIVE:
    case BULKHEAD__ADMIN_CALL__VERB__DISK:
    case BULKHEAD__ADMIN_CALL__VERB__LINK:
    case BULKHEAD__ADMIN_CALL__VERB__PAUSE:
    case BULKHEAD__ADMIN_CALL__VERB__RESUME:
    case BULKHEAD__ADMIN_CALL__VERB__REVOCATIONS:
    case BULKHEAD__ADMIN_CALL__VERB__LOG_LEVEL:
    case _BULKHEAD__ADMIN_CALL__VERB_IS_INT_SIZE:
    default:
        answer_end("no such question", ret);
    }
}

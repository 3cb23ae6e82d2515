#include "workers/diag/records.h"

#include "base/clock.h"
#include "workers/diag/answer.h"

enum {
    EVENT_ROW_BYTES = 240, /* words, numbers, tags and lengths of one, at most */
    CRASH_ROW_BYTES = 320, /* the same, without lines */
    LINE_ROW_BYTES = BOARD_LOG_TEXT_BYTES + 64,
    ROOM_BYTES = ANSWER_MAX_BYTES - 64,
};
_Static_assert(RECORDS_ANSWER_EVENTS *EVENT_ROW_BYTES <= ROOM_BYTES, "the longest ones fit");
_Static_assert(RECORDS_ANSWER_CRASHES *(CRASH_ROW_BYTES + RECORDS_LINES * LINE_ROW_BYTES) <=
                   ROOM_BYTES,
               "the longest ones fit");

/* Strings of protobuf-c messages are not const; packing does not change them. NULL: there is none. */
static char *text_of(const char *text)
{
    static const char none[] = "";

    return (char *)(uintptr_t)(text == NULL ? none : text);
}

static char *name_of(uint8_t process)
{
    return text_of(process == RECORDS_VM ? NULL : manifest[process].name);
}

/* --- events --- */

struct events {
    struct event_record found[RECORDS_ANSWER_EVENTS];
    Bulkhead__EventRow rows[RECORDS_ANSWER_EVENTS];
    Bulkhead__EventRow *list[RECORDS_ANSWER_EVENTS];
    Bulkhead__NumberRow numbers[RECORDS_ANSWER_EVENTS][EVENT_NUMBERS];
    Bulkhead__NumberRow *number_lists[RECORDS_ANSWER_EVENTS][EVENT_NUMBERS];
    size_t n;
};

static void fill_numbers(struct events *e, size_t i)
{
    const struct event_record *from = &e->found[i];
    const char *const *names = records_event_numbers(from->kind);
    Bulkhead__EventRow *row = &e->rows[i];

    row->numbers = e->number_lists[i];
    for (size_t n = 0; n < EVENT_NUMBERS && names[n] != NULL; n++) {
        Bulkhead__NumberRow *number = &e->numbers[i][n];

        bulkhead__number_row__init(number);
        number->name = text_of(names[n]);
        number->value = from->numbers[n];
        row->numbers[row->n_numbers++] = number;
    }
}

static void fill_event(struct events *e, size_t i)
{
    const struct event_record *from = &e->found[i];
    Bulkhead__EventRow *row = &e->rows[i];

    bulkhead__event_row__init(row);
    row->seq = from->seq;
    row->time_ns = from->time_ns;
    row->monotonic_ns = from->monotonic_ns;
    row->event = text_of(records_event_name(from->kind));
    row->process = name_of(from->process);
    row->generation = from->generation;
    row->pid = from->pid;
    row->cause = text_of(records_cause_name(from->cause));
    row->crash = from->crash;
    fill_numbers(e, i);
    e->list[i] = row;
}

/* The next one that is asked for; as many as there are in the ring are passed over at most. */
static bool find_event(struct records_answer *a, struct event_record *ret)
{
    while (records_next_event(a->page, &a->cursor, ret) == 0) {
        if (a->about == PROCESS_COUNT || a->about == ret->process)
            return true;
    }
    return false;
}

void records_answer_events(struct records_answer *a, bool follow, struct datagram *ret)
{
    struct events e;
    Bulkhead__AdminAnswer answer;

    for (e.n = 0; e.n < RECORDS_ANSWER_EVENTS && find_event(a, &e.found[e.n]); e.n++)
        fill_event(&e, e.n);
    if (follow && e.n == 0 && a->cursor.lost == a->told_lost)
        return;
    bulkhead__admin_answer__init(&answer);
    answer.events = e.list;
    answer.n_events = e.n;
    answer.lost = a->told_lost = a->cursor.lost;
    answer.done = !follow && e.n < RECORDS_ANSWER_EVENTS;
    answer_pack(&answer, ret);
}

/* --- crashes --- */

struct crashes {
    struct crash_record found[RECORDS_ANSWER_CRASHES];
    Bulkhead__CrashRow rows[RECORDS_ANSWER_CRASHES];
    Bulkhead__CrashRow *list[RECORDS_ANSWER_CRASHES];
    Bulkhead__LogRow lines[RECORDS_ANSWER_CRASHES][RECORDS_LINES];
    Bulkhead__LogRow *line_lists[RECORDS_ANSWER_CRASHES][RECORDS_LINES];
    size_t n;
};

static void fill_lines(struct crashes *c, size_t i)
{
    const struct crash_record *from = &c->found[i];
    Bulkhead__CrashRow *row = &c->rows[i];

    row->lines = c->line_lists[i];
    for (size_t n = 0; n < from->n_lines; n++) {
        const struct crash_line *line = &from->lines[n];
        Bulkhead__LogRow *to = &c->lines[i][n];

        bulkhead__log_row__init(to);
        to->process = name_of(from->process);
        to->generation = line->generation;
        to->level = line->level;
        to->time_ns = line->monotonic_ns;
        to->text = text_of(line->text);
        row->lines[row->n_lines++] = to;
    }
}

static void fill_crash(struct crashes *c, size_t i)
{
    const struct crash_record *from = &c->found[i];
    Bulkhead__CrashRow *row = &c->rows[i];

    bulkhead__crash_row__init(row);
    row->number = from->seq;
    row->time_ns = from->time_ns;
    row->monotonic_ns = from->monotonic_ns;
    row->served_ms = from->served_ns / NS_PER_MS;
    row->process = name_of(from->process);
    row->generation = from->generation;
    row->pid = from->pid;
    row->cause = text_of(records_cause_name(from->cause));
    row->wait_status = from->wait_status;
    row->restarts = from->restarts;
    row->spare = from->is_spare != 0;
    row->build_id = text_of(from->build_id);
    row->has_code = from->has_code != 0;
    row->code = from->code;
    row->doing = text_of(records_doing_name(from->doing));
    row->doing_code = from->doing_code;
    fill_lines(c, i);
    c->list[i] = row;
}

static bool find_crash(struct records_answer *a, struct crash_record *ret)
{
    if (a->number != 0)
        return records_find_crash(a->page, a->number, ret) == 0;
    return records_next_crash(a->page, &a->cursor, ret) == 0;
}

void records_answer_crashes(struct records_answer *a, struct datagram *ret)
{
    size_t max = a->number != 0 ? 1 : RECORDS_ANSWER_CRASHES;
    struct crashes c;
    Bulkhead__AdminAnswer answer;

    for (c.n = 0; c.n < max && find_crash(a, &c.found[c.n]); c.n++)
        fill_crash(&c, c.n);
    if (a->number != 0 && c.n == 0) {
        answer_end("no crash of that number: `bulkhead crash list` shows which there are", ret);
        return;
    }
    bulkhead__admin_answer__init(&answer);
    answer.crashes = c.list;
    answer.n_crashes = c.n;
    answer.lost = a->cursor.lost;
    answer.done = a->number != 0 || c.n < max;
    answer_pack(&answer, ret);
}

/*
 * tests/fuzz/fuzz_records.c - a page of events and crashes on which somebody wrote what he likes.
 *
 * The input: u64 events, u64 crashes, u64 where the reader is, then writes into the slots that it comes to: u8 slot, whose
 * highest bit says which ring, u8 its number minus the one that is expected, u16 offset, u8 length, bytes. Promises checked:
 * each call ends; what is read has words, its texts end and are printable; a page that does not change has an end; an honest
 * writer's next records come through.
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/rd.h"
#include "ipc/manifest.h"
#include "ipc/records.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    HONEST = 4711,
};

static void scribble(void *record, size_t len, struct rd *r)
{
    size_t at = rd_le16(r) % len;
    size_t n = rd_u8(r);
    struct span s = rd_span(r, n < r->left ? n : r->left);

    for (size_t i = 0; i < s.len && at + i < len; i++)
        ((uint8_t *)record)[at + i] = s.at[i];
}

static void scribble_slot(struct records_page *page, uint64_t from, struct rd *r)
{
    unsigned slot = rd_u8(r);
    uint64_t seq = from + (slot & 0x7f);
    uint64_t wrong = rd_u8(r);

    if ((slot & 0x80) != 0) {
        struct crash_slot *c = &page->crashes[seq % RECORDS_CRASHES];

        c->written = seq + wrong;
        c->crash.seq = seq;
        c->crash.cause = CAUSE_CRASH;
        scribble(&c->crash, sizeof(c->crash), r);
    } else {
        struct event_slot *e = &page->events[seq % RECORDS_EVENTS];

        e->written = seq + wrong;
        e->event.seq = seq;
        e->event.kind = EVENT_RUNNING;
        scribble(&e->event, sizeof(e->event), r);
    }
}

static void check_text(const char *text, size_t room)
{
    size_t len = strnlen(text, room);

    if (len == room)
        abort();
    for (size_t i = 0; i < len; i++) {
        if (text[i] < ' ' || text[i] > '~')
            abort();
    }
}

static void check_crash(const struct crash_record *c)
{
    if (c->process >= PROCESS_COUNT || records_cause_name(c->cause) == NULL ||
        (c->doing != DOING_NONE && records_doing_name(c->doing) == NULL) ||
        c->n_lines > RECORDS_LINES)
        abort();
    check_text(c->build_id, sizeof(c->build_id));
    for (unsigned i = 0; i < c->n_lines; i++)
        check_text(c->lines[i].text, sizeof(c->lines[i].text));
}

static bool read_events(const struct records_page *page, struct records_cursor *c)
{
    struct event_record e;
    bool honest = false;
    int n = 0;

    while (records_next_event(page, c, &e) == 0) {
        if (records_event_name(e.kind) == NULL || n++ > RECORDS_EVENTS ||
            (e.process >= PROCESS_COUNT && e.process != RECORDS_VM))
            abort();
        honest = e.generation == HONEST;
    }
    return honest;
}

static bool read_crashes(const struct records_page *page, struct records_cursor *c)
{
    struct crash_record crash;
    bool honest = false;
    int n = 0;

    while (records_next_crash(page, c, &crash) == 0) {
        check_crash(&crash);
        if (n++ > RECORDS_CRASHES)
            abort();
        honest = crash.generation == HONEST;
    }
    return honest;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct records_page page;
    struct rd r = rd_over(data, size);
    struct event_record event = {.kind = EVENT_RUNNING, .generation = HONEST};
    struct crash_record crash = {.cause = CAUSE_HANG, .generation = HONEST};
    struct records_cursor events, crashes;
    uint64_t at;

    memset(&page, 0, sizeof(page));
    page.n_events = rd_le64(&r);
    page.n_crashes = rd_le64(&r);
    at = rd_le64(&r);
    events = crashes = (struct records_cursor){.at = at};
    while (r.left > 0 && rd_ok(&r))
        scribble_slot(&page, at, &r);
    (void)read_events(&page, &events);
    (void)read_crashes(&page, &crashes);
    if (page.n_events >= UINT64_MAX / 2 || page.n_crashes >= UINT64_MAX / 2 || at > page.n_events ||
        at > page.n_crashes)
        return 0; /* no honest writer goes on from there, and no honest reader was there */
    (void)records_add_event(&page, &event);
    (void)records_add_crash(&page, &crash);
    if (!read_events(&page, &events) || !read_crashes(&page, &crashes))
        abort();
    return 0;
}

#include "workers/diag/audit.h"

#include <stdio.h>
#include <string.h>

#include "base/board.h"
#include "base/clock.h"
#include "workers/diag/answer.h"

enum {
    ANSWER_RECORDS = 64,
    SHOWN_BYTES = 16, /* of a hash, as text */
};
_Static_assert(ANSWER_RECORDS *(sizeof(struct audit_record) + 8) < ANSWER_MAX_BYTES - 64,
               "they fit into a datagram");

static void copy_printable(char *to, size_t size, const char *from)
{
    for (size_t i = 0; i + 1 < size && from[i] != '\0'; i++)
        to[i] = from[i] < ' ' || from[i] > '~' ? '?' : from[i];
}

static void show(struct audit *a, const struct audit_record *r)
{
    char text[2 * SHOWN_BYTES + 1];

    for (unsigned i = 0; i < SHOWN_BYTES; i++)
        (void)snprintf(text + 2 * (size_t)i, 3, "%02x", r->hash[i]);
    board_set(a->row_records[r->ring], r->seq);
    board_text(a->row_hash[r->ring], text);
}

/* What another generation has left there. */
static void show_newest(struct audit *a, enum audit_ring ring)
{
    struct audit_record r;

    if (audit_get(a->page, ring, audit_newest(a->page, ring), &r) < 0)
        return;
    r.ring = (uint8_t)ring;
    show(a, &r);
}

void audit_show(struct audit *a, struct board *board)
{
    a->generation = board->generation;
    for (unsigned i = 0; i < AUDIT_RINGS; i++) {
        const char *name = audit_ring_name(i);

        a->row_records[i] = board_addf(board, BOARD_COUNTER, "audit/%s/records", name);
        a->row_hash[i] = board_addf(board, BOARD_TEXT, "audit/%s/hash", name);
        show_newest(a, (enum audit_ring)i);
    }
}

static enum audit_ring ring_of(unsigned verb, enum decision decision)
{
    const struct rule *rule = rule_of((Bulkhead__AdminCall__Verb)verb);

    return rule != NULL && rule->is_deed && decision == AUDIT_ALLOWED ? AUDIT_DONE : AUDIT_SEEN;
}

void audit_note(struct audit *a, const struct caller *caller, unsigned verb, const char *target,
                enum decision decision)
{
    struct audit_record r = {
        .time_ns = clock_wall_ns(),
        .generation = a->generation,
        .decision = (uint8_t)decision,
        .role = (uint8_t)caller->role,
        .remote = caller->remote,
        .verb = (uint8_t)verb,
        .ring = (uint8_t)ring_of(verb, decision),
    };

    copy_printable(r.who, sizeof(r.who), caller->name);
    copy_printable(r.target, sizeof(r.target), target);
    audit_add(a->page, &r);
    show(a, &r);
}

/* The next one of a ring. */
static int peek(struct audit_cursor *c, enum audit_ring ring, struct audit_record *ret)
{
    const uint64_t oldest = audit_oldest(c->page, ring);

    if (c->next[ring] < oldest)
        c->next[ring] = oldest;
    return audit_get(c->page, ring, c->next[ring], ret);
}

static bool next_record(struct audit_cursor *c, struct audit_record *ret)
{
    struct audit_record found[AUDIT_RINGS];
    int first = -1;

    for (unsigned i = 0; i < AUDIT_RINGS; i++) {
        if (peek(c, (enum audit_ring)i, &found[i]) == 0 &&
            (first < 0 || found[i].time_ns < found[first].time_ns))
            first = (int)i;
    }
    if (first < 0)
        return false;
    c->next[first]++;
    *ret = found[first];
    return true;
}

void audit_answer_next(struct audit_cursor *c, struct datagram *ret)
{
    struct audit_record found[ANSWER_RECORDS];
    ProtobufCBinaryData list[ANSWER_RECORDS];
    Bulkhead__AdminAnswer a;

    bulkhead__admin_answer__init(&a);
    a.audit = list;
    while (a.n_audit < ANSWER_RECORDS && next_record(c, &found[a.n_audit])) {
        list[a.n_audit] = (ProtobufCBinaryData){.data = (uint8_t *)&found[a.n_audit],
                                                .len = sizeof(found[a.n_audit])};
        a.n_audit++;
    }
    a.done = a.n_audit < ANSWER_RECORDS;
    answer_pack(&a, ret);
}

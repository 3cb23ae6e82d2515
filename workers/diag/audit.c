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
    board_set(a->row_records, r->seq);
    board_text(a->row_hash, text);
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
    };

    copy_printable(r.who, sizeof(r.who), caller->name);
    copy_printable(r.target, sizeof(r.target), target);
    audit_add(a->page, &r);
    show(a, &r);
}

void audit_answer_next(struct audit_cursor *c, struct datagram *ret)
{
    struct audit_record found[ANSWER_RECORDS];
    ProtobufCBinaryData list[ANSWER_RECORDS];
    Bulkhead__AdminAnswer a;
    uint64_t oldest = audit_oldest(c->page);

    bulkhead__admin_answer__init(&a);
    a.audit = list;
    if (c->next < oldest)
        c->next = oldest;
    while (a.n_audit < ANSWER_RECORDS && audit_get(c->page, c->next, &found[a.n_audit]) == 0) {
        list[a.n_audit] = (ProtobufCBinaryData){.data = (uint8_t *)&found[a.n_audit],
                                                .len = sizeof(found[a.n_audit])};
        a.n_audit++;
        c->next++;
    }
    a.done = a.n_audit < ANSWER_RECORDS;
    answer_pack(&a, ret);
}

#include "workers/diag/trace.h"

#include "base/clock.h"
#include "ipc/channel.h"
#include "workers/diag/diag.h"
#include "workers/diag/session.h"

_Static_assert(TRACE_BATCH *(int)sizeof(struct trace_record) <= ANSWER_MAX_BYTES - 64,
               "they fit into a datagram");

void trace_answer_begin(struct trace_answer *a, const struct diag *d, uint64_t now_ns)
{
    a->end_ns = a->for_ns == 0 ? 0 : now_ns + a->for_ns;
    a->left = TRACE_LAST;
    a->events = (struct records_answer){.page = d->records, .about = PROCESS_COUNT};
    a->events.cursor.at = atomic_load(&d->records->n_events);
    for (unsigned p = 0; p < PROCESS_COUNT; p++) {
        for (unsigned i = 0; i < trace_rings(p) && a->n < TRACE_READERS; i++) {
            trace_read_begin(&a->readers[a->n], &d->traces[p][i]);
            a->of[a->n].process = (uint8_t)p;
            a->of[a->n].ring = (uint8_t)i;
            a->n++;
        }
    }
}

static uint64_t lost(const struct trace_answer *a)
{
    uint64_t sum = a->events.cursor.lost;

    for (unsigned i = 0; i < a->n; i++)
        sum += a->readers[i].lost;
    return sum;
}

/* What the next ring that has something has, in turn. Returns how much; *ret_from is which. */
static size_t gather(struct trace_answer *a, struct trace_record *records, unsigned *ret_from)
{
    for (unsigned tries = 0; tries < a->n; tries++) {
        unsigned i = a->next;
        size_t n = 0;

        a->next = (a->next + 1) % a->n;
        while (n < TRACE_BATCH && trace_read(&a->readers[i], &records[n]) == 0)
            n++;
        if (n > 0) {
            *ret_from = i;
            return n;
        }
    }
    return 0;
}

static void tell_events(struct trace_answer *a, struct datagram *ret)
{
    records_answer_events(&a->events, true, ret);
}

static void tell_records(struct trace_answer *a, bool last_turn, struct datagram *ret)
{
    struct trace_record records[TRACE_BATCH];
    Bulkhead__TraceBatch batch;
    Bulkhead__TraceBatch *list[] = {&batch};
    Bulkhead__AdminAnswer answer;
    unsigned from = 0;
    size_t n = gather(a, records, &from);

    bulkhead__admin_answer__init(&answer);
    answer.done = last_turn && n == 0;
    answer.lost = lost(a);
    if (n == 0 && !answer.done && a->is_told && answer.lost == a->told_lost)
        return;
    a->is_told = true;
    a->told_lost = answer.lost;
    answer.tracing = true; /* and so no answer is empty */
    if (n > 0) {
        bulkhead__trace_batch__init(&batch);
        batch.process = a->of[from].process;
        batch.ring = a->of[from].ring;
        batch.records =
            (ProtobufCBinaryData){.data = (uint8_t *)records, .len = n * sizeof(records[0])};
        answer.traces = list;
        answer.n_traces = 1;
    }
    answer_pack(&answer, ret);
}

/* When its time is over, what is there by then is told; whoever fills a ring without an end ends nobody's waiting. */
void trace_answer_next(struct trace_answer *a, struct datagram *ret)
{
    bool over = a->end_ns != 0 && clock_now_ns() >= a->end_ns;

    if (over && a->left > 0)
        a->left--;
    tell_events(a, ret);
    if (ret->len != 0)
        return;
    if (over && a->left == 0)
        a->n = 0;
    tell_records(a, over, ret);
}

/* --- what the supervisor is asked for --- */

bool trace_wanted(const struct diag *d)
{
    for (unsigned i = 0; i < DIAG_SESSIONS; i++) {
        if (session_traces(&d->sessions[i]))
            return true;
    }
    return false;
}

static void ask(struct diag *d, bool on, uint64_t now_ns)
{
    Bulkhead__AdminRequest request;
    Bulkhead__Envelope e;

    bulkhead__envelope__init(&e);
    bulkhead__admin_request__init(&request);
    request.tag = d->next_tag++;
    request.action = BULKHEAD__ADMIN_REQUEST__ACTION__TRACE;
    request.trace = on;
    e.body_case = BULKHEAD__ENVELOPE__BODY_ADMIN_REQUEST;
    e.admin_request = &request;
    if (channel_send(d->control, &e, NULL, 0) == 0) /* else it is asked again at the next look */
        d->trace_wish = (struct trace_wish){.on = on, .asked_ns = now_ns};
}

void trace_ask(struct diag *d, uint64_t now_ns)
{
    bool on = trace_wanted(d);
    const struct trace_wish *wish = &d->trace_wish;

    if (on != wish->on || (on && now_ns >= wish->asked_ns + TRACE_ASK_MS * NS_PER_MS))
        ask(d, on, now_ns);
}

#include "supervisor/debugger.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "supervisor/admin.h"
#include "supervisor/lifecycle.h"
#include "supervisor/registry.h"

enum {
    TEXT_BYTES = 128,
};

static uint32_t diag_of(const struct registry *reg)
{
    return reg->rows[PROCESS_DIAG].live.number;
}

/* --- what is shown --- */

static void show(struct registry *reg)
{
    struct debugger *d = &reg->debugger;
    uint32_t reasons = atomic_load(&d->hold->reasons);
    bool paused = (reasons & HOLD_OPERATOR) != 0;
    const char *state = "running";

    if (paused != d->was_paused)
        history_vm(&reg->history, paused ? EVENT_PAUSED : EVENT_RESUMED, 0, 0);
    d->was_paused = paused;
    if (paused)
        state = "paused";
    else if ((reasons & HOLD_DEBUGGER) != 0 && !d->going)
        state = "stopped by a debugger";
    board_text(d->row_state, state);
}

void debugger_init(struct registry *reg, struct hold *hold, unsigned vcpus, uint64_t memory_bytes)
{
    reg->debugger = (struct debugger){.hold = hold, .vcpus = vcpus, .memory_bytes = memory_bytes};
    reg->debugger.row_state = board_add(reg->board, BOARD_TEXT, "vm/state");
    show(reg);
}

void debugger_use_traps(struct registry *reg, const struct gmem *memory)
{
    reg->debugger.traps.memory = memory;
}

/* --- an operator's pause --- */

static void answer_pause(struct registry *reg, const char *text)
{
    struct debugger_asker asked = reg->debugger.pause;

    reg->debugger.pause.waiting = false;
    if (asked.waiting && asked.asker == diag_of(reg))
        admin_answer_session(reg, asked.tag, text, 0);
}

const char *debugger_pause(struct registry *reg, uint32_t tag)
{
    struct debugger *d = &reg->debugger;

    if (d->hold == NULL)
        return "there is no guest";
    if (d->pause.waiting)
        return "it is about to stop, for another operator";
    hold_stop(d->hold, HOLD_OPERATOR);
    show(reg);
    if (hold_is_still(d->hold))
        return "";
    d->pause = (struct debugger_asker){.waiting = true, .tag = tag, .asker = diag_of(reg)};
    d->pause_ns = clock_now_ns();
    return NULL;
}

const char *debugger_resume(struct registry *reg)
{
    struct debugger *d = &reg->debugger;

    if (d->hold == NULL)
        return "there is no guest";
    hold_release(d->hold, HOLD_OPERATOR);
    answer_pause(reg, "another operator resumed it");
    show(reg);
    return "";
}

/* It would stand at some time, when nobody expects it any more: it is not to stand then. */
static void give_up_pause(struct registry *reg)
{
    struct debugger *d = &reg->debugger;
    int vcpu = hold_straggler(d->hold);
    char text[TEXT_BYTES];

    if (vcpu < 0) { /* just now, and we have not been told yet */
        answer_pause(reg, "");
        return;
    }
    (void)snprintf(text, sizeof(text),
                   "vCPU %d still waits for a device: the guest runs on, try again", vcpu);
    hold_release(d->hold, HOLD_OPERATOR);
    answer_pause(reg, text);
    show(reg);
}

/* --- a debugger's session --- */

/* The debug worker's, if it is the one that has the session. */
static struct generation *worker_of(struct registry *reg)
{
    struct generation *g = &reg->rows[PROCESS_DEBUG].live;

    return g->number != 0 && g->number == reg->debugger.worker && !g->killed ? g : NULL;
}

static void tell_worker(struct registry *reg, const Bulkhead__Envelope *e)
{
    struct generation *g = worker_of(reg);

    if (g != NULL && channel_send(g->channel, e, NULL, 0) < 0)
        lifecycle_kill(reg, g, DEATH_PROTOCOL);
}

/* Nothing of it is left but, perhaps, somebody who has to be told. */
static void session_over(struct registry *reg)
{
    struct debugger *d = &reg->debugger;

    traps_clear(&d->traps); /* before vCPUs are told: whoever enters the guest later meets none */
    hold_attach(d->hold, false);
    board_log(reg->board, LOG_LEVEL_INFO, "a debugger's session is over");
    d->session = 0;
    d->worker = 0;
    d->owner = (struct debugger_asker){.waiting = false};
    d->stopping = false;
    d->going = false;
    show(reg);
}

static void tell_worker_end(struct registry *reg)
{
    Bulkhead__DebugEnd end;
    Bulkhead__Envelope e;

    bulkhead__debug_end__init(&end);
    bulkhead__envelope__init(&e);
    end.session = reg->debugger.session;
    e.body_case = BULKHEAD__ENVELOPE__BODY_DEBUG_END;
    e.debug_end = &end;
    tell_worker(reg, &e);
}

static void fail_session(struct registry *reg, const char *text)
{
    const struct debugger_asker owner = reg->debugger.owner;

    tell_worker_end(reg);
    session_over(reg);
    admin_answer_session(reg, owner.tag, text, 0);
}

const char *debugger_begin(struct registry *reg, uint32_t tag, Bulkhead__DebugKind kind)
{
    struct debugger *d = &reg->debugger;

    if (d->hold == NULL)
        return "there is no guest";
    if (kind < BULKHEAD__DEBUG_KIND__DEBUG_GDB || kind > BULKHEAD__DEBUG_KIND__DEBUG_REGISTERS)
        return "no such thing to do with a guest";
    if (d->session != 0)
        return "another operator is debugging this guest";
    d->session = ++d->last_session;
    d->kind = kind;
    d->owner = (struct debugger_asker){.waiting = true, .tag = tag, .asker = diag_of(reg)};
    d->asked_ns = clock_now_ns();
    registry_need(reg, PROCESS_DEBUG);
    debugger_tick(reg, d->asked_ns);
    return NULL;
}

const char *debugger_end(struct registry *reg, uint32_t session)
{
    if (session != 0 && reg->debugger.session == session) {
        tell_worker_end(reg);
        session_over(reg);
    }
    return NULL;
}

/* The worker serves: the session is its, and the operator's. */
static void hand_over(struct registry *reg, struct generation *g)
{
    struct debugger *d = &reg->debugger;
    Bulkhead__DebugBegin begin;
    Bulkhead__Envelope e;

    bulkhead__debug_begin__init(&begin);
    bulkhead__envelope__init(&e);
    begin.session = d->session;
    begin.kind = d->kind;
    begin.vcpus = d->vcpus;
    begin.memory_bytes = d->memory_bytes;
    begin.traps = d->traps.memory != NULL;
    e.body_case = BULKHEAD__ENVELOPE__BODY_DEBUG_BEGIN;
    e.debug_begin = &begin;
    d->worker = g->number;
    d->owner.waiting = false;
    hold_attach(d->hold, true);
    tell_worker(reg, &e);
    admin_answer_session(reg, d->owner.tag, "", d->session);
    board_log(reg->board, LOG_LEVEL_INFO, "a debugger's session has begun");
}

static void tick_session(struct registry *reg, uint64_t now_ns)
{
    struct debugger *d = &reg->debugger;
    struct generation *g = &reg->rows[PROCESS_DEBUG].live;

    if (d->owner.asker != diag_of(reg))
        (void)debugger_end(reg, d->session); /* and nobody is there to be told */
    else if (!d->owner.waiting && worker_of(reg) == NULL)
        fail_session(reg, "the debug worker died; the guest is untouched");
    else if (d->owner.waiting && g->active_ns != 0 && !g->killed)
        hand_over(reg, g);
    else if (d->owner.waiting && now_ns > d->asked_ns + DEBUGGER_START_MS * NS_PER_MS)
        fail_session(reg, "the debug worker does not start: `bulkhead logs` says why");
}

void debugger_tick(struct registry *reg, uint64_t now_ns)
{
    struct debugger *d = &reg->debugger;

    if (d->session != 0)
        tick_session(reg, now_ns);
    if (d->pause.waiting && now_ns > d->pause_ns + DEBUGGER_STOP_MS * NS_PER_MS)
        give_up_pause(reg);
}

/* --- stops --- */

static void tell_stopped(struct registry *reg, const struct hold_hit *hit)
{
    Bulkhead__DebugStopped stopped;
    Bulkhead__Envelope e;

    bulkhead__debug_stopped__init(&stopped);
    bulkhead__envelope__init(&e);
    stopped.session = reg->debugger.session;
    stopped.why = (Bulkhead__DebugStopped__Why)hit->event; /* one numbering */
    stopped.vcpu = hit->vcpu;
    stopped.address = hit->address;
    e.body_case = BULKHEAD__ENVELOPE__BODY_DEBUG_STOPPED;
    e.debug_stopped = &stopped;
    tell_worker(reg, &e);
}
_Static_assert((int)HOLD_NONE == (int)BULKHEAD__DEBUG_STOPPED__WHY__ASKED &&
                   (int)HOLD_STEP == (int)BULKHEAD__DEBUG_STOPPED__WHY__STEP,
               "one numbering");

void debugger_still(struct registry *reg)
{
    struct debugger *d = &reg->debugger;
    struct hold_hit hit = {.event = HOLD_NONE};

    if (!hold_is_still(d->hold))
        return;
    answer_pause(reg, "");
    if (d->session != 0 && (hold_take_hit(d->hold, &hit) || d->stopping)) {
        d->stopping = false;
        d->going = false;
        tell_stopped(reg, &hit);
    }
    show(reg);
}

/* --- what the debug worker asks for --- */

static const char *go(struct debugger *d, const Bulkhead__DebugRequest *rq)
{
    const uint64_t all = d->vcpus == 64 ? UINT64_MAX : (UINT64_C(1) << d->vcpus) - 1;

    if (rq->go == 0 && rq->step == 0)
        return "nothing is to run";
    if (((rq->go | rq->step) & ~all) != 0)
        return "no such vCPU";
    if (d->going || d->stopping || !hold_is_still(d->hold))
        return "the guest does not stand still";
    d->going = true;
    hold_go(d->hold, rq->go, rq->step);
    return "";
}

static const char *read_registers(const struct debugger *d, const Bulkhead__DebugRequest *rq,
                                  struct guest_regs *ret)
{
    if (rq->vcpu >= d->vcpus)
        return "no such vCPU";
    return hold_read(d->hold, rq->vcpu, ret) < 0 ? "the guest does not stand still" : "";
}

static const char *write_registers(const struct debugger *d, const Bulkhead__DebugRequest *rq)
{
    struct guest_regs regs;

    if (rq->vcpu >= d->vcpus || rq->n_registers != GUEST_REGS)
        return "no such vCPU, or not its registers";
    memcpy(regs.v, rq->registers, sizeof(regs.v));
    return hold_write(d->hold, rq->vcpu, &regs) < 0 ? "the guest does not stand still" : "";
}

/* In the guest's memory, or in the processor. */
static const char *put_breaks(struct debugger *d, const struct guest_break *breaks,
                              const uint64_t *physical, unsigned n)
{
    if (d->traps.memory == NULL) {
        hold_set_breaks(d->hold, breaks, n);
        return "";
    }
    traps_clear(&d->traps);
    for (unsigned i = 0; i < n; i++) {
        if (breaks[i].kind != GUEST_BREAK_EXECUTE)
            return "an emulated processor watches no memory";
        if (traps_add(&d->traps, physical[i]) < 0)
            return "no instruction can be replaced there";
    }
    return "";
}

static const char *set_breaks(struct debugger *d, const Bulkhead__DebugRequest *rq)
{
    struct guest_break breaks[GUEST_BREAKS_MAX];
    uint64_t physical[GUEST_BREAKS_MAX];

    if (rq->n_breaks > COUNT_OF(breaks))
        return "more breaks than the processor has";
    for (size_t i = 0; i < rq->n_breaks; i++) {
        breaks[i] = (struct guest_break){.address = rq->breaks[i]->address,
                                         .kind = rq->breaks[i]->kind,
                                         .len = rq->breaks[i]->len};
        physical[i] = rq->breaks[i]->physical;
        if (!guest_break_fits(&breaks[i]))
            return "a break that the processor cannot have";
    }
    return put_breaks(d, breaks, physical, (unsigned)rq->n_breaks);
}

static const char *stop(struct debugger *d)
{
    d->stopping = true;
    hold_stop(d->hold, HOLD_DEBUGGER);
    return "";
}

static const char *do_request(struct debugger *d, const Bulkhead__DebugRequest *rq,
                              struct guest_regs *ret)
{
    switch (rq->action) {
    case BULKHEAD__DEBUG_REQUEST__ACTION__STOP:
        return stop(d);
    case BULKHEAD__DEBUG_REQUEST__ACTION__GO:
        return go(d, rq);
    case BULKHEAD__DEBUG_REQUEST__ACTION__READ:
        return read_registers(d, rq, ret);
    case BULKHEAD__DEBUG_REQUEST__ACTION__WRITE:
        return write_registers(d, rq);
    case BULKHEAD__DEBUG_REQUEST__ACTION__BREAKS:
        return set_breaks(d, rq);
    case BULKHEAD__DEBUG_REQUEST__ACTION__NONE:
    case _BULKHEAD__DEBUG_REQUEST__ACTION_IS_INT_SIZE:
    default:
        return NULL;
    }
}

int debugger_request(struct registry *reg, uint32_t generation, struct channel_msg *m)
{
    struct debugger *d = &reg->debugger;
    const Bulkhead__DebugRequest *rq = m->envelope->debug_request;
    struct guest_regs regs;
    Bulkhead__DebugReply reply;
    Bulkhead__Envelope e;
    char text[TEXT_BYTES];
    const char *error;

    if (d->session == 0 || d->worker != generation || rq->session != d->session)
        return rq->session != 0 && rq->session <= d->last_session ? 0 : -EPROTO; /* one just over */
    error = do_request(d, rq, &regs);
    if (error == NULL)
        return -EPROTO;
    bulkhead__debug_reply__init(&reply);
    bulkhead__envelope__init(&e);
    (void)snprintf(text, sizeof(text), "%s", error);
    reply.session = d->session;
    reply.error = text;
    if (*error == '\0' && rq->action == BULKHEAD__DEBUG_REQUEST__ACTION__READ) {
        reply.registers = regs.v;
        reply.n_registers = GUEST_REGS;
    }
    e.body_case = BULKHEAD__ENVELOPE__BODY_DEBUG_REPLY;
    e.debug_reply = &reply;
    tell_worker(reg, &e);
    show(reg);
    return 0;
}

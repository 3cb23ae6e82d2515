#include "workers/debug/vcpus.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "ipc/channel.h"

_Static_assert((int)GDB_ASKED == (int)BULKHEAD__DEBUG_STOPPED__WHY__ASKED &&
                   (int)GDB_STEPPED == (int)BULKHEAD__DEBUG_STOPPED__WHY__STEP,
               "one numbering");

static int on_stopped(struct vcpus *v, const Bulkhead__DebugStopped *s)
{
    if (s->session != v->session)
        return 0;
    if (s->why > BULKHEAD__DEBUG_STOPPED__WHY__STEP || s->vcpu >= v->n)
        return -EPROTO;
    v->stopped = true;
    v->stop =
        (struct gdb_stop){.why = (enum gdb_why)s->why, .vcpu = s->vcpu, .address = s->address};
    return 0;
}

int vcpus_hear(struct vcpus *v, const Bulkhead__Envelope *e)
{
    if (e->body_case == BULKHEAD__ENVELOPE__BODY_DEBUG_STOPPED)
        return on_stopped(v, e->debug_stopped);
    if (e->body_case != BULKHEAD__ENVELOPE__BODY_DEBUG_END)
        return -EPROTO;
    v->over |= e->debug_end->session == v->session;
    return 0;
}

static int take_reply(const Bulkhead__DebugReply *reply, struct guest_regs *ret)
{
    if (reply->error[0] != '\0')
        return -EIO;
    if (ret == NULL)
        return 0;
    if (reply->n_registers != GUEST_REGS)
        return -EPROTO;
    memcpy(ret->v, reply->registers, sizeof(ret->v));
    return 0;
}

/* 1: that was it. */
static int next_message(struct vcpus *v, struct guest_regs *ret, int *ret_answer)
{
    struct channel_msg m = {0};
    int r = channel_recv(v->control, &m);
    bool is_reply;

    if (r < 0)
        return r == -EAGAIN ? 0 : r;
    is_reply = m.envelope->body_case == BULKHEAD__ENVELOPE__BODY_DEBUG_REPLY;
    if (!is_reply)
        r = vcpus_hear(v, m.envelope);
    else if (m.envelope->debug_reply->session != v->session)
        r = 0; /* asked for before, when another was on */
    else {
        *ret_answer = take_reply(m.envelope->debug_reply, ret);
        r = 1;
    }
    channel_msg_done(&m);
    return r;
}

static int await(struct vcpus *v, struct guest_regs *ret)
{
    int answer = 0;
    int r = 0;

    while (r == 0 && !v->over) {
        struct pollfd p = {.fd = v->control, .events = POLLIN};
        const int n = poll(&p, 1, VCPUS_ANSWER_MS);

        if (n == 0)
            r = -ETIMEDOUT;
        else if (n > 0)
            r = next_message(v, ret, &answer);
    }
    if (r == 1)
        return answer;
    return r < 0 ? r : -ECANCELED;
}

static int ask(struct vcpus *v, Bulkhead__DebugRequest *rq, struct guest_regs *ret)
{
    Bulkhead__Envelope e;
    int r;

    if (v->over)
        return -ECANCELED;
    bulkhead__envelope__init(&e);
    rq->session = v->session;
    e.body_case = BULKHEAD__ENVELOPE__BODY_DEBUG_REQUEST;
    e.debug_request = rq;
    r = channel_send(v->control, &e, NULL, 0);
    if (r == 0)
        r = await(v, ret);
    v->failed |= r < 0 && r != -EIO && r != -ECANCELED;
    return r;
}

static Bulkhead__DebugRequest request(Bulkhead__DebugRequest__Action action)
{
    Bulkhead__DebugRequest rq;

    bulkhead__debug_request__init(&rq);
    rq.action = action;
    return rq;
}

int vcpus_stop(struct vcpus *v)
{
    Bulkhead__DebugRequest rq = request(BULKHEAD__DEBUG_REQUEST__ACTION__STOP);

    return ask(v, &rq, NULL);
}

int vcpus_go(struct vcpus *v, uint64_t go, uint64_t step)
{
    Bulkhead__DebugRequest rq = request(BULKHEAD__DEBUG_REQUEST__ACTION__GO);

    rq.go = go;
    rq.step = step;
    v->stopped = false; /* the next stop may be heard of before the answer */
    return ask(v, &rq, NULL);
}

int vcpus_read(struct vcpus *v, unsigned vcpu, struct guest_regs *ret)
{
    Bulkhead__DebugRequest rq = request(BULKHEAD__DEBUG_REQUEST__ACTION__READ);

    rq.vcpu = vcpu;
    return ask(v, &rq, ret);
}

int vcpus_write(struct vcpus *v, unsigned vcpu, const struct guest_regs *regs)
{
    Bulkhead__DebugRequest rq = request(BULKHEAD__DEBUG_REQUEST__ACTION__WRITE);
    struct guest_regs copy = *regs;

    rq.vcpu = vcpu;
    rq.registers = copy.v;
    rq.n_registers = GUEST_REGS;
    return ask(v, &rq, NULL);
}

int vcpus_set_breaks(struct vcpus *v, const struct guest_break *breaks, const uint64_t *physical,
                     unsigned n)
{
    Bulkhead__DebugRequest rq = request(BULKHEAD__DEBUG_REQUEST__ACTION__BREAKS);
    Bulkhead__GuestBreak rows[GUEST_BREAKS_MAX];
    Bulkhead__GuestBreak *list[GUEST_BREAKS_MAX];

    for (unsigned i = 0; i < n; i++) {
        bulkhead__guest_break__init(&rows[i]);
        rows[i].address = breaks[i].address;
        rows[i].physical = physical[i];
        rows[i].kind = breaks[i].kind;
        rows[i].len = breaks[i].len;
        list[i] = &rows[i];
    }
    rq.breaks = list;
    rq.n_breaks = n;
    return ask(v, &rq, NULL);
}

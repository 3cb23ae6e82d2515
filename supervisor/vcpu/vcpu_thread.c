#include "supervisor/vcpu/vcpu_thread.h"

#include "base/clock.h"
#include "supervisor/exit/forward.h"
#include "supervisor/traps.h"

static void end_triple_fault(struct vcpu_thread *t)
{
    vm_end(t->vm, BULKHEAD__GUEST_END__GUEST_END_TRIPLE_FAULT,
           "vCPU %u of the guest shut down (triple fault)", t->index);
}

static void end_fatal(struct vcpu_thread *t, const struct vm_fatal *f)
{
    static const char *const reasons[] = {
        [FATAL_ENTRY] = "cannot enter the guest",
        [FATAL_INTERNAL] = "the host's kernel gave up on an instruction",
        [FATAL_UNKNOWN] = "unknown exit",
        [FATAL_ERRNO] = "the run call failed",
    };

    vm_end(t->vm, BULKHEAD__GUEST_END__GUEST_END_INTERNAL, "vCPU %u: %s (%#llx)", t->index,
           reasons[f->reason], (unsigned long long)f->info);
}

static void on_msr(struct vcpu_thread *t, const struct vm_msr *msr)
{
    struct hv *hv = &t->vm->hv;
    uint64_t data = 0;
    int r = msr->write ? hv_msr_write(hv, t->index, msr->index, msr->data)
                       : hv_msr_read(hv, t->index, msr->index, &data);

    vcpu_finish_msr(t->vcpu, data, r < 0);
}

/* It stands for as long as somebody wants it; with nobody, not at all. */
static void stand(struct vcpu_thread *t, uint64_t rewind)
{
    struct guest_regs regs = {0};
    const bool known =
        vcpu_get_regs(t->vcpu, &regs) == 0; /* else none are shown, and none changed */

    if (known)
        regs.v[GUEST_RIP] -= rewind;
    if (!hold_stand(&t->vm->hold, t->index, &regs) && rewind == 0)
        return;
    if (!known || vcpu_set_regs(t->vcpu, &regs) < 0)
        board_log(t->vm->board, LOG_LEVEL_WARN, "vCPU %u: the kernel takes no registers", t->index);
}

/* Between two instructions: whoever wants the vCPU to stand, or to run otherwise, has his way. */
static void look_at_hold(struct vcpu_thread *t, uint64_t rewind)
{
    struct hold *h = &t->vm->hold;
    struct hold_debug debug;

    if (rewind != 0 || hold_is_wanted(h, t->index)) /* he may be gone, and his trap still met */
        stand(t, rewind);
    if (hold_take_debug(h, t->index, &debug) &&
        vcpu_set_debug(t->vcpu, debug.breaks, debug.n_breaks, debug.step) < 0)
        board_log(t->vm->board, LOG_LEVEL_WARN, "vCPU %u: the kernel sets no breakpoints",
                  t->index);
}

static void on_debug(struct vcpu_thread *t, const struct vm_debug *debug)
{
    const struct hold_debug *d = &t->vm->hold.vcpus[t->index].taken; /* ours alone while we run */
    struct hold_hit hit = {.event = HOLD_STEP, .vcpu = t->index};

    for (unsigned i = 0; i < d->n_breaks; i++) {
        if ((debug->breaks & 1u << i) == 0)
            continue;
        hit.event = d->breaks[i].kind == GUEST_BREAK_EXECUTE ? HOLD_BREAK : HOLD_WATCH;
        hit.address = d->breaks[i].address;
    }
    (void)hold_report(&t->vm->hold, &hit); /* nobody's any more: it goes on */
    look_at_hold(t, 0);
}

static bool is_trap(const struct vcpu_thread *t, const struct vm_access *a)
{
    return t->vm->traps && a->space == ACCESS_IO && a->write && a->addr == TRAP_PORT &&
           a->size == 1;
}

/* In the place of an instruction, which is to be executed later: we go back to it. */
static void on_trap(struct vcpu_thread *t)
{
    vcpu_finish(t->vcpu, 0);
    if (hold_report_trap(&t->vm->hold, t->index))
        look_at_hold(t, TRAP_BYTES);
}

static void answer(struct vcpu_thread *t, const struct vm_exit *e)
{
    switch (e->kind) {
    case EXIT_ACCESS:
        if (is_trap(t, &e->access))
            on_trap(t);
        else
            vcpu_finish(t->vcpu, access_answer(t->vm, t->index, &e->access, &t->rows));
        break;
    case EXIT_MSR:
        on_msr(t, &e->msr);
        break;
    case EXIT_HYPERCALL:
        vcpu_finish(t->vcpu, hv_hypercall(&t->vm->hv, t->index, &e->hypercall));
        break;
    case EXIT_SHUTDOWN:
        end_triple_fault(t);
        break;
    case EXIT_FATAL:
        end_fatal(t, &e->fatal);
        break;
    case EXIT_DEBUG:
        on_debug(t, &e->debug);
        break;
    case EXIT_CANCELED:
        look_at_hold(t, 0);
        break;
    case EXIT_HALT:
        break;
    }
}

/* What it is about, for a time line. */
static uint64_t id_of(const struct vm_exit *e)
{
    switch (e->kind) {
    case EXIT_ACCESS:
        return e->access.addr;
    case EXIT_MSR:
        return e->msr.index;
    case EXIT_HYPERCALL:
        return (uint16_t)e->hypercall.control; /* @spec TLFS 3.7 */
    case EXIT_SHUTDOWN:
    case EXIT_FATAL:
    case EXIT_HALT:
    case EXIT_CANCELED:
    case EXIT_DEBUG:
    default:
        return 0;
    }
}

static enum trace_kind kind_of(const struct vm_exit *e)
{
    static const enum trace_kind kinds[] = {
        [EXIT_MSR] = TRACE_EXIT_MSR, [EXIT_HYPERCALL] = TRACE_EXIT_HYPERCALL};

    if (e->kind == EXIT_ACCESS)
        return access_trace_kind(&e->access);
    return (size_t)e->kind < COUNT_OF(kinds) && kinds[e->kind] != TRACE_NONE ? kinds[e->kind]
                                                                             : TRACE_EXIT_OTHER;
}

static void run_once(struct vcpu_thread *t)
{
    struct vm_exit e;
    uint64_t out_ns, took_ns;

    hold_enter(&t->vm->hold, t->index);
    vcpu_run(t->vcpu, &e);
    out_ns = clock_now_ns();
    board_inc(t->exits);
    answer(t, &e);
    if (e.kind == EXIT_CANCELED ||
        e.kind == EXIT_DEBUG) /* how long a guest stood is no answer's time */
        return;
    took_ns = clock_now_ns() - out_ns;
    board_took(t->answers, took_ns);
    if (trace_is_on(&t->vm->traces[t->index]))
        trace_write(&t->vm->traces[t->index], kind_of(&e), id_of(&e), 0, out_ns, took_ns);
}

static void *vcpu_main(void *arg)
{
    struct vcpu_thread *t = arg;

    if (vcpu_bind(t->vcpu) < 0) {
        vm_end(t->vm, BULKHEAD__GUEST_END__GUEST_END_INTERNAL, "vCPU %u: no thread for it",
               t->index);
        return NULL;
    }
    start_gate_wait(t->gate);
    while (!vm_has_ended(t->vm))
        run_once(t);
    return NULL;
}

int vcpu_thread_start(struct vcpu_thread *t)
{
    struct board *board = t->vm->board;

    t->exits = board_addf(board, BOARD_COUNTER, "vcpu/%u/exits", t->index);
    t->answers = board_addf(board, BOARD_HISTOGRAM, "vcpu/%u/answer", t->index);
    access_show(board, t->index, &t->rows);
    forward_show(t->vm, t->index);
    return -pthread_create(&t->thread, NULL, vcpu_main, t);
}

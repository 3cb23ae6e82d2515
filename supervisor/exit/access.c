#include "supervisor/exit/access.h"

#include "base/num.h"
#include "supervisor/exit/forward.h"
#include "supervisor/route.h"

_Static_assert((int)ACCESS_IO == (int)PORT_SPACE_IO && (int)ACCESS_MMIO == (int)PORT_SPACE_MMIO,
               "one numbering");

static const struct {
    Bulkhead__GuestEnd how;
    const char *text;
} effects[] = {
    [PORT_EFFECT_POWER_OFF] = {BULKHEAD__GUEST_END__GUEST_END_POWER_OFF, "the guest powered off"      },
    [PORT_EFFECT_RESET] = {BULKHEAD__GUEST_END__GUEST_END_RESET,     "the guest asked for a reset"},
    [PORT_EFFECT_PANIC] = {BULKHEAD__GUEST_END__GUEST_END_PANIC,     "the guest's kernel panicked"},
};

void access_show(struct board *board, unsigned index, struct access_rows *ret)
{
    ret->forwarded = board_addf(board, BOARD_COUNTER, "vcpu/%u/forwarded", index);
    ret->answered_here = board_addf(board, BOARD_COUNTER, "vcpu/%u/answered_here", index);
    ret->unclaimed = board_addf(board, BOARD_COUNTER, "vcpu/%u/unclaimed", index);
    ret->gone = board_addf(board, BOARD_COUNTER, "vcpu/%u/device_gone", index);
}

/* Only what the row grants; anything else a worker says here has no effect. */
static void apply_effect(struct vm *vm, const struct route_row *row, uint32_t effect)
{
    if (effect == PORT_EFFECT_NONE || effect >= COUNT_OF(effects))
        return;
    if ((row->effects & 1u << effect) != 0)
        vm_end(vm, effects[effect].how, "%s", effects[effect].text);
}

static int forward(struct vm *vm, unsigned index, const struct vm_access *a,
                   const struct route_row *row, const struct access_rows *rows, uint64_t *ret)
{
    const struct port_request rq = {.addr = a->addr,
                                    .data = a->data,
                                    .op = a->write ? PORT_WRITE : PORT_READ,
                                    .space = (uint8_t)a->space,
                                    .size = a->size};
    struct port_response rs;
    int r;

    board_inc(rows->forwarded);
    r = forward_request(vm, row->process, index, &rq, &rs);
    if (r < 0) {
        board_inc(rows->gone);
        *ret = all_ones(a->size);
        return r;
    }
    apply_effect(vm, row, rs.effect);
    *ret = rs.data & all_ones(a->size);
    return 0;
}

/* The answer to a write is nothing that the guest sees. */
static void write_crb(struct vm *vm, unsigned index, const struct vm_access *a,
                      const struct route_row *row, const struct access_rows *rows)
{
    uint64_t ignored;

    (void)pthread_mutex_lock(&vm->crb.lock);
    if (crb_front_write(&vm->crb, a))
        board_inc(rows->answered_here);
    else
        crb_front_forwarded(&vm->crb, forward(vm, index, a, row, rows, &ignored) == 0);
    (void)pthread_mutex_unlock(&vm->crb.lock);
}

/* The hypercall page's shortest way; here without a doorbell, or for a connection that is none. */
static bool is_signal(const struct vm_access *a)
{
    return a->space == ACCESS_IO && a->addr == PARTITION_SIGNAL_PORT && a->write && a->size == 4;
}

enum trace_kind access_trace_kind(const struct vm_access *a)
{
    return a->space == ACCESS_IO ? TRACE_EXIT_IO : TRACE_EXIT_MMIO;
}

uint64_t access_answer(struct vm *vm, unsigned index, const struct vm_access *a,
                       const struct access_rows *rows)
{
    const struct route_row *row = route_find((enum port_space)a->space, a->addr, a->size);
    uint64_t data = 0;

    if (is_signal(a) && hv_signal(&vm->hv, index, (uint32_t)a->data))
        return 0;
    if (row == NULL) {
        board_inc(rows->unclaimed);
        return all_ones(a->size);
    }
    if (row->front == FRONT_CRB && a->write)
        write_crb(vm, index, a, row, rows);
    else
        (void)forward(vm, index, a, row, rows, &data);
    return data;
}

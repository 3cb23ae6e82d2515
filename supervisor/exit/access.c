#include "supervisor/exit/access.h"

#include <errno.h>

#include "base/clock.h"
#include "base/num.h"
#include "supervisor/route.h"

static const uint64_t LOOK_AROUND_NS = 1000ull * 1000 * 1000; /* has the VM ended meanwhile? */

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

/* Only what the row grants; anything else a worker says here has no effect. */
static void apply_effect(struct vm *vm, const struct route_row *row, uint32_t effect)
{
    if (effect == PORT_EFFECT_NONE || effect >= COUNT_OF(effects))
        return;
    if ((row->effects & 1u << effect) != 0)
        vm_end(vm, effects[effect].how, "%s", effects[effect].text);
}

static int call_worker(struct vm *vm, struct port_client *port, unsigned index,
                       const struct vm_access *a, struct port_response *ret)
{
    const struct port_request rq = {.addr = a->addr,
                                    .data = a->data,
                                    .op = a->write ? PORT_WRITE : PORT_READ,
                                    .space = (uint8_t)a->space,
                                    .size = a->size};
    int r;

    port_post(port, index, &rq);
    do {
        r = port_wait(port, index, clock_now_ns() + LOOK_AROUND_NS, ret);
    } while (r == -ETIMEDOUT && !vm_has_ended(vm));
    return r;
}

uint64_t access_answer(struct vm *vm, unsigned index, const struct vm_access *a,
                       const struct access_rows *rows)
{
    const struct route_row *row = route_find((enum port_space)a->space, a->addr, a->size);
    struct port_response rs;

    if (row == NULL) {
        board_inc(rows->unclaimed);
        return all_ones(a->size);
    }
    board_inc(rows->forwarded);
    if (call_worker(vm, vm->ports[row->process], index, a, &rs) < 0) {
        board_inc(rows->gone);
        return all_ones(a->size);
    }
    apply_effect(vm, row, rs.effect);
    return rs.data & all_ones(a->size);
}

#include "supervisor/exit/forward.h"

#include <errno.h>

#include "base/clock.h"
#include "supervisor/route.h"

static const uint64_t LOOK_AROUND_NS = 1000ull * 1000 * 1000; /* has the VM ended meanwhile? */

/* A port that no request goes through is there for signs of life. */
static bool takes_requests(const struct vm *vm, enum process process)
{
    return vm->ports[process] != NULL &&
           (process == PROCESS_VMBUS || route_leads_to(process)); /* messages have no address */
}

void forward_show(struct vm *vm, unsigned index)
{
    for (enum process p = 0; p < PROCESS_COUNT; p++) {
        if (takes_requests(vm, p))
            vm->hops[p][index] =
                board_addf(vm->board, BOARD_HISTOGRAM, "vcpu/%u/port/%s", index, manifest[p].name);
    }
}

int forward_request(struct vm *vm, enum process process, unsigned index,
                    const struct port_request *rq, struct port_response *ret)
{
    struct port_client *port = vm->ports[process];
    uint64_t now_ns = clock_now_ns();
    const uint64_t posted_ns = now_ns;
    int r;

    port_post(port, index, rq);
    do {
        r = port_wait(port, index, now_ns + LOOK_AROUND_NS, ret);
        now_ns = clock_now_ns();
    } while (r == -ETIMEDOUT && !vm_has_ended(vm));
    board_took(vm->hops[process][index], now_ns - posted_ns);
    trace_add(&vm->traces[index], TRACE_HOP, process, 0, posted_ns, now_ns - posted_ns);
    return r;
}

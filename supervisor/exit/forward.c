#include "supervisor/exit/forward.h"

#include <errno.h>

#include "base/clock.h"

static const uint64_t LOOK_AROUND_NS = 1000ull * 1000 * 1000; /* has the VM ended meanwhile? */

int forward_request(struct vm *vm, enum process process, unsigned index,
                    const struct port_request *rq, struct port_response *ret)
{
    struct port_client *port = vm->ports[process];
    int r;

    port_post(port, index, rq);
    do {
        r = port_wait(port, index, clock_now_ns() + LOOK_AROUND_NS, ret);
    } while (r == -ETIMEDOUT && !vm_has_ended(vm));
    return r;
}

/*
 * supervisor/exit/forward.h - a request of the guest's to a worker, and its answer.
 */
#pragma once

#include "base/macro.h"
#include "ipc/manifest.h"
#include "ipc/port.h"
#include "supervisor/vm.h"

/* Show how long requests of vCPU index take. Before the first one. */
void forward_show(struct vm *vm, unsigned index);

/*
 * Have the worker of process answer rq, in the slot of vCPU index. Waits through its deaths if need be. On
 * the vCPU's thread.
 *   0           *ret is the answer
 *   -EHOSTDOWN  the worker is given up
 *   -ETIMEDOUT  the VM has ended
 */
int MUST_USE forward_request(struct vm *vm, enum process process, unsigned index,
                             const struct port_request *rq, struct port_response *ret);

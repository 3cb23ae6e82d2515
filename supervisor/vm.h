/*
 * supervisor/vm.h - what the vCPU threads and the loop share: the ports, and how the VM ends.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/board.h"
#include "control.pb-c.h"
#include "ipc/manifest.h"
#include "ipc/port.h"
#include "ipc/trace.h"
#include "supervisor/exit/crb_front.h"
#include "supervisor/hyperv/hv.h"
#include "supervisor/vcpu/hold.h"

struct vm {
    /* Constant once the threads run. */
    struct port_client *ports[PROCESS_COUNT]; /* NULL: no port */
    struct board *board;
    struct board_row *hops[PROCESS_COUNT][VPS_MAX]; /* how long a request and its answer take */
    struct trace_writer traces[VPS_MAX];            /* their threads' */
    struct crb_front crb;
    struct gmem memory; /* the guest's RAM */
    struct hv hv;       /* has a lock of its own */
    struct hold hold;   /* the same */
    bool traps;         /* a debugger's breaks are instructions: supervisor/traps.h */
    int end_fd;         /* eventfd: the VM has ended; the loop reads it */

    _Atomic uint32_t ended; /* Bulkhead__GuestEnd; the first to end it wins */
    char end_text[128];     /* written by whoever won, before end_fd rings */
};

/* End the VM, unless it has ended already. Any thread; never blocks. */
void vm_end(struct vm *vm, Bulkhead__GuestEnd how, const char *fmt, ...) PRINTF_LIKE(3, 4);

bool vm_has_ended(const struct vm *vm);

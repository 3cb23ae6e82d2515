/*
 * supervisor/exit/access.h - one port I/O or MMIO access of the guest: to its worker and back.
 */
#pragma once

#include <stdint.h>

#include "supervisor/partition/partition.h"
#include "supervisor/vm.h"

/* What one vCPU thread counts; shown on the board. */
struct access_rows {
    struct board_row *forwarded, *answered_here, *unclaimed, *gone;
};

/* Show what vCPU index counts. */
void access_show(struct board *board, unsigned index, struct access_rows *ret);

/* What it is on a time line. */
enum trace_kind access_trace_kind(const struct vm_access *a);

/*
 * Answer one access of vCPU index: all-ones where nobody is there. Waits for the worker, through
 * its deaths if need be, until it answers, is given up, or the VM ends. On the vCPU's thread.
 */
uint64_t access_answer(struct vm *vm, unsigned index, const struct vm_access *a,
                       const struct access_rows *rows);

/*
 * init/process_end.h - how a process ended, as the kernel tells it.
 */
#pragma once

#include <sys/types.h>

#include "base/macro.h"

enum {
    PROC_END_BYTES = 64,
};

/* "signal 9 (Killed)", "exit status 1". */
void proc_end_text(int wait_status, char ret[PROC_END_BYTES]);

/*
 * What waitpid(2) will say of a child that is exiting and not yet reaped. -EAGAIN: there is nothing to be
 * known yet, or it exits with 0; other: of reading /proc.
 */
int MUST_USE proc_end_status(pid_t pid, int *ret);

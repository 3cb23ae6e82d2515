/*
 * init/vtl2.h - a script that runs beside Bulkhead's processes, for development.
 *
 * It runs as root, with everything init has: an image for production has no script and no shell.
 */
#pragma once

#include <sys/types.h>

#include "base/macro.h"
#include "control.pb-c.h"
#include "init/why.h"

/* Start it, in a session of its own; its output goes to fd, borrowed. 0 and *ret_pid. */
int MUST_USE vtl2_start(const Bulkhead__VmConfig *config, int fd, pid_t *ret_pid, struct why *why);

/* What a shell would say of its wait status: the exit status, or 128 and the signal. */
int vtl2_status(int wait_status);

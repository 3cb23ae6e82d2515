/*
 * init/process_start.h - from a row of the manifest to a cloned jail, and the looks at it.
 *
 * Private to init/process.c.
 */
#pragma once

#include <stdbool.h>

#include "base/macro.h"
#include "init/process.h"

enum {
    PROC_FILTERS_IN_RUN = 3, /* the watch, the start filter, and the run filter */
};

/* Clone p, with a new control channel; the installed program unless binary_fd is one. */
int MUST_USE proc_start(struct proc *p, int binary_fd, struct why *why);

/* In what /proc shows of the descriptors that were granted: those for reading must be no more. */
void process_expect_grants(enum process process, unsigned vcpus, struct verify_file *files);

/* Compare what /proc shows of p with its row: at the pause before exec, or after its set-up. */
int MUST_USE proc_look(const struct proc *p, bool before_exec, struct why *why);

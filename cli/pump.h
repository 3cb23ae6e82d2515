/*
 * cli/pump.h - the loop of a run: bytes between the person and the VM until something ends it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"
#include "cli/child.h"
#include "cli/net_ends.h"
#include "cli/outcome.h"
#include "cli/tail.h"

struct pump_options {
    bool exec;          /* COM2 is the output, COM3 carries the status */
    bool vtl2_exec;     /* a script runs beside Bulkhead's processes */
    bool verbose;       /* show console and kernel log on stderr as they come */
    unsigned timeout_s; /* 0: none */
    unsigned silence_s; /* without a word of init, before all is up; 0: for ever */
    struct net_ends *nets;
    /* All processes are up; the terminal is still as it was. */
    void (*started)(void *self, const Bulkhead__Report *report);
    void (*ended)(void *self, const Bulkhead__GuestEnded *ended); /* or NULL */
    void *self;
};

/* What was kept. */
struct pump_logs {
    struct tail console; /* COM1, while it is not on the terminal */
    struct tail outside; /* what init or QEMU said, and the outer kernel */
};

/*
 * Run until the VM ends, or the person, a signal or the timeout ends it. The child is left to
 * child_end(); the terminal is restored. 0, or negative errno when it could not even begin.
 */
int MUST_USE pump_run(struct child *child, const struct pump_options *options,
                      struct pump_logs *logs, struct outcome *ret);

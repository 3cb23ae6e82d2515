/*
 * init/usage.h - how much a process uses, as the kernel counts it.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

struct usage {
    uint64_t cpu_ns;       /* all its threads, since its start */
    uint64_t memory_bytes; /* what nobody else has: without programs, boards, the guest's memory */
};

/* Of a child that is not reaped yet, or of ourselves. What cannot be read is left as it was. */
void usage_read(pid_t pid, struct usage *u);

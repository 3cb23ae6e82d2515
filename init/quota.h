/*
 * init/quota.h - how much of each thing a process may have: one row per process.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "init/jail.h"
#include "ipc/manifest.h"

struct quota_row {
    unsigned own_fds;             /* descriptors it may open itself */
    const char *const *own_links; /* what these are, as /proc shows them */
    unsigned n_own_links;
    const char *reason;
};

/* One row per enum process. */
extern const struct quota_row quotas[PROCESS_COUNT];

/* What the jail sets. in_cgroup: memory is limited there, and needs no second limit. */
struct jail_limits quota_limits(enum process process, unsigned vcpus, bool in_cgroup);

/* Does a guest wait when it is started, or killed? Then it is ahead (init/tasks.h). */
bool quota_goes_ahead(enum process process);

/* Threads it needs. */
unsigned quota_threads(enum process process, unsigned vcpus);

/*
 * For memory.max of its cgroup: its own, and the shared memory it may be the first to touch; with
 * that of a guest of guest_bytes where it has it.
 */
uint64_t quota_memory(enum process process, uint64_t guest_bytes);

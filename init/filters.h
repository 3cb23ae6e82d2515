/*
 * init/filters.h - under which filter each process is jailed. Tests that take a process's place ask
 * here too.
 */
#pragma once

#include <stdbool.h>

#include "base/filters.h"
#include "base/macro.h"
#include "ipc/manifest.h"

/* remote: of the program for operators over the network, where that is another one (ipc/manifest.h). */
static inline const struct sbx_filter *filter_of(enum process process, bool remote)
{
    static const struct sbx_filter *const filters[] = {
        [PROCESS_SUPERVISOR] = &supervisor_filter,
        [PROCESS_CHIPSET] = &chipset_filter,
        [PROCESS_VTPM] = &vtpm_filter,
        [PROCESS_VMBUS] = &vmbus_filter,
        [PROCESS_STORAGE] = &storage_filter,
        [PROCESS_NET] = &net_filter,
        [PROCESS_DIAG] = &diag_filter,
        [PROCESS_DEBUG] = &debug_filter,
    };

    _Static_assert(COUNT_OF(filters) == PROCESS_COUNT, "a filter for every process");
    return remote && process == PROCESS_DIAG ? &diag_remote_filter : filters[process];
}

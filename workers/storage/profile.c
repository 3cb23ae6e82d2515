/*
 * workers/storage/profile.c - what the storage worker may ask of the kernel, where that has io_uring for us.
 *
 * Its disks are in its io_uring, as fixed files; it has no descriptor of one. It can open, make or map
 * nothing, and not change the ring.
 */
#include <linux/futex.h>

#include "base/macro.h"
#include "base/sandbox_start.h"

static const struct sbx_rule rules[] = {
    SBX_START_ROWS,
    {"read",            SBX_ANY, 0, 0, SBX_RUN, "Activate; the bell"                              },
    {"write",           SBX_ANY, 0, 0, SBX_RUN, "Ready; interrupts, bells of others"              },
    {"poll",            SBX_ANY, 0, 0, SBX_RUN, "serve: waits for the bell"                       },
    {"io_uring_enter",  SBX_ANY, 0, 0, SBX_RUN, "uring: the disks"                                },
    {"sched_yield",     SBX_ANY, 0, 0, SBX_RUN, "serve: looks for requests and lets the guest run"},
    {"brk",             SBX_ANY, 0, 0, SBX_RUN, "malloc: tables of images"                        },
    {"clock_gettime",   SBX_ANY, 0, 0, SBX_RUN, "clocks, where the vDSO has none"                 },
    {"restart_syscall", SBX_ANY, 0, 0, SBX_RUN, "poll after SIGSTOP and SIGCONT"                  },
    {"exit_group",      SBX_ANY, 0, 0, SBX_RUN, "worker_main: leave"                              },
};

extern const struct sbx_profile sbx_profile_storage;
const struct sbx_profile sbx_profile_storage = {
    .name = "storage",
    .rules = rules,
    .n_rules = COUNT_OF(rules),
};

/*
 * workers/vmbus/profile.c - what the vmbus worker may ask of the kernel.
 *
 * It holds bells and shared pages, and can open, make or map nothing.
 */
#include <linux/futex.h>

#include "base/macro.h"
#include "base/sandbox_start.h"
#include "ipc/manifest.h"

static const struct sbx_rule rules[] = {
    SBX_START_ROWS,
    {"read",            SBX_ANY,      0, 0,          SBX_RUN, "Activate; the bell"              },
    {"write",           SBX_ANY,      0, 0,          SBX_RUN, "Ready; bells of others"          },
    {"poll",            SBX_ANY,      0, 0,          SBX_RUN, "worker_main: waits for the bell" },
    {"futex",           SBX_ARG32_EQ, 1, FUTEX_WAKE, SBX_RUN, "port_answer: wakes a vCPU thread"},
    {"sched_yield",     SBX_ANY,      0, 0,          SBX_RUN, "port_poll: hands over on one CPU"},
    {"clock_gettime",   SBX_ANY,      0, 0,          SBX_RUN, "clocks, where the vDSO has none" },
    {"restart_syscall", SBX_ANY,      0, 0,          SBX_RUN, "poll after SIGSTOP and SIGCONT"  },
    {"exit_group",      SBX_ANY,      0, 0,          SBX_RUN, "worker_main: leave"              },
};

extern const struct sbx_profile sbx_profile_vmbus;
const struct sbx_profile sbx_profile_vmbus = {
    .name = "vmbus",
    .rules = rules,
    .n_rules = COUNT_OF(rules),
};

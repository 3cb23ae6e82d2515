/*
 * workers/chipset/profile.c - what the chipset worker may ask of the kernel.
 *
 * It holds its streams, interrupts and bell, and can open, make or map nothing.
 */
#include <linux/futex.h>

#include "base/macro.h"
#include "base/sandbox_start.h"

static const struct sbx_rule rules[] = {
    SBX_START_ROWS,
    {"rt_sigaction",    SBX_ANY,      0, 0,          SBX_START, "setup: SIGPIPE is ignored"                  },
    {"read",            SBX_ANY,      0, 0,          SBX_RUN,   "Activate; streams; the bell"                },
    {"write",           SBX_ANY,      0, 0,          SBX_RUN,   "Ready; streams; interrupts"                 },
    {"poll",            SBX_ANY,      0, 0,          SBX_RUN,   "worker_main: waits for streams and the bell"},
    {"futex",           SBX_ARG32_EQ, 1, FUTEX_WAKE, SBX_RUN,   "port_answer: wakes a vCPU thread"           },
    {"sched_yield",     SBX_ANY,      0, 0,          SBX_RUN,   "port_poll: hands over on one CPU"           },
    {"clock_gettime",   SBX_ANY,      0, 0,          SBX_RUN,   "clocks, where the vDSO has none"            },
    {"restart_syscall", SBX_ANY,      0, 0,          SBX_RUN,   "poll after SIGSTOP and SIGCONT"             },
    {"exit_group",      SBX_ANY,      0, 0,          SBX_RUN,   "worker_main: leave"                         },
};

extern const struct sbx_profile sbx_profile_chipset;
const struct sbx_profile sbx_profile_chipset = {
    .name = "chipset",
    .rules = rules,
    .n_rules = COUNT_OF(rules),
};

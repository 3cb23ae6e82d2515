/*
 * workers/net/profile.c - what the net worker may ask of the kernel.
 *
 * Each NIC's frames come from one descriptor and go there; it can open, make, connect or map nothing.
 */
#include <linux/futex.h>

#include "base/macro.h"
#include "base/sandbox_start.h"

static const struct sbx_rule rules[] = {
    SBX_START_ROWS,
    {"rt_sigaction",    SBX_ANY, 0, 0, SBX_START, "set-up: SIGPIPE is an error of a write"                    },
    {"read",            SBX_ANY, 0, 0, SBX_RUN,   "Activate; the bell"                                        },
    {"write",           SBX_ANY, 0, 0, SBX_RUN,   "Ready; interrupts, bells of others; backend: a short frame"},
    {"readv",           SBX_ANY, 0, 0, SBX_RUN,   "backend: a frame"                                          },
    {"writev",          SBX_ANY, 0, 0, SBX_RUN,   "backend: a frame"                                          },
    {"recvfrom",        SBX_ANY, 0, 0, SBX_RUN,   "backend: frames of a stream"                               },
    {"poll",            SBX_ANY, 0, 0, SBX_RUN,   "serve: waits for bell and frames"                          },
    {"clock_gettime",   SBX_ANY, 0, 0, SBX_RUN,   "clocks, where the vDSO has none"                           },
    {"restart_syscall", SBX_ANY, 0, 0, SBX_RUN,   "poll after SIGSTOP and SIGCONT"                            },
    {"exit_group",      SBX_ANY, 0, 0, SBX_RUN,   "worker_main: leave"                                        },
};

extern const struct sbx_profile sbx_profile_net;
const struct sbx_profile sbx_profile_net = {
    .name = "net",
    .rules = rules,
    .n_rules = COUNT_OF(rules),
};

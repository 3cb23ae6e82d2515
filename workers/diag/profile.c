/*
 * workers/diag/profile.c - what the diag worker may ask of the kernel.
 *
 * It takes connections from a socket it inherits, and talks on those. It can open, make or map nothing. Where operators come over
 * the network it is another program, with a profile of its own (profile_remote.c).
 */
#include "workers/diag/profile.h"

#include <sys/socket.h>

#include "base/macro.h"
#include "base/sandbox_start.h"

/* clang-format off */
static const struct sbx_rule rules[] = {
    SBX_START_ROWS,
    {"pipe2", SBX_ANY, 0, 0, SBX_START, "event_base_new: for signals, of which we handle none"},
    {"getuid", SBX_ANY, 0, 0, SBX_START, "event_base_new: may it believe the environment?"},
    {"geteuid", SBX_ANY, 0, 0, SBX_START, "the same"},
    {"getgid", SBX_ANY, 0, 0, SBX_START, "the same"},
    {"getegid", SBX_ANY, 0, 0, SBX_START, "the same"},
    {"getpid", SBX_ANY, 0, 0, SBX_START, "the same, for a seed"},
    {"read", SBX_ANY, 0, 0, SBX_RUN, "Activate"},
    {"write", SBX_ANY, 0, 0, SBX_RUN, "Ready"},
    {"poll", SBX_ANY, 0, 0, SBX_RUN, "the event loop sleeps"},
    {"accept4", SBX_ARG32_EQ, 0, DIAG_FD_OPERATOR, SBX_RUN, "an operator connects"},
    {"getsockopt", SBX_ARG32_EQ, 2, SO_PEERCRED, SBX_RUN, "is the operator root?"},
    {"recvmsg", SBX_ANY, 0, 0, SBX_RUN, "operators' calls, with a program to start; the supervisor"},
    {"sendmsg", SBX_ANY, 0, 0, SBX_RUN, "answers; requests to the supervisor, with the program"},
    {"close", SBX_ANY, 0, 0, SBX_RUN, "sessions; programs handed on"},
    {"clock_gettime", SBX_ANY, 0, 0, SBX_RUN, "deadlines, where the vDSO has no clock"},
    {"restart_syscall", SBX_ANY, 0, 0, SBX_RUN, "poll after SIGSTOP and SIGCONT"},
    {"exit_group", SBX_ANY, 0, 0, SBX_RUN, "worker_main: leave"},
};
/* clang-format on */

extern const struct sbx_profile sbx_profile_diag;
const struct sbx_profile sbx_profile_diag = {
    .name = "diag",
    .rules = rules,
    .n_rules = COUNT_OF(rules),
};

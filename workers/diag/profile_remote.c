/*
 * workers/diag/profile_remote.c - what the diag worker may ask of the kernel where operators come over the network.
 *
 * It takes connections from two sockets it inherits, and talks on those. It can open, make or map
 * nothing.
 */
#include <linux/futex.h>
#include <sys/socket.h>

#include "base/macro.h"
#include "base/sandbox_start.h"
#include "workers/diag/profile.h"

/* clang-format off */
static const struct sbx_rule rules[] = {
    SBX_START_ROWS,
    {"pipe2", SBX_ANY, 0, 0, SBX_START, "event_base_new: for signals, of which we handle none"},
    {"getuid", SBX_ANY, 0, 0, SBX_START, "event_base_new: may it believe the environment?"},
    {"geteuid", SBX_ANY, 0, 0, SBX_START, "the same"},
    {"getgid", SBX_ANY, 0, 0, SBX_START, "the same"},
    {"getegid", SBX_ANY, 0, 0, SBX_START, "the same"},
    {"read", SBX_ANY, 0, 0, SBX_RUN, "Activate; TLS records of operators"},
    {"write", SBX_ANY, 0, 0, SBX_RUN, "Ready; TLS records to operators"},
    {"poll", SBX_ANY, 0, 0, SBX_RUN, "the event loop sleeps"},
    {"accept4", SBX_ARG32_EQ, 0, DIAG_FD_OPERATOR, SBX_RUN, "an operator connects"},
    {"accept4", SBX_ARG32_EQ, 0, DIAG_FD_REMOTE, SBX_RUN, "the same, over the network"},
    {"getsockopt", SBX_ARG32_EQ, 2, SO_PEERCRED, SBX_RUN, "is the operator root?"},
    {"shutdown", SBX_ANY, 0, 0, SBX_RUN, "libevent: the end of a connection; ours: of a slow one"},
    {"sysinfo", SBX_ANY, 0, 0, SBX_START, "OpenSSL: qsort asks once how much memory there is"},
    {"futex", SBX_ARG32_EQ, 1, FUTEX_WAKE_PRIVATE, SBX_RUN, "OpenSSL: what is made once is made"},
    {"getrandom", SBX_ANY, 0, 0, SBX_RUN, "OpenSSL: each connection's keys"},
    {"getpid", SBX_ANY, 0, 0, SBX_RUN, "OpenSSL: has it been forked?"},
    {"recvmsg", SBX_ANY, 0, 0, SBX_RUN, "operators' calls, with a program to start; the supervisor"},
    {"sendmsg", SBX_ANY, 0, 0, SBX_RUN, "answers; requests to the supervisor, with the program"},
    {"close", SBX_ANY, 0, 0, SBX_RUN, "sessions; programs handed on"},
    {"clock_gettime", SBX_ANY, 0, 0, SBX_RUN, "deadlines, where the vDSO has no clock"},
    {"restart_syscall", SBX_ANY, 0, 0, SBX_RUN, "poll after SIGSTOP and SIGCONT"},
    {"exit_group", SBX_ANY, 0, 0, SBX_RUN, "worker_main: leave"},
};
/* clang-format on */

extern const struct sbx_profile sbx_profile_diag_remote;
const struct sbx_profile sbx_profile_diag_remote = {
    .name = "diag_remote",
    .rules = rules,
    .n_rules = COUNT_OF(rules),
};

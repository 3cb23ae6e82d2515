/*
 * workers/debug/profile.c - what the debug worker may ask of the kernel.
 *
 * It reads and writes the guest's memory by one descriptor, and talks on two sockets. It can open, make or map nothing.
 */
#include "workers/debug/profile.h"

#include "base/macro.h"
#include "base/sandbox_start.h"

/* clang-format off */
static const struct sbx_rule rules[] = {
    SBX_START_ROWS,
    {"read", SBX_ARG32_EQ, 0, FD_CONTROL, SBX_RUN, "Activate"},
    {"write", SBX_ARG32_EQ, 0, FD_CONTROL, SBX_RUN, "Ready"},
    {"poll", SBX_ANY, 0, 0, SBX_RUN, "sleeps until somebody says something"},
    {"recvmsg", SBX_ARG32_EQ, 0, FD_CONTROL, SBX_RUN, "the supervisor"},
    {"recvmsg", SBX_ARG32_EQ, 0, DEBUG_FD_STREAM, SBX_RUN, "diag: bytes of GDB's"},
    {"sendmsg", SBX_ARG32_EQ, 0, FD_CONTROL, SBX_RUN, "requests to the supervisor"},
    {"sendmsg", SBX_ARG32_EQ, 0, DEBUG_FD_STREAM, SBX_RUN, "diag: bytes for GDB, a dump, registers"},
    {"pread64", SBX_ARG32_EQ, 0, DEBUG_FD_RAM, SBX_RUN, "the guest's memory"},
    {"pwrite64", SBX_ARG32_EQ, 0, DEBUG_FD_RAM, SBX_RUN, "the same, as GDB says"},
    {"lseek", SBX_ARG32_EQ, 0, DEBUG_FD_RAM, SBX_RUN, "what of it was ever touched"},
    {"clock_gettime", SBX_ANY, 0, 0, SBX_RUN, "deadlines, where the vDSO has no clock"},
    {"restart_syscall", SBX_ANY, 0, 0, SBX_RUN, "poll after SIGSTOP and SIGCONT"},
    {"exit_group", SBX_ANY, 0, 0, SBX_RUN, "worker_main: leave"},
};
/* clang-format on */

extern const struct sbx_profile sbx_profile_debug;
const struct sbx_profile sbx_profile_debug = {
    .name = "debug",
    .rules = rules,
    .n_rules = COUNT_OF(rules),
};

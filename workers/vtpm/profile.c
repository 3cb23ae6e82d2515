#include <errno.h>
#include <limits.h>
#include <linux/futex.h>

#include "base/macro.h"
#include "base/sandbox.h"
#include "base/sandbox_start.h"
#include "ipc/manifest.h"

static const struct sbx_rule rules[] = {
    SBX_START_ROWS,
    SBX_START_THREAD_ROWS,
    {"sysinfo",         SBX_ANY,      0, 0,                                                SBX_START, "qsort: size of memory; asked once, by tpm_setup"},

    {"read",            SBX_ARG32_EQ, 0, FD_CONTROL,                                       SBX_RUN,   "worker_main: Activate"                          },
    {"write",           SBX_ARG32_EQ, 0, FD_CONTROL,                                       SBX_RUN,   "worker_main: Ready"                             },
    {"sched_yield",     SBX_ANY,      0, 0,                                                SBX_RUN,   "port: hands the CPU to the vCPU thread"         },
    {"futex",           SBX_ARG32_EQ, 1, FUTEX_WAIT,                                       SBX_RUN,   "port: sleeps"                                   },
    {"futex",           SBX_ARG32_EQ, 1, FUTEX_WAKE,                                       SBX_RUN,   "port: wakes the vCPU thread"                    },
    {"futex",           SBX_ARG32_EQ, 1, FUTEX_WAIT_PRIVATE,                               SBX_RUN,   "mutexes, malloc's lock"                         },
    {"futex",           SBX_ARG32_EQ, 1, FUTEX_WAKE_PRIVATE,                               SBX_RUN,   "mutexes, wakes the executor"                    },
    {"futex",           SBX_ARG32_EQ, 1, FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, SBX_RUN,
      "executor: pthread_cond_wait"                                                                                                                     },
    {"brk",             SBX_ANY,      0, 0,                                                SBX_RUN,   "malloc: all of its memory, see tpm_setup"       },
    {"getrandom",       SBX_ARG32_EQ, 2, 0,                                                SBX_RUN,   "entropy for OpenSSL and for each generation"    },
    {"getpid",          SBX_ANY,      0, 0,                                                SBX_RUN,   "OpenSSL: has it forked?"                        },
    {"clock_gettime",   SBX_ANY,      0, 0,                                                SBX_RUN,   "libtpms: CPU time, which the vDSO does not have"},
    {"restart_syscall", SBX_ANY,      0, 0,                                                SBX_RUN,   "the port's sleep, after SIGSTOP and SIGCONT"    },
    {"exit_group",      SBX_ANY,      0, 0,                                                SBX_RUN,   "worker_main: leave"                             },
    {"newfstatat",      SBX_ERRNO,    0, EBADF,                                            SBX_RUN,
      "libtpms prints a command that broke it: to what?"                                                                                                },
    {"fstat",           SBX_ERRNO,    0, EBADF,                                            SBX_RUN,   "the same in newer glibc"                        },
    {"lseek",           SBX_ERRNO,    0, ESPIPE,                                           SBX_RUN,
      "libtpms prints a command that broke it: where is it?"                                                                                            },
    {"write",           SBX_ARG32_EQ, 0, INT_MAX,                                          SBX_RUN,   "the same: to the descriptor that cannot exist"  },
};

extern const struct sbx_profile sbx_profile_vtpm;
const struct sbx_profile sbx_profile_vtpm = {
    .name = "vtpm",
    .rules = rules,
    .n_rules = COUNT_OF(rules),
};

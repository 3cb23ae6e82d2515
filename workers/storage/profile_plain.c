/*
 * workers/storage/profile_plain.c - what the storage worker may ask of a kernel that has no io_uring for us.
 *
 * Its disks are its descriptors, opened by init for what each disk may be used for. It can open, make or
 * map nothing. init installs the start filter of this profile only there: elsewhere none of these calls
 * is possible.
 */
#include <linux/futex.h>

#include "base/macro.h"
#include "base/sandbox_start.h"

static const struct sbx_rule rules[] = {
    SBX_START_ROWS,
    SBX_START_THREAD_ROWS,
    {"read",            SBX_ANY,      0, 0,                                                SBX_RUN, "Activate; the bell"                              },
    {"write",           SBX_ANY,      0, 0,                                                SBX_RUN, "Ready; interrupts, bells of others"              },
    {"poll",            SBX_ANY,      0, 0,                                                SBX_RUN, "serve: waits for the bell"                       },
    {"preadv",          SBX_ANY,      0, 0,                                                SBX_RUN, "uring_plain: the disks"                          },
    {"pwritev2",        SBX_ANY,      0, 0,                                                SBX_RUN, "uring_plain: the same, durably where asked to"   },
    {"fdatasync",       SBX_ANY,      0, 0,                                                SBX_RUN, "uring_plain: flush"                              },
    {"fallocate",       SBX_ANY,      0, 0,                                                SBX_RUN, "uring_plain: discard, zeros, room"               },
    {"futex",           SBX_ARG32_EQ, 1, FUTEX_WAIT_PRIVATE,                               SBX_RUN, "uring_plain: mutex"                              },
    {"futex",           SBX_ARG32_EQ, 1, FUTEX_WAKE_PRIVATE,                               SBX_RUN,
      "uring_plain: mutex, and who waits for requests"                                                                                                 },
    {"futex",           SBX_ARG32_EQ, 1, FUTEX_WAIT_BITSET_PRIVATE,                        SBX_RUN,
      "uring_plain: waits for metadata, until a time"                                                                                                  },
    {"futex",           SBX_ARG32_EQ, 1, FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, SBX_RUN,
      "uring_plain: waits for requests"                                                                                                                },
    {"sched_yield",     SBX_ANY,      0, 0,                                                SBX_RUN, "serve: looks for requests and lets the guest run"},
    {"brk",             SBX_ANY,      0, 0,                                                SBX_RUN, "malloc: tables of images"                        },
    {"clock_gettime",   SBX_ANY,      0, 0,                                                SBX_RUN, "clocks, where the vDSO has none"                 },
    {"restart_syscall", SBX_ANY,      0, 0,                                                SBX_RUN, "poll after SIGSTOP and SIGCONT"                  },
    {"exit_group",      SBX_ANY,      0, 0,                                                SBX_RUN, "worker_main: leave"                              },
};

extern const struct sbx_profile sbx_profile_storage_plain;
const struct sbx_profile sbx_profile_storage_plain = {
    .name = "storage_plain",
    .rules = rules,
    .n_rules = COUNT_OF(rules),
};

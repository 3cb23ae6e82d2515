/*
 * supervisor/profile.c - what the supervisor may ask of the kernel.
 *
 * It holds the partition and the sockets of its workers, and can open, make or map nothing new.
 */
#include <linux/futex.h>
#include <linux/kvm.h>
#include <signal.h>
#include <sys/epoll.h>

#include "base/macro.h"
#include "base/sandbox_start.h"

static const struct sbx_rule rules[] = {
    SBX_START_ROWS,
    SBX_START_THREAD_ROWS,
    {"ioctl",           SBX_ANY,      0, 0,                                                SBX_START, "partition: set-up of VM and vCPUs"      },
    {"eventfd2",        SBX_ANY,      0, 0,                                                SBX_START, "super: end of the VM"                   },
    {"epoll_create1",   SBX_ANY,      0, 0,                                                SBX_START, "libevent: its base"                     },
    {"getuid",          SBX_ANY,      0, 0,                                                SBX_START, "libevent: may it trust the environment?"},
    {"geteuid",         SBX_ANY,      0, 0,                                                SBX_START, "libevent: may it trust the environment?"},
    {"getgid",          SBX_ANY,      0, 0,                                                SBX_START, "libevent: may it trust the environment?"},
    {"getegid",         SBX_ANY,      0, 0,                                                SBX_START, "libevent: may it trust the environment?"},
    {"pipe2",           SBX_ANY,      0, 0,                                                SBX_START, "libevent: its signal pair; unused"      },
    {"poll",            SBX_ANY,      0, 0,                                                SBX_START, "super: init's first message"            },
    {"pread64",         SBX_ANY,      0, 0,                                                SBX_START, "boot: kernel and initrd"                },
    {"lseek",           SBX_ANY,      0, 0,                                                SBX_START, "boot: size of kernel and initrd"        },
    {"rt_sigaction",    SBX_ANY,      0, 0,                                                SBX_START, "partition: the kick's empty handler"    },
    {"gettid",          SBX_ANY,      0, 0,                                                SBX_START, "vcpu_bind: whom to kick"                },
    {"getpid",          SBX_ANY,      0, 0,                                                SBX_START, "vcpu_bind: whom to kick"                },
    {"tgkill",          SBX_ARG32_EQ, 2, SIGUSR1,                                          SBX_RUN,   "vcpu_kick: between threads"             },

    {"ioctl",           SBX_ARG32_EQ, 1, KVM_RUN,                                          SBX_RUN,   "vcpu_run"                               },
    {"ioctl",           SBX_ARG32_EQ, 1, KVM_SET_GSI_ROUTING,                              SBX_RUN,   "vectors of virtual processors"          },
    {"ioctl",           SBX_ARG32_EQ, 1, KVM_SET_GUEST_DEBUG,                              SBX_RUN,   "a debugger's breakpoints and steps"     },
    {"futex",           SBX_ARG32_EQ, 1, FUTEX_WAIT,                                       SBX_RUN,   "ports: sleep until the answer"          },
    {"futex",           SBX_ARG32_EQ, 1, FUTEX_WAKE,                                       SBX_RUN,   "ports: wake a worker"                   },
    {"futex",           SBX_ARG32_EQ, 1, FUTEX_WAIT_PRIVATE,                               SBX_RUN,   "mutexes"                                },
    {"futex",           SBX_ARG32_EQ, 1, FUTEX_WAKE_PRIVATE,                               SBX_RUN,   "mutexes; the start gate opens"          },
    {"futex",           SBX_ARG32_EQ, 1, FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, SBX_RUN,
      "vCPU threads wait at the start gate, and stand"                                                                                          },
    {"sched_yield",     SBX_ANY,      0, 0,                                                SBX_RUN,   "ports: hand over on one CPU"            },
    {"epoll_wait",      SBX_ANY,      0, 0,                                                SBX_RUN,   "libevent: the loop"                     },
    {"epoll_ctl",       SBX_ANY,      0, 0,                                                SBX_RUN,   "libevent: channels come and go"         },
    {"recvmsg",         SBX_ANY,      0, 0,                                                SBX_RUN,   "channels: one message in"               },
    {"sendmsg",         SBX_ANY,      0, 0,                                                SBX_RUN,   "channels: one message out"              },
    {"read",            SBX_ANY,      0, 0,                                                SBX_RUN,   "super: its bell, of the outbox"         },
    {"write",           SBX_ANY,      0, 0,                                                SBX_RUN,   "eventfds: bells, end of the VM"         },
    {"close",           SBX_ANY,      0, 0,                                                SBX_RUN,   "channels of dead generations"           },
    {"clock_gettime",   SBX_ANY,      0, 0,                                                SBX_RUN,   "deadlines, where the vDSO has no clock" },
    {"brk",             SBX_ANY,      0, 0,                                                SBX_RUN,   "malloc: messages"                       },
    {"madvise",         SBX_ARG32_EQ, 2, MADV_DONTNEED,                                    SBX_RUN,   "code_forget; end of a thread: its stack"},
    {"rt_sigprocmask",  SBX_ANY,      0, 0,                                                SBX_RUN,   "end of a thread"                        },
    {"exit",            SBX_ANY,      0, 0,                                                SBX_RUN,   "end of a thread"                        },
    {"exit_group",      SBX_ANY,      0, 0,                                                SBX_RUN,   "end of the VM"                          },
    {"rt_sigreturn",    SBX_ANY,      0, 0,                                                SBX_RUN,   "a kicked vCPU thread"                   },
    {"restart_syscall", SBX_ANY,      0, 0,                                                SBX_RUN,   "after SIGSTOP and SIGCONT"              },
};

extern const struct sbx_profile sbx_profile_supervisor;
const struct sbx_profile sbx_profile_supervisor = {
    .name = "supervisor",
    .rules = rules,
    .n_rules = COUNT_OF(rules),
};

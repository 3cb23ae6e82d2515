/*
 * base/sandbox_start.h - what every jailed program asks of the kernel between init's jail and its
 * own run filter: exec, the start of a static-PIE glibc program, and entering the run filter.
 *
 * For profile.c: write SBX_START_ROWS as the first line of the table, and SBX_START_THREAD_ROWS too
 * where threads are made before the run filter is entered. What is also needed afterwards gets a
 * row of the profile's own, without SBX_START.
 *
 * A new thread's first calls (rseq, set_robust_list, rt_sigprocmask) are start rows too: wait until
 * it runs before the run filter is entered, or the filter meets it in the middle.
 *
 * Found by strace of a static-PIE program under Debian 12 (glibc 2.36); rows that only newer ones
 * need say so. No row lets a page become executable: a static program's code is mapped by exec.
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "base/sandbox.h"

enum {
    SBX_ARCH_SET_FS = 0x1002,       /* asm/prctl.h */
    SBX_ARCH_CET_STATUS = 0x3001,   /* never merged by Linux; glibc before 2.39 asks all the same */
    SBX_ARCH_SHSTK_STATUS = 0x5005, /* asm/prctl.h, from Linux 6.6 */
    SBX_F_GET_SEALS = 1034,         /* linux/fcntl.h */
    /* What pthread_create() passes: a thread of this process and nothing else. */
    SBX_CLONE_THREAD = 0x3d0f00,
};

/* clang-format off */
#define SBX_START_ROWS                                                                             \
    /* init's child, jailed, before exec */                                                        \
    {"read", SBX_ANY, 0, 0, SBX_START, "jail: waits for init's look from outside"},                \
    {"execveat", SBX_ARG32_EQ, 4, AT_EMPTY_PATH, SBX_START, "jail: by descriptor, never a path"},  \
    {"write", SBX_ANY, 0, 0, SBX_START, "jail: says that exec failed; worker: Ready"},             \
    {"exit_group", SBX_ANY, 0, 0, SBX_START, "jail, worker_main: leave"},                          \
    /* glibc, before main() */                                                                     \
    {"brk", SBX_ANY, 0, 0, SBX_START, "static start: TLS; malloc"},                                \
    {"arch_prctl", SBX_ARG32_EQ, 0, SBX_ARCH_SET_FS, SBX_START, "static start: TLS"},              \
    {"arch_prctl", SBX_ARG32_EQ, 0, SBX_ARCH_CET_STATUS, SBX_START, "glibc < 2.39 with CET: asks"},\
    {"arch_prctl", SBX_ARG32_EQ, 0, SBX_ARCH_SHSTK_STATUS, SBX_START, "glibc >= 2.39: asks"},      \
    {"set_tid_address", SBX_ANY, 0, 0, SBX_START, "static start: thread id"},                      \
    {"set_robust_list", SBX_ANY, 0, 0, SBX_START, "static start: robust mutexes"},                 \
    {"rseq", SBX_ANY, 0, 0, SBX_START, "static start: sched_getcpu() without a call"},             \
    {"prlimit64", SBX_ARG_EQ, 2, 0, SBX_START, "static start: reads the stack limit, sets none"},  \
    {"readlink", SBX_ANY, 0, 0, SBX_START, "static start: $ORIGIN; finds nothing"},                \
    {"readlinkat", SBX_ANY, 0, 0, SBX_START, "the same in newer glibc"},                           \
    {"getrandom", SBX_ANY, 0, 0, SBX_START, "malloc: tcache key"},                                 \
    {"mprotect", SBX_ARG_MASKED, 2, PROT_READ | PROT_WRITE, SBX_START, "static start: relro"},     \
    /* worker_main: set-up */                                                                      \
    {"mmap", SBX_ARG_MASKED, 2, PROT_READ | PROT_WRITE, SBX_START, "malloc; worker_map"},          \
    {"munmap", SBX_ANY, 0, 0, SBX_START, "malloc"},                                                \
    {"mremap", SBX_ANY, 0, 0, SBX_START, "malloc: grows a large block"},                           \
    {"fstat", SBX_ANY, 0, 0, SBX_START, "shm_map: size"},                                          \
    {"newfstatat", SBX_ANY, 0, 0, SBX_START, "the same: fstat() of glibc 2.33 and newer"},         \
    {"fcntl", SBX_ARG32_EQ, 1, SBX_F_GET_SEALS, SBX_START, "shm_map: seals"},                      \
    {"fcntl", SBX_ARG32_EQ, 1, F_GETFL, SBX_START, "set-up: access mode of what is inherited"},    \
    {"close", SBX_ANY, 0, 0, SBX_START, "worker_map: the mapping is enough"},                      \
    {"prctl", SBX_ARG32_EQ, 0, PR_SET_DUMPABLE, SBX_START, "worker_main: no core, no ptrace"},     \
    {"prctl", SBX_ARG32_EQ, 0, PR_SET_NO_NEW_PRIVS, SBX_START, "sbx_enter: asked for again"},      \
    {"seccomp", SBX_ARG32_EQ, 0, SECCOMP_SET_MODE_FILTER, SBX_START, "sbx_enter: the run filter"}, \
    {"madvise", SBX_ARG32_EQ, 2, MADV_DONTNEED, SBX_START, "code_forget; end of a thread"},        \
    {"sigaltstack", SBX_ANY, 0, 0, SBX_START, "fault_watch: a stack for last words"},              \
    {"rt_sigaction", SBX_ANY, 0, 0, SBX_START, "fault_watch; pthread_create: its own signal"},     \
    /* anywhere in it */                                                                           \
    {"clock_gettime", SBX_ANY, 0, 0, SBX_START, "log lines, where the vDSO has no clock"},         \
    {"futex", SBX_ANY, 0, 0, SBX_START, "mutexes; pthread_create"},                                \
    {"rt_sigreturn", SBX_ANY, 0, 0, SBX_START, "after SIGSTOP and SIGCONT"},                       \
    {"restart_syscall", SBX_ANY, 0, 0, SBX_START, "after SIGSTOP and SIGCONT"}

#define SBX_START_THREAD_ROWS                                                                      \
    {"rt_sigprocmask", SBX_ANY, 0, 0, SBX_START, "pthread_create: around clone"},                  \
    {"clone3", SBX_ERRNO, 0, ENOSYS, SBX_START, "its flags are behind a pointer: use clone"},      \
    {"clone", SBX_ARG_EQ, 0, SBX_CLONE_THREAD, SBX_START, "pthread_create: threads only"},         \
    {"sched_getaffinity", SBX_ANY, 0, 0, SBX_START, "malloc: how many arenas"},                    \
    {"exit", SBX_ANY, 0, 0, SBX_START, "end of a thread"}
/* clang-format on */

/*
 * init/jail.h - starting a program so that it has only what its row names.
 *
 * jail_start() makes the process; init/jail_child.c is what runs in it: step by step down to
 * nothing, then the start filter. There it pauses until jail_go(), so that init can look at it
 * from outside before a single instruction of the program runs (init/verify.h).
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/macro.h"
#include "base/sandbox.h"
#include "init/why.h"
#include "ipc/disks.h"
#include "ipc/manifest.h"

enum {
    JAIL_MAX_FDS = MANIFEST_MAX_FDS + DISK_FILES, /* the latter: init/disks.h */
    JAIL_SIGNALS_PENDING = 16,                    /* of all processes of the uid */
    JAIL_STACK_BYTES = 8 << 20, /* a stack grows without a call: only this stops it */
};

/* In the order in which they are taken; the child reports the one that failed. */
enum jail_step {
    JAIL_SIGNALS,
    JAIL_PERSONALITY,
    JAIL_PARENT,
    JAIL_NETWORK,
    JAIL_WATCH,
    JAIL_DESCRIPTORS,
    JAIL_PRIVATE,
    JAIL_TMPFS,
    JAIL_PIVOT,
    JAIL_DETACH,
    JAIL_READ_ONLY,
    JAIL_LIMITS,
    JAIL_KEYRING,
    JAIL_BOUNDING,
    JAIL_AMBIENT,
    JAIL_SECUREBITS,
    JAIL_GROUP,
    JAIL_USER,
    JAIL_CAPABILITIES,
    JAIL_READ_BACK,
    JAIL_PARENT_AGAIN,
    JAIL_NO_NEW_PRIVS,
    JAIL_SPECULATION,
    JAIL_MDWE,
    JAIL_LANDLOCK,
    JAIL_FILTER,
    JAIL_PAUSE,
    JAIL_EXEC,
    JAIL_STEPS,
};

struct jail_limits {
    uint64_t descriptors; /* none may get a number from this up */
    uint64_t threads;     /* of all processes of the uid */
    uint64_t data_bytes;  /* 0: limited by the cgroup, or not at all */
    uint64_t file_bytes;  /* of a file it writes to; UINT64_MAX: any */
    int nice;             /* 0, or so far behind all others, and SCHED_BATCH */
};

/* Everything is borrowed. */
struct jail_spec {
    const char *name;
    uint32_t generation;
    uint32_t uid; /* and gid */
    const struct sbx_program *filter;
    int program_fd;
    int fds[JAIL_MAX_FDS]; /* fds[n] becomes descriptor n */
    unsigned n_fds;        /* from 3 up */
    struct jail_limits limits;
    int net_ns_fd;   /* an empty network namespace to join */
    int landlock_fd; /* -1: the kernel has no Landlock */
    int cgroup_fd;   /* -1: no cgroup, limits alone */
};

/* The parent's end. */
struct jail {
    pid_t pid;
    int pidfd;
    int say_fd; /* readable: jail_hear() */
    int go_fd;
    /*
     * From jail_watch() on: hangs up when no instruction of it is left to run. Since Linux 6.11 that is before
     * its memory is torn down, which takes long if it mapped much of the guest's; before, when it is reaped.
     */
    int watch_fd;
};

enum jail_word {
    JAIL_SILENT,   /* nothing new */
    JAIL_AT_PAUSE, /* jailed, waits for jail_go() */
    JAIL_RUNNING,  /* past exec, or dead: its pidfd tells */
    JAIL_FAILED,   /* a step failed; it exits */
};

/*
 * Make the process. 0 and *ret (jail_done() releases its descriptors), or negative errno.
 * skip is a mask of steps to leave out: the attack test's way to see that each is missed. The
 * product passes 0.
 */
int MUST_USE jail_start(const struct jail_spec *spec, uint64_t skip, struct jail *ret);

/* What the child said last. Never blocks. */
enum jail_word jail_hear(const struct jail *j, struct why *why);

/*
 * At the pause: take what tells of its end, j->watch_fd; -1 where init itself is listened to, as in some containers:
 * then only the reaping tells. 0 or negative errno.
 */
int MUST_USE jail_watch(struct jail *j);

/* Let it exec. */
int MUST_USE jail_go(const struct jail *j);

/* SIGKILL. */
void jail_kill(const struct jail *j);

/* Close what is open of it. The process is neither killed nor reaped. */
void jail_done(struct jail *j);

const char *jail_step_name(enum jail_step step);

/* Make an empty network namespace, to be joined by every jail. */
int MUST_USE jail_net_ns(int *ret_fd);

/*
 * init/process.h - the processes that init started: from clone to the reaped body.
 *
 *   JAILING   steps down in the jail, then pauses; init looks at it from outside
 *   EXECING   was let go; its pipe closes when exec succeeded
 *   LIVE      runs its program
 *   GONE      ran, and runs no more: who cares was told; its body is still to be reaped
 *   FAILED    never ran; the same
 *
 * One struct procs, driven by the event loop of its owner, one thread.
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/build_id.h"
#include "base/macro.h"
#include "init/cgroup.h"
#include "init/disks.h"
#include "init/jail.h"
#include "init/objects.h"
#include "init/process_end.h"
#include "init/verify.h"
#include "init/why.h"
#include "ipc/manifest.h"

enum {
    PROC_GENERATIONS = 2, /* of one process at a time: the one that serves, and its successor */
    PROC_BODIES = 2,      /* of one process that are gone and not yet reaped */
    PROC_SLOTS = 32,      /* with those, and those that were killed */
    PROC_JAIL_DEADLINE_S = 5,
    PROC_SANDBOX_BYTES = 160,
};

enum proc_state {
    PROC_FREE,
    PROC_JAILING,
    PROC_EXECING,
    PROC_LIVE,
    PROC_GONE,
    PROC_FAILED,
};

struct procs;

struct proc {
    struct procs *owner;
    enum proc_state state;
    enum process process;
    uint32_t generation;
    bool killed;        /* by us, or gone: does not count as a generation any more */
    uint64_t cpu_ns;    /* when it was looked at last (init/usage.h) */
    bool out_of_memory; /* once it has ended: the kernel killed it, for its cgroup was full */
    struct jail jail;
    int channel_fd; /* the other end of its control channel, until it is given on */
    struct cgroup_leaf cgroup;
    struct verify_file *files; /* owned; those that close at exec are the last */
    unsigned n_files;          /* without them */
    struct event *on_say, *on_end, *on_death;
    char build_id[BUILD_ID_TEXT_BYTES];
    char sandbox[PROC_SANDBOX_BYTES];
};

struct proc_ops {
    void (*running)(void *self, struct proc *p);                   /* is past exec */
    void (*failed)(void *self, struct proc *p, const char *error); /* never ran */
    void (*died)(void *self, struct proc *p, int wait_status);     /* was running, and has ended */
};

struct proc_program {
    int fd; /* -1: not a process of this kind */
    char build_id[BUILD_ID_TEXT_BYTES];
};

struct procs {
    struct event_base *base;       /* borrowed; set before procs_open() */
    const struct objects *objects; /* borrowed */
    const struct disks *disks;     /* borrowed; NULL: none */
    const struct proc_ops *ops;
    void *self;
    struct proc_program programs[PROCESS_COUNT];
    bool remote; /* operators come over the network */
    struct cgroups cgroups;
    int net_ns_fd, null_fd;
    uint64_t net_ns; /* its inode */
    int landlock_abi;
    unsigned vcpus;
    uint64_t guest_bytes; /* of memory */
    uint32_t last_generation[PROCESS_COUNT];
    struct proc slots[PROC_SLOTS];
};

/* Nothing open, nothing running. *ps is zeroed. */
void procs_init(struct procs *ps, const struct objects *objects, const struct proc_ops *ops,
                void *self);

/* Open the programs of every row, the empty network namespace, the cgroups. */
int MUST_USE procs_open(struct procs *ps, const Bulkhead__VmConfig *config, bool own_cgroups,
                        struct why *why);

/*
 * Begin to start a generation; ops say how it goes on.
 *   0          on its way
 *   -EPROTO    no process of that kind, a generation that is not newer than the last, or too many
 *   other <0   from the kernel: it cannot be started now; why says more
 * binary_fd, borrowed, is the program to run; -1: the installed one.
 */
int MUST_USE procs_spawn(struct procs *ps, enum process process, uint32_t generation, int binary_fd,
                         struct why *why);

/* The generation if it is past exec and has not ended; NULL otherwise. */
struct proc *procs_find(struct procs *ps, uint32_t process, uint32_t generation);

/* Was it ever started? What is not there and was known has died. */
bool procs_known(const struct procs *ps, uint32_t process, uint32_t generation);

/* Look at it from outside, after its set-up. 0 and p->sandbox, or -EPERM and why. */
int MUST_USE procs_verify(struct proc *p, struct why *why);

/* SIGKILL; ops->died follows. */
void procs_kill(struct proc *p);

/* Reap the process of that pid if it is one of ours, and tell ops. False: not ours. */
bool procs_reap(struct procs *ps, pid_t pid);

/* Kill and reap all, without telling ops; close what procs_open() opened. */
void procs_done(struct procs *ps);

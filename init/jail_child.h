/*
 * init/jail_child.h - what runs in a new process between clone and exec.
 *
 * Private to the jail. Async-signal-safe: system calls only, no heap, no stdio, no locks.
 */
#pragma once

#include <stdint.h>

#include "init/jail.h"

/* What the child writes to say_fd. */
struct jail_record {
    uint32_t step; /* enum jail_step: the one that failed, or JAIL_PAUSE when it was reached */
    int32_t err;   /* errno; 0 at the pause */
};

struct jail_child {
    const struct jail_spec *spec;
    char *const *argv;
    int say_fd, go_fd; /* as inherited; JAIL_DESCRIPTORS moves them */
    int watch_fd;      /* as inherited, a socket */
    int program_fd;
    int landlock_fd;
};

/* Where a jailed process finds the descriptors that are not its program's: past the grants. */
enum jail_extra_fd {
    JAIL_FD_PROGRAM,
    JAIL_FD_GO,
    JAIL_FD_SAY,
    JAIL_EXTRA_FDS,
};

_Noreturn void jail_child(struct jail_child *c, uint64_t skip);

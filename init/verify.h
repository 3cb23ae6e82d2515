/*
 * init/verify.h - looking at a jailed process from outside.
 *
 * What a process says of itself is worth nothing; what /proc says of it is the kernel's word. Each
 * property is compared with what was meant, and the first difference is named.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/macro.h"
#include "init/jail.h"
#include "init/jail_child.h"
#include "init/why.h"

enum {
    VERIFY_ROW_FILES = MANIFEST_MAX_FDS + JAIL_EXTRA_FDS, /* of any row; others come after */
    VERIFY_LINK_BYTES = 128,
};

/* What an open descriptor is, as /proc shows it. */
struct verify_file {
    char link[VERIFY_LINK_BYTES]; /* where /proc/PID/fd/N points */
    uint64_t mount, inode;        /* the mount that it was opened on, and the inode there */
    uint64_t eventfd_id;          /* tells eventfds apart, from Linux 5.12; 0: not one */
    int access;                   /* O_RDONLY, O_WRONLY or O_RDWR */
};

/* Read it of our own descriptors. */
int MUST_USE verify_files_own(const int *fds, unsigned n, struct verify_file *ret);

struct verify_expect {
    uint32_t uid;                    /* and gid */
    unsigned filters;                /* seccomp programs, besides those that init itself is under */
    uint64_t net_ns;                 /* inode of the empty network namespace */
    const struct verify_file *files; /* by number, from 0 */
    unsigned n_files;
    bool may_have_closed; /* after set-up some are gone; never may others be there */
    /* What it may have opened itself: starts of links, and how many altogether. */
    const char *const *own_links;
    unsigned n_own_links, max_own;
    struct jail_limits limits;
    const char *cgroup; /* path below the cgroup mount; NULL: none */
};

/* 0 when every property holds; -EPERM, and the first that does not; or what /proc failed with. */
int MUST_USE verify_process(pid_t pid, const struct verify_expect *e, struct why *why);

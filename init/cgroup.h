/*
 * init/cgroup.h - one cgroup v2 leaf per generation of a process, where the machine offers it.
 *
 * Used when /sys/fs/cgroup is a cgroup2 mount whose root hands on the memory controller. Where it
 * is not, the jail's resource limits stand alone, and what operators see says so.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"
#include "ipc/manifest.h"

enum {
    CGROUP_NAME_BYTES = 80,
};

/* The VM's own folder; the leaves are in it. */
struct cgroups {
    int fd; /* -1: not available */
    char name[32];
};

struct cgroup_leaf {
    char path[CGROUP_NAME_BYTES]; /* as the end of /proc/PID/cgroup shows it; "": none */
    int fd;                       /* for CLONE_INTO_CGROUP; closed after the start */
};

/*
 * Make the VM's folder, if the machine offers cgroups. may_enable: the root is ours, so the
 * controllers may be switched on there. Never fails: c->fd tells.
 */
void cgroups_open(struct cgroups *c, bool may_enable);

/* Make a leaf. 0, with an empty leaf where there are no cgroups, or negative errno. */
int MUST_USE cgroups_add(const struct cgroups *c, enum process process, uint32_t generation,
                         unsigned vcpus, uint64_t guest_bytes, struct cgroup_leaf *ret);

/* Did the kernel kill in this leaf for want of memory? False where there are no cgroups. */
bool cgroups_ran_out(const struct cgroups *c, const struct cgroup_leaf *leaf);

/* Remove a leaf whose processes are gone. */
void cgroups_remove(const struct cgroups *c, struct cgroup_leaf *leaf);

/* Remove the VM's folder. */
void cgroups_close(struct cgroups *c);

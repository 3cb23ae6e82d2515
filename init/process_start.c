#include "init/process_start.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "init/filters.h"
#include "init/landlock.h"
#include "init/quota.h"
#include "init/tasks.h"
#include "ipc/channel.h"

enum {
    FILTERS_BEFORE_RUN = 2, /* the watch, and the start filter */
};

void process_expect_grants(enum process process, unsigned vcpus, struct verify_file *files)
{
    for (unsigned i = 0; i < manifest_n_fds(process, vcpus); i++) {
        if (!manifest_grant(process, i).writable)
            files[FD_FIRST_GRANT + i].access = O_RDONLY;
    }
}

/*
 * What /proc is to show for each descriptor, read of our own ends; while the child is stepping
 * down. A pipe has one inode, and the child has the other end.
 */
static int note_files(struct proc *p, const struct jail_spec *spec)
{
    const int extra[JAIL_EXTRA_FDS] = {
        [JAIL_FD_PROGRAM] = spec->program_fd,
        [JAIL_FD_GO] = p->jail.go_fd,
        [JAIL_FD_SAY] = p->jail.say_fd,
    };
    struct verify_file *files;
    int r;

    p->files = calloc(spec->n_fds + JAIL_EXTRA_FDS, sizeof(*files));
    if (p->files == NULL)
        return -ENOMEM;
    files = &p->files[spec->n_fds];
    r = verify_files_own(spec->fds, spec->n_fds, p->files);
    if (r == 0)
        r = verify_files_own(extra, JAIL_EXTRA_FDS, files);
    if (r < 0)
        return r;
    process_expect_grants(p->process, p->owner->vcpus, p->files);
    p->n_files = spec->n_fds;
    files[JAIL_FD_GO].access = O_RDONLY;
    files[JAIL_FD_SAY].access = O_WRONLY;
    return 0;
}

/* Where there is no ring, the files themselves: each is what init has open, and no more. */
static unsigned n_disk_fds(const struct procs *ps, enum process process)
{
    return process == PROCESS_STORAGE && ps->disks != NULL ? disks_n_fds(ps->disks) : 0;
}

static int gather_disk_fds(const struct procs *ps, enum process process, struct jail_spec *spec)
{
    for (unsigned i = 0; i < n_disk_fds(ps, process); i++) {
        int fd = disks_grant(ps->disks, i);

        if (fd < 0)
            return fd;
        spec->fds[spec->n_fds++] = fd;
    }
    return 0;
}

static struct jail_limits limits_of(const struct procs *ps, enum process process)
{
    struct jail_limits l = quota_limits(process, ps->vcpus, ps->cgroups.fd >= 0);

    l.descriptors += n_disk_fds(ps, process);
    return l;
}

/* A storage worker with files of its own makes other calls than one with a ring. */
static const struct sbx_filter *filter_for(const struct procs *ps, enum process process)
{
    bool plain = process == PROCESS_STORAGE && ps->objects->plain;

    return plain ? &storage_plain_filter : filter_of(process, ps->remote);
}

static int gather_fds(const struct procs *ps, enum process process, int control_fd,
                      struct jail_spec *spec)
{
    for (unsigned i = 0; i < FD_CONTROL; i++)
        spec->fds[i] = ps->null_fd;
    spec->fds[FD_CONTROL] = control_fd;
    spec->n_fds = FD_FIRST_GRANT;
    for (unsigned i = 0; i < manifest_n_fds(process, ps->vcpus); i++) {
        const struct grant g = manifest_grant(process, i);
        int fd = objects_grant(ps->objects, &g);

        if (fd < 0)
            return fd;
        spec->fds[spec->n_fds++] = fd;
    }
    return gather_disk_fds(ps, process, spec);
}

static void close_fds(struct jail_spec *spec)
{
    for (unsigned i = FD_FIRST_GRANT; i < spec->n_fds; i++)
        fd_closep(&spec->fds[i]);
    fd_closep(&spec->landlock_fd);
    fd_closep(&spec->cgroup_fd);
}

static int clone_jail(struct proc *p, struct jail_spec *spec, int control_fd, struct why *why)
{
    struct procs *ps = p->owner;
    int r = gather_fds(ps, p->process, control_fd, spec);

    if (r < 0)
        return why_errno(why, r, "its descriptors");
    r = landlock_ruleset(spec->program_fd, &spec->landlock_fd);
    if (r < 0)
        return why_errno(why, r, "Landlock ruleset");
    r = cgroups_add(&ps->cgroups, p->process, p->generation, ps->vcpus, ps->guest_bytes,
                    &p->cgroup);
    if (r < 0)
        return why_errno(why, r, "cgroup");
    spec->cgroup_fd = fd_steal(&p->cgroup.fd);
    r = jail_start(spec, 0, &p->jail);
    if (r < 0)
        return why_errno(why, r, "clone");
    if (quota_goes_ahead(p->process))
        tasks_set_ahead(p->jail.pid);
    r = note_files(p, spec);
    return r < 0 ? why_errno(why, r, "/proc") : 0;
}

int proc_start(struct proc *p, int binary_fd, struct why *why)
{
    struct procs *ps = p->owner;
    const struct process_row *row = &manifest[p->process];
    struct jail_spec spec = {
        .name = row->name,
        .generation = p->generation,
        .uid = row->uid,
        .filter = &filter_for(ps, p->process)->start,
        .program_fd = binary_fd >= 0 ? binary_fd : ps->programs[p->process].fd,
        .limits = limits_of(ps, p->process),
        .net_ns_fd = ps->net_ns_fd,
        .landlock_fd = -1,
        .cgroup_fd = -1,
    };
    int pair[2];
    int r = channel_pair(pair);

    if (r < 0)
        return why_errno(why, r, "control channel");
    p->channel_fd = pair[0];
    if (binary_fd >= 0)
        build_id_read(binary_fd, p->build_id);
    else
        memcpy(p->build_id, ps->programs[p->process].build_id, sizeof(p->build_id));
    r = clone_jail(p, &spec, pair[1], why);
    fd_closep(&pair[1]);
    close_fds(&spec);
    return r;
}

int proc_look(const struct proc *p, bool before_exec, struct why *why)
{
    const struct procs *ps = p->owner;
    const struct quota_row *row = &quotas[p->process];
    struct verify_expect expect = {
        .uid = manifest[p->process].uid,
        .filters = before_exec ? FILTERS_BEFORE_RUN : PROC_FILTERS_IN_RUN,
        .net_ns = ps->net_ns,
        .files = p->files,
        .n_files = p->n_files + (before_exec ? JAIL_EXTRA_FDS : 0),
        .may_have_closed = !before_exec,
        .limits = limits_of(ps, p->process),
        .cgroup = p->cgroup.path[0] == '\0' ? NULL : p->cgroup.path,
    };

    if (!before_exec) {
        expect.own_links = row->own_links;
        expect.n_own_links = row->n_own_links;
        expect.max_own = (unsigned)expect.limits.descriptors;
    }
    return verify_process(p->jail.pid, &expect, why);
}

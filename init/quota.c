#include "init/quota.h"

enum {
    /*
     * The uids of the manifest are shared by all VMs of a machine and by a generation and its
     * successor, and RLIMIT_NPROC counts per uid: this only bounds. The filter (no clone) and
     * pids.max are exact.
     */
    THREADS_PER_UID = 64,
    SUPERVISOR_OWN_FDS = 64, /* besides one per vCPU */
    /* Operators, however many, have a tenth of what a vCPU or a device has when all want the CPU. */
    DIAG_NICE = 10,
};

/*
 * Partition and vCPUs, epoll; channels to workers; the programs operators send; the pipe that
 * libevent makes for signals nobody handles.
 */
static const char *const supervisor_links[] = {"anon_inode:", "socket:", "/memfd:", "pipe:"};

/* What its event loop sleeps in. Connections come later, after it was looked at. */
static const char *const diag_links[] = {"anon_inode:[eventpoll]", "anon_inode:[eventfd]", "pipe:"};

const struct quota_row quotas[PROCESS_COUNT] = {
    [PROCESS_SUPERVISOR] = {SUPERVISOR_OWN_FDS, supervisor_links, COUNT_OF(supervisor_links),
                            "the partition's descriptors, channels to workers"                   },
    [PROCESS_DIAG] = {18 + 48,            diag_links,       COUNT_OF(diag_links),
                            "its loop, 16 operators at once, and 48 connections over the network"},
};

/* Of the supervisor's threads most are the guest's; the others serve operators. */
bool quota_goes_ahead(enum process process)
{
    return process != PROCESS_SUPERVISOR && process != PROCESS_DIAG && process != PROCESS_DEBUG;
}

unsigned quota_threads(enum process process, unsigned vcpus)
{
    unsigned threads = manifest[process].threads;

    /* KVM's own worker thread joins the cgroup of whoever made the VM. */
    return threads == 0 ? vcpus + 2 : threads;
}

/* Kernels count a page for whoever touches it first, also when it is the guest's. */
static uint64_t object_bytes(const struct grant *g, uint64_t guest_bytes)
{
    return g->kind == OBJECT_RAM ? guest_bytes : manifest_object_bytes(g->kind, g->index);
}

uint64_t quota_memory(enum process process, uint64_t guest_bytes)
{
    const struct process_row *row = &manifest[process];
    uint64_t bytes = row->memory_max;

    for (size_t i = 0; bytes != 0 && i < row->n_grants; i++)
        bytes += object_bytes(&row->grants[i], guest_bytes);
    return bytes;
}

/*
 * Which files, the ring says, and how far they may grow, only what is in them could say. The debug worker writes into the
 * guest's memory, which is sealed against growing.
 */
static bool writes_files(enum process process)
{
    return process == PROCESS_DEBUG || manifest_fd(process, OBJECT_RING, 0) >= 0;
}

struct jail_limits quota_limits(enum process process, unsigned vcpus, bool in_cgroup)
{
    const struct process_row *row = &manifest[process];
    uint64_t own = quotas[process].own_fds + (process == PROCESS_SUPERVISOR ? vcpus : 0);

    return (struct jail_limits){
        .descriptors = FD_FIRST_GRANT + manifest_n_fds(process, vcpus) + own,
        .threads = (uint64_t)quota_threads(process, vcpus) * THREADS_PER_UID,
        .data_bytes = in_cgroup ? 0 : row->memory_max,
        .file_bytes = writes_files(process) ? UINT64_MAX : 0,
        .nice = process == PROCESS_DIAG ? DIAG_NICE : 0,
    };
}

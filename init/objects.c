#include "init/objects.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/shm.h"
#include "init/ring.h"

_Static_assert((int)PROCESS_COUNT <= (int)OBJECT_MAX_INDEX, "every index fits");
_Static_assert((int)IRQ_LINE_COUNT <= (int)OBJECT_MAX_INDEX, "every index fits");
_Static_assert((int)COM_COUNT <= (int)OBJECT_MAX_INDEX, "every index fits");

struct maker {
    const Bulkhead__VmConfig *config;
    int *com_fds;
    int *end_fds;
    struct objects *objects;
    struct why *why;
};

void objects_init(struct objects *o)
{
    *o = (struct objects){0};
    for (int kind = 0; kind < OBJECT_KINDS; kind++) {
        for (int i = 0; i < OBJECT_MAX_INDEX; i++)
            o->fds[kind][i] = -1;
    }
}

/* mode 0600: even a process that found its way to /proc could not open it a second time. */
static int make_memory(struct maker *m, const char *name, size_t bytes)
{
    int fd = -1;
    int r = shm_new(name, bytes, &fd);

    if (r == 0 && fchmod(fd, 0600) < 0)
        r = -errno;
    if (r == 0)
        return fd;
    fd_closep(&fd);
    return why_errno(m->why, r, "shared memory '%s' of %zu bytes", name, bytes);
}

/* Shared memory of a fixed size, as /proc calls it; of_process: one for each of several processes. */
static const struct {
    const char *name;
    bool of_process;
} pages[OBJECT_KINDS] = {
    [OBJECT_BOARD] = {"board",         true },
    [OBJECT_PORT] = {"port",          true },
    [OBJECT_REGION] = {"region",        true },
    [OBJECT_CHANNELS] = {"channels",      true },
    [OBJECT_ACKS] = {"acks",          true },
    [OBJECT_TRACE] = {"trace",         true },
    [OBJECT_CRB_REGISTERS] = {"crb-registers", false},
    [OBJECT_CRB_BUFFER] = {"crb-buffer",    false},
    [OBJECT_POSTS] = {"posts",         false},
    [OBJECT_OUTBOX] = {"outbox",        false},
    [OBJECT_SYNIC] = {"synic",         false},
    [OBJECT_DISKS] = {"disks",         false},
    [OBJECT_INFLIGHT] = {"inflight",      false},
    [OBJECT_FRAMES] = {"frames",        false},
    [OBJECT_NETS] = {"nets",          false},
    [OBJECT_CAPTURE] = {"capture",       false},
    [OBJECT_RECORDS] = {"records",       false},
    [OBJECT_TLS] = {"tls",           false},
    [OBJECT_AUDIT] = {"audit",         false},
    [OBJECT_LEVELS] = {"levels",        false},
    [OBJECT_REVOKED] = {"revoked",       false},
};

static int make_page(struct maker *m, enum object_kind kind, unsigned index)
{
    char name[32];

    (void)snprintf(name, sizeof(name), "%s%s%s", pages[kind].name,
                   pages[kind].of_process ? "-" : "",
                   pages[kind].of_process ? manifest[index].name : "");
    return make_memory(m, name, manifest_object_bytes(kind, index));
}

static int make_eventfd(struct maker *m)
{
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

    return fd < 0 ? why_errno(m->why, -errno, "eventfd") : fd;
}

/* The line's other end must never make the worker wait. */
static int take_com(struct maker *m, unsigned index)
{
    int fd = fd_steal(&m->com_fds[index]);
    int flags = fcntl(fd, F_GETFL);

    if (flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0)
        return fd;
    fd_closep(&fd);
    return why_errno(m->why, -errno, "com%u", index + 1);
}

/* Without one, nothing is behind it. Like a line's, its other end must never make the worker wait. */
static int take_end(struct maker *m, bool is_there, size_t place, const char *what)
{
    int fd = is_there ? fd_steal(&m->end_fds[place]) : -1;
    int flags;

    if (fd < 0)
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    flags = fd < 0 ? -1 : fcntl(fd, F_GETFL);
    if (flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0)
        return fd;
    fd_closep(&fd);
    return why_errno(m->why, -errno, "%s %zu", what, place);
}

static int open_kvm(struct maker *m)
{
    int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

    if (fd >= 0)
        return fd;
    if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
        return why_say(m->why, -errno, "no KVM: /dev/kvm is missing");
    return why_errno(m->why, -errno, "no KVM: /dev/kvm");
}

static int open_image(struct maker *m, const char *what, const char *path)
{
    AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return why_errno(m->why, -errno, "%s %s", what, path);
    if (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode)) /* /dev/null serves tests */
        return why_say(m->why, -EINVAL, "%s %s: not a file", what, path);
    return fd_steal(&fd);
}

static int open_initrd(struct maker *m)
{
    int fd;

    if (m->config->initrd_path[0] != '\0')
        return open_image(m, "initrd", m->config->initrd_path);
    fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return fd < 0 ? why_errno(m->why, -errno, "/dev/null") : fd;
}

/* Without a ring the worker does with the files themselves: init/disks.h. */
static int make_ring(struct maker *m)
{
    struct objects *o = m->objects;
    int fd = -1;
    int r = ring_new(&fd, &o->ring, m->why);

    if (r == 0)
        return fd;
    if (r != -EOPNOTSUPP)
        return r;
    o->plain = true;
    o->no_ring = *m->why;
    fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    return fd < 0 ? why_errno(m->why, -errno, "/dev/null") : fd;
}

static int make_operator(struct maker *m)
{
    int fd = -1;
    int r = operator_listen(m->config->operator_socket, &m->objects->address, &fd, m->why);

    return r < 0 ? r : fd;
}

/* Both ends at once: the other one is asked for next. */
static int make_debug(struct maker *m, unsigned index)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
        return why_errno(m->why, -errno, "the debug worker's stream");
    m->objects->fds[OBJECT_DEBUG][1 - index] = pair[1 - index];
    return pair[index];
}

static int make(struct maker *m, enum object_kind kind, unsigned index)
{
    switch (kind) {
    case OBJECT_BOARD:
    case OBJECT_PORT:
    case OBJECT_REGION:
    case OBJECT_CRB_REGISTERS:
    case OBJECT_CRB_BUFFER:
    case OBJECT_POSTS:
    case OBJECT_OUTBOX:
    case OBJECT_SYNIC:
    case OBJECT_CHANNELS:
    case OBJECT_ACKS:
    case OBJECT_DISKS:
    case OBJECT_INFLIGHT:
    case OBJECT_FRAMES:
    case OBJECT_NETS:
    case OBJECT_CAPTURE:
    case OBJECT_TRACE:
    case OBJECT_RECORDS:
    case OBJECT_TLS:
    case OBJECT_AUDIT:
    case OBJECT_REVOKED:
    case OBJECT_LEVELS:
        return make_page(m, kind, index);
    case OBJECT_RAM:
        return make_memory(m, "guest-memory", m->config->memory_bytes);
    case OBJECT_NET:
        return take_end(m, index < m->config->n_nets, index, "network card");
    case OBJECT_REMOTE:
        return take_end(m, m->config->remote != NULL, m->config->n_nets, "operators' socket");
    case OBJECT_RING:
        return make_ring(m);
    case OBJECT_BELL:
    case OBJECT_IRQ:
    case OBJECT_VP_IRQ:
        return make_eventfd(m);
    case OBJECT_COM:
        return take_com(m, index);
    case OBJECT_KVM:
        return open_kvm(m);
    case OBJECT_KERNEL:
        return open_image(m, "kernel", m->config->kernel_path);
    case OBJECT_INITRD:
        return open_initrd(m);
    case OBJECT_DEBUG:
        return make_debug(m, index);
    case OBJECT_OPERATOR:
        return make_operator(m);
    }
    return -EINVAL;
}

static int make_row(struct objects *o, struct maker *m, enum process process)
{
    for (unsigned i = 0; i < manifest_n_fds(process, m->config->vcpus); i++) {
        const struct grant g = manifest_grant(process, i);
        int *fd;

        if ((unsigned)g.kind >= OBJECT_KINDS || g.index >= OBJECT_MAX_INDEX)
            return why_say(m->why, -EINVAL, "%s: grant %u is not one", manifest[process].name, i);
        fd = &o->fds[g.kind][g.index];
        if (*fd >= 0)
            continue;
        *fd = make(m, g.kind, g.index);
        if (*fd < 0)
            return *fd;
    }
    return 0;
}

int objects_make(struct objects *o, const Bulkhead__VmConfig *config, int *com_fds, int *end_fds,
                 struct why *why)
{
    struct maker m = {
        .config = config,
        .com_fds = com_fds,
        .end_fds = end_fds,
        .objects = o,
        .why = why,
    };
    int r = 0;

    for (enum process p = 0; r == 0 && p < PROCESS_COUNT; p++)
        r = make_row(o, &m, p);
    for (unsigned i = 0; i < COM_COUNT; i++)
        fd_closep(&com_fds[i]);
    for (unsigned i = 0; i < PLACE_ENDS; i++)
        fd_closep(&end_fds[i]);
    return r;
}

int objects_grant(const struct objects *o, const struct grant *grant)
{
    int fd = o->fds[grant->kind][grant->index];
    char path[32];
    int r;

    if (fd < 0)
        return -ENOENT;
    if (!grant->writable && (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY) {
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        r = open(path, O_RDONLY | O_CLOEXEC);
    } else {
        r = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    }
    return r < 0 ? -errno : r;
}

/* Memory is kept: each new generation of a worker with rings in it needs it. */
void objects_give_away(struct objects *o)
{
    fd_closep(&o->fds[OBJECT_KVM][0]);
    fd_closep(&o->fds[OBJECT_KERNEL][0]);
    fd_closep(&o->fds[OBJECT_INITRD][0]);
}

void objects_done(struct objects *o)
{
    for (int kind = 0; kind < OBJECT_KINDS; kind++) {
        for (int i = 0; i < OBJECT_MAX_INDEX; i++)
            fd_closep(&o->fds[kind][i]);
    }
    operator_remove(&o->address);
}

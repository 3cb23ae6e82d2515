#include "init/process.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "init/landlock.h"
#include "init/process_start.h"
#include "init/quota.h"
#include "init/tasks.h"

enum {
    LAST_KILL_MS = 3000, /* for all bodies together, at the end */
};

/* --- a slot --- */

static struct proc *find_free(struct procs *ps)
{
    for (size_t i = 0; i < COUNT_OF(ps->slots); i++) {
        if (ps->slots[i].state == PROC_FREE)
            return &ps->slots[i];
    }
    return NULL;
}

static unsigned count_generations(const struct procs *ps, enum process process)
{
    unsigned n = 0;

    for (size_t i = 0; i < COUNT_OF(ps->slots); i++) {
        const struct proc *p = &ps->slots[i];

        if (p->state != PROC_FREE && p->process == process && !p->killed)
            n++;
    }
    return n;
}

static unsigned count_bodies(const struct procs *ps, enum process process)
{
    unsigned n = 0;

    for (size_t i = 0; i < COUNT_OF(ps->slots); i++)
        n += ps->slots[i].state == PROC_GONE && ps->slots[i].process == process;
    return n;
}

static void event_freep(struct event **e)
{
    if (*e != NULL)
        event_free(*e);
    *e = NULL;
}

/* The body is reaped, or never was. */
static void release(struct proc *p)
{
    event_freep(&p->on_say);
    event_freep(&p->on_end);
    event_freep(&p->on_death);
    jail_done(&p->jail);
    fd_closep(&p->channel_fd);
    cgroups_remove(&p->owner->cgroups, &p->cgroup);
    free(p->files);
    p->files = NULL;
    p->state = PROC_FREE;
}

static void fail(struct proc *p, const struct why *why)
{
    p->state = PROC_FAILED;
    p->killed = true;
    event_freep(&p->on_say);
    jail_kill(&p->jail);
    p->owner->ops->failed(p->owner->self, p, why->text);
}

void procs_kill(struct proc *p)
{
    p->killed = true;
    jail_kill(&p->jail);
    if (quota_goes_ahead(p->process)) /* its successor serves when it is gone */
        tasks_set_ahead(p->jail.pid);
}

/* --- looking at it --- */

int procs_verify(struct proc *p, struct why *why)
{
    const struct procs *ps = p->owner;
    char landlock[32] = "no landlock in this kernel";
    struct pollfd dead = {.fd = p->jail.pidfd, .events = POLLIN};
    int r = proc_look(p, false, why);

    if (r < 0 && poll(&dead, 1, 0) == 1)
        return why_say(why, -ESRCH, "it has died");
    if (r < 0)
        return r;
    r = quota_goes_ahead(p->process) ? tasks_take_back(p->jail.pid) : 0;
    if (r < 0)
        return why_errno(why, r, "its priority");
    if (ps->landlock_abi > 0)
        (void)snprintf(landlock, sizeof(landlock), "landlock abi %d", ps->landlock_abi);
    (void)snprintf(p->sandbox, sizeof(p->sandbox),
                   "uid %" PRIu32
                   ", ns mnt pid ipc uts cgroup net, caps 0, %s, seccomp %d filters, "
                   "%s",
                   manifest[p->process].uid, landlock, PROC_FILTERS_IN_RUN,
                   p->cgroup.path[0] != '\0' ? "cgroup v2" : "rlimits");
    return 0;
}

/* --- its end --- */

static void tell_death(struct proc *p, int status)
{
    p->out_of_memory = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && !p->killed &&
                       cgroups_ran_out(&p->owner->cgroups, &p->cgroup);
    p->owner->ops->died(p->owner->self, p, status);
}

/*
 * It runs no more, and nothing of it can: its successor need not wait until its memory is torn down. Unless there
 * are bodies enough: whoever kills faster than the kernel tears down is slowed to its pace.
 */
static void on_end(evutil_socket_t fd, short what, void *arg)
{
    struct proc *p = arg;
    int status;

    (void)fd;
    (void)what;
    if (p->state != PROC_LIVE || count_bodies(p->owner, p->process) >= PROC_BODIES ||
        proc_end_status(p->jail.pid, &status) < 0)
        return; /* its body tells */
    tell_death(p, status);
    p->state = PROC_GONE;
    p->killed = true;
}

static int watch(struct proc *p, struct why *why)
{
    int r = jail_watch(&p->jail);

    if (r < 0)
        return why_errno(why, r, "jail: cannot be watched");
    if (p->jail.watch_fd < 0)
        return 0;
    p->on_end = event_new(p->owner->base, p->jail.watch_fd, EV_READ, on_end, p);
    if (p->on_end == NULL || event_add(p->on_end, NULL) < 0)
        return why_errno(why, -ENOMEM, "event loop");
    return 0;
}

/* --- on its way to exec --- */

static void at_pause(struct proc *p)
{
    struct why why = {0};
    int r = watch(p, &why);

    if (r == 0)
        r = proc_look(p, true, &why);
    if (r == 0) {
        p->state = PROC_EXECING;
        r = jail_go(&p->jail);
        if (r == 0)
            return;
        (void)why_errno(&why, r, "jail: cannot let it go");
    }
    fail(p, &why);
}

static void past_exec(struct proc *p)
{
    event_freep(&p->on_say);
    if (p->state != PROC_EXECING) { /* it never came to the pause: it is dead, or will be */
        procs_kill(p);
        return;
    }
    p->state = PROC_LIVE;
    p->owner->ops->running(p->owner->self, p);
}

static void on_say(evutil_socket_t fd, short what, void *arg)
{
    struct proc *p = arg;
    struct why why = {0};
    enum jail_word word = jail_hear(&p->jail, &why);

    (void)fd;
    if (word == JAIL_SILENT && (what & EV_TIMEOUT) != 0) { /* else it was we who were late */
        (void)why_say(&why, -ETIMEDOUT, "jail: not ready after %d s", PROC_JAIL_DEADLINE_S);
        word = JAIL_FAILED;
    }
    switch (word) {
    case JAIL_SILENT:
        return;
    case JAIL_AT_PAUSE:
        at_pause(p);
        return;
    case JAIL_RUNNING:
        past_exec(p);
        return;
    case JAIL_FAILED:
        fail(p, &why);
        return;
    }
}

static void on_death(evutil_socket_t fd, short what, void *arg)
{
    struct proc *p = arg;

    (void)fd;
    (void)what;
    (void)procs_reap(p->owner, p->jail.pid);
}

static int arm(struct proc *p)
{
    struct timeval deadline = {.tv_sec = PROC_JAIL_DEADLINE_S};
    struct event_base *base = p->owner->base;

    p->on_say = event_new(base, p->jail.say_fd, EV_READ | EV_PERSIST, on_say, p);
    p->on_death = event_new(base, p->jail.pidfd, EV_READ | EV_PERSIST, on_death, p);
    if (p->on_say == NULL || p->on_death == NULL)
        return -ENOMEM;
    if (event_add(p->on_say, &deadline) < 0 || event_add(p->on_death, NULL) < 0)
        return -ENOMEM;
    return 0;
}

static struct proc *take_slot(struct procs *ps, enum process process, uint32_t generation)
{
    struct proc *p = find_free(ps);

    if (p == NULL)
        return NULL;
    *p = (struct proc){
        .owner = ps,
        .state = PROC_JAILING,
        .process = process,
        .generation = generation,
        .jail = {.pid = -1,     .pidfd = -1, .say_fd = -1, .go_fd = -1, .watch_fd = -1},
        .channel_fd = -1,
        .cgroup = {.fd = -1},
    };
    return p;
}

/* One that nobody can change any more: whoever hands it on may have been taken over, and can write to memory of ours. */
static bool is_sealed(int fd)
{
    const int all = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    const int seals = fcntl(fd, F_GET_SEALS);

    return seals >= 0 && (seals & all) == all;
}

int procs_spawn(struct procs *ps, enum process process, uint32_t generation, int binary_fd,
                struct why *why)
{
    struct proc *p;
    int r;

    if (process >= PROCESS_COUNT || ps->programs[process].fd < 0)
        return why_say(why, -EPROTO, "no process number %d", (int)process);
    if (generation <= ps->last_generation[process])
        return why_say(why, -EPROTO, "%s: generation %" PRIu32 " is not new",
                       manifest[process].name, generation);
    if (count_generations(ps, process) >= PROC_GENERATIONS)
        return why_say(why, -EPROTO, "%s: two generations are there already",
                       manifest[process].name);
    p = take_slot(ps, process, generation);
    if (p == NULL)
        return why_say(why, -EPROTO, "too many processes");
    ps->last_generation[process] = generation;
    if (binary_fd >= 0 && !is_sealed(binary_fd))
        r = why_say(why, -EPERM, "a program is wanted that is in memory, and sealed");
    else
        r = proc_start(p, binary_fd, why);
    if (r == 0 && arm(p) < 0)
        r = why_errno(why, -ENOMEM, "event loop");
    if (r < 0 && p->jail.pid > 0) {
        jail_kill(&p->jail);
        (void)waitpid(p->jail.pid, NULL, 0); /* SIGKILL was sent: it ends */
    }
    if (r < 0)
        release(p);
    return r == -EPROTO ? -EIO : r;
}

/* --- finding, placing, reaping --- */

struct proc *procs_find(struct procs *ps, uint32_t process, uint32_t generation)
{
    for (size_t i = 0; i < COUNT_OF(ps->slots); i++) {
        struct proc *p = &ps->slots[i];

        if (p->state == PROC_LIVE && (uint32_t)p->process == process && p->generation == generation)
            return p;
    }
    return NULL;
}

bool procs_known(const struct procs *ps, uint32_t process, uint32_t generation)
{
    return process < PROCESS_COUNT && generation > 0 && generation <= ps->last_generation[process];
}

static struct proc *find_pid(struct procs *ps, pid_t pid)
{
    for (size_t i = 0; i < COUNT_OF(ps->slots); i++) {
        if (ps->slots[i].state != PROC_FREE && ps->slots[i].jail.pid == pid)
            return &ps->slots[i];
    }
    return NULL;
}

/* What it said before it died comes first: whether it ever ran decides who is told what. */
static void hear_last_word(struct proc *p)
{
    for (int left = 3; left > 0 && p->on_say != NULL; left--)
        on_say(p->jail.say_fd, EV_READ, p);
}

static void died_in_jail(struct proc *p, int status)
{
    struct why why = {0};
    char text[PROC_END_BYTES];

    proc_end_text(status, text);
    (void)why_say(&why, -EPERM, "jail: ended before exec: %s", text);
    fail(p, &why);
}

bool procs_reap(struct procs *ps, pid_t pid)
{
    struct proc *p = find_pid(ps, pid);
    int status;

    if (p == NULL)
        return false;
    if (waitpid(pid, &status, WNOHANG) != pid)
        return true;
    hear_last_word(p);
    if (p->state == PROC_LIVE)
        tell_death(p, status);
    else if (p->state != PROC_FAILED && p->state != PROC_GONE)
        died_in_jail(p, status);
    release(p);
    return true;
}

/* --- the beginning and the end --- */

void procs_init(struct procs *ps, const struct objects *objects, const struct proc_ops *ops,
                void *self)
{
    ps->objects = objects;
    ps->ops = ops;
    ps->self = self;
    ps->cgroups.fd = -1;
    ps->net_ns_fd = -1;
    ps->null_fd = -1;
    for (size_t i = 0; i < COUNT_OF(ps->programs); i++)
        ps->programs[i].fd = -1;
}

static int open_program(struct proc_program *program, const char *dir, const char *name,
                        struct why *why)
{
    AUTO_FD dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    AUTO_FD fd = dir_fd < 0 ? -1 : openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return why_errno(why, -errno, "program %s/%s", dir, name);
    if (!S_ISREG(st.st_mode))
        return why_say(why, -EINVAL, "program %s/%s: not a file", dir, name);
    build_id_read(fd, program->build_id);
    program->fd = fd_steal(&fd);
    return 0;
}

static int open_net_ns(struct procs *ps, struct why *why)
{
    struct stat st;
    int r = jail_net_ns(&ps->net_ns_fd);

    if (r == 0 && fstat(ps->net_ns_fd, &st) < 0)
        r = -errno;
    if (r < 0)
        return why_errno(why, r, "network namespace");
    ps->net_ns = st.st_ino;
    return 0;
}

int procs_open(struct procs *ps, const Bulkhead__VmConfig *config, bool own_cgroups,
               struct why *why)
{
    int r = 0;

    ps->vcpus = config->vcpus;
    ps->guest_bytes = config->memory_bytes;
    ps->remote = config->remote != NULL;
    ps->landlock_abi = landlock_abi();
    for (enum process p = PROCESS_INIT; r == 0 && p < PROCESS_COUNT; p++) {
        const char *program = manifest_program(p, ps->remote);

        if (program != NULL)
            r = open_program(&ps->programs[p], config->programs_dir, program, why);
    }
    if (r == 0)
        r = open_net_ns(ps, why);
    if (r < 0)
        return r;
    ps->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (ps->null_fd < 0)
        return why_errno(why, -errno, "/dev/null");
    cgroups_open(&ps->cgroups, own_cgroups);
    return 0;
}

/* A body that does not come in time is left: init's own end takes it. */
static void bury(struct proc *p, uint64_t deadline_ns)
{
    struct pollfd dead = {.fd = p->jail.pidfd, .events = POLLIN};
    uint64_t now = clock_now_ns();
    int left_ms = now >= deadline_ns ? 0 : (int)((deadline_ns - now) / NS_PER_MS);

    if (poll(&dead, 1, left_ms) == 1)
        (void)waitpid(p->jail.pid, NULL, WNOHANG);
    release(p);
}

void procs_done(struct procs *ps)
{
    uint64_t deadline_ns = clock_now_ns() + LAST_KILL_MS * NS_PER_MS;

    for (size_t i = 0; i < COUNT_OF(ps->slots); i++) {
        if (ps->slots[i].state != PROC_FREE)
            procs_kill(&ps->slots[i]);
    }
    for (size_t i = 0; i < COUNT_OF(ps->slots); i++) {
        if (ps->slots[i].state != PROC_FREE)
            bury(&ps->slots[i], deadline_ns);
    }
    for (size_t i = 0; i < COUNT_OF(ps->programs); i++)
        fd_closep(&ps->programs[i].fd);
    cgroups_close(&ps->cgroups);
    fd_closep(&ps->net_ns_fd);
    fd_closep(&ps->null_fd);
}

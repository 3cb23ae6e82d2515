#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/code.h"
#include "base/fd.h"
#include "init/tasks.h"
#include "init/vm.h"
#include "init/vtl2.h"
#include "ipc/channel.h"
#include "ipc/dispatch.h"

enum {
    PHASE_UP = 1,
    MESSAGES_AT_ONCE = 32,
};

static void say(struct vm *vm, const Bulkhead__Envelope *e, const int *fds, unsigned n_fds)
{
    int r = channel_send(vm->control_fd, e, fds, n_fds);

    /* When it is gone, its death says more than our failure to send. */
    if (r < 0 && r != -EPIPE && r != -ECONNRESET)
        vm_end(vm, BULKHEAD__GUEST_END__GUEST_END_INTERNAL, "supervisor does not listen: %s",
               strerror(-r));
}

void control_running(struct vm *vm, struct proc *p)
{
    Bulkhead__Spawned body;
    Bulkhead__Envelope e;

    bulkhead__spawned__init(&body);
    bulkhead__envelope__init(&e);
    body.process = (uint32_t)p->process;
    body.generation = p->generation;
    body.pid = p->jail.pid;
    body.build_id = p->build_id;
    e.body_case = BULKHEAD__ENVELOPE__BODY_SPAWNED;
    e.spawned = &body;
    say(vm, &e, &p->channel_fd, 1);
    fd_closep(&p->channel_fd);
}

void control_failed(struct vm *vm, enum process process, uint32_t generation, const char *error)
{
    Bulkhead__SpawnFailed body;
    Bulkhead__Envelope e;
    char text[256];

    bulkhead__spawn_failed__init(&body);
    bulkhead__envelope__init(&e);
    (void)snprintf(text, sizeof(text), "%s", error);
    body.process = (uint32_t)process;
    body.generation = generation;
    body.error = text;
    e.body_case = BULKHEAD__ENVELOPE__BODY_SPAWN_FAILED;
    e.spawn_failed = &body;
    say(vm, &e, NULL, 0);
}

void control_died(struct vm *vm, const struct proc *p, int wait_status)
{
    Bulkhead__Died body;
    Bulkhead__Envelope e;

    bulkhead__died__init(&body);
    bulkhead__envelope__init(&e);
    body.process = (uint32_t)p->process;
    body.generation = p->generation;
    body.wait_status = wait_status;
    body.out_of_memory = p->out_of_memory;
    e.body_case = BULKHEAD__ENVELOPE__BODY_DIED;
    e.died = &body;
    say(vm, &e, NULL, 0);
}

static void say_verified(struct vm *vm, const Bulkhead__Verify *rq, char *error, char *sandbox)
{
    Bulkhead__Verified body;
    Bulkhead__Envelope e;

    bulkhead__verified__init(&body);
    bulkhead__envelope__init(&e);
    body.process = rq->process;
    body.generation = rq->generation;
    body.error = error;
    body.sandbox = sandbox;
    e.body_case = BULKHEAD__ENVELOPE__BODY_VERIFIED;
    e.verified = &body;
    say(vm, &e, NULL, 0);
}

/* --- what the supervisor asks for --- */

/* The supervisor starts workers; nothing starts a supervisor but the beginning. */
static bool is_worker(uint32_t process)
{
    return process < PROCESS_COUNT && process != PROCESS_INIT && process != PROCESS_SUPERVISOR;
}

static int on_spawn(void *self, struct channel_msg *m)
{
    const Bulkhead__Spawn *rq = m->envelope->spawn;
    struct vm *vm = self;
    struct why why = {0};
    int r;

    if (!is_worker(rq->process) || rq->has_binary != (m->n_fds == 1))
        return -EPROTO;
    r = procs_spawn(&vm->procs, (enum process)rq->process, rq->generation,
                    rq->has_binary ? m->fds[0] : -1, &why);
    if (r == -EPROTO)
        return r;
    if (r < 0)
        control_failed(vm, (enum process)rq->process, rq->generation, why.text);
    return 0;
}

static int on_verify(void *self, struct channel_msg *m)
{
    const Bulkhead__Verify *rq = m->envelope->verify;
    struct vm *vm = self;
    struct why why = {0};
    char none[] = "";
    struct proc *p = procs_find(&vm->procs, rq->process, rq->generation);
    int r;

    if (!is_worker(rq->process) || !procs_known(&vm->procs, rq->process, rq->generation))
        return -EPROTO;
    r = p == NULL ? why_say(&why, -ESRCH, "it has died") : procs_verify(p, &why);
    if (p != NULL && r == -ESRCH) /* not for its jail: its death tells of what */
        return 0;
    if (r == 0)
        why.text[0] = '\0';
    if (p != NULL)
        shows_verified(&vm->shows, p, why.text);
    say_verified(vm, rq, why.text, p == NULL ? none : p->sandbox);
    if (vm->started) /* it was a spare or a successor, and most likely the last for long */
        code_forget();
    return 0;
}

static int on_kill(void *self, struct channel_msg *m)
{
    const Bulkhead__Kill *rq = m->envelope->kill;
    struct vm *vm = self;
    struct proc *p = procs_find(&vm->procs, rq->process, rq->generation);

    if (!is_worker(rq->process) || !procs_known(&vm->procs, rq->process, rq->generation))
        return -EPROTO;
    if (p != NULL)
        procs_kill(p);
    return 0;
}

/* Placement is a wish: a CPU that is not there, or not ours, is no reason to fail. */
static int on_place(void *self, struct channel_msg *m)
{
    const Bulkhead__Place *rq = m->envelope->place;
    struct vm *vm = self;
    struct proc *p = procs_find(&vm->procs, rq->process, rq->generation);
    int r = 0;

    if (!is_worker(rq->process) || !procs_known(&vm->procs, rq->process, rq->generation))
        return -EPROTO;
    if (p != NULL)
        r = tasks_place(p->jail.pid, rq->cpu);
    if (r < 0)
        shows_line(&vm->shows, LOG_LEVEL_WARN, "a process could not be placed");
    return 0;
}

/* What it says goes to a terminal, by way of the report. */
static void make_printable(char *text)
{
    for (char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7f)
            *c = '?';
    }
}

/* An operator asks; what is wrong with it is the operator's to hear. */
static int on_disk_change(void *self, struct channel_msg *m)
{
    const Bulkhead__DiskChange *rq = m->envelope->disk_change;
    Bulkhead__DiskChanged body;
    struct vm *vm = self;
    struct why why = {0};
    Bulkhead__Envelope e;

    if (disks_change(&vm->disks, rq, m->n_fds == 1 ? m->fds[0] : -1, &why) == 0)
        why.text[0] = '\0';
    make_printable(why.text);
    shows_line(&vm->shows, LOG_LEVEL_INFO,
               why.text[0] == '\0' ? "the disks were changed" : why.text);
    bulkhead__disk_changed__init(&body);
    bulkhead__envelope__init(&e);
    body.tag = rq->tag;
    body.error = why.text;
    e.body_case = BULKHEAD__ENVELOPE__BODY_DISK_CHANGED;
    e.disk_changed = &body;
    say(vm, &e, NULL, 0);
    return 0;
}

static int on_guest_ended(void *self, struct channel_msg *m)
{
    const Bulkhead__GuestEnded *rq = m->envelope->guest_ended;

    if (rq->how < BULKHEAD__GUEST_END__GUEST_END_UNKNOWN ||
        rq->how > BULKHEAD__GUEST_END__GUEST_END_INTERNAL)
        return -EPROTO;
    make_printable(rq->text);
    vm_end(self, rq->how, "%s", rq->text);
    return 0;
}

/* --- all is up --- */

static void report_started(struct vm *vm, uint64_t ready_ns)
{
    Bulkhead__ProcessReport rows[PROC_SLOTS];
    Bulkhead__ProcessReport *list[PROC_SLOTS];
    char names[PROC_SLOTS][16];
    Bulkhead__Report report;

    bulkhead__report__init(&report);
    report.processes = list;
    for (size_t i = 0; i < PROC_SLOTS; i++) {
        struct proc *p = &vm->procs.slots[i];
        size_t n = report.n_processes;

        if (p->state != PROC_LIVE)
            continue;
        bulkhead__process_report__init(&rows[n]);
        (void)snprintf(names[n], sizeof(names[n]), "%s", manifest[p->process].name);
        rows[n].name = names[n];
        rows[n].pid = p->jail.pid;
        rows[n].generation = p->generation;
        rows[n].build_id = p->build_id;
        rows[n].sandbox = p->sandbox;
        list[report.n_processes++] = &rows[n];
    }
    report.started_us = ready_ns > vm->born_ns ? (ready_ns - vm->born_ns) / 1000 : 1;
    report_send(&vm->report, &report);
}

static void start_vtl2(struct vm *vm)
{
    struct why why = {0};

    if (vm->config->vtl2_script[0] == '\0')
        return;
    if (vm->place.vtl2_fd < 0)
        vm_end(vm, BULKHEAD__GUEST_END__GUEST_END_INTERNAL,
               "vtl2 script: no stream for its output");
    else if (vtl2_start(vm->config, vm->place.vtl2_fd, &vm->vtl2_pid, &why) < 0)
        vm_end(vm, BULKHEAD__GUEST_END__GUEST_END_INTERNAL, "%s", why.text);
    fd_closep(&vm->place.vtl2_fd); /* its reader sees the end of the script */
}

/* The supervisor is looked at like any worker: it has entered its filter by now. */
static int on_started(void *self, struct channel_msg *m)
{
    const Bulkhead__Started *rq = m->envelope->started;
    struct vm *vm = self;
    struct proc *p = procs_find(&vm->procs, PROCESS_SUPERVISOR, 1);
    struct why why = {0};

    if (vm->started || p == NULL)
        return -EPROTO;
    vm->started = true;
    if (procs_verify(p, &why) < 0) {
        shows_verified(&vm->shows, p, why.text);
        vm_end(vm, BULKHEAD__GUEST_END__GUEST_END_INTERNAL, "supervisor's sandbox: %s", why.text);
        return 0;
    }
    shows_verified(&vm->shows, p, "");
    report_started(vm, rq->ready_ns);
    start_vtl2(vm);
    return 0;
}

static const struct dispatch_row rows[] = {
    {BULKHEAD__ENVELOPE__BODY_SPAWN,       0, 1, PHASE_UP, on_spawn      },
    {BULKHEAD__ENVELOPE__BODY_VERIFY,      0, 0, PHASE_UP, on_verify     },
    {BULKHEAD__ENVELOPE__BODY_KILL,        0, 0, PHASE_UP, on_kill       },
    {BULKHEAD__ENVELOPE__BODY_PLACE,       0, 0, PHASE_UP, on_place      },
    {BULKHEAD__ENVELOPE__BODY_DISK_CHANGE, 0, 1, PHASE_UP, on_disk_change},
    {BULKHEAD__ENVELOPE__BODY_GUEST_ENDED, 0, 0, PHASE_UP, on_guest_ended},
    {BULKHEAD__ENVELOPE__BODY_STARTED,     0, 0, PHASE_UP, on_started    },
};

/* A closed channel is its death, or soon will be: the death says of what. */
static void on_closed(struct vm *vm)
{
    struct proc *p = procs_find(&vm->procs, PROCESS_SUPERVISOR, 1);

    (void)event_del(vm->on_control);
    if (p != NULL)
        procs_kill(p);
}

void control_read(struct vm *vm)
{
    for (int left = MESSAGES_AT_ONCE; left > 0 && !vm->over; left--) {
        struct channel_msg m = {0};
        Bulkhead__Envelope__BodyCase type = BULKHEAD__ENVELOPE__BODY__NOT_SET;
        int r = channel_recv(vm->control_fd, &m);

        if (r == -EAGAIN || r == -EINTR)
            return;
        if (r == -EPIPE || r == -ECONNRESET) {
            on_closed(vm);
            return;
        }
        if (r == 0) {
            type = m.envelope->body_case;
            r = dispatch(rows, COUNT_OF(rows), PHASE_UP, vm, &m);
        }
        if (r < 0)
            vm_end(vm, BULKHEAD__GUEST_END__GUEST_END_INTERNAL,
                   "supervisor broke the protocol: message %d: %s", (int)type, strerror(-r));
    }
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    control_read(arg);
}

/* A NIC is there from the start or never comes. The first disk may come later: the supervisor, which asks for it, knows. */
static uint32_t idle_with(const Bulkhead__VmConfig *config)
{
    uint32_t idle = 1u << PROCESS_DEBUG; /* until an operator debugs */

    if (config->n_nets == 0)
        idle |= 1u << PROCESS_NET;
    if (config->n_disks == 0)
        idle |= 1u << PROCESS_STORAGE;
    return idle;
}

int control_open(struct vm *vm)
{
    Bulkhead__Configure body;
    Bulkhead__Envelope e;

    bulkhead__configure__init(&body);
    bulkhead__envelope__init(&e);
    body.vcpus = vm->config->vcpus;
    body.memory_bytes = vm->config->memory_bytes;
    body.append = vm->config->append;
    body.has_initrd = vm->config->initrd_path[0] != '\0';
    body.confidential = vm->config->confidential;
    body.idle = idle_with(vm->config);
    e.body_case = BULKHEAD__ENVELOPE__BODY_CONFIGURE;
    e.configure = &body;
    vm->on_control = event_new(vm->base, vm->control_fd, EV_READ | EV_PERSIST, on_readable, vm);
    if (vm->on_control == NULL || event_add(vm->on_control, NULL) < 0)
        return -ENOMEM;
    return channel_send(vm->control_fd, &e, NULL, 0);
}

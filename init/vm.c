#include "init/vm.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/fd.h"
#include "init/config.h"
#include "init/disk_check.h"
#include "init/first_cpu.h"
#include "init/nested_disks.h"
#include "init/nets.h"
#include "init/remote.h"
#include "init/vtl2.h"

enum {
    REPORT_FLUSH_MS = 2000,
    DISKS_WAIT_S = 5, /* for what QEMU plugged in to appear */
    MAX_REAPED_AT_ONCE = 1024,
    SUPERVISOR_GENERATION = 1,
    LOOK_S = 2, /* between two looks at what the processes use */
};

void vm_end(struct vm *vm, Bulkhead__GuestEnd how, const char *fmt, ...)
{
    va_list args;

    if (vm->over)
        return;
    vm->over = true;
    vm->how = how;
    va_start(args, fmt);
    (void)vsnprintf(vm->text, sizeof(vm->text), fmt, args);
    va_end(args);
    (void)event_base_loopbreak(vm->base);
}

/* --- the supervisor and the workers --- */

/* From here on the partition and the images are the supervisor's alone. */
static void on_running(void *self, struct proc *p)
{
    struct vm *vm = self;

    shows_running(&vm->shows, p);
    if (p->process == PROCESS_SUPERVISOR)
        objects_give_away(&vm->objects);
    else
        control_running(vm, p);
}

static void on_failed(void *self, struct proc *p, const char *error)
{
    struct vm *vm = self;

    shows_failed(&vm->shows, p, error);
    if (p->process == PROCESS_SUPERVISOR)
        vm_end(vm, BULKHEAD__GUEST_END__GUEST_END_INTERNAL, "supervisor was not started: %s",
               error);
    else
        control_failed(vm, p->process, p->generation, error);
}

static void on_died(void *self, struct proc *p, int wait_status)
{
    struct vm *vm = self;
    char text[PROC_END_BYTES];

    shows_died(&vm->shows, p, wait_status);
    if (p->process == PROCESS_STORAGE)
        disks_measure_again(&vm->disks);
    if (p->process != PROCESS_SUPERVISOR) {
        control_died(vm, p, wait_status);
        return;
    }
    control_read(vm); /* its last message, if there is one, says more than its death */
    proc_end_text(wait_status, text);
    vm_end(vm, BULKHEAD__GUEST_END__GUEST_END_INTERNAL, "supervisor died: %s", text);
}

static const struct proc_ops proc_ops = {
    .running = on_running,
    .failed = on_failed,
    .died = on_died,
};

/* --- signals --- */

static void report_vtl2(struct vm *vm, int wait_status)
{
    Bulkhead__Report report;

    bulkhead__report__init(&report);
    report.vtl2_done = true;
    report.vtl2_status = vtl2_status(wait_status);
    vm->vtl2_pid = 0;
    report_send(&vm->report, &report);
}

/* As PID 1 init inherits every orphan; ours are told from them by their pid. */
static void on_child(evutil_socket_t signal, short what, void *arg)
{
    struct vm *vm = arg;

    (void)signal;
    (void)what;
    for (int left = MAX_REAPED_AT_ONCE; left > 0; left--) {
        siginfo_t info = {0};
        int status;

        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
            return;
        if (procs_reap(&vm->procs, info.si_pid))
            continue;
        if (waitpid(info.si_pid, &status, WNOHANG) == info.si_pid && info.si_pid == vm->vtl2_pid)
            report_vtl2(vm, status);
    }
}

static void on_term(evutil_socket_t signal, short what, void *arg)
{
    (void)signal;
    (void)what;
    vm_end(arg, BULKHEAD__GUEST_END__GUEST_END_UNKNOWN, "init was told to end");
}

static void on_report_gone(void *self)
{
    vm_end(self, BULKHEAD__GUEST_END__GUEST_END_UNKNOWN, "whoever started this VM is gone");
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
    struct vm *vm = arg;

    (void)fd;
    (void)what;
    shows_usage(&vm->shows, &vm->procs);
}

static int look_now_and_then(struct vm *vm)
{
    static const struct timeval period = {.tv_sec = LOOK_S};

    vm->on_look = event_new(vm->base, -1, EV_PERSIST, on_look, vm);
    return vm->on_look == NULL || event_add(vm->on_look, &period) < 0 ? -ENOMEM : 0;
}

/* Who is waited for: the supervisor says that all has started once all of them serve. */
static const char *late_process(const struct vm *vm)
{
    for (size_t i = 0; i < COUNT_OF(vm->procs.slots); i++) {
        const struct proc *p = &vm->procs.slots[i];

        if (p->state != PROC_FREE && p->process != PROCESS_SUPERVISOR && p->sandbox[0] == '\0')
            return manifest[p->process].name;
    }
    return manifest[PROCESS_SUPERVISOR].name;
}

static void report_waiting(struct vm *vm)
{
    Bulkhead__Report report;
    char name[16];

    (void)snprintf(name, sizeof(name), "%s", late_process(vm));
    bulkhead__report__init(&report);
    report.waits_for = name;
    report_send(&vm->report, &report);
}

/* Each worker has a deadline with the supervisor; this is the supervisor's own. */
static void on_waiting(evutil_socket_t fd, short what, void *arg)
{
    struct vm *vm = arg;
    uint64_t limit_ns = vm->config->start_limit_s * NS_PER_S;

    (void)fd;
    (void)what;
    if (vm->started)
        (void)event_del(vm->on_waiting);
    else if (clock_now_ns() - vm->born_ns < limit_ns)
        report_waiting(vm);
    else
        vm_end(vm, BULKHEAD__GUEST_END__GUEST_END_INTERNAL, "%s is not ready after %" PRIu32 " s",
               late_process(vm), vm->config->start_limit_s);
}

/* Whoever started this VM is to know that it is coming, and by what it is kept. */
static int limit_start(struct vm *vm, struct why *why)
{
    static const struct timeval period = {.tv_sec = 1};

    if (vm->config->start_limit_s == 0)
        return 0;
    vm->on_waiting = event_new(vm->base, -1, EV_PERSIST, on_waiting, vm);
    if (vm->on_waiting == NULL || event_add(vm->on_waiting, &period) < 0)
        return why_errno(why, -ENOMEM, "event loop");
    report_waiting(vm);
    return 0;
}

static int open_loop(struct vm *vm)
{
    struct event_config *config = event_config_new();

    if (config == NULL)
        return -ENOMEM;
    (void)event_config_set_flag(config, EVENT_BASE_FLAG_IGNORE_ENV | EVENT_BASE_FLAG_NOLOCK);
    vm->base = event_base_new_with_config(config);
    event_config_free(config);
    if (vm->base == NULL)
        return -ENOMEM;
    vm->procs.base = vm->base;
    vm->on_child = evsignal_new(vm->base, SIGCHLD, on_child, vm);
    vm->on_term = evsignal_new(vm->base, SIGTERM, on_term, vm);
    if (vm->on_child == NULL || vm->on_term == NULL || event_add(vm->on_child, NULL) < 0 ||
        event_add(vm->on_term, NULL) < 0)
        return -ENOMEM;
    return 0;
}

struct vm *vm_new(void)
{
    uint64_t born_ns = clock_now_ns();
    struct vm *vm = calloc(1, sizeof(*vm));

    if (vm == NULL)
        return NULL;
    vm->born_ns = born_ns;
    vm->control_fd = -1;
    vm->report.fd = -1;
    place_init(&vm->place);
    objects_init(&vm->objects);
    disks_init(&vm->disks);
    procs_init(&vm->procs, &vm->objects, &proc_ops, vm);
    vm->procs.disks = &vm->disks;
    (void)signal(SIGPIPE, SIG_IGN);
    return vm;
}

/* --- starting --- */

static int open_loop_and_report(struct vm *vm, struct why *why)
{
    int r = open_loop(vm);

    if (r == 0)
        r = report_open(&vm->report, vm->base, fd_steal(&vm->place.report_fd), !vm->place.nested,
                        on_report_gone, vm);
    return r < 0 ? why_errno(why, r, "report stream") : 0;
}

static int check_memory(const struct vm *vm, struct why *why)
{
    uint64_t bytes = vm->config->memory_bytes;
    struct sysinfo info;

    for (size_t i = 0; i < vm->config->n_disks; i++) {
        if (__builtin_add_overflow(bytes, vm->config->disks[i]->ram_bytes, &bytes))
            bytes = UINT64_MAX;
    }
    if (sysinfo(&info) < 0)
        return why_errno(why, -errno, "sysinfo");
    return config_check_memory(bytes, (uint64_t)info.totalram * info.mem_unit, why);
}

static int start_supervisor(struct vm *vm, struct why *why)
{
    int r = procs_spawn(&vm->procs, PROCESS_SUPERVISOR, SUPERVISOR_GENERATION, -1, why);
    struct proc *p = vm->procs.slots;

    if (r < 0)
        return r;
    while (p->process != PROCESS_SUPERVISOR) /* it is in one of them */
        p++;
    vm->control_fd = fd_steal(&p->channel_fd);
    if (vm->place.nested && cpu_is_emulated()) {
        r = first_cpu_avoid(p->jail.pid);
        if (r < 0)
            return why_errno(why, r, "supervisor's CPUs");
    }
    r = control_open(vm);
    return r < 0 ? why_errno(why, r, "supervisor's channel") : 0;
}

int vm_start(struct vm *vm, struct why *why)
{
    int r = open_loop_and_report(vm, why);

    if (r == 0)
        r = config_read(vm->place.config_fd, &vm->config, why);
    fd_closep(&vm->place.config_fd);
    if (r == 0)
        r = limit_start(vm, why);
    if (r == 0)
        r = check_memory(vm, why);
    if (r == 0 && vm->place.nested)
        r = nested_disks_find(vm->config, "/sys/block", DISKS_WAIT_S * NS_PER_S, why);
    if (r == 0)
        r = nets_plug(vm->config, vm->place.nested, vm->place.end_fds, why);
    if (r == 0)
        r = remote_listen(vm->config->remote, vm->place.nested,
                          &vm->place.end_fds[vm->config->n_nets], why);
    if (r == 0)
        r = disk_check_all(vm->config->disks, vm->config->n_disks, why);
    if (r == 0)
        r = procs_open(&vm->procs, vm->config, vm->place.nested, why);
    if (r == 0)
        r = objects_make(&vm->objects, vm->config, vm->place.com_fds, vm->place.end_fds, why);
    if (r == 0)
        r = nets_open(&vm->objects, vm->config, vm->place.nested, why);
    if (r == 0)
        r = remote_open(&vm->objects, vm->config->remote, why);
    if (r == 0)
        r = disks_open(&vm->disks, &vm->objects, vm->config, why);
    if (r < 0)
        return r;
    r = shows_open(&vm->shows, vm->objects.fds[OBJECT_BOARD][PROCESS_INIT],
                   vm->objects.fds[OBJECT_LEVELS][0]);
    if (r < 0)
        return why_errno(why, r, "init's board");
    r = look_now_and_then(vm);
    if (r < 0)
        return why_errno(why, r, "event loop");
    if (vm->objects.plain)
        shows_plain(&vm->shows, vm->objects.no_ring.text);
    return start_supervisor(vm, why);
}

/* --- ending --- */

/* What operators have said, and the guest has no say in: the next start is told. */
struct said {
    uint32_t links_down;
    ProtobufCBinaryData brought; /* owned */
};

static void report_end(struct vm *vm, const char *error, const struct said *said)
{
    Bulkhead__GuestEnded ended;
    Bulkhead__Report report;
    char text[256];

    bulkhead__report__init(&report);
    bulkhead__guest_ended__init(&ended);
    if (error != NULL) {
        (void)snprintf(text, sizeof(text), "%s", error);
        report.error = text;
    } else {
        ended.how = vm->how;
        ended.text = vm->text;
        ended.links_down = said->links_down;
        ended.brought = said->brought;
        report.ended = &ended;
    }
    report_send(&vm->report, &report);
}

static void event_done(struct event *e)
{
    if (e != NULL)
        event_free(e);
}

void vm_done(struct vm *vm, const char *error)
{
    struct said said = {.links_down = nets_links_down(&vm->objects)};
    struct why ignored;

    if (vm->vtl2_pid > 0)
        (void)kill(-vm->vtl2_pid, SIGKILL);
    event_done(vm->on_control);
    procs_done(&vm->procs);
    said.brought = remote_brought(&vm->objects);
    disks_done(&vm->disks);
    objects_done(&vm->objects);
    shows_done(&vm->shows);
    if (vm->report.fd < 0 && vm->place.report_fd >= 0) /* failed that early */
        (void)open_loop_and_report(vm, &ignored);
    report_end(vm, error, &said);
    free(said.brought.data);
    report_close(&vm->report, REPORT_FLUSH_MS);
    event_done(vm->on_child);
    event_done(vm->on_term);
    event_done(vm->on_look);
    event_done(vm->on_waiting);
    fd_closep(&vm->control_fd);
    config_freep(&vm->config);
    place_done(&vm->place);
    if (vm->base != NULL)
        event_base_free(vm->base);
    free(vm);
}

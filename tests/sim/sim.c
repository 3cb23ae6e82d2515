#include "tests/sim/sim.h"

#include <errno.h>
#include <event2/event.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <x86intrin.h>

#include "base/clock.h"
#include "base/shm.h"
#include "supervisor/exit/access.h"
#include "supervisor/exit/forward.h"
#include "supervisor/vcpu/start_gate.h"

enum {
    COM1 = 0x3f8,
    COM_LSR = 5,
    LSR_THRE = 0x20,
    SIM_TSC_KHZ = 1000 * 1000, /* nobody asks here whether that is so */
};

enum {
    THREADS_MAX = VPS_MAX + 1,
};

struct sim_thread {
    struct sim *sim;
    unsigned index; /* of the vCPU, or after the last: beside */
};

static struct start_gate gate = START_GATE_INIT;

/* An exit, as a vCPU's thread answers it. */
static uint64_t answer(struct sim *sim, unsigned index, const struct vm_access *a)
{
    uint64_t out_ns = clock_now_ns();
    uint64_t data = access_answer(&sim->super.vm, index, a, &sim->rows[index]);

    trace_add(&sim->super.vm.traces[index], access_trace_kind(a), a->addr, 0, out_ns,
              clock_now_ns() - out_ns);
    return data;
}

uint64_t sim_read(struct sim *sim, unsigned index, enum access_space space, uint64_t addr,
                  uint8_t size)
{
    const struct vm_access a = {.space = space, .addr = addr, .size = size};

    return answer(sim, index, &a);
}

void sim_write(struct sim *sim, unsigned index, enum access_space space, uint64_t addr,
               uint8_t size, uint64_t data)
{
    const struct vm_access a = {
        .space = space, .write = true, .addr = addr, .size = size, .data = data};

    (void)answer(sim, index, &a);
}

static void put_char(struct sim *sim, unsigned index, char c)
{
    while ((sim_read(sim, index, ACCESS_IO, COM1 + COM_LSR, 1) & LSR_THRE) == 0)
        sim_sleep_ns(NS_PER_MS / 10);
    sim_write(sim, index, ACCESS_IO, COM1, 1, (uint8_t)c);
}

void sim_print(struct sim *sim, unsigned index, const char *fmt, ...)
{
    char text[512];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    for (const char *c = text; *c != '\0'; c++)
        put_char(sim, index, *c);
}

void sim_pass(struct sim *sim)
{
    sim_sleep_ns(100 * NS_PER_MS); /* let the console drain */
    vm_end(&sim->super.vm, BULKHEAD__GUEST_END__GUEST_END_POWER_OFF, "pass");
}

void sim_fail(struct sim *sim, const char *fmt, ...)
{
    char text[100];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    sim_sleep_ns(100 * NS_PER_MS);
    vm_end(&sim->super.vm, BULKHEAD__GUEST_END__GUEST_END_PANIC, "fail: %s", text);
}

uint64_t sim_option(const struct sim *sim, const char *name, uint64_t fallback)
{
    size_t len = strlen(name);

    for (const char *at = sim->config.append; at != NULL; at = strchr(at, ' ')) {
        at += strspn(at, " ");
        if (strncmp(at, name, len) == 0 && at[len] == '=')
            return strtoull(at + len + 1, NULL, 0);
    }
    return fallback;
}

void sim_sleep_ns(uint64_t ns)
{
    static uint32_t never;
    struct timespec t = clock_timespec(ns);

    /* The supervisor's filter has no nanosleep, and needs none. */
    (void)syscall(SYS_futex, &never, FUTEX_WAIT, 0, &t, NULL, 0);
}

void sim_sort(uint64_t *values, size_t n)
{
    for (size_t gap = n / 2; gap > 0; gap /= 2) { /* Shell */
        for (size_t i = gap; i < n; i++) {
            uint64_t v = values[i];
            size_t j = i;

            for (; j >= gap && values[j - gap] > v; j -= gap)
                values[j] = values[j - gap];
            values[j] = v;
        }
    }
}

uint64_t sim_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

bool sim_kill(struct sim *sim, enum process process)
{
    const struct generation *g = &sim->super.registry.rows[process].live;
    Bulkhead__Kill order;
    Bulkhead__Envelope e;

    if (g->active_ns == 0)
        return false;
    bulkhead__kill__init(&order);
    bulkhead__envelope__init(&e);
    order.process = process;
    order.generation = g->number;
    e.body_case = BULKHEAD__ENVELOPE__BODY_KILL;
    e.kill = &order;
    return channel_send(FD_CONTROL, &e, NULL, 0) == 0;
}

bool sim_died_doing(struct sim *sim, enum process process, enum doing doing, uint32_t code)
{
    const struct records_page *page = sim->super.registry.history.page;
    struct crash_record crash = {0};
    int r = records_find_crash(page, atomic_load(&page->n_crashes), &crash);

    if (r == 0 && crash.process == process && crash.doing == (uint8_t)doing &&
        crash.doing_code == code)
        return true;
    sim_fail(sim, "the record of a death says %u, %u, %#x", crash.process, crash.doing,
             crash.doing_code);
    return false;
}

static void print_death(struct sim *sim, const struct event_record *death)
{
    struct crash_record crash;

    sim_print(sim, 0, "%s: generation %u died at %llu ms: %s\n", manifest[death->process].name,
              death->generation, (unsigned long long)(death->monotonic_ns / NS_PER_MS),
              records_cause_name(death->cause));
    if (records_find_crash(sim->super.registry.history.page, death->crash, &crash) == 0)
        sim_print(sim, 0, "  after %llu ms, status %#x\n",
                  (unsigned long long)(crash.served_ns / NS_PER_MS), (unsigned)crash.wait_status);
}

/* What it died of, when neither killed nor replaced; many kills may have come after. */
static void print_faults(struct sim *sim, enum process process)
{
    const struct records_page *page = sim->super.registry.history.page;
    struct records_cursor at = records_oldest_event(page);
    struct event_record e;

    while (records_next_event(page, &at, &e) == 0) {
        if (e.kind == EVENT_DIED && e.process == process && e.cause != CAUSE_KILLED &&
            e.cause != CAUSE_REPLACED)
            print_death(sim, &e);
    }
}

bool sim_faultless(struct sim *sim, enum process process)
{
    unsigned faults = sim->super.registry.rows[process].health.n_faults;

    if (faults == 0)
        return true;
    print_faults(sim, process);
    sim_fail(sim, "%s died %u times of itself", manifest[process].name, faults);
    return false;
}

static void *thread_main(void *arg)
{
    const struct sim_thread *t = arg;

    start_gate_wait(&gate);
    if (t->index == 0)
        t->sim->guest(t->sim);
    else if (t->index < t->sim->config.vcpus)
        t->sim->vcpu(t->sim, t->index);
    else
        t->sim->beside(t->sim);
    return NULL;
}

static void open_gate(void *self)
{
    (void)self;
    start_gate_open(&gate);
}

static bool has_thread(const struct sim *sim, unsigned index)
{
    if (index == sim->config.vcpus)
        return sim->beside != NULL;
    return index == 0 || sim->vcpu != NULL;
}

static int start_threads(struct sim *sim)
{
    static struct sim_thread threads[THREADS_MAX];
    unsigned n = 0;
    int r = 0;

    for (unsigned i = 0; r == 0 && i <= sim->config.vcpus; i++) {
        pthread_t thread;

        if (i < sim->config.vcpus) {
            access_show(sim->super.vm.board, i, &sim->rows[i]);
            forward_show(&sim->super.vm, i);
        }
        if (!has_thread(sim, i))
            continue;
        threads[n] = (struct sim_thread){sim, i};
        r = pthread_create(&thread, NULL, thread_main, &threads[n]);
        n += r == 0;
    }
    if (r == 0)
        start_gate_await(&gate, n);
    return -r;
}

static int map_crb(struct sim *sim)
{
    int registers_fd = manifest_fd(PROCESS_SUPERVISOR, OBJECT_CRB_REGISTERS, 0);
    int buffer_fd = manifest_fd(PROCESS_SUPERVISOR, OBJECT_CRB_BUFFER, 0);
    void *registers;
    void *buffer;
    int r = shm_map(registers_fd, CRB_REGISTERS_BYTES, false, &registers);

    if (r == 0)
        r = shm_map(buffer_fd, CRB_BUFFER_BYTES, true, &buffer);
    if (r < 0)
        return r;
    sim->crb_registers = registers;
    sim->crb_buffer = buffer;
    return 0;
}

/* --- what a partition does for Hyper-V's surface --- */

/* The run filter has nothing that waits for a descriptor but epoll_wait. */
static int watch_interrupts(struct sim *sim)
{
    for (unsigned vp = 0; vp < sim->config.vcpus; vp++) {
        struct epoll_event e = {.events = EPOLLIN};
        int irq = manifest_fd(PROCESS_SUPERVISOR, OBJECT_VP_IRQ, vp);
        int poll = epoll_create1(EPOLL_CLOEXEC);

        if (irq < 0 || poll < 0 || epoll_ctl(poll, EPOLL_CTL_ADD, irq, &e) < 0)
            return -errno;
        sim->vp_irqs[vp] = irq;
        sim->vp_polls[vp] = poll;
    }
    return 0;
}

bool sim_halt(struct sim *sim, unsigned index, uint64_t timeout_ns)
{
    int timeout_ms = timeout_ns == SIM_FOR_EVER ? -1 : (int)(timeout_ns / NS_PER_MS);
    uint64_t times;

    (void)halt_poll_wait(&sim->halts[index], sim->vp_polls[index], timeout_ms);
    return read(sim->vp_irqs[index], &times, sizeof(times)) == (ssize_t)sizeof(times);
}

static int route_vp(void *self, unsigned vp, uint8_t vector)
{
    struct sim *sim = self;

    sim->vectors[vp] = vector;
    return 0;
}

static bool vp_long_mode(void *self, unsigned vp)
{
    (void)self;
    (void)vp;
    return true;
}

static void fill_hypercall_page(void *self, bool long_mode, uint8_t bytes[HV_PAGE_BYTES])
{
    (void)self;
    memset(bytes, long_mode ? 64 : 32, HV_PAGE_BYTES);
}

static uint64_t vp_tsc(void *self, unsigned vp)
{
    (void)self;
    (void)vp;
    return __rdtsc();
}

static int start_hyperv(struct sim *sim)
{
    const struct super_guest guest = {
        .backend = {.route = route_vp,
                    .long_mode = vp_long_mode,
                    .hypercall_page = fill_hypercall_page,
                    .tsc = vp_tsc,
                    .self = sim},
        .tsc_khz = SIM_TSC_KHZ,
        .tsc_invariant = true,
    };

    return super_start_hyperv(&sim->super, &sim->config, &guest);
}

static void on_tick(evutil_socket_t fd, short what, void *self)
{
    struct sim *sim = self;

    (void)fd;
    (void)what;
    sim->every_tick(sim);
}

/* Called when the loop exists: see super.made_loop. */
static void add_tick(void *self)
{
    static const struct timeval period = {.tv_usec = 10 * 1000};
    struct sim *sim = self;
    struct event *e =
        sim->every_tick == NULL ? NULL : event_new(sim->super.base, -1, EV_PERSIST, on_tick, sim);

    if (e != NULL)
        (void)event_add(e, &period);
}

static void kick_nobody(void *self, unsigned vcpu)
{
    (void)self;
    (void)vcpu;
}

int sim_main(struct sim *sim, int argc, char **argv)
{
    int r = super_set_up(&sim->super, argc, argv);

    sim->super.all_running = open_gate;
    sim->super.made_loop = add_tick;
    sim->super.self = sim;
    if (r == 0)
        r = super_await_config(&sim->super, &sim->config);
    if (r == 0)
        r = map_crb(sim);
    if (r == 0)
        r = start_hyperv(sim);
    if (r == 0)
        r = watch_interrupts(sim);
    sim->super.vm.hold.kick = kick_nobody;
    sim->super.vm.hold.n_vcpus = r == 0 && sim->stands ? sim->config.vcpus : 0;
    if (r == 0)
        r = start_threads(sim);
    if (r < 0)
        return super_fail(&sim->super, "fail: set-up: %s", strerror(-r));
    if (sim->at_once)
        open_gate(sim);
    return super_run(&sim->super);
}

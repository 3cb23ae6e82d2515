/*
 * tests/bench/port_round_trip.c - what one forwarded exit costs, beside the floors of this machine.
 *
 * Two processes share memory, as supervisor and worker do. Each mechanism runs in each placement,
 * interleaved, ROUNDS times; the median of the rounds' medians counts. One JSON object a line.
 *
 *   placement  same (one CPU), other (two CPUs), free (the scheduler decides)
 *   pace       hot (one after the other), cold (300 us between, so that the server sleeps)
 *   mechanism  spin, yield, futex, eventfd: the floors; port: ipc/port.c
 */
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/macro.h"
#include "ipc/port.h"

enum {
    ROUNDS = 7,
    HOT_TRIPS = 8000,
    COLD_TRIPS = 400,
    WARM_UP = 200,
};

static const uint64_t COLD_GAP_NS = 300 * 1000;

struct shared {
    _Atomic uint32_t request __attribute__((aligned(64)));
    _Atomic uint32_t response __attribute__((aligned(64)));
    uint8_t payload[64];
    struct port_page port __attribute__((aligned(4096)));
};

struct pair {
    struct shared *mem;
    int to_server, to_client; /* eventfds */
    struct port_client client;
};

struct mechanism {
    const char *name;
    void (*trip)(struct pair *p, uint32_t n);      /* client: one round trip, n from 1 up */
    void (*serve)(struct pair *p, uint32_t trips); /* server: answer that many */
    bool on_one_cpu;                               /* makes sense there */
};

static void futex_wait(_Atomic uint32_t *word, uint32_t seen)
{
    (void)syscall(SYS_futex, word, FUTEX_WAIT, seen, NULL, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word)
{
    (void)syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* --- the floors --- */

static void spin_trip(struct pair *p, uint32_t n)
{
    atomic_store(&p->mem->request, n);
    while (atomic_load(&p->mem->response) != n)
        __builtin_ia32_pause();
}

static void spin_serve(struct pair *p, uint32_t trips)
{
    for (uint32_t n = 1; n <= trips; n++) {
        while (atomic_load(&p->mem->request) != n)
            __builtin_ia32_pause();
        atomic_store(&p->mem->response, n);
    }
}

static void yield_trip(struct pair *p, uint32_t n)
{
    atomic_store(&p->mem->request, n);
    while (atomic_load(&p->mem->response) != n)
        (void)sched_yield();
}

static void yield_serve(struct pair *p, uint32_t trips)
{
    for (uint32_t n = 1; n <= trips; n++) {
        while (atomic_load(&p->mem->request) != n)
            (void)sched_yield();
        atomic_store(&p->mem->response, n);
    }
}

static void futex_trip(struct pair *p, uint32_t n)
{
    atomic_store(&p->mem->request, n);
    futex_wake(&p->mem->request);
    while (atomic_load(&p->mem->response) != n)
        futex_wait(&p->mem->response, n - 1);
}

static void futex_serve(struct pair *p, uint32_t trips)
{
    for (uint32_t n = 1; n <= trips; n++) {
        while (atomic_load(&p->mem->request) != n)
            futex_wait(&p->mem->request, n - 1);
        atomic_store(&p->mem->response, n);
        futex_wake(&p->mem->response);
    }
}

static void ring(int fd)
{
    static const uint64_t one = 1;

    (void)!write(fd, &one, sizeof(one));
}

static void await_ring(int fd)
{
    uint64_t n;

    (void)!read(fd, &n, sizeof(n));
}

static void eventfd_trip(struct pair *p, uint32_t n)
{
    (void)n;
    ring(p->to_server);
    await_ring(p->to_client);
}

static void eventfd_serve(struct pair *p, uint32_t trips)
{
    for (uint32_t n = 0; n < trips; n++) {
        await_ring(p->to_server);
        ring(p->to_client);
    }
}

/* --- ours --- */

static void port_trip(struct pair *p, uint32_t n)
{
    const struct port_request rq = {.addr = 0x3f8, .data = n, .op = PORT_WRITE, .size = 1};
    struct port_response rs;

    port_post(&p->client, 0, &rq);
    while (port_wait(&p->client, 0, clock_now_ns() + NS_PER_S, &rs) < 0)
        ;
}

static void port_serve(struct pair *p, uint32_t trips)
{
    struct port_server s;
    struct port_request rq;
    unsigned slot;

    if (port_server_init(&s, &p->mem->port, PORT_ASLEEP_FUTEX) < 0)
        abort();
    for (uint32_t n = 0; n < trips;) {
        if (port_take(&s, &slot, &rq)) {
            const struct port_response rs = {.seq = rq.seq, .data = rq.data};

            port_answer(&s, slot, &rs);
            n++;
        } else if (!port_poll(&s)) {
            port_sleep(&s, NS_PER_S);
        }
    }
}

static const struct mechanism mechanisms[] = {
    {"spin",    spin_trip,    spin_serve,    false},
    {"yield",   yield_trip,   yield_serve,   true },
    {"futex",   futex_trip,   futex_serve,   true },
    {"eventfd", eventfd_trip, eventfd_serve, true },
    {"port",    port_trip,    port_serve,    true },
};

/* --- measuring --- */

struct placement {
    const char *name;
    int client_cpu, server_cpu; /* -1: anywhere */
};

static const struct placement placements[] = {
    {"same",  0,  0 },
    {"other", 0,  1 },
    {"free",  -1, -1},
};

static void pin(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    for (int i = 0; i < CPU_SETSIZE; i++) {
        if (cpu < 0 || i == cpu)
            CPU_SET((size_t)i, &set);
    }
    (void)sched_setaffinity(0, sizeof(set), &set);
}

static int compare(const void *a, const void *b)
{
    const uint64_t *x = a;
    const uint64_t *y = b;

    return *x < *y ? -1 : *x > *y;
}

static uint64_t median(uint64_t *values, size_t n)
{
    qsort(values, n, sizeof(*values), compare);
    return values[n / 2];
}

static void gap(bool cold)
{
    uint64_t end = clock_now_ns() + COLD_GAP_NS;

    while (cold && clock_now_ns() < end)
        __builtin_ia32_pause();
}

/* Median nanoseconds of one trip. */
static uint64_t measure(const struct mechanism *m, const struct placement *at, bool cold)
{
    static uint64_t ns[HOT_TRIPS];
    uint32_t trips = cold ? COLD_TRIPS : HOT_TRIPS;
    struct pair p = {.to_server = eventfd(0, EFD_CLOEXEC), .to_client = eventfd(0, EFD_CLOEXEC)};
    uint64_t result;
    pid_t pid;

    p.mem = mmap(NULL, sizeof(*p.mem), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p.mem == MAP_FAILED)
        abort();
    port_client_init(&p.client, &p.mem->port, -1);
    pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        pin(at->server_cpu);
        m->serve(&p, WARM_UP + trips);
        _exit(0);
    }
    pin(at->client_cpu);
    for (uint32_t n = 1; n <= WARM_UP; n++)
        m->trip(&p, n);
    for (uint32_t n = 0; n < trips; n++) {
        uint64_t began;

        gap(cold);
        began = clock_now_ns();
        m->trip(&p, WARM_UP + 1 + n);
        ns[n] = clock_now_ns() - began;
    }
    (void)waitpid(pid, NULL, 0);
    result = median(ns, trips);
    (void)munmap(p.mem, sizeof(*p.mem));
    (void)close(p.to_server);
    (void)close(p.to_client);
    return result;
}

static void run(const struct placement *at, bool cold)
{
    uint64_t ns[COUNT_OF(mechanisms)][ROUNDS];
    uint64_t result[COUNT_OF(mechanisms)];

    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < COUNT_OF(mechanisms); i++) {
            if (at->client_cpu != at->server_cpu || mechanisms[i].on_one_cpu)
                ns[i][round] = measure(&mechanisms[i], at, cold);
            else
                ns[i][round] = 0;
        }
    }
    for (size_t i = 0; i < COUNT_OF(mechanisms); i++)
        result[i] = median(ns[i], ROUNDS);
    printf("{\"bench\": \"port_round_trip\", \"placement\": \"%s\", \"pace\": \"%s\"", at->name,
           cold ? "cold" : "hot");
    for (size_t i = 0; i < COUNT_OF(mechanisms); i++)
        printf(", \"%s_ns\": %llu", mechanisms[i].name, (unsigned long long)result[i]);
    printf(", \"port_to_futex\": %.2f}\n", (double)result[4] / (double)result[2]);
    (void)fflush(stdout);
}

int main(void)
{
    for (size_t i = 0; i < COUNT_OF(placements); i++) {
        run(&placements[i], false);
        run(&placements[i], true);
    }
    return 0;
}

/*
 * tests/bench/icount_hop.c - the instructions of one port hop, where a nanosecond is an instruction.
 *
 * Meant for `qemu -icount shift=0`, on one CPU; see icount.sh. Two processes, as supervisor and
 * worker are two. Beside the port, a bare hand-over by sched_yield: the least that a hop can be.
 */
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/macro.h"
#include "ipc/port.h"

enum {
    TRIPS = 20000,
    WARM_UP = 500,
};

struct shared {
    _Atomic uint32_t request __attribute__((aligned(64)));
    _Atomic uint32_t response __attribute__((aligned(64)));
    struct port_page port __attribute__((aligned(4096)));
};

struct pair {
    struct shared *mem;
    struct port_client client;
};

struct mechanism {
    const char *name;
    void (*trip)(struct pair *p, uint32_t n);
    void (*serve)(struct pair *p, uint32_t trips);
};

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

static void measure(const struct mechanism *m)
{
    struct pair p = {.mem = mmap(NULL, sizeof(*p.mem), PROT_READ | PROT_WRITE,
                                 MAP_SHARED | MAP_ANONYMOUS, -1, 0)};
    uint64_t began;
    pid_t pid;

    if (p.mem == MAP_FAILED)
        abort();
    port_client_init(&p.client, &p.mem->port, -1);
    pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        m->serve(&p, WARM_UP + TRIPS);
        _exit(0);
    }
    for (uint32_t n = 1; n <= WARM_UP; n++)
        m->trip(&p, n);
    began = clock_now_ns();
    for (uint32_t n = 1; n <= TRIPS; n++)
        m->trip(&p, WARM_UP + n);
    printf("{\"bench\": \"icount\", \"what\": \"%s_hop\", \"instructions\": %llu}\n", m->name,
           (unsigned long long)((clock_now_ns() - began) / TRIPS));
    (void)fflush(stdout);
    (void)waitpid(pid, NULL, 0);
    (void)munmap(p.mem, sizeof(*p.mem));
}

int main(void)
{
    static const struct mechanism mechanisms[] = {
        {"yield", yield_trip, yield_serve},
        {"port",  port_trip,  port_serve },
    };

    for (size_t i = 0; i < COUNT_OF(mechanisms); i++)
        measure(&mechanisms[i]);
    return 0;
}

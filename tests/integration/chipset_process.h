/*
 * tests/integration/chipset_process.h - the real chipset worker under its run filter, with a test in
 * the place of the supervisor and of the guest.
 *
 * CHIPSET_PROGRAM names the program. Without init's jail, so without root. Kills come from a
 * second thread, which starts each successor, at instants that CK_SEED (default 1) decides.
 */
#pragma once

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/board_read.h"
#include "base/clock.h"
#include "base/macro.h"
#include "base/shm.h"
#include "ipc/channel.h"
#include "ipc/manifest.h"
#include "ipc/port.h"
#include "workers/worker.h"

enum {
    FIRST_SPARE_FD = 100, /* above all that the worker inherits */
};

static const uint64_t DEADLINE_NS = 10ull * 1000 * 1000 * 1000;

struct world {
    int objects[MANIFEST_MAX_GRANTS]; /* the worker's grants, in its order */
    int peers[COM_COUNT];             /* the other ends of the streams */
    struct board_page *board;
    struct port_client port;
    pid_t pid;
    int control;
    uint32_t generation;
    _Atomic bool killing;
    _Atomic unsigned kills;
    uint64_t random;
};

static struct world world;

/* --- the worker --- */

static inline int spare(int fd)
{
    int high = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_SPARE_FD);

    ck_assert_int_ge(high, FIRST_SPARE_FD);
    (void)close(fd);
    return high;
}

static inline int make_object(const struct grant *g)
{
    int pair[2];
    int fd = -1;

    switch ((int)g->kind) {
    case OBJECT_COM:
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
        world.peers[g->index] = spare(pair[1]);
        return spare(pair[0]);
    case OBJECT_BELL:
    case OBJECT_IRQ:
        return spare(eventfd(0, EFD_NONBLOCK));
    default:
        ck_assert_int_eq(shm_new("object", manifest_object_bytes(g->kind, g->index), &fd), 0);
        return spare(fd);
    }
}

static inline int object(enum object_kind kind, unsigned index)
{
    int fd = manifest_fd(PROCESS_CHIPSET, kind, index);

    ck_assert_int_ge(fd, 0);
    return world.objects[fd - FD_FIRST_GRANT];
}

static inline void *mapped(enum object_kind kind)
{
    void *at = NULL;

    ck_assert_int_eq(shm_map(object(kind, PROCESS_CHIPSET),
                             manifest_object_bytes(kind, PROCESS_CHIPSET), true, &at),
                     0);
    return at;
}

static inline _Noreturn void be_worker(int control)
{
    char generation[16];
    char name[] = "chipset";
    char *argv[] = {name, generation, NULL};
    char *envp[] = {NULL};

    (void)snprintf(generation, sizeof(generation), "%u", world.generation);
    (void)dup2(control, FD_CONTROL);
    for (size_t i = 0; i < manifest[PROCESS_CHIPSET].n_grants; i++)
        (void)dup2(world.objects[i], FD_FIRST_GRANT + (int)i);
    (void)execve(getenv("CHIPSET_PROGRAM"), argv, envp);
    _exit(127);
}

static inline void activate(bool parked, uint64_t poison)
{
    struct channel_msg m = {0};
    Bulkhead__Activate activate;
    Bulkhead__Envelope e;

    ck_assert_int_eq(channel_read(world.control, &m), 0);
    ck_assert_int_eq(m.envelope->body_case, BULKHEAD__ENVELOPE__BODY_READY);
    ck_assert_str_eq(m.envelope->ready->error, "");
    channel_msg_done(&m);
    bulkhead__activate__init(&activate);
    bulkhead__envelope__init(&e);
    activate.generation = world.generation;
    activate.parked = parked;
    activate.poison = poison;
    e.body_case = BULKHEAD__ENVELOPE__BODY_ACTIVATE;
    e.activate = &activate;
    ck_assert_int_eq(channel_write(world.control, &e), 0);
}

static inline void start_as(bool parked, uint64_t poison)
{
    int pair[2];

    ck_assert_int_eq(channel_pair(pair), 0);
    world.control = spare(pair[0]);
    world.generation++;
    world.pid = fork();
    ck_assert_int_ge(world.pid, 0);
    if (world.pid == 0)
        be_worker(pair[1]);
    (void)close(pair[1]);
    activate(parked, poison);
}

static inline void start(void)
{
    start_as(false, 0);
}

/* Kill it and see that nothing else had ended it: a filter would have said SIGSYS. */
static inline void kill_worker(void)
{
    int status = 0;

    ck_assert_int_eq(kill(world.pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(world.pid, &status, 0), world.pid);
    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(WTERMSIG(status), SIGKILL);
    (void)close(world.control);
}

static inline void set_up(void)
{
    const struct process_row *row = &manifest[PROCESS_CHIPSET];
    const char *seed = getenv("CK_SEED");

    memset(&world, 0, sizeof(world));
    world.random = seed == NULL ? 1 : strtoull(seed, NULL, 0);
    (void)signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < row->n_grants; i++)
        world.objects[i] = make_object(&row->grants[i]);
    world.board = mapped(OBJECT_BOARD);
    port_client_init(&world.port, mapped(OBJECT_PORT), object(OBJECT_BELL, PROCESS_CHIPSET));
    start();
}

static inline void tear_down(void)
{
    kill_worker();
}

/* --- the guest --- */

static inline struct port_response forward(enum port_op op, uint64_t port, uint8_t size,
                                           uint64_t data)
{
    const struct port_request rq = {.addr = port, .data = data, .op = (uint8_t)op, .size = size};
    struct port_response rs = {0};

    port_post(&world.port, 0, &rq);
    ck_assert_int_eq(port_wait(&world.port, 0, clock_now_ns() + DEADLINE_NS, &rs), 0);
    return rs;
}

static inline uint8_t in(uint64_t port)
{
    return (uint8_t)forward(PORT_READ, port, 1, 0).data;
}

static inline void out(uint64_t port, uint8_t v)
{
    (void)forward(PORT_WRITE, port, 1, v);
}

static inline uint64_t board_value(const char *name)
{
    struct board_value v;

    for (uint32_t i = 0; board_read_row(world.board, i, &v) != -ENOENT; i++) {
        if (strcmp(v.name, name) == 0)
            return v.value;
    }
    ck_abort_msg("no row %s", name);
    return 0;
}

static inline uint64_t cpu_us_of_children(void)
{
    struct rusage u;

    (void)getrusage(RUSAGE_CHILDREN, &u);
    return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

/* --- the killer --- */

static inline uint64_t random_below(uint64_t limit)
{
    uint64_t z = world.random += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return (z ^ z >> 31) % limit;
}

static inline void *killer(void *arg)
{
    (void)arg;
    while (world.killing) {
        struct timespec t = clock_timespec(random_below(4 * NS_PER_MS));

        (void)nanosleep(&t, NULL);
        kill_worker();
        world.kills++;
        start();
    }
    return NULL;
}

static inline pthread_t start_killing(void)
{
    pthread_t thread;

    world.killing = true;
    ck_assert_int_eq(pthread_create(&thread, NULL, killer, NULL), 0);
    return thread;
}

static inline void stop_killing(pthread_t thread)
{
    world.killing = false;
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}

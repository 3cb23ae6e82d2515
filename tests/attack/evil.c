/*
 * tests/attack/evil.c - the process that was taken over. See evil.h.
 */
#include "tests/attack/evil.h"

#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/shm.h"
#include "init/filters.h"

static long attempt(const struct evil *e, const struct attempt *a)
{
    if (a->run != NULL)
        return a->run(e);
    return evil_call(a->call, a->args[0], a->args[1], a->args[2], a->args[3], a->args[4],
                     a->args[5]);
}

static int set_up(struct evil *e, const char *name)
{
    int process = manifest_find(name);
    void *map;

    if (process <= PROCESS_INIT)
        return -1;
    e->process = (enum process)process;
    e->shared_fd = manifest_fd(e->process, OBJECT_BOARD, (unsigned)process);
    if (shm_map(e->shared_fd, manifest_object_bytes(OBJECT_BOARD, (unsigned)process), true, &map) <
        0)
        return -1;
    e->shared = map;
    e->page = (void *)((char *)map + EVIL_PAGE_OFFSET);
    return 0;
}

/* --- one that stays: see enum evil_resident --- */

static volatile uint64_t word = 0x1122334455667788; /* that others may try to reach */

static _Noreturn void sleep_for_ever(void)
{
    static uint32_t never;

    for (;;)
        (void)syscall(SYS_futex, &never, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
}

static void *second_thread(void *arg)
{
    atomic_store((_Atomic bool *)arg, true);
    sleep_for_ever();
}

/* Where the filter lets it: the vtpm's executor, the supervisor's vCPUs. */
static void start_thread(const struct evil *e)
{
    static _Atomic bool runs;
    pthread_t thread;

    if (e->process != PROCESS_VTPM)
        return;
    if (pthread_create(&thread, NULL, second_thread, &runs) != 0)
        _exit(92);
    while (!atomic_load(&runs)) /* its first calls are not in the run filter */
        (void)sched_yield();
}

static int filter_this_thread(const struct sbx_program *program)
{
    struct sock_fprog prog = {.len = program->n_insns,
                              .filter = (struct sock_filter *)(uintptr_t)program->insns};

    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog);
}

static _Noreturn void stay(struct evil *e, unsigned options)
{
    const struct sbx_program *run = &filter_of(e->process, false)->run;
    char byte;
    int r = 0;

    start_thread(e);
    if ((options & RESIDENT_DUMPABLE) == 0)
        r = prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    if (r == 0 && (options & RESIDENT_FREE_THREAD) != 0)
        r = filter_this_thread(run);
    else if (r == 0 && (options & RESIDENT_NO_FILTER) == 0)
        r = sbx_enter(run);
    if (r != 0)
        _exit(93);
    e->page->victim_word = (uintptr_t)&word;
    atomic_store(&e->page->state, EVIL_BEFORE);
    for (;;)
        (void)!read(FD_CONTROL, &byte, sizeof(byte)); /* nobody says anything */
}

int main(int argc, char **argv)
{
    unsigned long generation = argc == 2 ? strtoul(argv[1], NULL, 10) - 1 : 0;
    size_t i = generation % EVIL_ATTEMPTS_MAX;
    struct evil e = {.mode = (enum evil_mode)(generation / EVIL_ATTEMPTS_MAX)};
    bool remote = e.mode == EVIL_REMOTE;

    if (remote)
        e.mode = EVIL_SANDBOXED;
    if (argc != 2 || e.mode >= EVIL_MODES || set_up(&e, argv[0]) < 0)
        return 90;
    atomic_store(&e.page->state, EVIL_STARTED);
    if (e.mode == EVIL_RESIDENT)
        stay(&e, (unsigned)i);
    if (i >= attempt_count() || evil_take_ring(&e) < 0)
        return 90;
    if (e.mode == EVIL_SANDBOXED && sbx_enter(&filter_of(e.process, remote)->run) < 0)
        return 91;
    atomic_store(&e.page->state, EVIL_BEFORE);
    atomic_store(&e.page->result, attempt(&e, attempt_at(i)));
    atomic_store(&e.page->state, EVIL_AFTER);
    _exit(0);
}

/*
 * tests/attack/evil.c - the process that was taken over. See evil.h.
 */
#include "tests/attack/evil.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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
    e->page = map;
    return 0;
}

int main(int argc, char **argv)
{
    unsigned long generation = argc == 2 ? strtoul(argv[1], NULL, 10) - 1 : 0;
    size_t i = generation % EVIL_ATTEMPTS_MAX;
    struct evil e = {.mode = (enum evil_mode)(generation / EVIL_ATTEMPTS_MAX)};

    if (argc != 2 || i >= attempt_count() || set_up(&e, argv[0]) < 0)
        return 90;
    atomic_store(&e.page->state, EVIL_STARTED);
    if (e.mode == EVIL_SANDBOXED && sbx_enter(&filter_of(e.process)->run) < 0)
        return 91;
    atomic_store(&e.page->state, EVIL_BEFORE);
    atomic_store(&e.page->result, attempt(&e, attempt_at(i)));
    atomic_store(&e.page->state, EVIL_AFTER);
    _exit(0);
}

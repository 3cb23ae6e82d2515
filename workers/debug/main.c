/*
 * workers/debug/main.c - the debug worker: a guest's memory and registers, for operators who debug it.
 *
 * Joins the sessions (debug.h) to the skeleton (worker.h). One thread.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/filters.h"
#include "base/heap.h"
#include "workers/debug/debug.h"
#include "workers/debug/profile.h"
#include "workers/worker.h"

enum {
    HEAP_BYTES = 128 * 1024, /* more than any message takes: the filter has no brk */
};

static int setup(void *self, struct worker *w)
{
    struct debug *d = self;

    d->control = FD_CONTROL;
    d->stream = worker_fd(w, OBJECT_DEBUG, 0);
    d->ram = worker_fd(w, OBJECT_RAM, 0);
    if (d->stream < 0 || d->ram != DEBUG_FD_RAM) /* the filter names it */
        return -EPROTO;
    return heap_take(HEAP_BYTES);
}

static int run(void *self, struct worker *w)
{
    return debug_run(self, &w->board) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static const struct worker_ops debug_ops = {
    .process = PROCESS_DEBUG,
    .filter = &debug_filter,
    .setup = setup,
    .run = run,
};

int main(int argc, char **argv)
{
    struct debug *d = calloc(1, sizeof(*d));

    return d == NULL ? EXIT_FAILURE : worker_main(&debug_ops, d, argc, argv);
}

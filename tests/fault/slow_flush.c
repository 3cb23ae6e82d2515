/*
 * tests/fault/slow_flush.c - the storage worker on a disk whose first flush takes SLOW_S seconds, in each
 * generation: longer than a worker may be without a sign of life.
 *
 * For hosts without io_uring: there the worker's own threads flush. Its fdatasync() comes by the one below
 * by the linker's --wrap; it takes its time without a system call, for the filter has none to sleep with.
 */
#include <stdatomic.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/filters.h"
#include "workers/storage/storage.h"

enum {
    SLOW_S = 4,
};

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);

int __wrap_fdatasync(int fd)
{
    static _Atomic bool was_slow;
    uint64_t end_ns = clock_now_ns() + SLOW_S * NS_PER_S;

    if (!atomic_exchange(&was_slow, true)) {
        while (clock_now_ns() < end_ns)
            __builtin_ia32_pause();
    }
    return __real_fdatasync(fd);
}

static const struct worker_ops ops = {
    .process = PROCESS_STORAGE,
    .filter = &storage_filter,
    .schema = STORAGE_SCHEMA,
    .schema_min = STORAGE_SCHEMA,
    .state_max = STORAGE_STATE_MAX,
    .setup = storage_setup,
    .load = storage_load,
    .save = storage_save,
    .loop = storage_loop,
};

int main(int argc, char **argv)
{
    static struct storage s;

    return worker_main(&ops, &s, argc, argv);
}

/*
 * workers/storage/main.c - the storage worker: SCSI disks over VMBus, on files by io_uring. See README.md.
 */
#include "base/filters.h"
#include "workers/storage/storage.h"

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
    static struct storage s; /* more than a stack should hold */

    return worker_main(&ops, &s, argc, argv);
}

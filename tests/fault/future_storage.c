/*
 * tests/fault/future_storage.c - a storage worker of the future: it has forgotten how to read today's state.
 */
#include "base/filters.h"
#include "workers/storage/storage.h"

static const struct worker_ops ops = {
    .process = PROCESS_STORAGE,
    .filter = &storage_filter,
    .schema = STORAGE_SCHEMA + 2,
    .schema_min = STORAGE_SCHEMA + 1,
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

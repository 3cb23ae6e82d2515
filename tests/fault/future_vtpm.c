/*
 * tests/fault/future_vtpm.c - a vtpm of the future: it has forgotten how to read today's state.
 */
#include "base/filters.h"
#include "workers/vtpm/vtpm.h"

static const struct worker_ops ops = {
    .process = PROCESS_VTPM,
    .filter = &vtpm_filter,
    .schema = VTPM_SCHEMA + 2,
    .schema_min = VTPM_SCHEMA + 1,
    .state_max = VTPM_STATE_MAX,
    .setup = vtpm_setup,
    .load = vtpm_load,
    .access = vtpm_access,
    .save = vtpm_save,
    .log = vtpm_log,
    .released = vtpm_released,
};

int main(int argc, char **argv)
{
    static struct vtpm v;

    return worker_main(&ops, &v, argc, argv);
}

/*
 * workers/vtpm/main.c - the TPM 2.0 worker: libtpms behind a CRB interface. See README.md.
 */
#include "base/filters.h"
#include "workers/vtpm/vtpm.h"

static const struct worker_ops ops = {
    .process = PROCESS_VTPM,
    .filter = &vtpm_filter,
    .schema = VTPM_SCHEMA,
    .schema_min = VTPM_SCHEMA,
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
    static struct vtpm v; /* more than a stack should hold */

    return worker_main(&ops, &v, argc, argv);
}

/*
 * tests/fault/faulty_storage.c - the storage worker with faults that a guest can set off.
 *
 * INQUIRY of FAULT_CRASH_PAGE crashes it, of FAULT_HANG_PAGE hangs it. Generations from FAULT_LOOP_FIRST to
 * FAULT_LOOP_LAST crash when they take over, unless parked: a crash loop that ends. Everything else is the
 * real worker: its scsi_execute() is called through the one below by the linker's --wrap.
 */
#include "tests/fault/faulty_storage.h"

#include "base/filters.h"
#include "workers/storage/storage.h"

void __real_scsi_execute(struct scsi_lun *lun, const struct scsi_command *c, struct scsi_io *ret_io,
                         struct scsi_answer *ret);
void __wrap_scsi_execute(struct scsi_lun *lun, const struct scsi_command *c, struct scsi_io *ret_io,
                         struct scsi_answer *ret);

static _Noreturn void crash(void)
{
    volatile int *nowhere = NULL;

    *nowhere = 1;
    __builtin_trap();
}

void __wrap_scsi_execute(struct scsi_lun *lun, const struct scsi_command *c, struct scsi_io *ret_io,
                         struct scsi_answer *ret)
{
    if (c->cdb[0] == FAULT_OPCODE && c->cdb[2] == FAULT_CRASH_PAGE)
        crash();
    while (c->cdb[0] == FAULT_OPCODE && c->cdb[2] == FAULT_HANG_PAGE)
        __builtin_ia32_pause();
    __real_scsi_execute(lun, c, ret_io, ret);
}

static int faulty_load(void *self, struct rd *state, uint32_t schema)
{
    const struct storage *s = self;
    uint32_t generation = s->worker->generation;

    if (!s->worker->parked && generation >= FAULT_LOOP_FIRST && generation <= FAULT_LOOP_LAST)
        crash();
    return storage_load(self, state, schema);
}

static const struct worker_ops ops = {
    .process = PROCESS_STORAGE,
    .filter = &storage_filter,
    .schema = STORAGE_SCHEMA,
    .schema_min = STORAGE_SCHEMA,
    .state_max = STORAGE_STATE_MAX,
    .setup = storage_setup,
    .load = faulty_load,
    .save = storage_save,
    .loop = storage_loop,
};

int main(int argc, char **argv)
{
    static struct storage s;

    return worker_main(&ops, &s, argc, argv);
}

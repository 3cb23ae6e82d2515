/*
 * tests/fault/faulty_vtpm.c - the vtpm worker with faults that a guest can set off.
 *
 * GetRandom of FAULT_CRASH_BYTES crashes it, of FAULT_HANG_BYTES hangs it. Generations from
 * FAULT_LOOP_FIRST to FAULT_LOOP_LAST crash when they take over, unless parked: a crash loop that
 * ends. Everything else is the real worker.
 */
#include "tests/fault/faulty_vtpm.h"

#include <string.h>

#include "base/filters.h"
#include "base/rd.h"
#include "workers/vtpm/vtpm.h"

enum {
    CC_GET_RANDOM = 0x17b,
    COMMAND_BYTES = 12,
};

static _Noreturn void crash(void)
{
    volatile int *nowhere = NULL;

    *nowhere = 1;
    __builtin_trap();
}

static bool is_start(const struct port_request *rq)
{
    return rq->op == PORT_WRITE && rq->addr == CRB_ADDR + CRB_CTRL_START && (rq->data & 1) != 0;
}

/* How many bytes a GetRandom in the buffer asks for; 0: it is another command. */
static unsigned random_bytes(const struct vtpm *v)
{
    uint8_t command[COMMAND_BYTES] = {0};
    struct rd r = rd_over(command, sizeof(command));
    uint32_t code;

    memcpy(command, v->buffer, sizeof(command));
    (void)rd_be16(&r);
    (void)rd_be32(&r);
    code = rd_be32(&r);
    return code == CC_GET_RANDOM ? rd_be16(&r) : 0;
}

static enum access_result faulty_access(void *self, const struct port_request *rq, bool poison,
                                        struct port_response *rs)
{
    const struct vtpm *v = self;

    if (!poison && is_start(rq)) {
        if (random_bytes(v) == FAULT_CRASH_BYTES)
            crash();
        while (random_bytes(v) == FAULT_HANG_BYTES)
            ;
    }
    return vtpm_access(self, rq, poison, rs);
}

static int faulty_load(void *self, struct rd *state, uint32_t schema)
{
    const struct vtpm *v = self;
    uint32_t generation = v->worker->generation;

    if (!v->worker->parked && generation >= FAULT_LOOP_FIRST && generation <= FAULT_LOOP_LAST)
        crash();
    return vtpm_load(self, state, schema);
}

static const struct worker_ops ops = {
    .process = PROCESS_VTPM,
    .filter = &vtpm_filter,
    .schema = VTPM_SCHEMA,
    .schema_min = VTPM_SCHEMA,
    .state_max = VTPM_STATE_MAX,
    .setup = vtpm_setup,
    .load = faulty_load,
    .access = faulty_access,
    .save = vtpm_save,
    .log = vtpm_log,
    .released = vtpm_released,
};

int main(int argc, char **argv)
{
    static struct vtpm v;

    return worker_main(&ops, &v, argc, argv);
}

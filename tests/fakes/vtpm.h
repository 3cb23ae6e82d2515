/*
 * tests/fakes/vtpm.h - the vtpm worker without a process: the memory that outlives it, a guest that
 * drives it as Linux's tpm_crb does, and death at chosen instants.
 *
 * Generations follow each other in one process: libtpms has one TPM, so the old one is ended
 * before the next one begins. Its shared memory is copied at the instant of death; what it does
 * after that lands in memory that nobody sees.
 */
#pragma once

#include <assert.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "workers/journal.h"
#include "workers/vtpm/vtpm.h"

enum fake_cut {
    CUT_NONE,
    CUT_BEFORE_COMMIT, /* executed, and forgotten */
    CUT_AFTER_COMMIT,  /* not yet shown */
    CUT_AFTER_RELEASE, /* shown, but the access is not answered */
    CUT_BETWEEN,       /* answered; before the next access */
};

/* What outlives a generation. */
struct fake_memory {
    uint8_t *region, *registers, *buffer;
};

struct fake_vtpm {
    struct fake_memory memory;
    struct board_page *board;
    struct worker worker;
    struct vtpm vtpm;
    uint64_t seq; /* of the last request */
    uint32_t generation;
    bool parked;     /* for generations to come */
    uint64_t poison; /* the same */
};

static const struct worker_ops fake_vtpm_ops = {
    .process = PROCESS_VTPM,
    .schema = VTPM_SCHEMA,
    .schema_min = VTPM_SCHEMA,
    .state_max = VTPM_STATE_MAX,
    .load = vtpm_load,
    .save = vtpm_save,
    .log = vtpm_log,
};

static inline uint8_t *fake_zeroed(size_t len)
{
    uint8_t *p = calloc(1, len);

    if (p == NULL)
        abort();
    return p;
}

static inline struct fake_memory fake_memory_new(void)
{
    return (struct fake_memory){.region = fake_zeroed(REGION_VTPM_BYTES),
                                .registers = fake_zeroed(CRB_REGISTERS_BYTES),
                                .buffer = fake_zeroed(CRB_BUFFER_BYTES)};
}

static inline void fake_memory_free(struct fake_memory *m)
{
    free(m->region);
    free(m->registers);
    free(m->buffer);
}

static inline void fake_memory_copy(struct fake_memory *to, const struct fake_memory *from)
{
    memcpy(to->region, from->region, REGION_VTPM_BYTES);
    memcpy(to->registers, from->registers, CRB_REGISTERS_BYTES);
    memcpy(to->buffer, from->buffer, CRB_BUFFER_BYTES);
}

static inline int fake_vtpm_try_start(struct fake_vtpm *f)
{
    struct worker *w = &f->worker;
    int r;

    memset(&f->vtpm, 0, sizeof(f->vtpm));
    *w = (struct worker){.ops = &fake_vtpm_ops,
                         .self = &f->vtpm,
                         .generation = ++f->generation,
                         .parked = f->parked,
                         .poison = f->poison,
                         .lock = PTHREAD_MUTEX_INITIALIZER};
    board_attach(&w->board, f->board, w->generation);
    board_take_rows(&w->board);
    r = region_attach(&w->region, f->memory.region, REGION_VTPM_BYTES);
    if (r == 0)
        r = vtpm_setup_mapped(&f->vtpm, w, f->memory.registers, f->memory.buffer);
    return r < 0 ? r : journal_load(w);
}

static inline void fake_vtpm_start(struct fake_vtpm *f)
{
    if (fake_vtpm_try_start(f) < 0)
        abort();
}

static inline void fake_vtpm_init(struct fake_vtpm *f)
{
    memset(f, 0, sizeof(*f));
    f->memory = fake_memory_new();
    f->board = (struct board_page *)(void *)fake_zeroed(BOARD_BYTES);
    fake_vtpm_start(f);
}

static inline void fake_vtpm_free(struct fake_vtpm *f)
{
    vtpm_done(&f->vtpm);
    fake_memory_free(&f->memory);
    free(f->board);
}

/* Die now. The caller does not hold the lock. */
static inline void fake_vtpm_die(struct fake_vtpm *f)
{
    struct fake_memory seen = f->memory;
    struct fake_memory kept = fake_memory_new();

    (void)pthread_mutex_lock(&f->worker.lock);
    fake_memory_copy(&kept, &seen);
    (void)pthread_mutex_unlock(&f->worker.lock);
    vtpm_done(&f->vtpm);
    fake_memory_free(&seen);
    f->memory = kept;
}

static inline void fake_vtpm_restart(struct fake_vtpm *f)
{
    fake_vtpm_die(f);
    fake_vtpm_start(f);
}

/* As the skeleton serves a request, up to the cut. True: answered. */
static inline bool fake_serve(struct fake_vtpm *f, const struct port_request *rq, enum fake_cut cut,
                              uint64_t *ret_data)
{
    struct worker *w = &f->worker;
    struct port_response rs = {.seq = rq->seq};
    enum access_result result;

    if (w->answered[0].seq == rq->seq) {
        *ret_data = w->answered[0].data;
        return true;
    }
    region_set_executing(&w->region, worker_request_id(0, rq->seq));
    result = vtpm_access(&f->vtpm, rq, worker_request_id(0, rq->seq) == w->poison, &rs);
    if (cut == CUT_BEFORE_COMMIT)
        return false;
    if (result != ACCESS_CLEAN) {
        journal_answer(w, 0, &rs, result);
        if (cut == CUT_AFTER_COMMIT)
            return false;
        vtpm_released(&f->vtpm);
    }
    if (cut == CUT_AFTER_COMMIT || cut == CUT_AFTER_RELEASE)
        return false;
    region_set_executing(&w->region, w->background);
    *ret_data = rs.data;
    return true;
}

/* One access of the guest; with a cut the worker dies there, and its successor is asked again. */
static inline uint64_t fake_access(struct fake_vtpm *f, const struct port_request *request,
                                   enum fake_cut cut)
{
    struct port_request rq = *request;
    uint64_t data = 0;
    bool answered;

    rq.seq = ++f->seq;
    rq.space = PORT_SPACE_MMIO;
    (void)pthread_mutex_lock(&f->worker.lock);
    answered = fake_serve(f, &rq, cut, &data);
    if (answered)
        (void)pthread_mutex_unlock(&f->worker.lock);
    if (cut == CUT_NONE)
        return data;
    if (!answered) { /* die before anybody else can go on */
        struct fake_memory seen = f->memory;
        struct fake_memory kept = fake_memory_new();

        fake_memory_copy(&kept, &seen);
        (void)pthread_mutex_unlock(&f->worker.lock);
        vtpm_done(&f->vtpm);
        fake_memory_free(&seen);
        f->memory = kept;
        fake_vtpm_start(f);
        (void)pthread_mutex_lock(&f->worker.lock);
        if (!fake_serve(f, &rq, CUT_NONE, &data))
            abort();
        (void)pthread_mutex_unlock(&f->worker.lock);
        return data;
    }
    fake_vtpm_restart(f);
    return data;
}

static inline void fake_write(struct fake_vtpm *f, uint32_t offset, uint32_t value,
                              enum fake_cut cut)
{
    struct port_request rq = {
        .op = PORT_WRITE, .addr = CRB_ADDR + offset, .size = 4, .data = value};

    (void)fake_access(f, &rq, cut);
}

/* What the guest reads without an exit. */
static inline uint32_t fake_register(const struct fake_vtpm *f, uint32_t offset)
{
    const _Atomic uint32_t *page = (const _Atomic uint32_t *)(const void *)f->memory.registers;

    return atomic_load(&page[offset / 4]);
}

static inline uint32_t fake_response_len(const struct fake_vtpm *f)
{
    const uint8_t *b = f->memory.buffer;
    uint32_t len = (uint32_t)b[2] << 24 | (uint32_t)b[3] << 16 | (uint32_t)b[4] << 8 | b[5];

    return len <= CRB_BUFFER_BYTES ? len : CRB_BUFFER_BYTES;
}

/* Request the locality, get ready, write the command, START; does not wait. */
static inline void fake_begin(struct fake_vtpm *f, const uint8_t *command, size_t len,
                              enum fake_cut cut)
{
    assert(len <= CRB_BUFFER_BYTES);
    fake_write(f, CRB_LOC_CTRL, CRB_LOC_CTRL_REQUEST, CUT_NONE);
    fake_write(f, CRB_CTRL_REQ, CRB_REQ_CMD_READY, CUT_NONE);
    fake_write(f, CRB_CTRL_CANCEL, 0, CUT_NONE);
    memcpy(f->memory.buffer, command, len);
    fake_write(f, CRB_CTRL_START, 1, cut);
}

static inline void fake_wait(const struct fake_vtpm *f)
{
    while (fake_register(f, CRB_CTRL_START) != 0)
        (void)sched_yield();
}

/* Copy the response out (rsp has CRB_BUFFER_BYTES), go idle, let the locality go. */
static inline uint32_t fake_end(struct fake_vtpm *f, uint8_t *rsp)
{
    uint32_t len = fake_response_len(f);

    memcpy(rsp, f->memory.buffer, len);
    fake_write(f, CRB_CTRL_REQ, CRB_REQ_GO_IDLE, CUT_NONE);
    fake_write(f, CRB_LOC_CTRL, CRB_LOC_CTRL_RELINQUISH, CUT_NONE);
    return len;
}

/* A whole command, as Linux sends it. Returns the response code; rsp may be NULL. */
static inline uint32_t fake_command(struct fake_vtpm *f, const uint8_t *command, size_t len,
                                    enum fake_cut cut, uint8_t *rsp)
{
    uint8_t own[CRB_BUFFER_BYTES];
    uint8_t *out = rsp != NULL ? rsp : own;
    uint32_t n;

    fake_begin(f, command, len, cut);
    fake_wait(f);
    n = fake_end(f, out);
    return command_response_code(out, n);
}

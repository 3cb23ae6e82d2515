/*
 * tests/fault/slow_storage.c - the storage worker, slow between the stores that a successor relies on.
 *
 * That is before and after rings, log, journal and the kernel are told of something: see dawdle.h.
 */
#include "base/filters.h"
#include "tests/fault/dawdle.h"
#include "workers/journal.h"
#include "workers/storage/storage.h"

bool __real_vmring_produced(const struct vmring *r, uint32_t before, uint32_t write);
bool __wrap_vmring_produced(const struct vmring *r, uint32_t before, uint32_t write);
bool __real_vmring_consumed(const struct vmring *r, uint32_t before, uint32_t read);
bool __wrap_vmring_consumed(const struct vmring *r, uint32_t before, uint32_t read);
void __real_vmring_copy(const struct vmring *r, const struct vmring_packet *p, uint32_t from,
                        void *out, uint32_t len);
void __wrap_vmring_copy(const struct vmring *r, const struct vmring_packet *p, uint32_t from,
                        void *out, uint32_t len);
void __real_flow_answer(struct flow *f, unsigned slot, const void *answer, uint32_t len);
void __wrap_flow_answer(struct flow *f, unsigned slot, const void *answer, uint32_t len);
int __real_uring_submit(struct uring *u);
int __wrap_uring_submit(struct uring *u);
void __real_uring_advance(struct uring *u, uint32_t n);
void __wrap_uring_advance(struct uring *u, uint32_t n);
int __real_gmem_set_bit(const struct gmem *m, struct gpa word, unsigned bit);
int __wrap_gmem_set_bit(const struct gmem *m, struct gpa word, unsigned bit);
void __real_journal_commit(struct worker *w);
void __wrap_journal_commit(struct worker *w);

bool __wrap_vmring_produced(const struct vmring *r, uint32_t before, uint32_t write)
{
    bool signal;

    dawdle();
    signal = __real_vmring_produced(r, before, write);
    dawdle();
    return signal;
}

bool __wrap_vmring_consumed(const struct vmring *r, uint32_t before, uint32_t read)
{
    bool signal;

    dawdle();
    signal = __real_vmring_consumed(r, before, read);
    dawdle();
    return signal;
}

void __wrap_vmring_copy(const struct vmring *r, const struct vmring_packet *p, uint32_t from,
                        void *out, uint32_t len)
{
    dawdle();
    __real_vmring_copy(r, p, from, out, len);
}

void __wrap_flow_answer(struct flow *f, unsigned slot, const void *answer, uint32_t len)
{
    dawdle();
    __real_flow_answer(f, slot, answer, len);
    dawdle();
}

int __wrap_uring_submit(struct uring *u)
{
    int r;

    dawdle();
    r = __real_uring_submit(u);
    dawdle();
    return r;
}

void __wrap_uring_advance(struct uring *u, uint32_t n)
{
    dawdle();
    __real_uring_advance(u, n);
    dawdle();
}

int __wrap_gmem_set_bit(const struct gmem *m, struct gpa word, unsigned bit)
{
    int was = __real_gmem_set_bit(m, word, bit);

    dawdle();
    return was;
}

void __wrap_journal_commit(struct worker *w)
{
    dawdle();
    __real_journal_commit(w);
    dawdle();
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

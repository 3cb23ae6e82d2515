/* The plain functions: no provider, no allocation, no file under the supervisor's filter. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "tests/sim/disk_load.h"

#include <errno.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/rd.h"
#include "base/wr.h"

enum {
    HOT_SECTORS = 256,
    SMALL_SECTORS = 16,
    SCSI_BUSY = 8,
    REGISTER_EVERY = 512, /* operations */
    VERIFY_SECTORS = 256,
    OP_TEST_READY = 0x00,
    OP_INQUIRY = 0x12,
    OP_READ16 = 0x88,
    OP_WRITE16 = 0x8a,
    OP_SYNC16 = 0x91,
    OP_SAME16 = 0x93,
    OP_UNMAP = 0x42,
    OP_CAPACITY = 0x9e,
    OP_PR_IN = 0x5e,
    OP_PR_OUT = 0x5f,
    FUA = 8,
};

static const uint64_t NO_ANSWER_NS = 10 * NS_PER_S;
static const uint64_t BUSY_NS = 3 * NS_PER_MS; /* until it is tried again */
static const uint64_t LOOK_NS = 3 * NS_PER_MS; /* an answer may have come by another vCPU */

static uint64_t deaths_of(const struct disk_load *l)
{
    return l->scsi->vmbus->sim->super.registry.rows[PROCESS_STORAGE].live.number + l->shams;
}

static struct load_op *op_of(struct disk_load *l, const struct scsi_rq *rq)
{
    return &l->queues[rq->channel].ops[rq->tag];
}

static unsigned reader_of(const struct scsi_rq *rq)
{
    return (unsigned)rq->channel * SCSI_GUEST_TAGS + rq->tag;
}
_Static_assert(SCSI_GUEST_CHANNELS *SCSI_GUEST_TAGS < MODEL_READERS, "a number for each tag");

static struct vmbus_guest *vmbus_of(const struct disk_load *l)
{
    return l->scsi->vmbus;
}

/* --- answers --- */

static void check_read(struct disk_load *l, const struct scsi_rq *rq, const struct load_op *op)
{
    uint8_t bytes[MODEL_SECTOR];
    char why[160] = "";

    for (uint32_t i = 0; i < op->ranges[0].n; i++) {
        scsi_get_data(l->scsi, rq, i * MODEL_SECTOR, bytes, MODEL_SECTOR);
        if (model_check(l->model, reader_of(rq), op->ranges[0].lba + i, bytes, why) < 0) {
            vmbus_fail(vmbus_of(l), "%s", why);
            return;
        }
    }
    if (rq->moved != op->ranges[0].n * MODEL_SECTOR)
        vmbus_fail(vmbus_of(l), "a read of %u sectors moved %u bytes", op->ranges[0].n, rq->moved);
}

static void end_writes(struct disk_load *l, const struct load_op *op)
{
    for (unsigned i = 0; i < op->n_ranges; i++)
        model_write_end(l->model, op->ranges[i].lba, op->ranges[i].n, op->ranges[i].version,
                        op->ranges[i].tick);
}

static void check(struct disk_load *l, const struct scsi_rq *rq, const struct load_op *op)
{
    switch (op->kind) {
    case LOAD_READ:
        check_read(l, rq, op);
        model_read_end(l->model, reader_of(rq));
        return;
    case LOAD_WRITE:
    case LOAD_SAME:
    case LOAD_UNMAP:
        end_writes(l, op);
        return;
    case LOAD_REGISTER:
        l->registrations++;
        l->registering = false;
        return;
    case LOAD_FLUSH:
    case LOAD_LOOK:
    case LOAD_KINDS:
        return;
    }
}

static void again(struct disk_load *l, struct scsi_rq *rq)
{
    struct load_queue *q = &l->queues[rq->channel];

    (void)pthread_mutex_lock(&q->lock);
    q->again[q->n_again++] = rq;
    (void)pthread_mutex_unlock(&q->lock);
}

static void note_times(struct disk_load *l, const struct load_op *op)
{
    uint64_t deaths = deaths_of(l);
    uint64_t now;

    (void)pthread_mutex_lock(&l->stalls_lock);
    now = clock_now_ns(); /* here, or another thread's answer may be later */
    if (op->deaths != deaths && l->n_stalls < LOAD_STALLS)
        l->stalls_us[l->n_stalls++] = (now - op->began_ns) / NS_PER_US;
    if (l->deaths_at_last != deaths && l->n_gaps < LOAD_STALLS && l->last_ns != 0)
        l->gaps_us[l->n_gaps++] = (now - l->last_ns) / NS_PER_US;
    l->deaths_at_last = deaths;
    l->last_ns = now;
    (void)pthread_mutex_unlock(&l->stalls_lock);
}

static void on_answer(struct scsi_guest *s, struct scsi_rq *rq)
{
    struct disk_load *l = s->self;
    const struct load_op *op = op_of(l, rq);

    note_times(l, op);
    rq->tick = 0;
    if (rq->scsi_status == SCSI_BUSY) {
        l->busy++;
        rq->tick = clock_now_ns() + BUSY_NS;
        again(l, rq);
        return;
    }
    if (!scsi_is_good(rq)) {
        l->errors++;
        rq->tick = clock_now_ns() + BUSY_NS;
        if (!l->errors_expected)
            vmbus_fail(s->vmbus, "kind %u at %u: status %#x, srb %#x, scsi %#x, sense %#x",
                       (unsigned)op->kind, op->ranges[0].lba, rq->status, rq->srb_status,
                       rq->scsi_status, scsi_sense_of(rq));
        again(l, rq); /* until it works: what it did is not known */
        return;
    }
    check(l, rq, op);
    l->done[op->kind]++;
    l->bytes += rq->moved;
    scsi_put(s, rq);
}

/* --- requests --- */

static void choose_range(struct disk_load *l, struct load_queue *q, struct load_range *ret,
                         uint32_t most)
{
    uint32_t n_sectors = l->model->n_sectors;
    bool small = sim_random(&q->random) % 8 != 0;
    uint32_t limit = small && most > SMALL_SECTORS ? SMALL_SECTORS : most;
    uint32_t where = sim_random(&q->random) % 2 == 0 ? HOT_SECTORS : n_sectors;

    ret->n = 1 + (uint32_t)(sim_random(&q->random) % limit);
    ret->lba = (uint32_t)(sim_random(&q->random) % where);
    if (ret->lba + ret->n > n_sectors)
        ret->lba = n_sectors - ret->n;
}

static struct scsi_rq *take(struct disk_load *l, unsigned channel, uint32_t offset, uint32_t len,
                            enum load_kind kind)
{
    struct scsi_rq *rq = scsi_take(l->scsi, channel, offset, len);

    if (rq == NULL)
        return NULL;
    rq->done = on_answer;
    *op_of(l, rq) = (struct load_op){.kind = kind};
    return rq;
}

static struct scsi_rq *make_read(struct disk_load *l, unsigned channel)
{
    struct load_queue *q = &l->queues[channel];
    uint32_t offset = (uint32_t)(sim_random(&q->random) % 8) * MODEL_SECTOR;
    struct load_range range;
    struct scsi_rq *rq;
    uint8_t cdb[16];

    choose_range(l, q, &range, l->max_sectors);
    rq = take(l, channel, offset, range.n * MODEL_SECTOR, LOAD_READ);
    if (rq == NULL)
        return NULL;
    op_of(l, rq)->ranges[0] = range;
    scsi_cdb16(cdb, OP_READ16, range.lba, range.n);
    scsi_command(rq, l->lun, cdb, sizeof(cdb), SCSI_FROM_DEVICE);
    model_read_begin(l->model, reader_of(rq));
    return rq;
}

/* Its versions, in the model; without them it is put back. */
static bool begin_writes(struct disk_load *l, struct scsi_rq *rq, enum model_kind kind)
{
    struct load_op *op = op_of(l, rq);
    struct load_range *r = &op->ranges[op->n_ranges];

    if (!model_write_begin(l->model, r->lba, r->n, kind, &r->version, &r->tick))
        return false;
    op->n_ranges++;
    return true;
}

static void fill(struct disk_load *l, struct scsi_rq *rq, const struct load_range *range,
                 enum model_kind kind, uint32_t n)
{
    uint8_t bytes[MODEL_SECTOR];

    for (uint32_t i = 0; i < n; i++) {
        model_fill(l->model, range->lba + i, range->version, kind, bytes);
        scsi_set_data(l->scsi, rq, i * MODEL_SECTOR, bytes, MODEL_SECTOR);
    }
}

static struct scsi_rq *make_write(struct disk_load *l, unsigned channel)
{
    struct load_queue *q = &l->queues[channel];
    uint32_t offset = (uint32_t)(sim_random(&q->random) % 8) * MODEL_SECTOR;
    struct load_range range;
    struct scsi_rq *rq;
    struct load_op *op;
    uint8_t cdb[16];

    choose_range(l, q, &range, l->max_sectors);
    rq = take(l, channel, offset, range.n * MODEL_SECTOR, LOAD_WRITE);
    if (rq == NULL)
        return NULL;
    op = op_of(l, rq);
    op->ranges[0] = range;
    if (!begin_writes(l, rq, MODEL_DATA)) {
        scsi_put(l->scsi, rq);
        return NULL;
    }
    fill(l, rq, &op->ranges[0], MODEL_DATA, range.n);
    scsi_cdb16(cdb, OP_WRITE16, range.lba, range.n);
    if (sim_random(&q->random) % 32 == 0)
        cdb[1] = FUA;
    scsi_command(rq, l->lun, cdb, sizeof(cdb), SCSI_TO_DEVICE);
    return rq;
}

static struct scsi_rq *make_same(struct disk_load *l, unsigned channel)
{
    struct load_queue *q = &l->queues[channel];
    enum model_kind kind = sim_random(&q->random) % 2 == 0 ? MODEL_SAME : MODEL_ZERO;
    struct scsi_rq *rq = take(l, channel, 0, MODEL_SECTOR, LOAD_SAME);
    struct load_op *op;
    uint8_t cdb[16];

    if (rq == NULL)
        return NULL;
    op = op_of(l, rq);
    choose_range(l, q, &op->ranges[0], l->max_sectors);
    if (!begin_writes(l, rq, kind)) {
        scsi_put(l->scsi, rq);
        return NULL;
    }
    fill(l, rq, &op->ranges[0], kind, 1);
    scsi_cdb16(cdb, OP_SAME16, op->ranges[0].lba, op->ranges[0].n);
    if (kind == MODEL_ZERO && sim_random(&q->random) % 2 == 0)
        cdb[1] = 8; /* UNMAP */
    scsi_command(rq, l->lun, cdb, sizeof(cdb), SCSI_TO_DEVICE);
    return rq;
}

/* A list of as many ranges as the model has room for. */
static void put_unmap_list(struct disk_load *l, struct scsi_rq *rq, const struct load_op *op)
{
    uint8_t list[8 + 16 * LOAD_RANGES] = {0};
    struct wr w = wr_over(list, sizeof(list));

    wr_be16(&w, (uint16_t)(6 + 16 * op->n_ranges));
    wr_be16(&w, (uint16_t)(16 * op->n_ranges));
    wr_be32(&w, 0);
    for (unsigned i = 0; i < op->n_ranges; i++) {
        wr_be32(&w, 0);
        wr_be32(&w, op->ranges[i].lba);
        wr_be32(&w, op->ranges[i].n);
        wr_be32(&w, 0);
    }
    scsi_set_data(l->scsi, rq, 0, list, rq->data_len);
}

static struct scsi_rq *make_unmap(struct disk_load *l, unsigned channel)
{
    struct load_queue *q = &l->queues[channel];
    unsigned wanted = 1 + (unsigned)(sim_random(&q->random) % LOAD_RANGES);
    struct scsi_rq *rq = take(l, channel, 0, 8 + 16 * wanted, LOAD_UNMAP);
    struct load_op *op;
    uint8_t cdb[10] = {OP_UNMAP};

    if (rq == NULL)
        return NULL;
    op = op_of(l, rq);
    for (unsigned i = 0; i < wanted && op->n_ranges == i; i++) {
        choose_range(l, q, &op->ranges[i], l->max_sectors);
        (void)begin_writes(l, rq, MODEL_ZERO);
    }
    if (op->n_ranges == 0) {
        scsi_put(l->scsi, rq);
        return NULL;
    }
    rq->data_len = 8 + 16 * op->n_ranges;
    put_unmap_list(l, rq, op);
    cdb[8] = (uint8_t)rq->data_len;
    scsi_command(rq, l->lun, cdb, sizeof(cdb), SCSI_TO_DEVICE);
    return rq;
}

static struct scsi_rq *make_plain(struct disk_load *l, unsigned channel, enum load_kind kind)
{
    static const struct {
        uint8_t cdb[16];
        uint8_t len;
        uint32_t data;
    } looks[] = {
        {{OP_TEST_READY},                 6,  0 },
        {{OP_INQUIRY, [4] = 36},          6,  36},
        {{OP_CAPACITY, 0x10, [13] = 32},  16, 32},
        {{OP_INQUIRY, 1, 0xb2, [4] = 64}, 6,  64},
        {{OP_SYNC16},                     16, 0 },
    };
    uint64_t random = sim_random(&l->queues[channel].random);
    unsigned i = kind == LOAD_FLUSH ? 4 : (unsigned)(random % 4);
    struct scsi_rq *rq = take(l, channel, 0, looks[i].data, kind);

    if (rq != NULL)
        scsi_command(rq, l->lun, looks[i].cdb, looks[i].len,
                     looks[i].data > 0 ? SCSI_FROM_DEVICE : SCSI_NO_TRANSFER);
    return rq;
}

/* The key is the number of registrations: done twice, it would not match. */
static struct scsi_rq *make_register(struct disk_load *l, unsigned channel)
{
    static const uint8_t cdb[10] = {OP_PR_OUT, [8] = 24};
    uint8_t list[24] = {0};
    struct wr w = wr_over(list, sizeof(list));
    struct scsi_rq *rq;

    if (atomic_exchange(&l->registering, true))
        return NULL;
    rq = take(l, channel, 0, sizeof(list), LOAD_REGISTER);
    if (rq == NULL) {
        l->registering = false;
        return NULL;
    }
    wr_be32(&w, 0);
    wr_be32(&w, (uint32_t)l->registrations);
    wr_be32(&w, 0);
    wr_be32(&w, (uint32_t)l->registrations + 1);
    scsi_set_data(l->scsi, rq, 0, list, sizeof(list));
    scsi_command(rq, l->lun, cdb, sizeof(cdb), SCSI_TO_DEVICE);
    return rq;
}

static struct scsi_rq *make(struct disk_load *l, unsigned channel)
{
    uint64_t random = sim_random(&l->queues[channel].random);
    struct scsi_rq *rq = NULL;

    if (random % REGISTER_EVERY == 0)
        rq = make_register(l, channel);
    else if (random % 32 == 1)
        rq = make_unmap(l, channel);
    else if (random % 32 == 2)
        rq = make_same(l, channel);
    else if (random % 32 == 3)
        rq = make_plain(l, channel, LOAD_FLUSH);
    else if (random % 32 == 4)
        rq = make_plain(l, channel, LOAD_LOOK);
    else if (random % 2 == 0)
        rq = make_write(l, channel);
    return rq != NULL ? rq : make_read(l, channel);
}

/* False: the ring has no room; the host signals when there is. */
static bool submit(struct disk_load *l, struct scsi_rq *rq)
{
    op_of(l, rq)->deaths = deaths_of(l);
    op_of(l, rq)->began_ns = clock_now_ns();
    if (scsi_submit(l->scsi, rq) == 0)
        return true;
    l->full++;
    again(l, rq);
    return false;
}

/* The next that is due, taken out; NULL: none is. */
static struct scsi_rq *take_again(struct load_queue *q)
{
    uint64_t now = clock_now_ns();
    struct scsi_rq *rq = NULL;

    (void)pthread_mutex_lock(&q->lock);
    for (unsigned i = 0; rq == NULL && i < q->n_again; i++) {
        if (q->again[i]->tick > now)
            continue;
        rq = q->again[i];
        q->again[i] = q->again[--q->n_again];
    }
    (void)pthread_mutex_unlock(&q->lock);
    return rq;
}

static bool submit_again(struct disk_load *l, unsigned channel)
{
    struct load_queue *q = &l->queues[channel];

    for (unsigned left = q->n_again; left > 0; left--) {
        struct scsi_rq *rq = take_again(q);

        if (rq == NULL)
            return true;
        if (!submit(l, rq))
            return false;
    }
    return true;
}

static bool is_mine(const struct disk_load *l, unsigned channel, unsigned vp)
{
    return channel % vmbus_of(l)->n_vps == vp;
}

static void print_channels(struct disk_load *l, unsigned vp)
{
    for (unsigned i = 0; i < l->scsi->n_queues; i++) {
        const struct scsi_queue *q = &l->scsi->queues[i];
        const struct guest_channel *c = &q->channel;

        sim_print(vmbus_of(l)->sim, vp,
                  "channel %u of vCPU %u: %u on their way; out %u %u mask %u pending %u; "
                  "in %u %u mask %u pending %u; flags %#llx\n",
                  c->relid, c->vp, q->in_flight, *vring_field(&c->out, VRING_AT_WRITE),
                  *vring_field(&c->out, VRING_AT_READ), *vring_field(&c->out, VRING_AT_MASK),
                  *vring_field(&c->out, VRING_AT_PENDING), *vring_field(&c->in, VRING_AT_WRITE),
                  *vring_field(&c->in, VRING_AT_READ), *vring_field(&c->in, VRING_AT_MASK),
                  *vring_field(&c->in, VRING_AT_PENDING),
                  (unsigned long long)*(const uint64_t *)(const void *)vmbus_host(
                      vmbus_of(l), vmbus_of(l)->vps[c->vp].flags + 512));
    }
}

static void wait_a_little(struct disk_load *l, unsigned vp, bool on_its_way)
{
    if (!vmbus_halt(vmbus_of(l), vp, LOOK_NS) && on_its_way &&
        clock_now_ns() > l->last_ns + NO_ANSWER_NS && !vm_has_ended(&vmbus_of(l)->sim->super.vm)) {
        print_channels(l, vp);
        vmbus_fail(vmbus_of(l), "requests are on their way, and nothing comes");
    }
}

/* True when something is on its way there. */
static bool fill_channel(struct disk_load *l, unsigned i)
{
    struct scsi_queue *q = &l->scsi->queues[i];

    if (!submit_again(l, i))
        return true;
    for (unsigned left = l->qd; left > 0 && q->in_flight + l->queues[i].n_again < l->qd; left--) {
        struct scsi_rq *rq = make(l, i);

        if (rq == NULL || !submit(l, rq))
            break;
    }
    return q->in_flight > 0;
}

void load_step(struct disk_load *l, unsigned vp)
{
    bool any = false;

    for (unsigned i = 0; i < l->scsi->n_queues; i++) {
        if (!is_mine(l, i, vp))
            continue;
        any |= fill_channel(l, i);
        if (l->polls)
            vmbus_channel_event(&l->scsi->queues[i].channel);
    }
    if (l->polls)
        (void)vmbus_halt(vmbus_of(l), vp, 0);
    else
        wait_a_little(l, vp, any);
}

void load_step_alone(struct disk_load *l, unsigned vp)
{
    bool any = false;

    for (unsigned i = 0; i < l->scsi->n_queues; i++)
        any |= fill_channel(l, i);
    wait_a_little(l, vp, any);
}

bool load_drain(struct disk_load *l, unsigned vp)
{
    bool any = true;

    while (any && !vmbus_of(l)->failed) {
        any = false;
        for (unsigned i = 0; i < l->scsi->n_queues; i++) {
            (void)submit_again(l, i);
            any |= l->scsi->queues[i].in_flight > 0 || l->queues[i].n_again > 0;
        }
        if (any)
            wait_a_little(l, vp, true);
    }
    return !vmbus_of(l)->failed;
}

/* --- at the end --- */

static bool verify_part(struct disk_load *l, unsigned vp, uint32_t lba, uint32_t n, SHA256_CTX *sha)
{
    static uint8_t bytes[VERIFY_SECTORS * MODEL_SECTOR];
    struct scsi_rq *rq = scsi_take(l->scsi, 0, 0, n * MODEL_SECTOR);
    char why[160] = "";
    uint8_t cdb[16];
    int r = 0;

    scsi_cdb16(cdb, OP_READ16, lba, n);
    scsi_command(rq, l->lun, cdb, sizeof(cdb), SCSI_FROM_DEVICE);
    model_read_begin(l->model, MODEL_READERS - 1);
    if (!scsi_run(l->scsi, rq, vp))
        return false;
    scsi_get_data(l->scsi, rq, 0, bytes, n * MODEL_SECTOR);
    for (uint32_t i = 0; r == 0 && i < n; i++)
        r = model_check(l->model, MODEL_READERS - 1, lba + i, bytes + i * MODEL_SECTOR, why);
    model_read_end(l->model, MODEL_READERS - 1);
    if (r < 0 || !scsi_is_good(rq))
        vmbus_fail(vmbus_of(l), "at the end: %s", why);
    scsi_put(l->scsi, rq);
    (void)SHA256_Update(sha, bytes, n * MODEL_SECTOR);
    return !vmbus_of(l)->failed;
}

bool load_verify_all(struct disk_load *l, unsigned vp, uint8_t digest[32])
{
    SHA256_CTX sha;
    uint32_t n;

    (void)SHA256_Init(&sha);
    for (uint32_t lba = 0; lba < l->model->n_sectors; lba += n) {
        uint32_t left = l->model->n_sectors - lba;

        n = left < VERIFY_SECTORS ? left : VERIFY_SECTORS;
        if (!verify_part(l, vp, lba, n, &sha))
            return false;
    }
    (void)SHA256_Final(digest, &sha);
    return true;
}

bool load_verify_registrations(struct disk_load *l, unsigned vp)
{
    static const uint8_t cdb[10] = {OP_PR_IN, [8] = 16};
    uint32_t expected = (uint32_t)l->registrations;
    uint8_t data[16] = {0};
    struct rd r = rd_over(data, sizeof(data));
    uint32_t generation, length, key;
    struct scsi_rq rq;

    if (expected == 0)
        return true;
    if (!scsi_ask(l->scsi, vp, l->lun, cdb, sizeof(cdb), data, sizeof(data), &rq))
        return false;
    generation = rd_be32(&r);
    length = rd_be32(&r);
    (void)rd_be32(&r);
    key = rd_be32(&r);
    if (generation == expected && length == 8 && key == expected)
        return true;
    vmbus_fail(vmbus_of(l), "%u registrations; the unit says %u, key %u", expected, generation,
               key);
    return false;
}

static void print_times(struct disk_load *l, const char *what, uint64_t *t, unsigned n)
{
    if (n == 0)
        return;
    sim_sort(t, n);
    sim_print(vmbus_of(l)->sim, 0, "%s: %u, p50 %llu p90 %llu p99 %llu max %llu us\n", what, n,
              (unsigned long long)t[n / 2], (unsigned long long)t[(uint64_t)n * 9 / 10],
              (unsigned long long)t[(uint64_t)n * 99 / 100], (unsigned long long)t[n - 1]);
}

void load_print(struct disk_load *l, const char *what)
{
    struct sim *sim = vmbus_of(l)->sim;

    sim_print(sim, 0,
              "%s: reads %llu writes %llu same %llu unmaps %llu flushes %llu others %llu "
              "registrations %llu, %llu MiB\n",
              what, (unsigned long long)l->done[LOAD_READ], (unsigned long long)l->done[LOAD_WRITE],
              (unsigned long long)l->done[LOAD_SAME], (unsigned long long)l->done[LOAD_UNMAP],
              (unsigned long long)l->done[LOAD_FLUSH], (unsigned long long)l->done[LOAD_LOOK],
              (unsigned long long)l->registrations, (unsigned long long)l->bytes >> 20);
    sim_print(sim, 0, "%s: busy %llu full %llu errors %llu torn reads %llu\n", what,
              (unsigned long long)l->busy, (unsigned long long)l->full,
              (unsigned long long)l->errors, (unsigned long long)l->model->torn);
    print_times(l, "requests that met a death", l->stalls_us, l->n_stalls);
    print_times(l, "no answer at all around a death", l->gaps_us, l->n_gaps);
}

void load_init(struct disk_load *l, struct scsi_guest *scsi, struct disk_model *model, uint8_t lun,
               uint64_t seed)
{
    l->scsi = scsi;
    l->model = model;
    l->lun = lun;
    l->qd = 1;
    l->max_sectors = SMALL_SECTORS;
    l->last_ns = clock_now_ns();
    scsi->self = l;
    (void)pthread_mutex_init(&l->stalls_lock, NULL);
    for (unsigned i = 0; i < SCSI_GUEST_CHANNELS; i++) {
        (void)pthread_mutex_init(&l->queues[i].lock, NULL);
        l->queues[i].random = seed * SCSI_GUEST_CHANNELS + i;
    }
}

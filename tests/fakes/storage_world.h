/*
 * tests/fakes/storage_world.h - a storage worker without a process: guest memory with rings of a few
 * channels, the pages that it shares with others, a kernel's ring over files in memory, and a guest that
 * speaks storvsp. The worker can die: it is thrown away, and another one is made over the same pages.
 *
 * Nothing completes before the test says so (world_complete), but what the worker waits for: then one
 * request after the other does, which one as w->random says. A worker dies between two rounds
 * (world_die), or when it enters the kernel (w->die_in).
 *
 * One world at a time: it is larger than a stack, so whoever has it keeps it static.
 */
#pragma once

#include <assert.h>
#include <linux/falloc.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/fakes/guest_rings.h"
#include "tests/fakes/ring.h"
#include "workers/journal.h"
#include "workers/storage/storage.h"

enum {
    WORLD_CHANNELS = 3, /* of the first controller */
    WORLD_PAGES = 512,
    WORLD_FLAGS_PAGE = 1,
    WORLD_RINGS_AT = 8, /* pages */
    WORLD_DATA_AT = WORLD_RINGS_AT + WORLD_CHANNELS * 2 * RING_PAGES,
    WORLD_FILES = 6,
    WORLD_ROUNDS_MAX = 100000,
    WORLD_BOUNCES_MAX = 4096,
};

static const int32_t WORLD_AS_EVER = INT32_MIN;

struct world;

/* In memory; durable is what a power failure would leave. */
struct world_file {
    uint8_t *now, *durable;
    uint64_t bytes, room;
    unsigned syncs;
};

struct world {
    struct fake_ring kernel; /* first: this is what struct uring calls its fake */
    struct world_file files[WORLD_FILES];
    /* What a request comes to in place of what it asks for; WORLD_AS_EVER: that. May be NULL. */
    int32_t (*meddle)(struct world *w, const struct io_uring_sqe *sqe);
    uint32_t short_bytes; /* no read or write moves more; 0: all */
    uint64_t random;      /* in which order what is waited for completes; 0: as it was submitted */

    uint8_t *ram;
    struct gmem memory;
    struct guest_rings guests[WORLD_CHANNELS];
    struct vmbus_channel as_opened[WORLD_CHANNELS];
    struct disks_page disks;
    struct vmbus_channels channels;
    struct vmbus_synic synic;
    struct vmbus_acks acks;
    struct inflight_page log;
    _Alignas(4096) uint8_t region[1 << 19];
    struct port_page port;
    struct port_client port_client;
    struct board_page board;

    struct worker worker;
    struct storage *storage; /* of the generation that lives; NULL: none does */
    bool parked;
    uint64_t poison;
    uint32_t generation;
    uint32_t die_in; /* entries into the kernel from now; 0: not at one */
    bool die_late;   /* after the kernel has taken what was submitted */
    jmp_buf died;
    uint64_t now_ns;
    bool settled; /* nothing is to be looked at again */
    void *bounces[WORLD_BOUNCES_MAX];
    unsigned n_bounces;
};

static inline uint64_t world_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* --- files --- */

static inline int32_t world_move(struct world *w, struct world_file *f,
                                 const struct io_uring_sqe *sqe, const struct iovec *iov)
{
    uint64_t at = sqe->off;
    uint32_t left = w->short_bytes == 0 ? UINT32_MAX : w->short_bytes;
    int32_t moved = 0;

    for (uint32_t i = 0; i < sqe->len && left > 0; i++) {
        uint64_t n = iov[i].iov_len < left ? iov[i].iov_len : left;

        if (sqe->opcode == IORING_OP_READV && at + n > f->bytes)
            n = at < f->bytes ? f->bytes - at : 0;
        if (at + n > f->room)
            return moved > 0 ? moved : -ENOSPC;
        if (sqe->opcode == IORING_OP_READV) {
            memcpy(iov[i].iov_base, f->now + at, n);
        } else {
            memcpy(f->now + at, iov[i].iov_base, n);
            f->bytes = at + n > f->bytes ? at + n : f->bytes;
            if (sqe->rw_flags != 0)
                memcpy(f->durable + at, f->now + at, n);
        }
        moved += (int32_t)n;
        at += n;
        left -= (uint32_t)n;
        if (n < iov[i].iov_len)
            break;
    }
    return moved;
}

static inline int32_t world_allocate(struct world_file *f, const struct io_uring_sqe *sqe)
{
    uint64_t end = sqe->off + sqe->addr;

    if (end > f->room)
        return -ENOSPC;
    memset(f->now + sqe->off, 0, sqe->addr);
    if ((sqe->len & FALLOC_FL_KEEP_SIZE) == 0 && end > f->bytes)
        f->bytes = end;
    return 0;
}

static inline int32_t world_serve(void *self, const struct io_uring_sqe *sqe,
                                  const struct iovec *iov)
{
    struct world *w = self;
    struct world_file *f = &w->files[sqe->fd % WORLD_FILES];
    int32_t r = w->meddle == NULL ? WORLD_AS_EVER : w->meddle(w, sqe);

    if (r != WORLD_AS_EVER)
        return r;
    if (sqe->fd < 0 || sqe->fd >= WORLD_FILES || f->room == 0)
        return -EBADF;
    switch (sqe->opcode) {
    case IORING_OP_READV:
    case IORING_OP_WRITEV:
        return world_move(w, f, sqe, iov);
    case IORING_OP_FSYNC:
        memcpy(f->durable, f->now, f->room);
        f->syncs++;
        return 0;
    case IORING_OP_FALLOCATE:
        return world_allocate(f, sqe);
    default:
        return -EACCES;
    }
}

static inline void world_file_make(struct world *w, unsigned file, uint64_t bytes, uint64_t room)
{
    struct world_file *f = &w->files[file];

    free(f->now);
    free(f->durable);
    *f = (struct world_file){
        .now = calloc(1, room), .durable = calloc(1, room), .bytes = bytes, .room = room};
    assert(f->now != NULL && f->durable != NULL);
    w->disks.files[file] = (struct disk_file){.bytes = bytes, .in_use = 1};
}

/* --- death --- */

static inline bool world_is_ram(const struct world *w, const void *at)
{
    return (const uint8_t *)at >= w->ram && (const uint8_t *)at < w->ram + WORLD_PAGES * 4096;
}

/*
 * The kernel keeps the memory of a dead process for as long as requests name it. Here its stack and heap are
 * the successor's, so what lies there is moved.
 */
static inline void world_keep_memory(struct world *w)
{
    for (uint32_t i = 0; i < w->kernel.n_waiting; i++) {
        struct fake_request *rq = &w->kernel.waiting[i];

        for (uint32_t k = 0; rq->iov != NULL && k < rq->sqe.len; k++) {
            void *copy;

            if (world_is_ram(w, rq->iov[k].iov_base))
                continue;
            copy = calloc(1, rq->iov[k].iov_len + 1);
            assert(copy != NULL && w->n_bounces < WORLD_BOUNCES_MAX);
            if (rq->sqe.opcode == IORING_OP_WRITEV)
                memcpy(copy, rq->iov[k].iov_base, rq->iov[k].iov_len);
            w->bounces[w->n_bounces++] = copy;
            rq->iov[k].iov_base = copy;
        }
    }
}

static inline void world_die(struct world *w)
{
    struct storage *s = w->storage;

    w->die_in = 0;
    if (s == NULL)
        return;
    world_keep_memory(w);
    for (unsigned i = 0; i < STORAGE_UNITS; i++)
        block_close(s->units[i].block);
    free((void *)(uintptr_t)s->zeros);
    free(s);
    w->storage = NULL;
}

/* --- the kernel --- */

static inline bool world_complete(struct world *w, uint32_t i)
{
    if (i >= w->kernel.n_waiting)
        return false;
    fake_ring_work_one(&w->kernel, i);
    return true;
}

static inline bool world_complete_any(struct world *w)
{
    uint32_t n = w->kernel.n_waiting;
    uint64_t pick = n == 0 || w->random == 0 ? 0 : world_random(&w->random) % n;

    return world_complete(w, (uint32_t)pick);
}

/* Completions that found no room in the ring come with the next entry. */
static inline void world_overflow(struct world *w)
{
    uint32_t *flags = fake_ring_word(&w->kernel, w->kernel.shape.sq_flags);

    if ((*flags & IORING_SQ_CQ_OVERFLOW) != 0)
        fake_ring_work(&w->kernel, FAKE_RING_MAX);
    *flags &= ~(uint32_t)IORING_SQ_CQ_OVERFLOW;
}

static inline bool world_must_die(struct world *w)
{
    return w->die_in != 0 && --w->die_in == 0;
}

static inline int world_enter(struct uring *u, uint32_t submit, uint32_t completions,
                              uint64_t until_ns)
{
    struct world *w = u->self;
    bool dies = world_must_die(w);
    int r = 0;

    if (!dies || w->die_late)
        r = fake_ring_enter(u, submit, completions, until_ns);
    if (submit == 0 && completions == 0)
        world_overflow(w);
    if (dies) {
        world_die(w);
        longjmp(w->died, 1);
    }
    if (r == -ETIME)
        r = world_complete_any(w) ? 0 : -ETIME;
    return r;
}

/* --- the worker --- */

static inline void world_new_worker(struct world *w)
{
    static const struct worker_ops ops = {.process = PROCESS_STORAGE,
                                          .schema = STORAGE_SCHEMA,
                                          .schema_min = STORAGE_SCHEMA,
                                          .state_max = STORAGE_STATE_MAX,
                                          .load = storage_load,
                                          .save = storage_save};
    struct storage *s = calloc(1, sizeof(*s));
    int r;

    assert(s != NULL);
    w->storage = s;
    w->worker = (struct worker){.ops = &ops,
                                .self = s,
                                .generation = ++w->generation,
                                .parked = w->parked,
                                .poison = w->poison};
    board_attach(&w->worker.board, &w->board, w->generation);
    board_take_rows(&w->worker.board);
    r = region_attach(&w->worker.region, w->region, sizeof(w->region));
    assert(r == 0);
    region_begin(&w->worker.region, w->generation);
    s->worker = s->bus.worker = &w->worker;
    s->metadata = metadata_io(s);
    s->bus.memory = w->memory;
    s->bus.bell_fd = -1;
    s->bus.vmbus_bell_fd = -1;
    for (unsigned i = 0; i < VPS_MAX; i++)
        s->bus.irq_fds[i] = -1;
    s->disks = &w->disks;
    s->bus.channels = &w->channels;
    s->bus.synic = &w->synic;
    s->bus.acks = &w->acks;
    s->log = &w->log;
    for (unsigned i = 0; i < INFLIGHT_CHANNELS; i++)
        s->flows[i].log = &w->log.channels[i];
    s->zeros = calloc(1, STORAGE_FILL_BYTES);
    assert(s->zeros != NULL);
}

/* Images grow: init looks again how long they are before there is another worker. */
static inline void world_measure(struct world *w)
{
    for (unsigned i = 0; i < WORLD_FILES; i++) {
        if (w->files[i].bytes > w->disks.files[i].bytes)
            w->disks.files[i].bytes = w->files[i].bytes;
    }
}

/* Another generation. 0, or why it cannot serve. */
static inline int world_start(struct world *w)
{
    int r;

    world_measure(w);
    world_new_worker(w);
    r = uring_attach_over(&w->storage->ring, &w->kernel.shape, w->kernel.rings, w->kernel.sqes,
                          world_enter, w);
    if (r == 0)
        r = journal_load(&w->worker);
    if (r == 0)
        r = port_server_init(&w->worker.port, &w->port, PORT_ASLEEP_EVENTFD);
    return r < 0 ? r : storage_begin(w->storage);
}

/* As storage_serve(), until it would sleep. */
static inline void world_run_alive(struct world *w)
{
    for (unsigned left = WORLD_ROUNDS_MAX; left > 0; left--) {
        w->now_ns += 1000;
        if (storage_work(w->storage, w->now_ns))
            continue;
        w->settled = storage_look(w->storage, w->now_ns);
        if (!storage_has_work(w->storage))
            return;
    }
    (void)fprintf(stderr, "the worker does not come to rest\n");
    abort();
}

/* The same, and if it dies another one goes on. 0, or why that cannot. */
static inline int world_run(struct world *w)
{
    int r = 0;

    if (setjmp(w->died) == 0) {
        if (w->storage == NULL)
            r = world_start(w);
        if (r == 0)
            world_run_alive(w);
        return r;
    }
    r = world_start(w); /* it enters the kernel too, but does not die of it */
    if (r == 0)
        world_run_alive(w);
    return r;
}

/* Until nothing is on its way: all that waits completes. */
static inline int world_finish(struct world *w)
{
    int r = world_run(w);

    for (unsigned left = WORLD_ROUNDS_MAX; r == 0 && left > 0; left--) {
        if (!world_complete_any(w))
            return 0;
        r = world_run(w);
    }
    return r;
}

/* --- the guest --- */

static inline void world_open_channel(struct world *w, unsigned channel)
{
    struct vmbus_channel *c = &w->as_opened[channel];
    struct guest_rings *g = &w->guests[channel];

    for (unsigned i = 0; i < 2 * RING_PAGES; i++)
        memset(w->ram + g->pfns[i] * 4096, 0, 4096);
    g->received_to = 0;
    c->epoch++;
    c->opening++;
    c->open = 1;
    c->pages = 2 * RING_PAGES;
    c->downstream = RING_PAGES;
    c->pool_at = channel * 2 * RING_PAGES;
    memcpy(w->channels.pool + c->pool_at, g->pfns, sizeof(g->pfns));
    vmbus_channel_write(&w->channels, channel, c);
}

static inline void world_close_channel(struct world *w, unsigned channel)
{
    struct vmbus_channel *c = &w->as_opened[channel];

    c->epoch++;
    c->open = 0;
    vmbus_channel_write(&w->channels, channel, c);
}

static inline bool world_is_acknowledged(const struct world *w, unsigned channel)
{
    return w->acks.channels[channel].epoch == w->as_opened[channel].epoch;
}

/* All but files and disks; what there was before is freed. */
static inline void world_init(struct world *w, uint8_t *ram)
{
    world_die(w);
    fake_ring_done(&w->kernel);
    for (unsigned i = 0; i < w->n_bounces; i++)
        free(w->bounces[i]);
    for (unsigned i = 0; i < WORLD_FILES; i++) {
        free(w->files[i].now);
        free(w->files[i].durable);
    }
    for (unsigned i = 0; i < WORLD_CHANNELS; i++)
        memset(&w->log.channels[i], 0, sizeof(w->log.channels[i]));
    memset(w->files, 0, sizeof(w->files));
    memset(w->region, 0, sizeof(w->region));
    memset(&w->disks, 0, sizeof(w->disks));
    memset(&w->channels.channels, 0, sizeof(w->channels.channels));
    memset(&w->acks, 0, sizeof(w->acks));
    memset(&w->board, 0, sizeof(w->board));
    memset(w->as_opened, 0, sizeof(w->as_opened));
    memset(ram, 0, (size_t)WORLD_PAGES * 4096);
    w->ram = ram;
    w->n_bounces = 0;
    w->memory = (struct gmem){0};
    w->meddle = NULL;
    w->short_bytes = 0;
    w->random = 0;
    w->parked = false;
    w->poison = 0;
    w->generation = 0;
    w->now_ns = 1;
    w->synic.n_vps = 1;
    w->synic.vps[0].flags_gpa = WORLD_FLAGS_PAGE * 4096 | SYNIC_ENABLED;
    fake_ring_init(&w->kernel);
    w->kernel.hold = true;
    w->kernel.serve = world_serve;
    w->kernel.self = w;
    port_client_init(&w->port_client, &w->port, -1);
    if (gmem_add(&w->memory, (struct gpa){0}, (uint64_t)WORLD_PAGES * 4096, ram) < 0)
        abort();
    for (unsigned i = 0; i < WORLD_CHANNELS; i++) {
        struct guest_rings *g = &w->guests[i];

        *g = (struct guest_rings){.ram = ram};
        for (unsigned k = 0; k < 2 * RING_PAGES; k++)
            g->pfns[k] = WORLD_RINGS_AT + (i + 1) * 2 * RING_PAGES - 1 - k;
    }
}

static inline struct disk_row *world_row(struct world *w, unsigned lun)
{
    return &w->disks.rows[lun];
}

/* A page that changes is odd in between, as init's is. */
static inline void world_change_disks(struct world *w)
{
    atomic_fetch_add(&w->disks.seq, 2);
}

static inline struct disk_row *world_add_disk(struct world *w, unsigned lun,
                                              enum disk_format format, unsigned file)
{
    struct disk_row *row = world_row(w, lun);

    *row = (struct disk_row){.kind = DISK_DISK,
                             .format = format,
                             .lun = lun,
                             .n_members = 1,
                             .members = {file},
                             .epoch = row->epoch + 1};
    memset(row->identity, (int)(16 + lun), sizeof(row->identity));
    if (w->disks.n_rows <= lun)
        w->disks.n_rows = lun + 1;
    world_change_disks(w);
    return row;
}

struct world_srb {
    unsigned channel;
    uint64_t tid;
    uint8_t lun;
    uint8_t cdb[16];
    uint8_t cdb_len;
    uint8_t data_in; /* 0: to the device, 1: from it, 2: neither */
    uint32_t page;   /* of the data, which is data_len bytes from its byte offset on */
    uint32_t offset;
    uint32_t data_len;
};

static inline void world_put32(uint8_t *at, uint32_t v)
{
    memcpy(at, &v, sizeof(v));
}

/* False: there is no room in the ring. */
static inline bool world_send(struct world *w, const struct world_srb *srb)
{
    uint8_t p[PACKET_BYTES] = {STORVSP_EXECUTE_SRB};
    struct guest_rings *g = &w->guests[srb->channel];

    p[12] = 0x34;
    p[19] = srb->lun;
    p[20] = srb->cdb_len;
    p[21] = 20;
    p[22] = srb->data_in;
    world_put32(p + 24, srb->data_len);
    memcpy(p + 28, srb->cdb, sizeof(srb->cdb));
    if (srb->data_len == 0)
        return guest_send(g, VMRING_IN_BAND, srb->tid, NULL, 0, p, sizeof(p));
    return guest_request(g, srb->tid, srb->page, srb->offset, srb->data_len, p);
}

static inline bool world_send_op(struct world *w, unsigned channel, uint64_t tid, uint8_t op,
                                 uint16_t value)
{
    uint8_t p[PACKET_BYTES] = {op};

    memcpy(p + 12, &value, sizeof(value));
    return guest_send(&w->guests[channel], VMRING_IN_BAND, tid, NULL, 0, p, sizeof(p));
}

/* READ(10), WRITE(10): blocks of 512 bytes, from or to whole pages on. */
static inline struct world_srb world_rw(uint8_t opcode, uint32_t lba, uint16_t n, uint32_t page)
{
    struct world_srb srb = {.cdb = {opcode},
                            .cdb_len = 10,
                            .data_in = opcode == 0x28,
                            .page = page,
                            .data_len = n * 512u};

    for (unsigned i = 0; i < 4; i++)
        srb.cdb[2 + i] = (uint8_t)(lba >> (24 - 8 * i));
    srb.cdb[7] = (uint8_t)(n >> 8);
    srb.cdb[8] = (uint8_t)n;
    return srb;
}

static inline struct world_srb world_flush_srb(void)
{
    return (struct world_srb){.cdb = {0x35}, .cdb_len = 10, .data_in = 2};
}

/* An answer of the host's, as far as a test looks at it. */
struct world_answer {
    uint64_t tid;
    uint16_t type; /* of the packet */
    uint32_t op, status;
    uint8_t srb_status, scsi_status;
    uint8_t key, asc, ascq; /* 0 without sense */
    uint32_t data_len;
};

static inline bool world_receive(struct world *w, unsigned channel, struct world_answer *ret)
{
    uint8_t p[PACKET_BYTES] = {0};
    struct world_answer a = {0};

    if (!guest_receive(&w->guests[channel], &a.type, &a.tid, p))
        return false;
    memcpy(&a.op, p, 4);
    memcpy(&a.status, p + 8, 4);
    a.srb_status = p[14];
    a.scsi_status = p[15];
    memcpy(&a.data_len, p + 24, 4);
    if ((p[14] & SRB_AUTOSENSE_VALID) != 0 && p[21] >= 14) {
        a.key = p[28 + 2];
        a.asc = p[28 + 12];
        a.ascq = p[28 + 13];
    }
    *ret = a;
    return true;
}

/* Open the channels and go through the controller's beginning. False: it went wrong. */
static inline bool world_connect(struct world *w, unsigned n_channels)
{
    static const uint8_t ops[] = {STORVSP_BEGIN_INIT, STORVSP_QUERY_VERSION,
                                  STORVSP_QUERY_PROPERTIES, STORVSP_END_INIT};

    for (unsigned i = 0; i < n_channels; i++)
        world_open_channel(w, i);
    for (unsigned i = 0; i < sizeof(ops); i++) {
        struct world_answer a;

        if (!world_send_op(w, 0, 1000 + i, ops[i], 0x0602) || world_run(w) < 0 ||
            !world_receive(w, 0, &a) || a.tid != 1000 + i || a.status != STORVSP_SUCCESS)
            return false;
    }
    return true;
}

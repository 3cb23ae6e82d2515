/*
 * tests/fakes/ring.h - a kernel's end of an io_uring, for tests of what uses drivers/uring.h: real
 * files or a function of the test's, completions when the test wants them, errors in between.
 *
 * Restricted as the real one is (init/ring.c). Not for two threads.
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "drivers/uring.h"
#include "ipc/disks.h"

enum {
    FAKE_RING_MAX = RING_IN_FLIGHT,
    FAKE_RING_CQES = 128, /* offsets in the mapping */
    FAKE_RING_ARRAY = FAKE_RING_CQES + 2 * FAKE_RING_MAX * (int)sizeof(struct io_uring_cqe),
    FAKE_RING_BYTES = FAKE_RING_ARRAY + FAKE_RING_MAX * (int)sizeof(uint32_t),
};

struct fake_request {
    struct io_uring_sqe sqe;
    struct iovec *iov; /* ours: the caller's may change after its submission */
};

struct fake_ring {
    struct ring_shape shape;
    _Alignas(64) uint8_t rings[FAKE_RING_BYTES];
    struct io_uring_sqe sqes[FAKE_RING_MAX];
    int fds[DISK_FILES]; /* borrowed; -1: an empty slot */
    struct fake_request waiting[FAKE_RING_MAX];
    uint32_t n_waiting;
    uint32_t sq_head, cq_tail; /* as this kernel knows them */
    uint32_t submitted;        /* requests, ever */
    uint32_t probes;           /* of them */
    bool hold;                 /* nothing completes before fake_ring_work() */
    int enter_error;           /* negative: what entering says, once */
    /* Serves a request in place of the files; returns the completion's result. NULL: the files. */
    int32_t (*serve)(void *self, const struct io_uring_sqe *sqe, const struct iovec *iov);
    void *self;
};

static inline uint32_t *fake_ring_word(struct fake_ring *f, uint32_t offset)
{
    return (uint32_t *)(void *)(f->rings + offset);
}

static inline void fake_ring_init(struct fake_ring *f)
{
    memset(f, 0, sizeof(*f));
    f->shape = (struct ring_shape){
        .sq_entries = FAKE_RING_MAX,
        .cq_entries = 2 * FAKE_RING_MAX,
        .sq_head = 0,
        .sq_tail = 4,
        .sq_flags = 8,
        .cq_head = 64,
        .cq_tail = 68,
        .cq_flags = 72,
        .cqes = FAKE_RING_CQES,
        .sq_array = FAKE_RING_ARRAY,
        .bytes = FAKE_RING_BYTES,
    };
    for (int i = 0; i < DISK_FILES; i++)
        f->fds[i] = -1;
}

static inline void fake_ring_complete(struct fake_ring *f, uint64_t user_data, int32_t res)
{
    struct io_uring_cqe cqe = {.user_data = user_data, .res = res};
    uint32_t slot = f->cq_tail++ & (f->shape.cq_entries - 1);

    memcpy(f->rings + FAKE_RING_CQES + slot * sizeof(cqe), &cqe, sizeof(cqe));
    __atomic_store_n(fake_ring_word(f, f->shape.cq_tail), f->cq_tail, __ATOMIC_RELEASE);
}

static inline int32_t fake_ring_result(ssize_t r)
{
    return r < 0 ? -errno : (int32_t)r;
}

static inline int32_t fake_ring_serve(struct fake_ring *f, const struct fake_request *rq)
{
    const struct io_uring_sqe *s = &rq->sqe;
    int fd = s->fd >= 0 && s->fd < DISK_FILES ? f->fds[s->fd] : -1;

    if (s->flags != IOSQE_FIXED_FILE)
        return -EACCES;
    if (f->serve != NULL && s->user_data != URING_PROBE)
        return f->serve(f->self, s, rq->iov);
    if (fd < 0)
        return -EBADF;
    switch (s->opcode) {
    case IORING_OP_READV:
        return fake_ring_result(preadv(fd, rq->iov, (int)s->len, (off_t)s->off));
    case IORING_OP_WRITEV:
        return fake_ring_result(
            pwritev2(fd, rq->iov, (int)s->len, (off_t)s->off, (int)s->rw_flags));
    case IORING_OP_FSYNC:
        return fake_ring_result(fdatasync(fd));
    case IORING_OP_FALLOCATE:
        return fake_ring_result(fallocate(fd, (int)s->len, (off_t)s->off, (off_t)s->addr));
    default:
        return -EACCES;
    }
}

/* Serve and complete the i-th of those that wait, from 0. */
static inline void fake_ring_work_one(struct fake_ring *f, uint32_t i)
{
    struct fake_request rq = f->waiting[i];

    f->n_waiting--;
    memmove(&f->waiting[i], &f->waiting[i + 1], (f->n_waiting - i) * sizeof(rq));
    fake_ring_complete(f, rq.sqe.user_data, fake_ring_serve(f, &rq));
    free(rq.iov);
}

/* Serve and complete what waits, up to n. */
static inline void fake_ring_work(struct fake_ring *f, uint32_t n)
{
    for (; n > 0 && f->n_waiting > 0; n--)
        fake_ring_work_one(f, 0);
}

static inline void fake_ring_take(struct fake_ring *f)
{
    uint32_t slot = f->sq_head & (f->shape.sq_entries - 1);
    uint32_t index = *fake_ring_word(f, f->shape.sq_array + slot * 4);
    struct fake_request rq = {0};

    f->sq_head++;
    if (index >= f->shape.sq_entries)
        return; /* the kernel drops it, without a completion */
    rq.sqe = f->sqes[index];
    f->submitted++;
    f->probes += rq.sqe.user_data == URING_PROBE;
    if (rq.sqe.opcode == IORING_OP_READV || rq.sqe.opcode == IORING_OP_WRITEV) {
        rq.iov = calloc(rq.sqe.len + 1, sizeof(*rq.iov));
        memcpy(rq.iov, (const void *)(uintptr_t)rq.sqe.addr, rq.sqe.len * sizeof(*rq.iov));
    }
    f->waiting[f->n_waiting++] = rq;
    if (rq.sqe.user_data == URING_PROBE) /* refused at once: never behind others */
        fake_ring_work_one(f, f->n_waiting - 1);
}

/* Nothing waits for time here: what does not complete by itself never does. */
static inline int fake_ring_enter(struct uring *u, uint32_t submit, uint32_t completions,
                                  uint64_t until_ns)
{
    struct fake_ring *f = u->self;
    uint32_t tail = __atomic_load_n(fake_ring_word(f, f->shape.sq_tail), __ATOMIC_ACQUIRE);
    uint32_t queued = tail - f->sq_head;
    int error = f->enter_error;
    int n = 0;

    (void)until_ns;
    f->enter_error = 0;
    if (error < 0)
        return error;
    queued = queued > f->shape.sq_entries ? f->shape.sq_entries : queued;
    for (; submit > 0 && queued > 0 && f->n_waiting < FAKE_RING_MAX; submit--, queued--, n++)
        fake_ring_take(f);
    __atomic_store_n(fake_ring_word(f, f->shape.sq_head), f->sq_head, __ATOMIC_RELEASE);
    if (!f->hold)
        fake_ring_work(f, FAKE_RING_MAX);
    else if (completions > 0 && n == 0)
        return -ETIME;
    return n;
}

/* As a worker attaches. A successor attaches once more to the same fake. */
static inline int fake_ring_attach(struct fake_ring *f, struct uring *u)
{
    return uring_attach_over(u, &f->shape, f->rings, f->sqes, fake_ring_enter, f);
}

/* The requests that wait never complete. */
static inline void fake_ring_done(struct fake_ring *f)
{
    while (f->n_waiting > 0)
        free(f->waiting[--f->n_waiting].iov);
}

#include "drivers/uring_plain.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

enum {
    STACK_BYTES = 64 * 1024,
};

_Static_assert((int)URING_PLAIN_PIECES <= IOV_MAX, "one call moves them");

/* --- the ring's memory --- */

static uint32_t *word(struct uring_plain *p, uint32_t offset)
{
    return (uint32_t *)(void *)(p->rings + offset);
}

static uint32_t load(struct uring_plain *p, uint32_t offset)
{
    return __atomic_load_n(word(p, offset), __ATOMIC_ACQUIRE);
}

static void store(struct uring_plain *p, uint32_t offset, uint32_t value)
{
    __atomic_store_n(word(p, offset), value, __ATOMIC_RELEASE);
}

/* The other side switches the bell on and then looks; so here it is the other way round. */
static void ring_bell(struct uring_plain *p)
{
    static const uint64_t one = 1;

    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if ((load(p, p->shape.cq_flags) & IORING_CQ_EVENTFD_DISABLED) == 0)
        (void)!write(p->bell_fd, &one, sizeof(one)); /* full means that it is rung already */
}

/* There is room: whoever submits keeps to RING_IN_FLIGHT. */
static void complete(struct uring_plain *p, uint64_t user_data, int32_t res)
{
    const struct io_uring_cqe cqe = {.user_data = user_data, .res = res};
    uint32_t slot = p->cq_tail & (RING_COMPLETIONS - 1);

    memcpy(p->rings + p->shape.cqes + slot * sizeof(cqe), &cqe, sizeof(cqe));
    p->cq_tail++;
    store(p, p->shape.cq_tail, p->cq_tail);
    (void)pthread_cond_signal(&p->done);
    ring_bell(p);
}

/* --- doing it --- */

static bool moves_data(const struct io_uring_sqe *sqe)
{
    return sqe->opcode == IORING_OP_READV || sqe->opcode == IORING_OP_WRITEV;
}

static ssize_t call(const struct uring_plain *p, const struct uring_plain_task *t)
{
    const struct io_uring_sqe *sqe = &t->sqe;
    int fd = p->first_fd + sqe->fd;

    switch (sqe->opcode) {
    case IORING_OP_READV:
        return preadv(fd, t->iov, (int)sqe->len, (off_t)sqe->off);
    case IORING_OP_WRITEV:
        return pwritev2(fd, t->iov, (int)sqe->len, (off_t)sqe->off, (int)sqe->rw_flags);
    case IORING_OP_FSYNC:
        return fdatasync(fd);
    default:
        return fallocate(fd, (int)sqe->len, (off_t)sqe->off, (off_t)sqe->addr);
    }
}

static int32_t execute(const struct uring_plain *p, const struct uring_plain_task *t)
{
    ssize_t r = call(p, t);

    return r < 0 ? -errno : (int32_t)r; /* no call moves more than 2 GiB */
}

static void execute_next(struct uring_plain *p)
{
    uint16_t i = p->queue[p->queue_head];
    uint64_t user_data = p->tasks[i].sqe.user_data;
    int32_t res;

    p->queue_head = (p->queue_head + 1) % RING_IN_FLIGHT;
    p->n_queued--;
    (void)pthread_mutex_unlock(&p->lock);
    res = execute(p, &p->tasks[i]);
    (void)pthread_mutex_lock(&p->lock);
    p->unused[p->n_unused++] = i;
    complete(p, user_data, res);
}

static void *thread_main(void *self)
{
    struct uring_plain *p = self;

    (void)pthread_mutex_lock(&p->lock);
    p->n_up++;
    (void)pthread_cond_signal(&p->done);
    while (!p->stopping) {
        if (p->n_queued > 0)
            execute_next(p);
        else
            (void)pthread_cond_wait(&p->work, &p->lock);
    }
    (void)pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* --- taking it out of the ring --- */

/* As a ring that init restricted refuses it. */
static int check(const struct uring_plain *p, const struct io_uring_sqe *sqe)
{
    bool known = moves_data(sqe) || sqe->opcode == IORING_OP_FSYNC ||
                 sqe->opcode == IORING_OP_FALLOCATE || sqe->opcode == IORING_OP_READ;

    if (!known || sqe->flags != IOSQE_FIXED_FILE)
        return -EACCES;
    if (sqe->fd < 0 || (uint32_t)sqe->fd >= p->n_files)
        return -EBADF;
    if (sqe->opcode == IORING_OP_READ || sqe->off > INT64_MAX) /* READ only probes */
        return -EINVAL;
    if (sqe->opcode == IORING_OP_FSYNC && sqe->fsync_flags != IORING_FSYNC_DATASYNC)
        return -EINVAL;
    return 0;
}

static void enqueue(struct uring_plain *p, const struct io_uring_sqe *sqe)
{
    uint16_t i = p->unused[--p->n_unused];
    struct uring_plain_task *t = &p->tasks[i];

    t->sqe = *sqe;
    if (moves_data(&t->sqe) && t->sqe.len > 0) {
        if (t->sqe.len > URING_PLAIN_PIECES)
            t->sqe.len = URING_PLAIN_PIECES;
        memcpy(t->iov, (const void *)(uintptr_t)t->sqe.addr, t->sqe.len * sizeof(t->iov[0]));
    }
    p->queue[(p->queue_head + p->n_queued) % RING_IN_FLIGHT] = i;
    p->n_queued++;
    (void)pthread_cond_signal(&p->work);
}

static void take_one(struct uring_plain *p)
{
    uint32_t slot = p->sq_head++ & (RING_IN_FLIGHT - 1);
    uint32_t i = load(p, p->shape.sq_array + slot * (uint32_t)sizeof(uint32_t));
    const struct io_uring_sqe *sqe = &p->sqes[i & (RING_IN_FLIGHT - 1)];
    int r = check(p, sqe);

    if (r < 0)
        complete(p, sqe->user_data, r);
    else
        enqueue(p, sqe);
}

static int take(struct uring_plain *p, uint32_t submit)
{
    uint32_t queued = load(p, p->shape.sq_tail) - p->sq_head;
    int n = 0;

    for (; queued > 0 && submit > 0 && p->n_unused > 0; queued--, submit--, n++)
        take_one(p);
    store(p, p->shape.sq_head, p->sq_head);
    return n == 0 && queued > 0 && submit > 0 ? -EBUSY : n;
}

static int wait_for(struct uring_plain *p, uint32_t completions, uint64_t until_ns)
{
    const struct timespec until = clock_timespec(until_ns);
    int r = 0;

    while (r == 0 && p->cq_tail - load(p, p->shape.cq_head) < completions)
        r = pthread_cond_clockwait(&p->done, &p->lock, CLOCK_MONOTONIC, &until);
    return r == ETIMEDOUT ? -ETIME : -r;
}

static int enter(struct uring *u, uint32_t submit, uint32_t completions, uint64_t until_ns)
{
    struct uring_plain *p = u->self;
    int r;

    (void)pthread_mutex_lock(&p->lock);
    r = submit > 0 ? take(p, submit) : wait_for(p, completions, until_ns);
    (void)pthread_mutex_unlock(&p->lock);
    return r;
}

/* --- beginning and end --- */

static void init(struct uring_plain *p, int first_fd, uint32_t n_files, int bell_fd)
{
    memset(p->rings, 0, sizeof(p->rings));
    p->first_fd = first_fd;
    p->n_files = n_files;
    p->bell_fd = bell_fd;
    p->n_up = 0;
    p->stopping = false;
    p->sq_head = p->cq_tail = 0;
    p->queue_head = p->n_queued = p->n_unused = 0;
    for (unsigned i = RING_IN_FLIGHT; i > 0; i--)
        p->unused[p->n_unused++] = (uint16_t)(i - 1);
    p->shape = (struct ring_shape){
        .sq_entries = RING_IN_FLIGHT,
        .cq_entries = RING_COMPLETIONS,
        .sq_head = 0,
        .sq_tail = 4,
        .sq_flags = 8,
        .cq_head = 64,
        .cq_tail = 68,
        .cq_flags = 72,
        .cqes = URING_PLAIN_CQES,
        .sq_array = URING_PLAIN_ARRAY,
        .bytes = URING_PLAIN_BYTES,
    };
}

static void stop(struct uring_plain *p, unsigned n_threads)
{
    (void)pthread_mutex_lock(&p->lock);
    p->stopping = true;
    (void)pthread_cond_broadcast(&p->work);
    (void)pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < n_threads; i++)
        (void)pthread_join(p->threads[i], NULL);
    (void)pthread_cond_destroy(&p->done);
    (void)pthread_cond_destroy(&p->work);
    (void)pthread_mutex_destroy(&p->lock);
}

/* Their own start makes system calls that a run filter does not have. */
static void await_threads(struct uring_plain *p)
{
    (void)pthread_mutex_lock(&p->lock);
    while (p->n_up < URING_PLAIN_THREADS)
        (void)pthread_cond_wait(&p->done, &p->lock);
    (void)pthread_mutex_unlock(&p->lock);
}

static int start_threads(struct uring_plain *p)
{
    pthread_attr_t attr;
    unsigned n = 0;
    int r = pthread_attr_init(&attr);

    if (r == 0)
        r = pthread_attr_setstacksize(&attr, STACK_BYTES);
    for (; r == 0 && n < URING_PLAIN_THREADS; n += r == 0)
        r = pthread_create(&p->threads[n], &attr, thread_main, p);
    (void)pthread_attr_destroy(&attr);
    if (r == 0)
        await_threads(p);
    else
        stop(p, n);
    return -r;
}

int uring_plain_attach(struct uring_plain *p, struct uring *u, int first_fd, uint32_t n_files,
                       int bell_fd)
{
    int r;

    init(p, first_fd, n_files, bell_fd);
    (void)pthread_mutex_init(&p->lock, NULL);
    (void)pthread_cond_init(&p->work, NULL);
    (void)pthread_cond_init(&p->done, NULL);
    r = start_threads(p);
    return r < 0 ? r : uring_attach_over(u, &p->shape, p->rings, p->sqes, enter, p);
}

void uring_plain_detach(struct uring_plain *p)
{
    stop(p, URING_PLAIN_THREADS);
}

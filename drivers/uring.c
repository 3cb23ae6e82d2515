#include "drivers/uring.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/num.h"
#include "ipc/disks.h"

enum {
    PROBE_FILE = DISK_FILES, /* past the table's end: refused at once, whatever is in it */
    PROBE_TRIES = 4,
    KERNEL_SIGSET_BYTES = 8,
    ENTRIES_MAX = 32768, /* of the kernel; no sum below wraps */
};

_Static_assert(sizeof(struct io_uring_sqe) == 64, "as the kernel lays them out");
_Static_assert(sizeof(struct io_uring_cqe) == 16, "as the kernel lays them out");

/* --- the shared memory --- */

static uint32_t *word(const struct uring *u, uint32_t offset)
{
    return (uint32_t *)(void *)(u->rings + offset);
}

static uint32_t load(const struct uring *u, uint32_t offset)
{
    return __atomic_load_n(word(u, offset), __ATOMIC_ACQUIRE);
}

static void store(struct uring *u, uint32_t offset, uint32_t value)
{
    __atomic_store_n(word(u, offset), value, __ATOMIC_RELEASE);
}

static bool is_power_of_two(uint32_t n)
{
    return n != 0 && n <= ENTRIES_MAX && (n & (n - 1)) == 0;
}

static bool is_inside(const struct ring_shape *s, uint32_t offset, uint64_t len, uint32_t align)
{
    return offset % align == 0 && range_inside(offset, len, s->bytes);
}

static bool is_sound(const struct ring_shape *s)
{
    const uint32_t words[] = {s->sq_head, s->sq_tail, s->sq_flags,
                              s->cq_head, s->cq_tail, s->cq_flags};

    if (!is_power_of_two(s->sq_entries) || !is_power_of_two(s->cq_entries))
        return false;
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (!is_inside(s, words[i], sizeof(uint32_t), sizeof(uint32_t)))
            return false;
    }
    return is_inside(s, s->sq_array, s->sq_entries * sizeof(uint32_t), sizeof(uint32_t)) &&
           is_inside(s, s->cqes, s->cq_entries * sizeof(struct io_uring_cqe), sizeof(uint64_t));
}

/* --- the kernel --- */

static int give(struct uring *u, uint32_t submit)
{
    long r = syscall(SYS_io_uring_enter, u->fd, submit, 0, 0, NULL, 0);

    return r < 0 ? -errno : (int)r;
}

/* IORING_ENTER_GETEVENTS also brings the completions that found no room before. */
static int wait_for(struct uring *u, uint32_t completions, uint64_t until_ns)
{
    uint64_t now = clock_now_ns();
    uint64_t left = until_ns > now ? until_ns - now : 0;
    struct __kernel_timespec ts = {
        .tv_sec = (long long)(left / NS_PER_S),
        .tv_nsec = (long long)(left % NS_PER_S),
    };
    struct io_uring_getevents_arg arg = {
        .sigmask_sz = KERNEL_SIGSET_BYTES,
        .ts = (uint64_t)(uintptr_t)&ts,
    };
    long r = syscall(SYS_io_uring_enter, u->fd, 0, completions,
                     IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &arg, sizeof(arg));

    return r < 0 ? -errno : (int)r;
}

static int enter_kernel(struct uring *u, uint32_t submit, uint32_t completions, uint64_t until_ns)
{
    return submit > 0 ? give(u, submit) : wait_for(u, completions, until_ns);
}

int uring_attach_over(struct uring *u, const struct ring_shape *shape, void *rings,
                      struct io_uring_sqe *sqes, uring_enter *enter, void *self)
{
    if (!is_sound(shape))
        return -EBADMSG;
    *u = (struct uring){
        .shape = *shape,
        .rings = rings,
        .sqes = sqes,
        .fd = -1,
        .enter = enter,
        .self = self,
    };
    return 0;
}

static int map(int fd, size_t len, off_t what, void **ret)
{
    void *at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, what);

    if (at == MAP_FAILED)
        return -errno;
    *ret = at;
    return 0;
}

int uring_attach(struct uring *u, int fd, const struct ring_shape *shape)
{
    void *rings = NULL, *sqes = NULL;
    int r;

    if (!is_sound(shape))
        return -EBADMSG;
    r = map(fd, shape->bytes, IORING_OFF_SQ_RING, &rings);
    if (r < 0)
        return r;
    r = map(fd, shape->sq_entries * sizeof(struct io_uring_sqe), (off_t)IORING_OFF_SQES, &sqes);
    if (r == 0)
        r = uring_attach_over(u, shape, rings, sqes, enter_kernel, NULL);
    if (r < 0) {
        (void)munmap(rings, shape->bytes);
        return r;
    }
    u->fd = fd;
    return 0;
}

void uring_detach(struct uring *u)
{
    if (u->rings != NULL && u->fd >= 0) {
        (void)munmap(u->rings, u->shape.bytes);
        (void)munmap(u->sqes, u->shape.sq_entries * sizeof(struct io_uring_sqe));
    }
    *u = (struct uring){.fd = -1};
}

/* --- taking over --- */

/*
 * What lies in the ring was written by someone else. None of it may be submitted by mistake. Reading
 * nothing, unlike a sync, completes before the call returns.
 */
static void fill_with_probes(struct uring *u)
{
    const struct io_uring_sqe probe = {
        .opcode = IORING_OP_READ,
        .flags = IOSQE_FIXED_FILE,
        .fd = PROBE_FILE,
        .user_data = URING_PROBE,
    };

    for (uint32_t i = 0; i < u->shape.sq_entries; i++) {
        memcpy(&u->sqes[i], &probe, sizeof(probe));
        *word(u, u->shape.sq_array + i * (uint32_t)sizeof(uint32_t)) = i;
    }
}

/*
 * The kernel keeps its own head and tail and shows copies, which the predecessor may have spoilt. One
 * request makes it show them again. It takes at most one, of whatever it finds between its head and
 * our tail; when that is nothing, the next value of the tail is another.
 */
static int probe(struct uring *u)
{
    uint32_t tail = load(u, u->shape.sq_head);
    int r = 0;

    for (unsigned tries = PROBE_TRIES; r == 0 && tries > 0; tries--) {
        store(u, u->shape.sq_tail, ++tail);
        r = u->enter(u, 1, 0, 0);
    }
    u->tail = load(u, u->shape.sq_head);
    store(u, u->shape.sq_tail, u->tail);
    return r < 0 ? r : r == 0 ? -EBADMSG : 0;
}

static uint32_t ready(const struct uring *u)
{
    return load(u, u->shape.cq_tail) - load(u, u->shape.cq_head);
}

int uring_take_over(struct uring *u)
{
    int r;

    fill_with_probes(u);
    r = probe(u);
    if (r < 0)
        return r;
    uring_bell(u, true);
    /* Which of them the predecessor had taken nobody knows then, so none is known. */
    if (ready(u) > u->shape.cq_entries)
        store(u, u->shape.cq_head, load(u, u->shape.cq_tail));
    return 0;
}

uint32_t uring_fence(struct uring *u)
{
    /* Completions that found no room come with the next entry. */
    if ((load(u, u->shape.sq_flags) & IORING_SQ_CQ_OVERFLOW) != 0)
        (void)u->enter(u, 0, 0, 0);
    return load(u, u->shape.sq_head) - load(u, u->shape.cq_tail);
}

/* --- requests --- */

/* Each request has one completion: what is not yet advanced over is the difference. */
uint32_t uring_room(const struct uring *u)
{
    uint32_t in_flight = u->tail - load(u, u->shape.cq_head);
    uint32_t queued = u->tail - load(u, u->shape.sq_head);
    uint32_t most = in_flight > queued ? in_flight : queued;

    return most >= u->shape.sq_entries ? 0 : u->shape.sq_entries - most;
}

static int prepare(struct uring *u, const struct io_uring_sqe *sqe)
{
    if (uring_room(u) == 0)
        return -ENOBUFS;
    memcpy(&u->sqes[u->tail & (u->shape.sq_entries - 1)], sqe, sizeof(*sqe));
    u->tail++;
    return 0;
}

/* The kernel has no vector to copy in then. Who stands in for it (uring_plain.c) knows vectors only. */
static void spare_vector(const struct uring *u, const struct iovec *iov, struct io_uring_sqe *sqe)
{
    if (u->fd < 0 || sqe->len != 1 || iov->iov_len > INT32_MAX)
        return;
    sqe->opcode = sqe->opcode == IORING_OP_READV ? IORING_OP_READ : IORING_OP_WRITE;
    sqe->addr = (uint64_t)(uintptr_t)iov->iov_base;
    sqe->len = (uint32_t)iov->iov_len;
}

static int prepare_rw(struct uring *u, uint8_t opcode, uint32_t file, uint64_t offset,
                      const struct iovec *iov, uint32_t n, bool durable, uint64_t user_data)
{
    struct io_uring_sqe sqe = {
        .opcode = opcode,
        .flags = IOSQE_FIXED_FILE,
        .fd = (int32_t)file,
        .off = offset,
        .addr = (uint64_t)(uintptr_t)iov,
        .len = n,
        .rw_flags = durable ? RWF_DSYNC : 0,
        .user_data = user_data,
    };

    spare_vector(u, iov, &sqe);
    return prepare(u, &sqe);
}

int uring_readv(struct uring *u, uint32_t file, uint64_t offset, const struct iovec *iov,
                uint32_t n, uint64_t user_data)
{
    return prepare_rw(u, IORING_OP_READV, file, offset, iov, n, false, user_data);
}

int uring_writev(struct uring *u, uint32_t file, uint64_t offset, const struct iovec *iov,
                 uint32_t n, bool durable, uint64_t user_data)
{
    return prepare_rw(u, IORING_OP_WRITEV, file, offset, iov, n, durable, user_data);
}

int uring_fdatasync(struct uring *u, uint32_t file, uint64_t user_data)
{
    const struct io_uring_sqe sqe = {
        .opcode = IORING_OP_FSYNC,
        .flags = IOSQE_FIXED_FILE,
        .fd = (int32_t)file,
        .fsync_flags = IORING_FSYNC_DATASYNC,
        .user_data = user_data,
    };

    return prepare(u, &sqe);
}

/* The kernel takes the length where other requests have an address. */
int uring_fallocate(struct uring *u, uint32_t file, int mode, uint64_t offset, uint64_t len,
                    uint64_t user_data)
{
    const struct io_uring_sqe sqe = {
        .opcode = IORING_OP_FALLOCATE,
        .flags = IOSQE_FIXED_FILE,
        .fd = (int32_t)file,
        .off = offset,
        .addr = len,
        .len = (uint32_t)mode,
        .user_data = user_data,
    };

    return prepare(u, &sqe);
}

int uring_submit(struct uring *u)
{
    store(u, u->shape.sq_tail, u->tail);
    for (uint32_t turns = u->shape.sq_entries; turns > 0; turns--) {
        uint32_t left = u->tail - load(u, u->shape.sq_head);
        int r;

        if (left == 0)
            return 0;
        if (left > u->shape.sq_entries)
            return -EBADMSG;
        r = u->enter(u, left, 0, 0);
        if (r < 0 && r != -EINTR)
            return r;
    }
    return -EBUSY;
}

/* --- completions --- */

bool uring_peek(const struct uring *u, uint32_t i, struct uring_done *ret)
{
    uint32_t head = load(u, u->shape.cq_head);
    uint32_t n = load(u, u->shape.cq_tail) - head;
    uint32_t slot = (head + i) & (u->shape.cq_entries - 1);
    const uint32_t bytes = sizeof(struct io_uring_cqe);
    struct io_uring_cqe cqe;

    if (i >= n || i >= u->shape.cq_entries)
        return false;
    memcpy(&cqe, u->rings + u->shape.cqes + slot * bytes, bytes);
    *ret = (struct uring_done){.user_data = cqe.user_data, .res = cqe.res};
    return true;
}

void uring_advance(struct uring *u, uint32_t n)
{
    store(u, u->shape.cq_head, load(u, u->shape.cq_head) + n);
}

int uring_wait(struct uring *u, uint32_t n, uint64_t until_ns)
{
    int r;

    if (ready(u) >= n)
        return 0;
    r = u->enter(u, 0, n, until_ns);
    if (r < 0)
        return r;
    return ready(u) >= n ? 0 : -ETIME;
}

void uring_bell(struct uring *u, bool on)
{
    store(u, u->shape.cq_flags, on ? 0 : IORING_CQ_EVENTFD_DISABLED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* before the caller looks for what came meanwhile */
}

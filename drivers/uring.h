/*
 * drivers/uring.h - a worker's use of an io_uring that init made, restricted and keeps (init/ring.h).
 *
 * The ring outlives every generation of the worker, and so do requests that a dead one submitted: a
 * killed process goes on writing until its last request has completed. So a successor begins with
 * uring_take_over(), and submits nothing that could overlap before uring_fence() says 0.
 *
 * A predecessor may have written anything into the ring's memory. Sizes, masks and offsets come from
 * the shape alone, every index is masked, each loop is bounded. What may happen is that a fence never
 * becomes 0: the worker needs a deadline for it, and fails its disks then.
 *
 * liburing could attach (io_uring_queue_mmap), but reads masks and sizes from the shared memory and
 * follows its tails without a bound: it has no reason to distrust them, we do.
 *
 * Passive: no thread, no log; one thread uses it.
 */
#pragma once

#include <linux/io_uring.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/macro.h"
#include "ipc/ring.h"

/* The completion with this user_data is nobody's: uring_take_over() asked for it. */
static const uint64_t URING_PROBE = UINT64_MAX;

struct uring;

/*
 * io_uring_enter(2): submit so many, then wait for so many completions, until that time at most.
 * How many were submitted, or negative errno.
 */
typedef int uring_enter(struct uring *u, uint32_t submit, uint32_t completions, uint64_t until_ns);

struct uring {
    struct ring_shape shape;
    uint8_t *rings;
    struct io_uring_sqe *sqes;
    uint32_t tail; /* what we have prepared; the shared one is only for the kernel */
    int fd;
    uring_enter *enter;
    void *self; /* of enter, where it is not the kernel's */
};

struct uring_done {
    uint64_t user_data;
    /*
     * Bytes, 0, or negative errno. -ECANCELED, -EINTR, or fewer bytes than asked for: its process died
     * before it was all done. To be done again, once uring_fence() says 0.
     */
    int32_t res;
};

/*
 * Map the ring; its memory is not touched, for a predecessor may still be using it. fd is borrowed.
 *   0          attached until the process ends or uring_detach()
 *   -EBADMSG   no shape of a ring
 *   other      of mmap(2)
 */
int MUST_USE uring_attach(struct uring *u, int fd, const struct ring_shape *shape);
void uring_detach(struct uring *u);

/* The same over the caller's memory, and with another end than the kernel: uring_plain.h, and tests. */
int MUST_USE uring_attach_over(struct uring *u, const struct ring_shape *shape, void *rings,
                               struct io_uring_sqe *sqes, uring_enter *enter, void *self);

/*
 * Become the one who submits, once the predecessor is dead. What it had prepared and not submitted is
 * dropped. Its completions that were not taken remain to be peeked at, but for one that spoilt where
 * they begin: then they are lost.
 *   0          ready
 *   -EBADMSG   the kernel takes nothing
 *   other      of io_uring_enter(2)
 */
int MUST_USE uring_take_over(struct uring *u);

/* How many submitted requests, whoever submitted them, have not completed. */
uint32_t MUST_USE uring_fence(struct uring *u);

/* --- requests; file is a slot of the ring's table, user_data comes back --- */

/* How many more can be prepared before completions must be taken. */
uint32_t uring_room(const struct uring *u);

/*
 * Prepare one: 0, or -ENOBUFS without room. iov is read by uring_submit(), the memory it names until
 * the request completes. durable: so is the write, too, when it completes.
 */
int MUST_USE uring_readv(struct uring *u, uint32_t file, uint64_t offset, const struct iovec *iov,
                         uint32_t n, uint64_t user_data);
int MUST_USE uring_writev(struct uring *u, uint32_t file, uint64_t offset, const struct iovec *iov,
                          uint32_t n, bool durable, uint64_t user_data);
int MUST_USE uring_fdatasync(struct uring *u, uint32_t file, uint64_t user_data);
/* mode as of fallocate(2). */
int MUST_USE uring_fallocate(struct uring *u, uint32_t file, int mode, uint64_t offset,
                             uint64_t len, uint64_t user_data);

/*
 * Give what is prepared to the kernel. 0 when all is; -EAGAIN or -EBUSY when it has no memory: the
 * rest stays prepared, call again when something has completed. Other errors are the ring's end.
 */
int MUST_USE uring_submit(struct uring *u);

/* --- completions --- */

/*
 * The i-th completion that is not yet advanced over, from 0. False: there are no more. It stays, also
 * for a successor, until uring_advance(): first do what follows from it, then advance.
 */
bool MUST_USE uring_peek(const struct uring *u, uint32_t i, struct uring_done *ret);

/* The first n, which were peeked at, are done with. */
void uring_advance(struct uring *u, uint32_t n);

/*
 * Wait until n completions can be peeked at, or until that time: clock_now_ns(). 0, -ETIME, -EINTR,
 * or another error of io_uring_enter(2). For metadata, whose reader waits; not for the guest's data.
 */
int MUST_USE uring_wait(struct uring *u, uint32_t n, uint64_t until_ns);

/* Should completions ring the bell? Off while the worker looks by itself. Ask uring_peek() after on. */
void uring_bell(struct uring *u, bool on);

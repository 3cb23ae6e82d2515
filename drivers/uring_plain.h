/*
 * drivers/uring_plain.h - the other end of a ring where the host's kernel has no io_uring for us: threads of
 * this process do what is asked, by preadv(2), pwritev2(2), fdatasync(2) and fallocate(2).
 *
 * Whoever uses the ring sees no difference: requests go on side by side and complete in any order, errors
 * and short counts are the kernel's, the bell rings as it would, and whoever submits never waits for a
 * disk. Files are descriptors of this process, one after the other.
 *
 * The ring is private memory: nothing of it outlives the process. Nothing is on its way either: a process is
 * dead, for whoever waits for it, when each of its threads has left the kernel. So a successor's fence is
 * 0 at once, and it does again what its own log says was not answered.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/macro.h"
#include "drivers/uring.h"
#include "ipc/ring.h"

enum {
    URING_PLAIN_THREADS = 8, /* requests at once; the rest waits, as behind RING_THREADS */
    /* Pieces of one request that are moved at once. The count says how far it came. */
    URING_PLAIN_PIECES = 64,
    URING_PLAIN_CQES = 128, /* offsets in the ring's memory */
    URING_PLAIN_ARRAY = URING_PLAIN_CQES + RING_COMPLETIONS * (int)sizeof(struct io_uring_cqe),
    URING_PLAIN_BYTES = URING_PLAIN_ARRAY + RING_IN_FLIGHT * (int)sizeof(uint32_t),
};

/* A request that was submitted; iov is a copy, since the caller's may change then. */
struct uring_plain_task {
    struct io_uring_sqe sqe;
    struct iovec iov[URING_PLAIN_PIECES];
};

struct uring_plain {
    _Alignas(64) uint8_t rings[URING_PLAIN_BYTES];
    struct io_uring_sqe sqes[RING_IN_FLIGHT];
    int first_fd;
    uint32_t n_files;
    int bell_fd; /* borrowed */
    struct ring_shape shape;
    pthread_t threads[URING_PLAIN_THREADS];
    pthread_mutex_t lock;      /* of all below, and of the ring's memory on this end */
    pthread_cond_t work, done; /* something is queued; something has completed */
    unsigned n_up;
    bool stopping;
    uint32_t sq_head, cq_tail;      /* as this end knows them */
    uint32_t queue_head, n_queued;  /* of queue: tasks that no thread has taken */
    uint16_t queue[RING_IN_FLIGHT]; /* index of a task */
    uint16_t unused[RING_IN_FLIGHT];
    uint32_t n_unused; /* the last one is taken first: memory is touched as far as it is needed */
    struct uring_plain_task tasks[RING_IN_FLIGHT];
};

/*
 * Start the threads, and attach u to them; they run when this returns. File i is descriptor
 * first_fd + i, of n_files; bell_fd is an eventfd. Both are borrowed. *p is large and stays where it is.
 *   0      uring_take_over() is next
 *   <0     the threads cannot be had
 */
int MUST_USE uring_plain_attach(struct uring_plain *p, struct uring *u, int first_fd,
                                uint32_t n_files, int bell_fd);

/* End the threads: what was submitted is done, or dropped if none had begun it. A worker never does. */
void uring_plain_detach(struct uring_plain *p);

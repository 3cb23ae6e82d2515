/*
 * tests/unit/uring_cases.h - what whoever uses a ring may rely on, whichever end it has: the kernel's, or
 * drivers/uring_plain.h.
 *
 * A test program's own: file-level state, one case at a time. Its fixture attaches u, with a file in SLOT.
 */
#pragma once

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "drivers/uring.h"

enum {
    WRITES = 32, /* a generation submits */
    WRITE_BYTES = 16384,
    FILE_BYTES = 36 * WRITE_BYTES,
    SLOT = 3,
    BELL_MS = 1000, /* it rings after the completion can be seen */
};

static int bell_fd, file_fd;
static struct uring u;

/* A file that O_DIRECT may open, so that writes are in flight for a while; then any. */
static inline int make_file(void)
{
    char path[] = "test_uring.XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC | O_DIRECT);

    if (fd < 0)
        fd = mkostemp(path, O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(ftruncate(fd, FILE_BYTES), 0);
    return fd;
}

/* The next completion that is somebody's. */
static inline struct uring_done next_done(struct uring *r)
{
    uint64_t end_ns = clock_now_ns() + 10 * NS_PER_S;
    struct uring_done d = {.user_data = URING_PROBE};

    while (d.user_data == URING_PROBE) {
        int wait = uring_wait(r, 1, end_ns);

        ck_assert_int_eq(wait, 0);
        ck_assert(uring_peek(r, 0, &d));
        uring_advance(r, 1);
    }
    return d;
}

static inline void *buffer(int fill, size_t len)
{
    void *at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    ck_assert_ptr_ne(at, MAP_FAILED);
    memset(at, fill, len);
    return at;
}

static inline bool bell_rang(void)
{
    struct pollfd bell = {.fd = bell_fd, .events = POLLIN};
    uint64_t rings;

    return poll(&bell, 1, BELL_MS) == 1 && read(bell_fd, &rings, sizeof(rings)) == sizeof(rings);
}

START_TEST(it_reads_what_it_wrote)
{
    struct iovec out = {buffer('a', WRITE_BYTES), WRITE_BYTES};
    struct iovec in = {buffer(0, WRITE_BYTES), WRITE_BYTES};
    struct uring_done d;

    ck_assert_int_eq(uring_writev(&u, SLOT, 4096, &out, 1, true, 1), 0);
    ck_assert_int_eq(uring_submit(&u), 0);
    d = next_done(&u);
    ck_assert_uint_eq(d.user_data, 1);
    ck_assert_int_eq(d.res, WRITE_BYTES);
    ck_assert_int_eq(uring_readv(&u, SLOT, 4096, &in, 1, 2), 0);
    ck_assert_int_eq(uring_submit(&u), 0);
    ck_assert_int_eq(next_done(&u).res, WRITE_BYTES);
    ck_assert_mem_eq(in.iov_base, out.iov_base, WRITE_BYTES);
    ck_assert(bell_rang());
    ck_assert_uint_eq(uring_fence(&u), 0);
    ck_assert_uint_eq(uring_room(&u), RING_IN_FLIGHT);
}
END_TEST

START_TEST(it_syncs_and_punches_holes)
{
    struct iovec out = {buffer('a', WRITE_BYTES), WRITE_BYTES};
    struct iovec in = {buffer('b', 4096), 4096};
    const char zeros[4096] = {0};

    ck_assert_int_eq(uring_writev(&u, SLOT, 0, &out, 1, false, 1), 0);
    ck_assert_int_eq(uring_submit(&u), 0);
    ck_assert_int_eq(next_done(&u).res, WRITE_BYTES);
    ck_assert_int_eq(
        uring_fallocate(&u, SLOT, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 4096, 2), 0);
    ck_assert_int_eq(uring_fdatasync(&u, SLOT, 3), 0);
    ck_assert_int_eq(uring_submit(&u), 0);
    ck_assert_int_eq(next_done(&u).res, 0);
    ck_assert_int_eq(next_done(&u).res, 0);
    ck_assert_int_eq(uring_readv(&u, SLOT, 4096, &in, 1, 4), 0);
    ck_assert_int_eq(uring_submit(&u), 0);
    ck_assert_int_eq(next_done(&u).res, 4096);
    ck_assert_mem_eq(in.iov_base, zeros, sizeof(zeros));
}
END_TEST

START_TEST(a_full_ring_takes_no_more)
{
    struct iovec in = {buffer(0, 4096), 512};
    struct uring_done d;

    while (uring_peek(&u, 0, &d))
        uring_advance(&u, 1);
    for (uint32_t i = 0; i < RING_IN_FLIGHT; i++) {
        int r = uring_readv(&u, SLOT, 0, &in, 1, i);

        ck_assert_int_eq(r, 0);
    }
    ck_assert_int_eq(uring_readv(&u, SLOT, 0, &in, 1, 0), -ENOBUFS);
    ck_assert_int_eq(uring_submit(&u), 0);
    ck_assert_int_eq(uring_readv(&u, SLOT, 0, &in, 1, 0), -ENOBUFS);
    ck_assert_int_eq(uring_wait(&u, RING_IN_FLIGHT, clock_now_ns() + 10 * NS_PER_S), 0);
    ck_assert_uint_eq(uring_room(&u), 0);
    ck_assert(uring_peek(&u, RING_IN_FLIGHT - 1, &d));
    ck_assert(!uring_peek(&u, RING_IN_FLIGHT, &d));
    uring_advance(&u, 1);
    ck_assert_uint_eq(uring_room(&u), 1);
}
END_TEST

START_TEST(the_bell_can_be_silenced)
{
    struct iovec in = {buffer(0, 4096), 4096};
    uint64_t rings;

    (void)!read(bell_fd, &rings, sizeof(rings));
    uring_bell(&u, false);
    ck_assert_int_eq(uring_readv(&u, SLOT, 0, &in, 1, 1), 0);
    ck_assert_int_eq(uring_submit(&u), 0);
    (void)next_done(&u);
    ck_assert_int_lt(read(bell_fd, &rings, sizeof(rings)), 0);
    uring_bell(&u, true);
    ck_assert_int_eq(uring_readv(&u, SLOT, 0, &in, 1, 1), 0);
    ck_assert_int_eq(uring_submit(&u), 0);
    (void)next_done(&u);
    ck_assert(bell_rang());
}
END_TEST

START_TEST(a_wait_ends_with_its_time)
{
    struct uring_done d;

    while (uring_peek(&u, 0, &d))
        uring_advance(&u, 1);
    ck_assert_int_eq(uring_wait(&u, 1, clock_now_ns() + 20 * NS_PER_MS), -ETIME);
    ck_assert_int_eq(uring_wait(&u, 1, 0), -ETIME);
}
END_TEST

static inline void uring_cases(TCase *t)
{
    tcase_add_test(t, it_reads_what_it_wrote);
    tcase_add_test(t, it_syncs_and_punches_holes);
    tcase_add_test(t, a_full_ring_takes_no_more);
    tcase_add_test(t, the_bell_can_be_silenced);
    tcase_add_test(t, a_wait_ends_with_its_time);
}

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "drivers/uring_plain.h"
#include "tests/unit/uring_cases.h"

enum {
    FIRST_FD = 200, /* the file is its SLOT */
    LAST_FILE = SLOT + 1,
    N_FILES = LAST_FILE + 1,
    ROUNDS = 50,
    PIECES = 2 * URING_PLAIN_PIECES,
    PIECE_BYTES = 512,
};

static struct uring_plain *plain;

/* --- a disk that is slow --- */

static _Atomic bool syncs_wait;
static _Atomic unsigned n_waiting;

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);

int __wrap_fdatasync(int fd)
{
    n_waiting++;
    while (syncs_wait)
        (void)usleep(1000);
    n_waiting--;
    return __real_fdatasync(fd);
}

/* --- what a write asks for; under the name that it has where files may be large --- */

static _Atomic int last_flags;

ssize_t __real_pwritev64v2(int fd, const struct iovec *iov, int n, off_t at, int flags);
ssize_t __wrap_pwritev64v2(int fd, const struct iovec *iov, int n, off_t at, int flags);

ssize_t __wrap_pwritev64v2(int fd, const struct iovec *iov, int n, off_t at, int flags)
{
    last_flags = flags;
    return __real_pwritev64v2(fd, iov, n, at, flags);
}

/* --- */

static void attach(void)
{
    plain = calloc(1, sizeof(*plain));
    ck_assert_ptr_nonnull(plain);
    ck_assert_int_eq(uring_plain_attach(plain, &u, FIRST_FD, N_FILES, bell_fd), 0);
    ck_assert_uint_eq(uring_fence(&u), 0);
    ck_assert_int_eq(uring_take_over(&u), 0);
}

static void setup(void)
{
    AUTO_FD file = make_file();
    AUTO_FD readable = open("/etc/passwd", O_RDONLY | O_CLOEXEC);

    bell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    file_fd = FIRST_FD + SLOT;
    ck_assert_int_eq(dup2(file, file_fd), file_fd);
    ck_assert_int_ge(readable, 0);
    ck_assert_int_eq(dup2(readable, FIRST_FD + LAST_FILE), FIRST_FD + LAST_FILE);
    attach();
}

static void teardown(void)
{
    syncs_wait = false;
    uring_plain_detach(plain);
    uring_detach(&u);
    free(plain);
    fd_closep(&bell_fd);
    fd_closep(&file_fd);
}

static struct uring_done do_one(const struct io_uring_sqe *sqe)
{
    u.sqes[u.tail++ & (u.shape.sq_entries - 1)] = *sqe;
    ck_assert_int_eq(uring_submit(&u), 0);
    return next_done(&u);
}

/* --- errors are the kernel's --- */

START_TEST(what_the_kernel_says_is_passed_on)
{
    struct iovec out = {buffer('a', 512), 512};
    struct iovec nowhere = {NULL, 512};

    ck_assert_int_eq(uring_writev(&u, LAST_FILE, 0, &out, 1, false, 1), 0);
    ck_assert_int_eq(uring_submit(&u), 0);
    ck_assert_int_eq(next_done(&u).res, -EBADF); /* for reading only */
    ck_assert_int_eq(uring_readv(&u, SLOT, 0, &nowhere, 1, 1), 0);
    ck_assert_int_eq(uring_submit(&u), 0);
    ck_assert_int_eq(next_done(&u).res, -EFAULT);
    ck_assert_int_eq(uring_readv(&u, SLOT, FILE_BYTES, &out, 1, 1), 0);
    ck_assert_int_eq(uring_submit(&u), 0);
    ck_assert_int_eq(next_done(&u).res, 0); /* its end */
    ck_assert_int_eq(uring_readv(&u, SLOT, FILE_BYTES - 512, &out, 1, 1), 0);
    ck_assert_int_eq(uring_submit(&u), 0);
    ck_assert_int_eq(next_done(&u).res, 512);
    ck_assert_int_eq(uring_fallocate(&u, SLOT, 0, 0, 0, 1), 0);
    ck_assert_int_eq(uring_submit(&u), 0);
    ck_assert_int_eq(next_done(&u).res, -EINVAL);
}
END_TEST

START_TEST(other_requests_are_refused_and_no_other_descriptor_is_reached)
{
    static const struct {
        uint8_t opcode, flags;
        int32_t file;
        uint64_t off;
        int32_t res;
    } rows[] = {
        {IORING_OP_NOP,    IOSQE_FIXED_FILE,                 SLOT,    0,          -EACCES},
        {IORING_OP_OPENAT, IOSQE_FIXED_FILE,                 SLOT,    0,          -EACCES},
        {IORING_OP_WRITE,  IOSQE_FIXED_FILE,                 SLOT,    0,          -EACCES},
        {IORING_OP_READV,  0,                                SLOT,    0,          -EACCES},
        {IORING_OP_READV,  IOSQE_FIXED_FILE | IOSQE_IO_LINK, SLOT,    0,          -EACCES},
        {IORING_OP_READV,  IOSQE_FIXED_FILE,                 N_FILES, 0,          -EBADF },
        {IORING_OP_READV,  IOSQE_FIXED_FILE,                 -1,      0,          -EBADF },
        {IORING_OP_READV,  IOSQE_FIXED_FILE,                 -197,    0,          -EBADF },
        {IORING_OP_READV,  IOSQE_FIXED_FILE,                 SLOT,    UINT64_MAX, -EINVAL},
        {IORING_OP_WRITEV, IOSQE_FIXED_FILE,                 SLOT,    UINT64_MAX, -EINVAL},
        {IORING_OP_FSYNC,  IOSQE_FIXED_FILE,                 SLOT,    0,          -EINVAL},
        {IORING_OP_READV,  IOSQE_FIXED_FILE,                 0,       0,          -EBADF }, /* not open */
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct io_uring_sqe sqe = {.opcode = rows[i].opcode,
                                         .flags = rows[i].flags,
                                         .fd = rows[i].file,
                                         .off = rows[i].off,
                                         .user_data = i};
        struct uring_done d = do_one(&sqe);

        ck_assert_uint_eq(d.user_data, i);
        ck_assert_msg(d.res == rows[i].res, "row %zu: %d", i, d.res);
    }
}
END_TEST

/* --- memory of the caller's --- */

START_TEST(pieces_are_the_callers_again_after_submission)
{
    char *at = buffer(0, WRITES * 4096);
    struct iovec in[WRITES];
    struct iovec out = {buffer('a', WRITES * 4096), WRITES * 4096};

    ck_assert_int_eq(uring_writev(&u, SLOT, 0, &out, 1, false, 1), 0);
    ck_assert_int_eq(uring_submit(&u), 0);
    ck_assert_int_eq(next_done(&u).res, WRITES * 4096);
    for (int i = 0; i < WRITES; i++) {
        in[i] = (struct iovec){at + i * 4096, 4096};
        ck_assert_int_eq(uring_readv(&u, SLOT, (uint64_t)i * 4096, &in[i], 1, (uint64_t)i), 0);
    }
    ck_assert_int_eq(uring_submit(&u), 0);
    memset(in, 0xff, sizeof(in));
    for (int i = 0; i < WRITES; i++)
        ck_assert_int_eq(next_done(&u).res, 4096);
    ck_assert_mem_eq(at, out.iov_base, WRITES * 4096);
}
END_TEST

START_TEST(of_many_pieces_it_says_how_far_it_came)
{
    char *at = buffer('a', PIECES * PIECE_BYTES);
    char *back = buffer(0, PIECES * PIECE_BYTES);
    struct iovec iov[PIECES];

    for (int i = 0; i < PIECES; i++)
        iov[i] = (struct iovec){at + i * PIECE_BYTES, PIECE_BYTES};
    ck_assert_int_eq(uring_writev(&u, SLOT, 0, iov, PIECES, true, 1), 0);
    ck_assert_int_eq(uring_submit(&u), 0);
    ck_assert_int_eq(next_done(&u).res, URING_PLAIN_PIECES * PIECE_BYTES);
    ck_assert_int_eq(pread(file_fd, back, PIECES * PIECE_BYTES, 0), PIECES * PIECE_BYTES);
    ck_assert_mem_eq(back, at, URING_PLAIN_PIECES * PIECE_BYTES);
    ck_assert_int_eq(back[URING_PLAIN_PIECES * PIECE_BYTES], 0);
}
END_TEST

START_TEST(only_a_durable_write_asks_to_be_durable)
{
    struct iovec out = {buffer('a', 4096), 4096};

    for (int durable = 0; durable <= 1; durable++) {
        last_flags = -1;
        ck_assert_int_eq(uring_writev(&u, SLOT, 0, &out, 1, durable != 0, 1), 0);
        ck_assert_int_eq(uring_submit(&u), 0);
        ck_assert_int_eq(next_done(&u).res, 4096);
        ck_assert_int_eq(last_flags, durable != 0 ? RWF_DSYNC : 0);
    }
}
END_TEST

/* --- a slow disk --- */

START_TEST(a_slow_disk_holds_up_neither_who_submits_nor_others)
{
    struct iovec in = {buffer(0, 4096), 4096};
    struct uring_done d;

    while (uring_peek(&u, 0, &d))
        uring_advance(&u, 1);
    syncs_wait = true;
    for (uint64_t i = 0; i < URING_PLAIN_THREADS - 1; i++)
        ck_assert_int_eq(uring_fdatasync(&u, SLOT, 1), 0);
    ck_assert_int_eq(uring_submit(&u), 0);
    ck_assert_int_eq(uring_readv(&u, LAST_FILE, 0, &in, 1, 2), 0);
    ck_assert_int_eq(uring_submit(&u), 0);
    ck_assert_uint_eq(next_done(&u).user_data, 2);
    ck_assert_int_eq(uring_wait(&u, 1, clock_now_ns() + 100 * NS_PER_MS), -ETIME);
    ck_assert_uint_eq(uring_fence(&u), URING_PLAIN_THREADS - 1);
    ck_assert_uint_eq(n_waiting, URING_PLAIN_THREADS - 1);
    syncs_wait = false;
    for (unsigned i = 0; i < URING_PLAIN_THREADS - 1; i++)
        ck_assert_int_eq(next_done(&u).res, 0);
    ck_assert_uint_eq(uring_fence(&u), 0);
}
END_TEST

/* When all are held up the rest waits; all of it completes. */
START_TEST(more_than_there_are_threads_for_waits)
{
    struct uring_done d;

    while (uring_peek(&u, 0, &d))
        uring_advance(&u, 1);
    syncs_wait = true;
    for (unsigned i = 0; i < RING_IN_FLIGHT; i++)
        ck_assert_int_eq(uring_fdatasync(&u, SLOT, i), 0);
    ck_assert_int_eq(uring_submit(&u), 0);
    ck_assert_int_eq(uring_wait(&u, 1, clock_now_ns() + 50 * NS_PER_MS), -ETIME);
    ck_assert_uint_eq(uring_fence(&u), RING_IN_FLIGHT);
    syncs_wait = false;
    for (unsigned i = 0; i < RING_IN_FLIGHT; i++)
        ck_assert_int_eq(next_done(&u).res, 0);
    ck_assert_uint_eq(uring_room(&u), RING_IN_FLIGHT);
}
END_TEST

/* --- a process that is killed --- */

static _Noreturn void be_a_generation(int say_fd, char *data)
{
    static struct iovec iov[WRITES];

    attach();
    for (unsigned i = 0; i < WRITES; i++) {
        iov[i] = (struct iovec){data + i * WRITE_BYTES, WRITE_BYTES};
        if (uring_writev(&u, SLOT, (uint64_t)i * WRITE_BYTES, &iov[i], 1, false, i) < 0)
            _exit(1);
    }
    if (uring_submit(&u) < 0)
        _exit(1);
    (void)!write(say_fd, "x", 1);
    for (;;)
        (void)pause();
}

START_TEST(nothing_is_written_once_the_process_has_been_reaped)
{
    char *data = buffer(0, WRITES * WRITE_BYTES), *one = buffer(0, WRITES * WRITE_BYTES);
    char *two = buffer(0, WRITES * WRITE_BYTES);
    unsigned cut = 0, begun = 0;

    for (int round = 1; round <= ROUNDS; round++) {
        int say[2], status;
        pid_t pid;
        char x;

        memset(data, round, WRITES * WRITE_BYTES);
        ck_assert_int_eq(pipe(say), 0);
        pid = fork();
        if (pid == 0)
            be_a_generation(say[1], data);
        fd_closep(&say[1]);
        ck_assert_int_eq(read(say[0], &x, 1), 1);
        fd_closep(&say[0]);
        (void)usleep((useconds_t)(round * 20));
        ck_assert_int_eq(kill(pid, SIGKILL), 0);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_int_eq(pread(file_fd, one, WRITES * WRITE_BYTES, 0), WRITES * WRITE_BYTES);
        (void)usleep(5000);
        ck_assert_int_eq(pread(file_fd, two, WRITES * WRITE_BYTES, 0), WRITES * WRITE_BYTES);
        ck_assert_mem_eq(one, two, WRITES * WRITE_BYTES);
        cut += memcmp(one, data, WRITES * WRITE_BYTES) != 0;
        begun += memchr(one, round, WRITES * WRITE_BYTES) != NULL;
    }
    printf("of %d deaths %u came after a write, %u before the last one\n", ROUNDS, begun, cut);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("uring_plain");
    TCase *t = tcase_create("all");
    SRunner *sr = srunner_create(s);
    int failed;

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    uring_cases(t);
    tcase_add_test(t, what_the_kernel_says_is_passed_on);
    tcase_add_test(t, other_requests_are_refused_and_no_other_descriptor_is_reached);
    tcase_add_test(t, pieces_are_the_callers_again_after_submission);
    tcase_add_test(t, of_many_pieces_it_says_how_far_it_came);
    tcase_add_test(t, only_a_durable_write_asks_to_be_durable);
    tcase_add_test(t, a_slow_disk_holds_up_neither_who_submits_nor_others);
    tcase_add_test(t, more_than_there_are_threads_for_waits);
    tcase_add_test(t, nothing_is_written_once_the_process_has_been_reaped);
    suite_add_tcase(s, t);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}

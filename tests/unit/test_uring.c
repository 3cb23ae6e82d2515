#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "drivers/uring.h"
#include "init/ring.h"
#include "ipc/disks.h"
#include "tests/fakes/ring.h"
#include "tests/unit/uring_cases.h"

enum {
    ROUNDS = 200,
    LEFT = 4, /* that a generation prepares besides */
    NOBODY = 65534,
};

static struct ring_shape shape;
static int ring_fd, other_fd;
static struct why why;

static void setup(void)
{
    int r = ring_new(&ring_fd, &shape, &why);

    ck_assert_msg(r == 0, "%s", why.text);
    bell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    file_fd = make_file();
    other_fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(other_fd, 0);
    ck_assert_int_eq(ring_set_file(ring_fd, SLOT, file_fd), 0);
    r = ring_enable(ring_fd, bell_fd, &why);
    ck_assert_msg(r == 0, "%s", why.text);
    ck_assert_int_eq(uring_attach(&u, ring_fd, &shape), 0);
    ck_assert_int_eq(uring_take_over(&u), 0);
}

static void teardown(void)
{
    uring_detach(&u);
    fd_closep(&ring_fd);
    fd_closep(&bell_fd);
    fd_closep(&file_fd);
    fd_closep(&other_fd);
}

/* --- what only init's ring can --- */

START_TEST(files_come_and_go_while_it_runs)
{
    struct iovec in = {buffer(0, 4096), 4096};

    ck_assert_int_eq(ring_set_file(ring_fd, SLOT, -1), 0);
    ck_assert_int_eq(uring_readv(&u, SLOT, 0, &in, 1, 1), 0);
    ck_assert_int_eq(uring_submit(&u), 0);
    ck_assert_int_eq(next_done(&u).res, -EBADF);
    ck_assert_int_eq(ring_set_file(ring_fd, DISK_FILES - 1, file_fd), 0);
    ck_assert_int_eq(uring_readv(&u, DISK_FILES - 1, 0, &in, 1, 1), 0);
    ck_assert_int_eq(uring_submit(&u), 0);
    ck_assert_int_eq(next_done(&u).res, 4096);
    ck_assert_int_eq(ring_set_file(ring_fd, DISK_FILES, file_fd), -EINVAL);
}
END_TEST

/* --- what it is not for --- */

static char some_bytes[4096];
static const char path[] = "/etc/passwd";

struct forbidden {
    const char *name;
    uint8_t opcode;
    uint8_t flags;
    int32_t file; /* -1: other_fd */
    int32_t refusal;
    bool works_else; /* in a ring that nobody restricted */
};

enum {
    FIXED = IOSQE_FIXED_FILE,
    LAST = DISK_FILES,
};

static const struct forbidden forbidden[] = {
    {"read by descriptor",   IORING_OP_READ,         0,                              -1,       -EACCES, true },
    {"write, no fixed file", IORING_OP_WRITE,        0,                              0,        -EACCES, false},
    {"an empty slot",        IORING_OP_READ,         FIXED,                          9,        -EBADF,  false},
    {"past the table",       IORING_OP_READ,         FIXED,                          LAST,     -EBADF,  false},
    {"openat",               IORING_OP_OPENAT,       0,                              AT_FDCWD, -EACCES, true },
    {"openat with a slot",   IORING_OP_OPENAT,       FIXED,                          SLOT,     -EACCES, false},
    {"socket",               IORING_OP_SOCKET,       0,                              AF_INET,  -EACCES, true },
    {"command to a file",    IORING_OP_URING_CMD,    FIXED,                          SLOT,     -EACCES, false},
    {"nothing",              IORING_OP_NOP,          0,                              -1,       -EACCES, true },
    {"nothing, with a slot", IORING_OP_NOP,          FIXED,                          SLOT,     -EACCES, true },
    {"close",                IORING_OP_CLOSE,        0,                              -1,       -EACCES, true },
    {"linked",               IORING_OP_FSYNC,        FIXED | IOSQE_IO_LINK,          SLOT,     -EACCES, true },
    {"drained",              IORING_OP_FSYNC,        FIXED | IOSQE_IO_DRAIN,         SLOT,     -EACCES, true },
    {"by a thread",          IORING_OP_FSYNC,        FIXED | IOSQE_ASYNC,            SLOT,     -EACCES, true },
    {"without a completion", IORING_OP_FSYNC,        FIXED | IOSQE_CQE_SKIP_SUCCESS, -1,       -EACCES, false},
    {"timeout",              IORING_OP_TIMEOUT,      FIXED,                          0,        -EACCES, false},
    {"poll",                 IORING_OP_POLL_ADD,     FIXED,                          SLOT,     -EACCES, false},
    {"slots updated",        IORING_OP_FILES_UPDATE, FIXED,                          0,        -EACCES, false},
};

static int32_t try_one(struct uring *r, const struct forbidden *f)
{
    struct io_uring_sqe sqe = {
        .opcode = f->opcode,
        .flags = f->flags,
        .fd = f->file == -1 ? other_fd : f->file,
        .user_data = 7,
    };

    if (f->opcode == IORING_OP_READ || f->opcode == IORING_OP_WRITE) {
        sqe.addr = (uint64_t)(uintptr_t)some_bytes;
        sqe.len = 16;
    }
    if (f->opcode == IORING_OP_OPENAT)
        sqe.addr = (uint64_t)(uintptr_t)path;
    if (f->opcode == IORING_OP_SOCKET)
        sqe.off = SOCK_STREAM;
    r->sqes[r->tail++ & (r->shape.sq_entries - 1)] = sqe;
    if (uring_submit(r) < 0)
        return INT32_MIN;
    return next_done(r).res;
}

/* As a worker: another user, no privileges, the ring and nothing else. */
static void be_nobody(void)
{
    ck_assert_int_eq(setgroups(0, NULL), 0);
    ck_assert_int_eq(setresgid(NOBODY, NOBODY, NOBODY), 0);
    ck_assert_int_eq(setresuid(NOBODY, NOBODY, NOBODY), 0);
    ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
}

START_TEST(everything_else_is_refused)
{
    be_nobody();
    for (size_t i = 0; i < COUNT_OF(forbidden); i++) {
        int32_t res = try_one(&u, &forbidden[i]);

        ck_assert_msg(res == forbidden[i].refusal, "%s: %d", forbidden[i].name, res);
    }
}
END_TEST

START_TEST(register_operations_are_refused)
{
    be_nobody();
    for (unsigned op = 0; op < 64; op++) {
        uint64_t arg[64] = {0};
        long r;

        if (op == IORING_REGISTER_FILES_UPDATE) /* a worker's filter has no such call */
            continue;
        r = syscall(SYS_io_uring_register, ring_fd, op, arg, 1);
        ck_assert_msg(r < 0 &&
                          (errno == EACCES || errno == EINVAL || errno == EBADFD || errno == EBUSY),
                      "operation %u: %ld, %d", op, r, errno);
    }
}
END_TEST

/* Without restrictions the same attempts work, or they would prove nothing. */
START_TEST(the_attempts_work_where_nothing_is_restricted)
{
    struct ring_shape open_shape;
    AUTO_FD open_ring = -1;
    struct uring open_u;

    ck_assert_int_eq(ring_new(&open_ring, &open_shape, &why), 0);
    ck_assert_int_eq(ring_set_file(open_ring, SLOT, file_fd), 0);
    ck_assert_int_eq(
        (int)syscall(SYS_io_uring_register, open_ring, IORING_REGISTER_ENABLE_RINGS, NULL, 0), 0);
    ck_assert_int_eq(uring_attach(&open_u, open_ring, &open_shape), 0);
    ck_assert_int_eq(uring_take_over(&open_u), 0);
    for (size_t i = 0; i < COUNT_OF(forbidden); i++) {
        if (forbidden[i].works_else) {
            int32_t res = try_one(&open_u, &forbidden[i]);

            ck_assert_msg(res >= 0, "%s: %d", forbidden[i].name, res);
        }
    }
    uring_detach(&open_u);
}
END_TEST

/* --- a generation that is killed --- */

static char *round_data;

static int writes(struct uring *r, unsigned from, unsigned n)
{
    static struct iovec iov[WRITES + LEFT];
    int res = 0;

    for (unsigned i = from; res == 0 && i < from + n; i++) {
        iov[i] = (struct iovec){round_data + i * WRITE_BYTES, WRITE_BYTES};
        res = uring_writev(r, SLOT, (uint64_t)i * WRITE_BYTES, &iov[i], 1, false, i);
    }
    return res;
}

/* Submits, prepares some more, says so, and waits for its end. */
static _Noreturn void be_a_generation(int say_fd)
{
    struct uring r;

    if (uring_attach(&r, ring_fd, &shape) < 0 || uring_take_over(&r) < 0 ||
        writes(&r, 0, WRITES) < 0 || uring_submit(&r) < 0 || writes(&r, WRITES, LEFT) < 0)
        _exit(1);
    *(volatile uint32_t *)(void *)(r.rings + r.shape.sq_tail) = r.tail; /* killed just before */
    (void)!write(say_fd, "x", 1);
    for (;;)
        (void)pause();
}

static void run_and_kill(void)
{
    int say[2], status;
    pid_t pid;
    char x;

    ck_assert_int_eq(pipe(say), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        be_a_generation(say[1]);
    fd_closep(&say[1]);
    ck_assert_int_eq(read(say[0], &x, 1), 1);
    fd_closep(&say[0]);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFSIGNALED(status));
}

static void await_fence(void)
{
    uint64_t end_ns = clock_now_ns() + 10 * NS_PER_S;

    while (uring_fence(&u) > 0) {
        ck_assert_uint_lt(clock_now_ns(), end_ns);
        (void)usleep(100);
    }
}

/* Each that was submitted has its completion, and what it says is so. */
static void check_completions(const char *back)
{
    bool seen[WRITES] = {false};
    unsigned n = 0;
    struct uring_done d;

    for (; uring_peek(&u, 0, &d); uring_advance(&u, 1)) {
        if (d.user_data == URING_PROBE)
            continue;
        ck_assert_uint_lt(d.user_data, WRITES);
        ck_assert(!seen[d.user_data]);
        seen[d.user_data] = true;
        n++;
        ck_assert_msg(d.res >= 0 || d.res == -ECANCELED || d.res == -EINTR, "%d", d.res);
        if (d.res > 0)
            ck_assert_mem_eq(back + d.user_data * WRITE_BYTES,
                             round_data + d.user_data * WRITE_BYTES, (size_t)d.res);
    }
    ck_assert_uint_eq(n, WRITES);
}

START_TEST(what_a_killed_generation_submitted_is_found_and_the_rest_is_not_done)
{
    static const char zeros[LEFT * WRITE_BYTES];
    char *back = buffer(0, FILE_BYTES);
    unsigned outstanding = 0;

    round_data = buffer(0, FILE_BYTES);
    for (int round = 1; round <= ROUNDS; round++) {
        memset(round_data, round, WRITES * WRITE_BYTES);
        memset(round_data + WRITES * WRITE_BYTES, 0xee, LEFT * WRITE_BYTES);
        run_and_kill();
        ck_assert_int_eq(uring_take_over(&u), 0);
        outstanding += uring_fence(&u);
        await_fence();
        ck_assert_int_eq(pread(file_fd, back, FILE_BYTES, 0), FILE_BYTES);
        check_completions(back);
        ck_assert_mem_eq(back + WRITES * WRITE_BYTES, zeros, sizeof(zeros));
    }
    printf("outstanding when the generation was reaped: %u of %d\n", outstanding, ROUNDS * WRITES);
}
END_TEST

START_TEST(completions_that_were_not_advanced_over_are_the_successors)
{
    struct iovec in = {buffer(0, 4096), 4096};
    struct uring_done d;
    struct uring next;
    bool found = false;

    ck_assert_int_eq(uring_readv(&u, SLOT, 0, &in, 1, 77), 0);
    ck_assert_int_eq(uring_submit(&u), 0);
    ck_assert_int_eq(uring_attach(&next, ring_fd, &shape), 0);
    ck_assert_int_eq(uring_take_over(&next), 0);
    for (uint32_t i = 0; uring_peek(&next, i, &d); i++)
        found = found || d.user_data == 77;
    ck_assert(found);
    uring_detach(&next);
}
END_TEST

/* --- a predecessor that was taken over --- */

static void spoil(uint32_t offset, uint32_t value)
{
    *(volatile uint32_t *)(void *)(u.rings + offset) = value;
}

/* Nothing is left of what a predecessor prepared, and the ring serves. */
static void expect_usable(const struct iovec *in, uint64_t user_data)
{
    struct uring_done d;

    ck_assert_int_eq(uring_take_over(&u), 0);
    await_fence();
    for (; uring_peek(&u, 0, &d); uring_advance(&u, 1))
        ck_assert_uint_eq(d.user_data, URING_PROBE);
    ck_assert_int_eq(uring_readv(&u, SLOT, 0, in, 1, user_data), 0);
    ck_assert_int_eq(uring_submit(&u), 0);
    ck_assert_uint_eq(next_done(&u).user_data, user_data);
}

/* Requests it left behind would be made in the successor's name, with the successor's memory. */
START_TEST(a_spoilt_submission_queue_submits_nothing_of_its_own)
{
    static const uint32_t heads[] = {0, 1, 1000, 0x7fffffff, 0x80000000, 0xffffffff};
    struct iovec in = {buffer(0, 4096), 4096};
    struct io_uring_sqe bad = {
        .opcode = IORING_OP_WRITE,
        .flags = IOSQE_FIXED_FILE,
        .fd = SLOT,
        .addr = (uint64_t)(uintptr_t)buffer('b', 4096),
        .len = 4096,
        .user_data = 99,
    };
    char *back = buffer(0, 4096);

    for (size_t n = 0; n < COUNT_OF(heads); n++) {
        for (uint32_t i = 0; i < shape.sq_entries; i++) {
            u.sqes[i] = bad;
            spoil(shape.sq_array + i * 4, 0xffffffff - i);
        }
        spoil(shape.sq_head, heads[n]);
        spoil(shape.sq_tail, heads[n] + 5);
        expect_usable(&in, n);
    }
    ck_assert_int_eq(pread(file_fd, back, 4096, 0), 4096);
    ck_assert_int_eq(back[0], 0);
}
END_TEST

/* A successor that did not get over it would be no better than none, and so would the next one. */
START_TEST(a_spoilt_completion_queue_loses_what_is_in_it)
{
    static const uint32_t heads[] = {0x12345678, 0x7fffffff, 0xffff0000};
    struct iovec in = {buffer(0, 4096), 4096};

    for (size_t n = 0; n < COUNT_OF(heads); n++) {
        ck_assert_int_eq(uring_readv(&u, SLOT, 0, &in, 1, 99), 0);
        ck_assert_int_eq(uring_submit(&u), 0);
        await_fence();
        spoil(shape.cq_tail, heads[n] + 1);
        spoil(shape.cq_head, heads[n]);
        expect_usable(&in, n);
    }
}
END_TEST

START_TEST(a_shape_that_cannot_be_is_refused)
{
    static struct fake_ring f;
    struct ring_shape good;
    uint32_t *const words[] = {&f.shape.sq_head, &f.shape.sq_tail, &f.shape.sq_flags,
                               &f.shape.cq_head, &f.shape.cq_tail, &f.shape.cq_flags,
                               &f.shape.cqes,    &f.shape.sq_array};
    struct uring fresh;

    fake_ring_init(&f);
    good = f.shape;
    ck_assert_int_eq(fake_ring_attach(&f, &fresh), 0);
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        static const uint32_t bad[] = {1, FAKE_RING_BYTES, FAKE_RING_BYTES - 3, 0xfffffffc};

        for (size_t k = 0; k < COUNT_OF(bad); k++) {
            f.shape = good;
            *words[i] = bad[k];
            ck_assert_int_eq(fake_ring_attach(&f, &fresh), -EBADMSG);
        }
    }
    f.shape = good;
    f.shape.sq_entries = 1000;
    ck_assert_int_eq(fake_ring_attach(&f, &fresh), -EBADMSG);
    f.shape.sq_entries = 0;
    ck_assert_int_eq(fake_ring_attach(&f, &fresh), -EBADMSG);
    f.shape = good;
    f.shape.cq_entries = 0x80000000;
    ck_assert_int_eq(fake_ring_attach(&f, &fresh), -EBADMSG);
}
END_TEST

/* --- the kernel has no memory; the same code over a fake --- */

START_TEST(what_could_not_be_submitted_stays_prepared)
{
    static struct fake_ring f;
    struct iovec in = {some_bytes, 16};
    struct uring fresh;
    struct uring_done d;

    fake_ring_init(&f);
    f.fds[0] = other_fd;
    ck_assert_int_eq(fake_ring_attach(&f, &fresh), 0);
    ck_assert_int_eq(uring_take_over(&fresh), 0);
    uring_advance(&fresh, 1);
    ck_assert_int_eq(uring_readv(&fresh, 0, 0, &in, 1, 5), 0);
    f.enter_error = -EAGAIN;
    ck_assert_int_eq(uring_submit(&fresh), -EAGAIN);
    ck_assert(!uring_peek(&fresh, 0, &d));
    f.enter_error = -EINTR;
    f.hold = true;
    ck_assert_int_eq(uring_submit(&fresh), 0);
    ck_assert_uint_eq(uring_fence(&fresh), 1);
    fake_ring_work(&f, 1);
    ck_assert_uint_eq(uring_fence(&fresh), 0);
    ck_assert(uring_peek(&fresh, 0, &d));
    ck_assert_int_eq(d.res, 16);
    fake_ring_done(&f);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("uring");
    TCase *t = tcase_create("all");
    SRunner *sr = srunner_create(s);
    int failed;

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    uring_cases(t);
    tcase_add_test(t, files_come_and_go_while_it_runs);
    tcase_add_test(t, everything_else_is_refused);
    tcase_add_test(t, register_operations_are_refused);
    tcase_add_test(t, the_attempts_work_where_nothing_is_restricted);
    tcase_add_test(t, what_a_killed_generation_submitted_is_found_and_the_rest_is_not_done);
    tcase_add_test(t, completions_that_were_not_advanced_over_are_the_successors);
    tcase_add_test(t, a_spoilt_submission_queue_submits_nothing_of_its_own);
    tcase_add_test(t, a_spoilt_completion_queue_loses_what_is_in_it);
    tcase_add_test(t, a_shape_that_cannot_be_is_refused);
    tcase_add_test(t, what_could_not_be_submitted_stays_prepared);
    suite_add_tcase(s, t);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed == 0 ? 0 : 1;
}

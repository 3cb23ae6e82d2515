#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipc/channel.h"

static int pair[2];

static void open_pair(void)
{
    ck_assert_int_eq(channel_pair(pair), 0);
}

static void close_pair(void)
{
    (void)close(pair[0]);
    (void)close(pair[1]);
}

static int send_ready(uint32_t generation, const int *fds, unsigned n_fds)
{
    Bulkhead__Ready ready;
    Bulkhead__Envelope e = BULKHEAD__ENVELOPE__INIT;

    bulkhead__ready__init(&ready);
    ready.generation = generation;
    e.body_case = BULKHEAD__ENVELOPE__BODY_READY;
    e.ready = &ready;
    return channel_send(pair[0], &e, fds, n_fds);
}

static int open_null(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    return fd;
}

static unsigned open_fds(void)
{
    unsigned n = 0;

    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
    return n;
}

START_TEST(an_envelope_with_descriptors_arrives)
{
    struct channel_msg m = {0};
    int fds[] = {open_null(), open_null()};

    ck_assert_int_eq(send_ready(7, fds, 2), 0);
    ck_assert_int_eq(channel_recv(pair[1], &m), 0);
    ck_assert_int_eq(m.envelope->body_case, BULKHEAD__ENVELOPE__BODY_READY);
    ck_assert_uint_eq(m.envelope->ready->generation, 7);
    ck_assert_uint_eq(m.n_fds, 2);
    ck_assert_int_eq(fcntl(m.fds[0], F_GETFD), FD_CLOEXEC);
    channel_msg_done(&m);
    ck_assert_int_eq(fcntl(fds[0], F_GETFD), FD_CLOEXEC); /* borrowed, not closed */
    (void)close(fds[0]);
    (void)close(fds[1]);
}
END_TEST

START_TEST(a_freed_message_leaves_nothing_open)
{
    unsigned before = open_fds();
    struct channel_msg m = {0};

    ck_assert_int_eq(send_ready(7, &pair[0], 1), 0);
    ck_assert_int_eq(channel_recv(pair[1], &m), 0);
    channel_msg_done(&m);
    ck_assert_uint_eq(open_fds(), before);
    channel_msg_done(&m); /* once more does no harm */
}
END_TEST

START_TEST(read_and_write_do_without_descriptors)
{
    struct channel_msg m = {0};
    Bulkhead__Kill kill = BULKHEAD__KILL__INIT;
    Bulkhead__Envelope e = BULKHEAD__ENVELOPE__INIT;
    unsigned before;

    kill.generation = 9;
    e.body_case = BULKHEAD__ENVELOPE__BODY_KILL;
    e.kill = &kill;
    before = open_fds();
    ck_assert_int_eq(channel_write(pair[0], &e), 0);
    ck_assert_int_eq(channel_read(pair[1], &m), 0);
    ck_assert_uint_eq(m.envelope->kill->generation, 9);
    channel_msg_done(&m);
    ck_assert_int_eq(send_ready(7, &pair[0], 1), 0);
    ck_assert_int_eq(channel_read(pair[1], &m), 0);
    ck_assert_uint_eq(m.n_fds, 0);
    ck_assert_uint_eq(open_fds(), before);
    channel_msg_done(&m);
}
END_TEST

START_TEST(sockets_close_on_exec)
{
    ck_assert_int_eq(fcntl(pair[0], F_GETFD), FD_CLOEXEC);
    ck_assert_int_eq(fcntl(pair[1], F_GETFD), FD_CLOEXEC);
}
END_TEST

/* Receive what must be refused, into a message that must not change. */
static void expect(int error)
{
    struct channel_msg m = {.n_fds = 77};
    unsigned before = open_fds();

    ck_assert_int_eq(channel_recv(pair[1], &m), error);
    ck_assert_uint_eq(m.n_fds, 77);
    ck_assert_ptr_null(m.envelope);
    ck_assert_uint_eq(open_fds(), before);
}

START_TEST(nothing_there)
{
    expect(-EAGAIN);
}
END_TEST

START_TEST(a_closed_peer)
{
    (void)shutdown(pair[0], SHUT_WR);
    expect(-EPIPE);
    ck_assert_int_eq(channel_read(pair[1], &(struct channel_msg){0}), -EPIPE);
}
END_TEST

START_TEST(sending_to_a_closed_peer_is_an_error_and_no_signal)
{
    (void)shutdown(pair[1], SHUT_RD);
    ck_assert_int_eq(send_ready(1, NULL, 0), -EPIPE);
}
END_TEST

START_TEST(garbage_is_refused)
{
    ck_assert_int_eq(send(pair[0], "\xff\xff\xff", 3, 0), 3);
    expect(-EBADMSG);
}
END_TEST

START_TEST(garbage_is_refused_by_read_too)
{
    struct channel_msg m = {.n_fds = 77};

    ck_assert_int_eq(send(pair[0], "\xff\xff\xff", 3, 0), 3);
    ck_assert_int_eq(channel_read(pair[1], &m), -EBADMSG);
    ck_assert_uint_eq(m.n_fds, 77);
}
END_TEST

START_TEST(a_long_envelope_is_for_others_than_read_and_write)
{
    static char text[CHANNEL_SHORT_BYTES];
    Bulkhead__Ready ready;
    Bulkhead__Envelope e = BULKHEAD__ENVELOPE__INIT;
    struct channel_msg m = {.n_fds = 77};

    bulkhead__ready__init(&ready);
    memset(text, 'x', sizeof(text) - 1);
    ready.error = text;
    e.body_case = BULKHEAD__ENVELOPE__BODY_READY;
    e.ready = &ready;
    ck_assert_int_eq(channel_write(pair[0], &e), -ENOBUFS);
    ck_assert_int_eq(channel_send(pair[0], &e, NULL, 0), 0);
    ck_assert_int_eq(channel_read(pair[1], &m), -EBADMSG);
    ck_assert_uint_eq(m.n_fds, 77);
    text[sizeof(text) - 6] = '\0'; /* with what is around it: as long as may be */
    ck_assert_uint_eq(bulkhead__envelope__get_packed_size(&e), CHANNEL_SHORT_BYTES);
    ck_assert_int_eq(channel_write(pair[0], &e), 0);
    ck_assert_int_eq(channel_read(pair[1], &m), 0);
    ck_assert_str_eq(m.envelope->ready->error, text);
    channel_msg_done(&m);
}
END_TEST

/* A field of bytes that nobody knows, as long as a datagram may be, and what comes behind it. */
static void send_long(size_t behind)
{
    static const uint8_t ready[] = {0x5a, 0x00}; /* field 11, empty */
    static uint8_t buf[CHANNEL_MAX_BYTES + sizeof(ready)];
    size_t body = CHANNEL_MAX_BYTES - 5;

    buf[0] = 0xfa; /* field 2047, bytes */
    buf[1] = 0x7f;
    buf[2] = (uint8_t)(0x80 | (body & 0x7f));
    buf[3] = (uint8_t)(0x80 | (body >> 7 & 0x7f));
    buf[4] = (uint8_t)(body >> 14);
    memcpy(buf + CHANNEL_MAX_BYTES, ready, sizeof(ready));
    ck_assert_int_eq(send(pair[0], buf, CHANNEL_MAX_BYTES + behind, 0),
                     (ssize_t)(CHANNEL_MAX_BYTES + behind));
}

START_TEST(the_longest_datagram_is_taken)
{
    struct channel_msg m = {0};

    send_long(0);
    ck_assert_int_eq(channel_recv(pair[1], &m), 0);
    channel_msg_done(&m);
}
END_TEST

/* What is cut off would be a message of its own, and what is left is one. */
START_TEST(a_longer_datagram_is_refused)
{
    send_long(2);
    expect(-EBADMSG);
}
END_TEST

static void send_fds(const uint8_t *bytes, size_t len, unsigned n)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * 64)] = {0};
    struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = CMSG_SPACE(sizeof(int) * n)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    int fd = open_null();

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int) * n);
    for (unsigned i = 0; i < n; i++)
        memcpy(CMSG_DATA(c) + i * sizeof(int), &fd, sizeof(fd));
    ck_assert_int_eq(sendmsg(pair[0], &msg, 0), (ssize_t)len);
    (void)close(fd);
}

/* Field 11 (ready), empty. */
static const uint8_t ready_bytes[] = {0x5a, 0x00};

START_TEST(as_many_descriptors_as_fit_are_taken)
{
    struct channel_msg m = {0};

    send_fds(ready_bytes, sizeof(ready_bytes), CHANNEL_MAX_FDS);
    ck_assert_int_eq(channel_recv(pair[1], &m), 0);
    ck_assert_uint_eq(m.n_fds, CHANNEL_MAX_FDS);
    channel_msg_done(&m);
}
END_TEST

START_TEST(more_descriptors_than_fit_are_refused_and_closed)
{
    send_fds(ready_bytes, sizeof(ready_bytes), CHANNEL_MAX_FDS + 1);
    expect(-EBADMSG);
}
END_TEST

START_TEST(more_descriptors_than_the_kernel_delivers_are_refused_and_closed)
{
    send_fds(ready_bytes, sizeof(ready_bytes), CHANNEL_MAX_FDS + 5);
    expect(-EBADMSG);
    send_fds(ready_bytes, sizeof(ready_bytes), 64);
    expect(-EBADMSG);
}
END_TEST

START_TEST(descriptors_that_could_not_be_installed_are_missed)
{
    struct rlimit most;
    struct rlimit little;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &most), 0);
    send_fds(ready_bytes, sizeof(ready_bytes), 2);
    little = most;
    little.rlim_cur = (rlim_t)open_null() + 1; /* this one is closed by the next line */
    (void)close((int)little.rlim_cur - 1);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &little), 0);
    expect(-EBADMSG);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &most), 0);
}
END_TEST

START_TEST(descriptors_with_garbage_are_closed)
{
    send_fds((const uint8_t[]){0xff}, 1, 2);
    expect(-EBADMSG);
}
END_TEST

START_TEST(sending_more_descriptors_than_fit_is_refused)
{
    int fds[CHANNEL_MAX_FDS + 1] = {0};

    ck_assert_int_eq(send_ready(1, fds, CHANNEL_MAX_FDS + 1), -ENOBUFS);
    expect(-EAGAIN);
}
END_TEST

START_TEST(sending_more_than_fits_is_refused)
{
    static char text[CHANNEL_MAX_BYTES + 1];
    Bulkhead__Ready ready;
    Bulkhead__Envelope e = BULKHEAD__ENVELOPE__INIT;

    bulkhead__ready__init(&ready);
    memset(text, 'x', sizeof(text) - 1);
    ready.error = text;
    e.body_case = BULKHEAD__ENVELOPE__BODY_READY;
    e.ready = &ready;
    ck_assert_int_eq(channel_send(pair[0], &e, NULL, 0), -ENOBUFS);
    ck_assert_int_eq(channel_write(pair[0], &e), -ENOBUFS);
    expect(-EAGAIN);
}
END_TEST

START_TEST(sending_to_one_who_does_not_read_does_not_block)
{
    int r = 0;

    for (int budget = 100000; r == 0; budget--) {
        ck_assert_int_gt(budget, 0);
        r = send_ready(1, NULL, 0);
    }
    ck_assert_int_eq(r, -EAGAIN);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("channel");
    TCase *c = tcase_create("all");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(c, open_pair, close_pair);
    tcase_add_test(c, an_envelope_with_descriptors_arrives);
    tcase_add_test(c, a_freed_message_leaves_nothing_open);
    tcase_add_test(c, read_and_write_do_without_descriptors);
    tcase_add_test(c, sockets_close_on_exec);
    tcase_add_test(c, nothing_there);
    tcase_add_test(c, a_closed_peer);
    tcase_add_test(c, sending_to_a_closed_peer_is_an_error_and_no_signal);
    tcase_add_test(c, garbage_is_refused);
    tcase_add_test(c, garbage_is_refused_by_read_too);
    tcase_add_test(c, a_long_envelope_is_for_others_than_read_and_write);
    tcase_add_test(c, the_longest_datagram_is_taken);
    tcase_add_test(c, a_longer_datagram_is_refused);
    tcase_add_test(c, as_many_descriptors_as_fit_are_taken);
    tcase_add_test(c, more_descriptors_than_fit_are_refused_and_closed);
    tcase_add_test(c, more_descriptors_than_the_kernel_delivers_are_refused_and_closed);
    tcase_add_test(c, descriptors_that_could_not_be_installed_are_missed);
    tcase_add_test(c, descriptors_with_garbage_are_closed);
    tcase_add_test(c, sending_more_descriptors_than_fit_is_refused);
    tcase_add_test(c, sending_more_than_fits_is_refused);
    tcase_add_test(c, sending_to_one_who_does_not_read_does_not_block);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

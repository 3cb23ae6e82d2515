#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "workers/net/net.h"

enum {
    PAGES = 4,
    FRAME_BYTES = 60,
};

static uint8_t ram[PAGES * GMEM_PAGE_BYTES] __attribute__((aligned(GMEM_PAGE_BYTES)));
static uint8_t stream[NET_STREAM_BYTES];
static struct gmem_pages pages;
static uint8_t *hosts[PAGES];
static struct backend backend;
static int peer = -1;

static void set_up(void)
{
    static const uint64_t pfns[PAGES] = {0, 1, 2, 3};
    struct gmem memory = {0};
    int pair[2];

    ck_assert_int_eq(gmem_add(&memory, (struct gpa){0}, sizeof(ram), ram), 0);
    ck_assert_int_eq(gmem_pages_init(&pages, &memory, pfns, PAGES, hosts), 0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    peer = pair[0];
    backend_open(&backend, NET_STREAM, pair[1], stream);
}

static void tear_down(void)
{
    fd_closep(&peer);
    fd_closep(&backend.fd);
}

/* The first len bytes of a frame with its length before it. */
static void send_frame(size_t len)
{
    const uint8_t bytes[4 + FRAME_BYTES] = {[3] = FRAME_BYTES, [4] = 0xab};

    ck_assert_int_eq(send(peer, bytes, len, 0), (ssize_t)len);
}

static int receive(void)
{
    uint8_t header[VNET_HEADER_BYTES];

    return backend_receive(&backend, header, &pages, 0, 2000, NULL);
}

START_TEST(half_a_frame_is_waited_for)
{
    send_frame(30);
    ck_assert_int_eq(receive(), -EAGAIN);
    ck_assert(!backend.is_gone);
}
END_TEST

START_TEST(whoever_hangs_up_in_the_middle_of_a_frame_is_gone)
{
    send_frame(4 + FRAME_BYTES);
    send_frame(30);
    fd_closep(&peer);
    ck_assert_int_eq(receive(), FRAME_BYTES);
    ck_assert_uint_eq(ram[0], 0xab);
    ck_assert_int_eq(receive(), -EPIPE);
    ck_assert(backend.is_gone);
    ck_assert_int_eq(receive(), -EAGAIN);
}
END_TEST

START_TEST(whoever_only_writes_no_more_is_gone_too)
{
    send_frame(3);
    ck_assert_int_eq(shutdown(peer, SHUT_WR), 0);
    ck_assert_int_eq(receive(), -EPIPE);
    ck_assert(backend.is_gone);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("net_backend");
    TCase *t = tcase_create("net_backend");
    SRunner *runner = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, half_a_frame_is_waited_for);
    tcase_add_test(t, whoever_hangs_up_in_the_middle_of_a_frame_is_gone);
    tcase_add_test(t, whoever_only_writes_no_more_is_gone_too);
    suite_add_tcase(s, t);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

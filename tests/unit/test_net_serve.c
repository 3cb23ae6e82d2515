#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>

#include "base/clock.h"
#include "tests/fakes/net_stage.h"

/* The worker's loop, in a thread that ends with its test: when it looks, and when it sleeps. */
enum {
    WAITING = 150, /* frames */
    FRAME_BYTES = 1014,
};

static const uint64_t SOON_NS = 2 * NS_PER_S;

static struct net_stage stage;
static struct port_page port;
static struct nets_page nets;
static struct capture_page capture;
static struct vmbus_channels channels;
static struct vmbus_acks acks;
static _Atomic uint32_t no_trace;
static pthread_t thread;

static void set_up(void)
{
    struct port_client client;
    struct net *s;

    net_stage_begin(&stage, 0);
    s = stage.net;
    s->nets = &nets;
    s->capture.page = &capture;
    s->bus.channels = &channels;
    s->bus.acks = &acks;
    s->bus.spin_ns = NS_PER_US;
    s->bus.bell_fd = eventfd(0, EFD_NONBLOCK);
    s->bus.vmbus_bell_fd = eventfd(0, EFD_NONBLOCK);
    ck_assert_int_ge(s->bus.vmbus_bell_fd, 0);
    port_client_init(&client, &port, s->bus.bell_fd);
    ck_assert_int_eq(port_server_init(&stage.worker.port, &port, PORT_ASLEEP_EVENTFD), 0);
    stage.worker.generation = 1;
    stage.worker.trace.on = &no_trace;
    for (unsigned i = 0; i < NETS_MAX * VMBUS_SUBCHANNELS; i++) {
        struct line *l = &s->nics[i / VMBUS_SUBCHANNELS].lines[i % VMBUS_SUBCHANNELS];

        l->log = &stage.frames.channels[i];
        l->owners = stage.frames.owners[i / VMBUS_SUBCHANNELS];
    }
    line_close(&stage.nic->lines[0]);
    nets.rows[0].kind = NET_DATAGRAM;
    atomic_store(&nets.rows[0].link_up, 1);
}

static void *serve(void *self)
{
    net_serve(self);
    return NULL;
}

static void start(void)
{
    ck_assert_int_eq(pthread_create(&thread, NULL, serve, stage.net), 0);
}

static void ring(void)
{
    static const uint64_t one = 1;

    ck_assert_int_eq(write(stage.net->bus.bell_fd, &one, sizeof(one)), sizeof(one));
}

static uint64_t used_ns(void)
{
    struct timespec t;
    clockid_t clock;

    ck_assert_int_eq(pthread_getcpuclockid(thread, &clock), 0);
    ck_assert_int_eq(clock_gettime(clock, &t), 0);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* It uses next to no time of a CPU any more. */
static bool falls_asleep(void)
{
    const struct timespec a_while = {.tv_nsec = 20 * NS_PER_MS};

    for (uint64_t end_ns = clock_now_ns() + SOON_NS; clock_now_ns() < end_ns;) {
        uint64_t before_ns = used_ns();

        (void)nanosleep(&a_while, NULL);
        if (used_ns() - before_ns < NS_PER_MS)
            return true;
    }
    return false;
}

static void put_frames(unsigned n)
{
    static const uint8_t frame[VNET_HEADER_BYTES + FRAME_BYTES];

    for (unsigned i = 0; i < n; i++)
        ck_assert_int_eq(send(stage.pair[0], frame, sizeof(frame), 0), sizeof(frame));
}

static unsigned count_frames(void)
{
    uint8_t frame[VNET_HEADER_BYTES + FRAME_BYTES];
    unsigned n = 0;

    while (recv(stage.pair[1], frame, sizeof(frame), MSG_DONTWAIT) > 0)
        n++;
    return n;
}

START_TEST(a_bell_wakes_it_once)
{
    if (_i != 0)
        ring(); /* before it looks at all */
    start();
    ck_assert(falls_asleep());
    ring();
    ck_assert(falls_asleep());
}
END_TEST

START_TEST(what_a_link_that_is_up_again_has_is_kept)
{
    int bytes = 1 << 20;

    ck_assert_int_eq(setsockopt(stage.pair[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)), 0);
    stage.nic->config.link_up = false; /* when this spare was set up */
    put_frames(WAITING);
    ck_assert_int_eq(net_load(stage.net, NULL, 0), 0);
    start();
    ck_assert(falls_asleep());
    ck_assert_uint_eq(count_frames(), WAITING);
}
END_TEST

START_TEST(one_that_is_parked_sleeps_whatever_comes)
{
    stage.worker.parked = true;
    stage.nic->config.link_up = false;
    put_frames(1);
    start();
    ck_assert(falls_asleep());
}
END_TEST

int main(void)
{
    Suite *s = suite_create("net_serve");
    TCase *t = tcase_create("net_serve");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(t, set_up, NULL);
    tcase_add_loop_test(t, a_bell_wakes_it_once, 0, 2);
    tcase_add_test(t, what_a_link_that_is_up_again_has_is_kept);
    tcase_add_test(t, one_that_is_parked_sleeps_whatever_comes);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

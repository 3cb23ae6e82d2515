/*
 * tests/bench/net_floor.c - what a NIC is measured against: the same frames without one.
 *
 *   net_floor tap NAME ARGUMENTS       a loop of write(2) to a tap device, its header before each frame; as many different
 *                                      frames as a guest has on their way, so that the caches hold no more of them
 *   net_floor datagram ARGUMENTS       one thread sends on a UNIX datagram socket, as QEMU's -netdev dgram does,
 *                                      another one receives; each on a CPU of its own. trip: that one sends each back
 *
 * ARGUMENTS: one word, as of net_series_parse().
 */
#include <errno.h>
#include <linux/virtio_net.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/net_tap.h"
#include "tests/bench/net_series.h"

enum {
    VNET_BYTES = sizeof(struct virtio_net_hdr_mrg_rxbuf),
    CLOCK_EVERY = 64, /* frames: what is compared with does not ask the time for each either */
    MTU = 1500,
};

struct floor {
    struct net_series series;
    int fd, far;
    unsigned n; /* frames, one after the other */
    uint8_t frames[NET_SERIES_PACKETS * (VNET_BYTES + NET_SERIES_FRAME_MAX)];
    _Atomic bool stop;
};

static uint8_t *frame(struct floor *f, unsigned i)
{
    return f->frames + (size_t)i * (VNET_BYTES + f->series.bytes);
}

static void fill(struct floor *f)
{
    struct virtio_net_hdr_mrg_rxbuf head = {0};

    if (f->series.bytes > NET_SERIES_WIRE_MAX) {
        head.hdr.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
        head.hdr.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
        head.hdr.hdr_len = NET_SERIES_HEADERS;
        head.hdr.gso_size = NET_SERIES_MSS;
        head.hdr.csum_start = NET_SERIES_TCP_AT;
        head.hdr.csum_offset = 16;
    }
    f->n = net_series_batch(&f->series) * NET_SERIES_PACKETS;
    for (unsigned i = 0; i < f->n; i++) {
        memcpy(frame(f, i), &head, sizeof(head));
        net_series_frame(&f->series, frame(f, i) + VNET_BYTES);
    }
}

static int write_all(struct floor *f)
{
    unsigned at = 0;
    bool more = true;

    net_series_begin(&f->series, clock_now_ns());
    while (more) {
        for (unsigned i = 0; i < CLOCK_EVERY; i++) {
            if (write(f->fd, frame(f, at++ % f->n), VNET_BYTES + f->series.bytes) < 0)
                return -errno;
        }
        more = net_series_count(&f->series, CLOCK_EVERY, clock_now_ns());
    }
    return 0;
}

static void pin(size_t cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    (void)sched_setaffinity(0, sizeof(set), &set);
}

static void *send_all(void *self)
{
    struct floor *f = self;

    pin(1);
    while (!f->stop)
        (void)!send(f->far, frame(f, 0), VNET_BYTES + f->series.bytes, MSG_NOSIGNAL);
    return NULL;
}

static int receive_all(struct floor *f)
{
    static uint8_t bytes[VNET_BYTES + NET_SERIES_FRAME_MAX];
    bool more = true;

    net_series_begin(&f->series, clock_now_ns());
    while (more) {
        for (unsigned i = 0; i < CLOCK_EVERY; i++) {
            if (recv(f->fd, bytes, sizeof(bytes), 0) < 0)
                return -errno;
        }
        more = net_series_count(&f->series, CLOCK_EVERY, clock_now_ns());
    }
    return 0;
}

static void *return_all(void *self)
{
    static uint8_t bytes[VNET_BYTES + NET_SERIES_FRAME_MAX];
    const struct floor *f = self;
    ssize_t n;

    pin(1);
    while ((n = recv(f->far, bytes, sizeof(bytes), 0)) > 0 &&
           send(f->far, bytes, (size_t)n, MSG_NOSIGNAL) > 0)
        ;
    return NULL;
}

static int trip_all(struct floor *f)
{
    static uint8_t bytes[VNET_BYTES + NET_SERIES_FRAME_MAX];
    bool more = true;

    net_series_begin(&f->series, clock_now_ns());
    while (more) {
        uint64_t sent_ns = clock_now_ns();

        if (send(f->fd, frame(f, 0), VNET_BYTES + f->series.bytes, MSG_NOSIGNAL) < 0 ||
            recv(f->fd, bytes, sizeof(bytes), 0) < 0)
            return -errno;
        more = net_series_trip(&f->series, sent_ns, clock_now_ns());
    }
    return 0;
}

static int datagrams(struct floor *f)
{
    bool trips = f->series.what[0] == 't';
    pthread_t thread;
    int pair[2];
    int r;

    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    f->fd = pair[0];
    f->far = pair[1];
    r = pthread_create(&thread, NULL, trips ? return_all : send_all, f);
    if (r != 0)
        return -r;
    pin(0);
    r = trips ? trip_all(f) : receive_all(f);
    f->stop = true;
    (void)shutdown(f->far, SHUT_RDWR); /* whoever waits for frames is told */
    (void)close(f->fd);                /* and for room */
    (void)pthread_join(thread, NULL);
    return r;
}

static int tap(struct floor *f, const char *name)
{
    char why[256];
    int r = net_tap_open(name, MTU, &f->fd, why, sizeof(why));

    if (r < 0)
        fprintf(stderr, "net_floor: %s\n", why);
    return r < 0 ? r : write_all(f);
}

int main(int argc, char **argv)
{
    static struct floor f = {.series.who = "floor", .fd = -1};
    bool is_tap = argc == 4 && strcmp(argv[1], "tap") == 0;
    char to[32], line[NET_SERIES_LINE_BYTES];
    int r;

    if (!is_tap && (argc != 3 || strcmp(argv[1], "datagram") != 0)) {
        fprintf(stderr, "usage: net_floor tap NAME ARGUMENTS | net_floor datagram ARGUMENTS\n");
        return 2;
    }
    net_series_parse(&f.series, argv[argc - 1], to);
    fill(&f);
    r = is_tap ? tap(&f, argv[2]) : datagrams(&f);
    if (r < 0) {
        fprintf(stderr, "net_floor: %s\n", strerror(-r));
        return 1;
    }
    net_series_line(&f.series, line);
    (void)fputs(line, stdout);
    return 0;
}

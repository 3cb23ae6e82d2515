#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/board_read.h"
#include "base/clock.h"
#include "tests/fakes/guest_rings.h"
#include "workers/net/net.h"

enum {
    FRAME = 1000,
    HEAD = 44,
    FIRST_PAGE = 2 * RING_PAGES,
    DATA_PACKET = 1, /* RNDIS */
};

static uint8_t ram[RAM_PAGES * 4096] __attribute__((aligned(4096)));
static struct board_page board;
static struct guest_rings guest;
static struct vmbus_synic synic;
static struct nets_page nets;
static struct frames_page frames;
static struct worker worker;
static struct net *net;
static struct nic *nic;
static struct queue_shown *queue;

/* A NIC whose frames go nowhere, with one channel that is open. */
static void set_up(void)
{
    struct vmbus_channel channel;

    memset(ram, 0, sizeof(ram));
    memset(&board, 0, sizeof(board));
    memset(&frames, 0, sizeof(frames));
    board_attach(&worker.board, &board, 1);
    board_take_rows(&worker.board);
    guest_rings_init(&guest, ram);
    channel = guest_channel(5);
    net = calloc(1, sizeof(*net));
    ck_assert_ptr_nonnull(net);
    net->worker = net->bus.worker = &worker;
    net->bus.memory = guest.memory;
    net->log = &frames;
    net->nets = &nets;
    net->bus.synic = &synic;
    nic = &net->nics[0];
    queue = &nic->queues[0];
    nic->present = true;
    nic->config = (struct nic_config){.mac = {2}, .mtu = 1500, .channels = 1, .link_up = true};
    nic->counters = &frames.counters[0];
    nvsp_reset(&nic->nvsp, &nic->config);
    for (unsigned i = 0; i < VMBUS_SUBCHANNELS; i++) {
        nic->lines[i].log = &frames.channels[i];
        nic->lines[i].owners = frames.owners[0];
    }
    backend_open(&nic->backend, NET_DISCARD, -1, NULL);
    ck_assert_int_eq(line_open(&nic->lines[0], &guest.memory, &channel, guest.pfns, false), 0);
}

static void tear_down(void)
{
    free(net);
}

static void send_packet(unsigned i)
{
    static const uint32_t nvsp[PACKET_BYTES / 4] = {NVSP_SEND_RNDIS_PACKET, 0, NVSP_NO_SECTION, 0};
    const uint32_t message[] = {DATA_PACKET, HEAD + FRAME, HEAD - 8, FRAME};
    uint8_t packet[PACKET_BYTES];

    memcpy(ram + (FIRST_PAGE + i) * 4096, message, sizeof(message));
    memcpy(packet, nvsp, sizeof(packet));
    ck_assert(guest_request(&guest, 100 + i, FIRST_PAGE + i, 0, HEAD + FRAME, packet));
}

START_TEST(what_is_sent_is_counted_and_timed_by_queue)
{
    for (unsigned i = 0; i < 3; i++)
        send_packet(i);
    ck_assert(tx_work(net, nic, 0));
    ck_assert_uint_eq(nic->counters->tx_frames, 3);
    ck_assert_uint_eq(queue->tx_packets, 3);
    ck_assert_uint_eq(queue->tx_frames, 3);
    ck_assert_uint_eq(queue->latency.n, 3);
    ck_assert_uint_eq(queue->seen_ns, 0);
    ck_assert_uint_eq(queue->blocked + queue->tx_held + queue->rx_messages, 0);
    ck_assert_uint_eq(nic->queues[1].tx_packets, 0);
}
END_TEST

/* When a batch ends is when the next one is looked for: one look at the clock for each. */
START_TEST(a_batch_begins_when_the_one_before_ended)
{
    uint64_t then;

    send_packet(0);
    ck_assert(tx_work(net, nic, 0));
    then = net->seen_ns -= 10 * NS_PER_S;
    send_packet(1);
    ck_assert(tx_work(net, nic, 0));
    ck_assert_uint_gt(net->seen_ns, then);
    ck_assert_uint_eq(queue->latency.n, 2);
    ck_assert_uint_ge(latency_percentile_us(&queue->latency, 99), UINT64_C(10) * 1000 * 1000 / 2);
}
END_TEST

START_TEST(a_round_without_frames_knows_no_time)
{
    send_packet(0);
    ck_assert(net_work(net));
    ck_assert_uint_ne(net->seen_ns, 0);
    ck_assert(!net_work(net));
    ck_assert_uint_eq(net->seen_ns, 0);
}
END_TEST

static void begin_long_ago(void)
{
    net->seen_ns = clock_now_ns() - NS_PER_S;
    shown_tx_begins(net, nic, 0);
}

static void expect_long(uint64_t n)
{
    ck_assert_uint_eq(queue->latency.n, n);
    ck_assert_uint_ge(latency_percentile_us(&queue->latency, 0), UINT64_C(1) << 20);
}

START_TEST(what_waits_for_room_in_the_ring_is_timed_until_it_is_told)
{
    begin_long_ago();
    nic->lines[0].waits = true;
    shown_tx_ends(net, nic, 0, 4, false);
    shown_tx_ends(net, nic, 0, 0, false);
    ck_assert_uint_eq(queue->latency.n, 0);
    ck_assert_uint_eq(queue->blocked, 1);
    nic->lines[0].waits = false;
    shown_tx_ends(net, nic, 0, 0, false);
    expect_long(4);
    ck_assert_uint_eq(queue->tx_packets, 4);
    nic->lines[0].waits = true;
    shown_rx(nic, 0, NULL, 0, 0);
    ck_assert_uint_eq(queue->blocked, 2);
}
END_TEST

START_TEST(what_is_held_back_is_timed_from_when_it_was_seen_first)
{
    begin_long_ago();
    shown_tx_ends(net, nic, 0, 0, true);
    ck_assert_uint_eq(queue->latency.n, 0);
    shown_tx_begins(net, nic, 0);
    shown_tx_ends(net, nic, 0, 2, true);
    expect_long(2);
    shown_tx_begins(net, nic, 0);
    shown_tx_ends(net, nic, 0, 1, false);
    expect_long(3);
    ck_assert_uint_eq(queue->tx_held, 2);
    ck_assert_uint_eq(queue->seen_ns, 0);
}
END_TEST

START_TEST(another_opening_does_not_wait_for_what_was_before)
{
    begin_long_ago();
    nic->lines[0].waits = true;
    shown_tx_ends(net, nic, 0, 4, false);
    shown_opened(nic, 0);
    nic->lines[0].waits = false;
    send_packet(0);
    net->seen_ns = 0;
    ck_assert(tx_work(net, nic, 0));
    ck_assert_uint_eq(queue->latency.n, 1);
}
END_TEST

START_TEST(what_is_given_is_counted_by_messages)
{
    const struct line_group groups[] = {{.n_ranges = 3}, {.n_ranges = 4}, {.n_ranges = 5}};

    shown_rx(nic, 0, groups, 3, 2);
    ck_assert_uint_eq(queue->rx_packets, 2);
    ck_assert_uint_eq(queue->rx_messages, 7);
    ck_assert_uint_eq(queue->rx_dropped, 5);
}
END_TEST

static bool has_row(const char *name, uint64_t value)
{
    struct board_value v;

    for (uint32_t i = 0; board_read_row(&board, i, &v) != -ENOENT; i++) {
        if (strcmp(v.name, name) == 0)
            return v.value == value;
    }
    return false;
}

START_TEST(a_queue_is_shown_once_it_was_open)
{
    send_packet(0);
    ck_assert(tx_work(net, nic, 0));
    shown_look(net, clock_now_ns());
    ck_assert(has_row("nic0/queue0/tx/packets", 1));
    ck_assert(has_row("nic0/queue0/tx/frames", 1));
    ck_assert(has_row("nic0/queue0/tx", queue->latency.sum_ns));
    ck_assert(has_row("nic0/queue0/blocked", 0));
    ck_assert(!has_row("nic0/queue1/tx/packets", 0));
    line_close(&nic->lines[0]);
    send_packet(1);
    shown_look(net, clock_now_ns() + NS_PER_S);
    ck_assert(has_row("nic0/queue0/tx/packets", 1));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        what_is_sent_is_counted_and_timed_by_queue,
        a_batch_begins_when_the_one_before_ended,
        a_round_without_frames_knows_no_time,
        what_waits_for_room_in_the_ring_is_timed_until_it_is_told,
        what_is_held_back_is_timed_from_when_it_was_seen_first,
        another_opening_does_not_wait_for_what_was_before,
        what_is_given_is_counted_by_messages,
        a_queue_is_shown_once_it_was_open,
    };
    Suite *s = suite_create("net_shown");
    TCase *t = tcase_create("all");
    SRunner *runner = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(t, set_up, tear_down);
    for (size_t i = 0; i < COUNT_OF(tests); i++)
        tcase_add_test(t, tests[i]);
    suite_add_tcase(s, t);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

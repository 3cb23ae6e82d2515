#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/fakes/guest_rings.h"
#include "workers/net/net.h"

/* A channel whose frames go into a socket that is soon full. */
enum {
    MESSAGES = 3, /* in one packet */
    FRAME = 1000,
    HEAD = 44,
    MESSAGE = HEAD + FRAME,
    FIRST_PAGE = 2 * RING_PAGES,
    PAGES = 2, /* of a packet's messages */
    ROOM = 4096,
    PACKETS = 20,
    DATA_PACKET = 1, /* RNDIS */
};

static uint8_t ram[RAM_PAGES * 4096] __attribute__((aligned(4096)));
static uint8_t board[BOARD_BYTES] __attribute__((aligned(4096)));
static struct guest_rings guest;
static struct vmbus_channel channel;
static struct vmbus_synic synic;
static struct frames_page frames;
static struct worker worker;
static struct net *net;
static struct nic *nic;
static int pair[2];
static uint8_t seen; /* number of the last frame that came */

static void new_worker(bool resume)
{
    free(net);
    net = calloc(1, sizeof(*net));
    ck_assert_ptr_nonnull(net);
    net->worker = &worker;
    net->memory = guest.memory;
    net->log = &frames;
    net->synic = &synic;
    for (unsigned i = 0; i < VPS_MAX; i++)
        net->irq_fds[i] = -1;
    nic = &net->nics[0];
    nic->present = true;
    nic->config = (struct nic_config){.mac = {2}, .mtu = 1500, .channels = 1, .link_up = true};
    nvsp_reset(&nic->nvsp, &nic->config);
    nic->lines[0].log = &frames.channels[0];
    nic->lines[0].owners = frames.owners[0];
    backend_open(&nic->backend, NET_DATAGRAM, pair[1], NULL);
    ck_assert_int_eq(line_open(&nic->lines[0], &guest.memory, &channel, guest.pfns, resume), 0);
}

static void set_up(void)
{
    static const int room = ROOM;

    memset(ram, 0, sizeof(ram));
    memset(board, 0, sizeof(board));
    memset(&frames, 0, sizeof(frames));
    board_attach(&worker.board, (void *)board, 1);
    board_take_rows(&worker.board);
    guest_rings_init(&guest, ram);
    channel = guest_channel(5);
    channel.target_vp = UINT32_MAX;
    seen = 0;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
    ck_assert_int_eq(setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)), 0);
    new_worker(false);
}

static void tear_down(void)
{
    free(net);
    net = NULL;
    (void)close(pair[0]);
    (void)close(pair[1]);
}

/* Packet i, with MESSAGES frames: their numbers go on through all packets. */
static void send_packet(unsigned i)
{
    static const uint32_t nvsp[PACKET_BYTES / 4] = {NVSP_SEND_RNDIS_PACKET, 0, NVSP_NO_SECTION, 0};
    const uint32_t message[] = {DATA_PACKET, MESSAGE, HEAD - 8, FRAME};
    unsigned first = FIRST_PAGE + i * PAGES;
    uint8_t packet[PACKET_BYTES];

    for (unsigned m = 0; m < MESSAGES; m++) {
        uint8_t *at = ram + first * 4096 + m * MESSAGE;

        memset(at, 0, MESSAGE);
        memcpy(at, message, sizeof(message));
        at[HEAD + 20] = (uint8_t)(i * MESSAGES + m + 1);
    }
    memcpy(packet, nvsp, sizeof(packet));
    ck_assert(guest_request(&guest, 100 + i, first, 0, MESSAGES * MESSAGE, packet));
}

static void send_packets(void)
{
    for (unsigned i = 0; i < PACKETS; i++)
        send_packet(i);
}

/* Take what is in the socket: each frame once, in order. How many. */
static unsigned drain(void)
{
    uint8_t bytes[VNET_HEADER_BYTES + FRAME + 1];
    unsigned n = 0;

    while (recv(pair[0], bytes, sizeof(bytes), 0) == VNET_HEADER_BYTES + FRAME) {
        ck_assert_uint_eq(bytes[VNET_HEADER_BYTES + 20], seen + 1u);
        seen++;
        n++;
    }
    return n;
}

static unsigned completions(void)
{
    uint8_t payload[PACKET_BYTES];
    unsigned n = 0;
    uint64_t tid;
    uint16_t type;

    for (; guest_receive(&guest, &type, &tid, payload); n++)
        ck_assert_uint_eq(type, VMRING_COMPLETION);
    return n;
}

static void expect_all_frames_once(void)
{
    for (unsigned i = 0; i < PACKETS * MESSAGES && seen < PACKETS * MESSAGES; i++) {
        (void)tx_work(net, nic, 0);
        (void)drain();
    }
    ck_assert_uint_eq(seen, PACKETS * MESSAGES);
    ck_assert_uint_eq(nic->drops[DROP_BACKEND], 0);
}

START_TEST(what_the_back_end_has_no_room_for_stays_in_the_ring)
{
    unsigned done;

    send_packets();
    while (tx_work(net, nic, 0))
        ;
    ck_assert_uint_ne(nic->backend.full_ns, 0);
    ck_assert_uint_gt(nic->held, 0);
    done = completions();
    ck_assert_uint_lt(done, PACKETS);
    ck_assert_uint_eq(*control(&guest, OUTGOING, READ_INDEX), nic->lines[0].read);
    expect_all_frames_once();
    ck_assert_uint_eq(done + completions(), PACKETS);
    ck_assert_uint_eq(nic->counters.tx_frames, PACKETS * MESSAGES);
}
END_TEST

/* It goes on in the middle of a packet. */
START_TEST(a_successor_sends_what_stayed_and_nothing_twice)
{
    unsigned in_the_middle = 0;
    unsigned done = 0;

    send_packets();
    for (unsigned i = 0; seen < PACKETS * MESSAGES && i < PACKETS * MESSAGES; i++) {
        (void)tx_work(net, nic, 0);
        (void)drain();
        done += completions();
        in_the_middle += nic->lines[0].part != 0;
        ck_assert_uint_eq(nic->drops[DROP_BACKEND], 0);
        new_worker(true);
    }
    ck_assert_uint_eq(seen, PACKETS * MESSAGES);
    (void)tx_work(net, nic, 0);
    ck_assert_uint_eq(done + completions(), PACKETS);
    ck_assert_uint_gt(in_the_middle, 0);
}
END_TEST

START_TEST(who_makes_no_room_for_long_loses_frames_until_there_is_some)
{
    send_packets();
    while (tx_work(net, nic, 0))
        ;
    ck_assert_uint_ne(nic->backend.full_ns, 0);
    nic->backend.full_ns -= 2 * NS_PER_S;
    ck_assert(!tx_is_held(nic));
    while (tx_work(net, nic, 0))
        ;
    ck_assert_uint_eq(completions(), PACKETS);
    ck_assert_uint_gt(nic->drops[DROP_BACKEND], 0);
    ck_assert_uint_eq(nic->counters.tx_frames + nic->drops[DROP_BACKEND], PACKETS * MESSAGES);
    (void)drain();
    send_packet(0);
    (void)tx_work(net, nic, 0);
    ck_assert_uint_eq(nic->backend.full_ns, 0);
}
END_TEST

static void give_sections(uint16_t first, uint16_t n)
{
    struct line_group g = {.first = first, .n = n, .n_ranges = 1, .ranges = {{.bytes = 100}}};
    uint8_t payload[PACKET_BYTES] = {0};
    bool signal = false;
    uint64_t tid;
    uint16_t type;

    ck_assert_uint_eq(line_give(&nic->lines[0], &g, 1, 1, payload, sizeof(payload), 0, &signal), 1);
    while (guest_receive(&guest, &type, &tid, payload))
        ;
    ck_assert_uint_eq(frames.owners[0][first], n);
}

static void give_back(uint64_t transaction)
{
    static const uint8_t payload[PACKET_BYTES];

    ck_assert(
        guest_send(&guest, VMRING_COMPLETION, transaction, NULL, 0, payload, sizeof(payload)));
}

static void fill(void)
{
    while (tx_work(net, nic, 0))
        ;
    ck_assert_uint_ne(nic->backend.full_ns, 0);
}

/* Two guests that wait for each other's buffers would wait for ever. */
START_TEST(what_the_guest_gives_back_is_not_held_up)
{
    give_sections(4, 3);
    send_packets();
    give_back(5);
    nic->rx_is_full = true;
    fill();
    ck_assert(!tx_work(net, nic, 0));
    ck_assert_uint_eq(frames.owners[0][4], 0);
    ck_assert(!nic->rx_is_full);
    give_sections(4, 3); /* again: what was given back was what it had before */
    expect_all_frames_once();
    (void)tx_work(net, nic, 0);
    ck_assert_uint_eq(nic->lines[0].read, *control(&guest, OUTGOING, WRITE_INDEX));
    ck_assert_uint_eq(frames.owners[0][4], 3);
    give_back(5);
    (void)tx_work(net, nic, 0);
    ck_assert_uint_eq(frames.owners[0][4], 0);
}
END_TEST

/* last_store: whether the death was after what it did, or after that was stored, too. */
START_TEST(what_was_given_back_ahead_is_given_back_once_across_a_death)
{
    bool last_store = _i != 0;

    give_sections(4, 3);
    send_packets();
    give_back(5);
    fill();
    (void)tx_work(net, nic, 0);
    if (!last_store)
        atomic_store(&frames.channels[0].ahead, 0);
    new_worker(true);
    give_sections(4, 3);
    expect_all_frames_once();
    (void)tx_work(net, nic, 0);
    ck_assert_uint_eq(frames.owners[0][4], 3);
}
END_TEST

/* A frame that is put back takes nothing with it that was executed. */
START_TEST(a_control_packet_is_executed_behind_no_frame_that_may_be_put_back)
{
    static const uint32_t init[PACKET_BYTES / 4] = {NVSP_INIT, NVSP_VERSION_5, NVSP_VERSION_5};
    uint32_t number;

    send_packet(0);
    ck_assert(guest_send(&guest, VMRING_IN_BAND, 7, NULL, 0, init, sizeof(init)));
    ck_assert(tx_work(net, nic, 0));
    ck_assert_uint_eq(nic->lines[0].taken, 1);
    ck_assert(!line_control(&nic->lines[0], &number));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("net_tx");
    TCase *t = tcase_create("full");
    SRunner *runner = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, what_the_back_end_has_no_room_for_stays_in_the_ring);
    tcase_add_test(t, a_successor_sends_what_stayed_and_nothing_twice);
    tcase_add_test(t, who_makes_no_room_for_long_loses_frames_until_there_is_some);
    tcase_add_test(t, what_the_guest_gives_back_is_not_held_up);
    tcase_add_loop_test(t, what_was_given_back_ahead_is_given_back_once_across_a_death, 0, 2);
    tcase_add_test(t, a_control_packet_is_executed_behind_no_frame_that_may_be_put_back);
    suite_add_tcase(s, t);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#include <check.h>
#include <stdlib.h>

#include "base/clock.h"
#include "tests/fakes/net_stage.h"

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

static struct net_stage stage;
static uint8_t seen; /* number of the last frame that came */

static void set_up(void)
{
    seen = 0;
    net_stage_begin(&stage, ROOM);
}

static void tear_down(void)
{
    net_stage_end(&stage);
}

/* Packet i, with so many frames, whose numbers go on through packets of MESSAGES. */
static void send_messages(unsigned i, unsigned n)
{
    static const uint32_t nvsp[PACKET_BYTES / 4] = {NVSP_SEND_RNDIS_PACKET, 0, NVSP_NO_SECTION, 0};
    const uint32_t message[] = {DATA_PACKET, MESSAGE, HEAD - 8, FRAME};
    unsigned first = FIRST_PAGE + i * PAGES;
    uint8_t packet[PACKET_BYTES];

    for (unsigned m = 0; m < n; m++) {
        uint8_t *at = stage.ram + first * 4096 + m * MESSAGE;

        memset(at, 0, MESSAGE);
        memcpy(at, message, sizeof(message));
        at[HEAD + 20] = (uint8_t)(i * MESSAGES + m + 1);
    }
    memcpy(packet, nvsp, sizeof(packet));
    ck_assert(guest_request(&stage.guest, 100 + i, first, 0, n * MESSAGE, packet));
}

static void send_packet(unsigned i)
{
    send_messages(i, MESSAGES);
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

    while (recv(stage.pair[0], bytes, sizeof(bytes), 0) == VNET_HEADER_BYTES + FRAME) {
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

    for (; guest_receive(&stage.guest, &type, &tid, payload); n++)
        ck_assert_uint_eq(type, VMRING_COMPLETION);
    return n;
}

static void expect_all_frames_once(void)
{
    for (unsigned i = 0; i < PACKETS * MESSAGES && seen < PACKETS * MESSAGES; i++) {
        (void)tx_work(stage.net, stage.nic, 0);
        (void)drain();
    }
    ck_assert_uint_eq(seen, PACKETS * MESSAGES);
    ck_assert_uint_eq(stage.nic->drops[DROP_BACKEND], 0);
}

START_TEST(what_the_back_end_has_no_room_for_stays_in_the_ring)
{
    unsigned done;

    send_packets();
    while (tx_work(stage.net, stage.nic, 0))
        ;
    ck_assert_uint_ne(stage.nic->backend.full_ns, 0);
    ck_assert_uint_gt(stage.nic->held, 0);
    done = completions();
    ck_assert_uint_lt(done, PACKETS);
    ck_assert_uint_eq(*control(&stage.guest, OUTGOING, READ_INDEX), stage.nic->lines[0].read);
    expect_all_frames_once();
    ck_assert_uint_eq(done + completions(), PACKETS);
    ck_assert_uint_eq(stage.nic->counters->tx_frames, PACKETS * MESSAGES);
    ck_assert_uint_eq(stage.nic->counters->tx[NIC_DIRECTED].frames, PACKETS * MESSAGES);
    ck_assert_uint_eq(stage.nic->counters->tx[NIC_DIRECTED].bytes, stage.nic->counters->tx_bytes);
}
END_TEST

/* It goes on in the middle of a packet. */
START_TEST(a_successor_sends_what_stayed_and_nothing_twice)
{
    unsigned in_the_middle = 0;
    unsigned done = 0;

    send_packets();
    for (unsigned i = 0; seen < PACKETS * MESSAGES && i < PACKETS * MESSAGES; i++) {
        (void)tx_work(stage.net, stage.nic, 0);
        (void)drain();
        done += completions();
        in_the_middle += stage.nic->lines[0].part != 0;
        ck_assert_uint_eq(stage.nic->drops[DROP_BACKEND], 0);
        net_stage_worker(&stage, true);
    }
    ck_assert_uint_eq(seen, PACKETS * MESSAGES);
    (void)tx_work(stage.net, stage.nic, 0);
    ck_assert_uint_eq(done + completions(), PACKETS);
    ck_assert_uint_gt(in_the_middle, 0);
}
END_TEST

START_TEST(who_makes_no_room_for_long_loses_frames_until_there_is_some)
{
    send_packets();
    while (tx_work(stage.net, stage.nic, 0))
        ;
    ck_assert_uint_ne(stage.nic->backend.full_ns, 0);
    stage.nic->backend.full_ns -= 2 * NS_PER_S;
    ck_assert(!tx_is_held(stage.nic));
    while (tx_work(stage.net, stage.nic, 0))
        ;
    ck_assert_uint_eq(completions(), PACKETS);
    ck_assert_uint_gt(stage.nic->drops[DROP_BACKEND], 0);
    ck_assert_uint_eq(stage.nic->counters->tx_frames + stage.nic->drops[DROP_BACKEND],
                      PACKETS * MESSAGES);
    (void)drain();
    send_packet(0);
    (void)tx_work(stage.net, stage.nic, 0);
    ck_assert_uint_eq(stage.nic->backend.full_ns, 0);
}
END_TEST

static void give_sections(uint16_t first, uint16_t n)
{
    struct line_group g = {.first = first, .n = n, .n_ranges = 1, .ranges = {{.bytes = 100}}};
    uint8_t payload[PACKET_BYTES] = {0};
    bool signal = false;
    uint64_t tid;
    uint16_t type;

    ck_assert_uint_eq(
        line_give(&stage.nic->lines[0], &g, 1, 1, payload, sizeof(payload), 0, &signal), 1);
    while (guest_receive(&stage.guest, &type, &tid, payload))
        ;
    ck_assert_uint_eq(stage.frames.owners[0][first], n);
}

static void give_back(uint64_t transaction)
{
    static const uint8_t payload[PACKET_BYTES];

    ck_assert(guest_send(&stage.guest, VMRING_COMPLETION, transaction, NULL, 0, payload,
                         sizeof(payload)));
}

static void fill(void)
{
    while (tx_work(stage.net, stage.nic, 0))
        ;
    ck_assert_uint_ne(stage.nic->backend.full_ns, 0);
}

/* Two guests that wait for each other's buffers would wait for ever. */
START_TEST(what_the_guest_gives_back_is_not_held_up)
{
    give_sections(4, 3);
    send_packets();
    give_back(5);
    stage.nic->rx_is_full = true;
    fill();
    ck_assert(!tx_work(stage.net, stage.nic, 0));
    ck_assert_uint_eq(stage.frames.owners[0][4], 0);
    ck_assert(!stage.nic->rx_is_full);
    give_sections(4, 3); /* again: what was given back was what it had before */
    expect_all_frames_once();
    (void)tx_work(stage.net, stage.nic, 0);
    ck_assert_uint_eq(stage.nic->lines[0].read, *control(&stage.guest, OUTGOING, WRITE_INDEX));
    ck_assert_uint_eq(stage.frames.owners[0][4], 3);
    give_back(5);
    (void)tx_work(stage.net, stage.nic, 0);
    ck_assert_uint_eq(stage.frames.owners[0][4], 0);
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
    (void)tx_work(stage.net, stage.nic, 0);
    if (!last_store)
        atomic_store(&stage.frames.channels[0].ahead, 0);
    net_stage_worker(&stage, true);
    give_sections(4, 3);
    expect_all_frames_once();
    (void)tx_work(stage.net, stage.nic, 0);
    ck_assert_uint_eq(stage.frames.owners[0][4], 3);
}
END_TEST

/* A frame that is put back takes nothing with it that was executed. */
START_TEST(a_control_packet_is_executed_behind_no_frame_that_may_be_put_back)
{
    static const uint32_t init[PACKET_BYTES / 4] = {NVSP_INIT, NVSP_VERSION_5, NVSP_VERSION_5};
    uint32_t number;

    send_packet(0);
    ck_assert(guest_send(&stage.guest, VMRING_IN_BAND, 7, NULL, 0, init, sizeof(init)));
    ck_assert(tx_work(stage.net, stage.nic, 0));
    ck_assert_uint_eq(stage.nic->lines[0].taken, 1);
    ck_assert(!line_control(&stage.nic->lines[0], &number));
}
END_TEST

/* More frames than we said that a packet may have. */
START_TEST(one_message_too_many_is_refused)
{
    uint8_t payload[PACKET_BYTES];
    uint32_t status;
    uint64_t tid;
    uint16_t type;

    send_messages(0, RNDIS_PACKETS_MAX + 1);
    for (unsigned i = 0; i < RNDIS_PACKETS_MAX; i++) {
        (void)tx_work(stage.net, stage.nic, 0);
        (void)drain();
    }
    ck_assert_uint_eq(seen, RNDIS_PACKETS_MAX);
    ck_assert_uint_eq(stage.nic->drops[DROP_MALFORMED], 1);
    ck_assert(guest_receive(&stage.guest, &type, &tid, payload));
    memcpy(&status, payload + 4, sizeof(status));
    ck_assert_uint_eq(status, NVSP_INVALID_RNDIS);
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
    tcase_add_test(t, one_message_too_many_is_refused);
    suite_add_tcase(s, t);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

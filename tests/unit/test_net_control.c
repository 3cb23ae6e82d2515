#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/unit/net_case.h"

/* All of them are there at once: the second control packet waits for the first one's answer. */
START_TEST(control_packets_behind_a_frame_are_all_answered)
{
    send_frame(1);
    send_init(2, NVSP_VERSION_6_1);
    send_init(3, NVSP_VERSION_5);
    send_frame(4);
    run();
    expect_completion(1, NVSP_SEND_RNDIS_PACKET_COMPLETE);
    expect_completion(2, NVSP_INIT_COMPLETE);
    expect_completion(3, NVSP_INIT_COMPLETE);
    expect_completion(4, NVSP_SEND_RNDIS_PACKET_COMPLETE);
    expect_nothing();
    ck_assert_uint_eq(net->nics[0].nvsp.version, NVSP_VERSION_5);
}
END_TEST

/* Whoever died of it twice: it changes nothing, and its sender waits for an answer of this form. */
START_TEST(a_request_that_is_poison_is_refused)
{
    worker.poison = UINT64_C(1) << 56 | UINT64_C(5) << 32 | 2;
    send_init(1, NVSP_VERSION_6_1);
    send_init(2, NVSP_VERSION_5);
    run();
    expect_completion(1, NVSP_INIT_COMPLETE);
    expect_completion(2, NVSP_INIT_COMPLETE);
    expect_nothing();
    ck_assert_uint_eq(net->nics[0].nvsp.version, NVSP_VERSION_6_1);
    ck_assert_uint_eq(region_executing(region, 1), 0);
}
END_TEST

START_TEST(an_answer_that_was_not_told_is_told_by_a_successor_once)
{
    send_init(2, NVSP_VERSION_6_1);
    (void)tx_work(net, &net->nics[0], 0); /* executed, taken, not told */
    expect_nothing();
    new_worker(2);
    ck_assert_uint_eq(net->nics[0].nvsp.version, NVSP_VERSION_6_1);
    run();
    expect_completion(2, NVSP_INIT_COMPLETE);
    new_worker(3);
    run();
    expect_nothing();
}
END_TEST

/* Its number was used before, for more. */
START_TEST(a_list_that_is_too_short_for_its_buffer_is_not_used)
{
    struct nic *n = &net->nics[0];

    (void)lend();
    n->nvsp.receive =
        (struct nvsp_buffer){.gpadl = GPADL, .section_bytes = 2048, .sections = 2 * LENT_PAGES};
    nic_take_buffers(net, n);
    ck_assert_uint_eq(n->receive.id, GPADL);
    n->receive.id = 0;
    n->nvsp.receive.sections++;
    nic_take_buffers(net, n);
    ck_assert_uint_eq(n->receive.id, 0);
}
END_TEST

START_TEST(a_list_that_is_wanted_back_is_let_go_of_and_that_is_said)
{
    struct vmbus_memory m = lend();
    struct nic *n = &net->nics[0];

    n->nvsp.send = (struct nvsp_buffer){.gpadl = GPADL, .section_bytes = 2048, .sections = 4};
    nic_take_buffers(net, n);
    ck_assert_uint_eq(n->send.id, GPADL);
    m.state = VMBUS_MEMORY_WANTED;
    m.epoch = 2;
    vmbus_memory_write(&channels, 7, &m);
    ck_assert_uint_ne(acks.memories[7], 2);
    (void)net_look(net);
    ck_assert_uint_eq(n->send.id, 0);
    ck_assert_uint_eq(acks.memories[7], 2);
}
END_TEST

/* What a broken ring is told of, wherever it was noticed, once. */
START_TEST(a_broken_ring_is_logged_once)
{
    *control(&guest, INCOMING, READ_INDEX) = 3; /* no offset: noticed while an answer is told */
    send_init(2, NVSP_VERSION_6_1);
    run();
    (void)net_look(net);
    ck_assert(net->nics[0].lines[0].stopped);
    ck_assert(net->nics[0].lines[0].stop_is_logged);
}
END_TEST

/* --- the link --- */

enum {
    CONNECT = 0x4001000b,
    DISCONNECT = 0x4001000c,
};

static void set_link(uint32_t up)
{
    atomic_store(&nets.rows[0].link_up, up);
}

static void expect_indication(uint32_t status)
{
    uint32_t message[5];

    expect_message(message, sizeof(message));
    ck_assert_uint_eq(message[0], 7);
    ck_assert_uint_eq(message[1], sizeof(message));
    ck_assert_uint_eq(message[2], status);
}

START_TEST(the_guest_is_told_of_its_link_once)
{
    begin_driver();
    (void)net_look(net);
    expect_nothing();
    set_link(0);
    (void)net_look(net);
    expect_indication(DISCONNECT);
    (void)net_look(net);
    expect_nothing();
    set_link(1);
    (void)net_look(net);
    expect_indication(CONNECT);
    expect_nothing();
}
END_TEST

START_TEST(a_link_that_is_down_stays_down_across_a_death)
{
    begin_driver();
    set_link(0);
    (void)net_look(net);
    expect_indication(DISCONNECT);
    new_worker(2);
    ck_assert(!net->nics[0].config.link_up);
    ck_assert_str_eq(net->nics[0].rows.link->text, "down");
    expect_nothing();
    set_link(1);
    (void)net_look(net);
    expect_indication(CONNECT);
}
END_TEST

/* Whoever was rung for it died before it told. */
START_TEST(a_successor_tells_of_the_link_what_was_not_told)
{
    begin_driver();
    set_link(0);
    new_worker(2);
    expect_indication(DISCONNECT);
    new_worker(3);
    expect_nothing();
}
END_TEST

START_TEST(where_there_is_no_room_the_link_is_told_later)
{
    _Atomic uint16_t *owners = frames.owners[0];
    struct nvsp_buffer *b = &net->nics[0].nvsp.receive;

    begin_driver();
    for (uint32_t i = b->sections - NVSP_CONTROL_SECTIONS; i < b->sections; i++)
        atomic_store(&owners[i], 1); /* all of those for answers */
    set_link(0);
    (void)net_look(net);
    expect_nothing();
    ck_assert_uint_eq(net->nics[0].nvsp.told_link_up, 1);
    atomic_store(&owners[b->sections - 3], 0);
    (void)net_look(net);
    expect_indication(DISCONNECT);
}
END_TEST

/* The back end's other end. */
static int plug(enum net_kind kind)
{
    static uint8_t stream[NET_STREAM_BYTES];
    int type = kind == NET_STREAM ? SOCK_STREAM : SOCK_DGRAM;
    int pair[2];

    ck_assert_int_eq(socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    backend_open(&net->nics[0].backend, kind, pair[0], stream);
    return pair[1];
}

static void unplug(int other)
{
    (void)close(net->nics[0].backend.fd);
    (void)close(other);
}

static void put_frame_for(int other, enum net_kind kind, const uint8_t mac[6])
{
    uint8_t bytes[VNET_HEADER_BYTES + FRAME_BYTES] = {0};
    uint32_t head = kind == NET_STREAM ? 4 : VNET_HEADER_BYTES;

    if (kind == NET_STREAM)
        bytes[3] = FRAME_BYTES;
    memcpy(bytes + head, mac, 6);
    ck_assert_int_eq(write(other, bytes, head + FRAME_BYTES), head + FRAME_BYTES);
}

static void put_frame(int other, enum net_kind kind)
{
    put_frame_for(other, kind, net->nics[0].nvsp.mac);
}

static const enum net_kind kinds[] = {NET_STREAM, NET_DATAGRAM};

START_TEST(what_comes_while_the_link_is_down_is_gone)
{
    struct nic *n = &net->nics[0];
    enum net_kind kind = kinds[_i];
    int other;

    begin_driver();
    memcpy(n->nvsp.mac, n->config.mac, sizeof(n->nvsp.mac));
    other = plug(kind);
    set_link(0);
    (void)net_look(net);
    expect_indication(DISCONNECT);
    put_frame(other, kind);
    put_frame(other, kind);
    ck_assert(rx_can_wait(n));
    run();
    expect_nothing();
    ck_assert_uint_eq(n->drops[DROP_LINK], 2);
    ck_assert_uint_eq(n->counters->rx_frames, 0);
    set_link(1);
    (void)net_look(net);
    expect_indication(CONNECT);
    put_frame(other, kind);
    run();
    ck_assert_uint_eq(n->counters->rx_frames, 1);
    ck_assert_uint_eq(n->drops[DROP_LINK], 2);
    unplug(other);
}
END_TEST

/* Also while its driver wants no frames. */
START_TEST(a_link_that_is_down_keeps_nothing_for_later)
{
    struct nic *n = &net->nics[0];
    int other;

    begin_driver();
    n->nvsp.filter = 0;
    other = plug(NET_DATAGRAM);
    put_frame(other, NET_DATAGRAM);
    run();
    ck_assert(!rx_can_wait(n));
    ck_assert_uint_eq(n->drops[DROP_LINK], 0);
    set_link(0);
    (void)net_look(net);
    run();
    ck_assert_uint_eq(n->drops[DROP_LINK], 1);
    unplug(other);
}
END_TEST

/* The guest closes its channel and opens it again, with rings that nothing is in. */
static void reopen(void)
{
    struct vmbus_channel c = guest_channel(7);
    const struct vmbus_channel closed = {.epoch = 6};

    vmbus_channel_write(&channels, CHANNEL, &closed);
    (void)net_look(net);
    ck_assert(!net->nics[0].lines[0].open);
    memset(ram, 0, sizeof(ram));
    guest_rings_init(&guest, ram);
    c.target_vp = UINT32_MAX;
    vmbus_channel_write(&channels, CHANNEL, &c);
    (void)net_look(net);
    ck_assert(net->nics[0].lines[0].open);
}

/* As Linux does it for another MTU: it does not set the address again. */
START_TEST(an_address_that_was_set_outlives_its_channel)
{
    static const uint8_t set[6] = {2, 9, 8, 7, 6, 5};
    int other;

    begin_driver();
    memcpy(net->nics[0].nvsp.mac, set, sizeof(set));
    reopen();
    new_worker(2);
    begin_driver();
    other = plug(NET_DATAGRAM);
    put_frame_for(other, NET_DATAGRAM, set);
    run();
    ck_assert_uint_eq(net->nics[0].counters->rx_frames, 1);
    put_frame_for(other, NET_DATAGRAM, net->nics[0].config.mac);
    run();
    ck_assert_uint_eq(net->nics[0].counters->rx_frames, 2);
    unplug(other);
}
END_TEST

START_TEST(frames_for_a_link_that_is_down_are_completed_and_dropped)
{
    struct nic *n = &net->nics[0];

    begin_driver();
    set_link(0);
    (void)net_look(net);
    expect_indication(DISCONNECT);
    send_real_frame(5);
    run();
    expect_completion(5, NVSP_SEND_RNDIS_PACKET_COMPLETE);
    ck_assert_uint_eq(n->drops[DROP_LINK], 1);
    ck_assert_uint_eq(n->counters->tx_frames, 0);
    set_link(1);
    (void)net_look(net);
    expect_indication(CONNECT);
    send_real_frame(6);
    run();
    expect_completion(6, NVSP_SEND_RNDIS_PACKET_COMPLETE);
    ck_assert_uint_eq(n->counters->tx_frames, 1);
    ck_assert_uint_eq(n->drops[DROP_LINK], 1);
}
END_TEST

/* --- operators who watch --- */

enum {
    CAPTURED_BYTES = 40,
    HEAD = 900,
};

static void watch(uint64_t until_ns)
{
    nets.rows[0].capture_bytes = CAPTURED_BYTES;
    nets.rows[0].capture_until_ns = until_ns;
}

static void expect_captured(struct capture_reader *r, bool outbound, const void *bytes)
{
    uint8_t got[CAPTURED_BYTES];
    struct capture_record record;
    struct timespec now;

    ck_assert_int_eq(capture_read(r, &record, got, sizeof(got)), 0);
    ck_assert_uint_eq(record.len, FRAME_BYTES);
    ck_assert_uint_eq(record.captured, CAPTURED_BYTES);
    ck_assert_uint_eq(record.outbound, outbound);
    ck_assert_mem_eq(got, bytes, CAPTURED_BYTES);
    (void)clock_gettime(CLOCK_REALTIME, &now);
    ck_assert_uint_le(record.time_ns, (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec);
    ck_assert_uint_ge(record.time_ns, ((uint64_t)now.tv_sec - 10) * NS_PER_S);
}

static void expect_not_captured(struct capture_reader *r)
{
    struct capture_record record;
    uint8_t got[CAPTURED_BYTES];

    ck_assert_int_eq(capture_read(r, &record, got, sizeof(got)), -EAGAIN);
    ck_assert_uint_eq(r->lost, 0);
}

static void exchange(int other, uint64_t tid)
{
    send_real_frame(tid);
    run();
    put_frame(other, NET_DATAGRAM);
    run();
}

START_TEST(frames_are_captured_while_somebody_watches)
{
    struct nic *n = &net->nics[0];
    const uint8_t *sent = ram + 55 * 4096 + 44;
    uint8_t received[FRAME_BYTES] = {0};
    struct capture_reader r;
    int other;

    begin_driver();
    memcpy(n->nvsp.mac, n->config.mac, sizeof(n->nvsp.mac));
    memcpy(received, n->config.mac, 6);
    for (unsigned i = 0; i < FRAME_BYTES; i++)
        ram[55 * 4096 + 44 + i] = (uint8_t)i;
    capture_read_begin(&r, &capture, 0);
    other = plug(NET_DATAGRAM);
    exchange(other, 3);
    expect_not_captured(&r);
    ck_assert_uint_eq(capture.begun, 0);
    watch(clock_now_ns() + NS_PER_S);
    exchange(other, 4);
    expect_captured(&r, true, sent);
    expect_captured(&r, false, received);
    expect_not_captured(&r);
    watch(clock_now_ns() - 1); /* nobody has asked for it again */
    exchange(other, 5);
    expect_not_captured(&r);
    ck_assert_uint_eq(n->counters->tx_frames, 3);
    ck_assert_uint_eq(n->counters->rx_frames, 3);
    unplug(other);
}
END_TEST

START_TEST(frames_that_are_dropped_are_not_captured)
{
    struct nic *n = &net->nics[0];
    struct capture_reader r;
    int other;

    begin_driver();
    capture_read_begin(&r, &capture, 0);
    other = plug(NET_DATAGRAM);
    watch(clock_now_ns() + NS_PER_S);
    memset(n->nvsp.mac, 4, sizeof(n->nvsp.mac));
    put_frame(other, NET_DATAGRAM);
    memset(n->nvsp.mac, 2, sizeof(n->nvsp.mac)); /* it is for somebody else by now */
    run();
    set_link(0);
    (void)net_look(net);
    expect_indication(DISCONNECT);
    exchange(other, 3);
    expect_not_captured(&r);
    ck_assert_uint_eq(net->nics[0].drops[DROP_LINK], 2);
    unplug(other);
}
END_TEST

/* The ring's end is met in each part of a frame: what precedes it, what is carried, what is lent. */
START_TEST(captured_frames_may_wrap)
{
    struct nic *n = &net->nics[0];
    const struct carried c = {.len = 4000, .n = 1, .parts = {{.at = 20 * 4096ull, .len = 4000}}};
    uint8_t whole[3000], got[4096];
    unsigned wrong = 0;
    struct capture_reader r;
    struct capture_record record;

    begin_driver();
    for (unsigned i = 0; i < sizeof(whole); i++)
        whole[i] = (uint8_t)(i * 31 + i / 256);
    memcpy(ram + 20 * 4096 + 100, whole + HEAD, sizeof(whole) - HEAD);
    gmem_pages_copy_out(&n->receive.pages, 5000, whole, sizeof(whole));
    n->capture_bytes = CAPTURE_FRAME_MAX;
    capture_read_begin(&r, &capture, 0);
    for (unsigned i = 0; i < 40000; i++) {
        uint32_t len = (uint32_t)sizeof(whole) - i * 37 % 2000;

        capture_sent(net, n, whole, HEAD, &c, 100, len);
        wrong += capture_read(&r, &record, got, sizeof(got)) != 0 || record.captured != len ||
                 memcmp(got, whole, len) != 0;
        capture_received(net, n, 5000, len);
        wrong += capture_read(&r, &record, got, sizeof(got)) != 0 || record.captured != len ||
                 memcmp(got, whole, len) != 0;
    }
    ck_assert_uint_eq(wrong, 0);
    n->capture_bytes = 64; /* not even the head */
    capture_sent(net, n, whole, HEAD, &c, 100, sizeof(whole));
    ck_assert(capture_read(&r, &record, got, sizeof(got)) == 0 && record.captured == 64);
    ck_assert_uint_eq(record.len, sizeof(whole));
    ck_assert_mem_eq(got, whole, 64);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("net_control");
    TCase *t = tcase_create("net_control");
    SRunner *runner = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, control_packets_behind_a_frame_are_all_answered);
    tcase_add_test(t, an_answer_that_was_not_told_is_told_by_a_successor_once);
    tcase_add_test(t, a_list_that_is_too_short_for_its_buffer_is_not_used);
    tcase_add_test(t, a_list_that_is_wanted_back_is_let_go_of_and_that_is_said);
    tcase_add_test(t, a_broken_ring_is_logged_once);
    tcase_add_test(t, the_guest_is_told_of_its_link_once);
    tcase_add_test(t, a_link_that_is_down_stays_down_across_a_death);
    tcase_add_test(t, a_successor_tells_of_the_link_what_was_not_told);
    tcase_add_test(t, where_there_is_no_room_the_link_is_told_later);
    tcase_add_loop_test(t, what_comes_while_the_link_is_down_is_gone, 0, COUNT_OF(kinds));
    tcase_add_test(t, a_request_that_is_poison_is_refused);
    tcase_add_test(t, a_link_that_is_down_keeps_nothing_for_later);
    tcase_add_test(t, an_address_that_was_set_outlives_its_channel);
    tcase_add_test(t, frames_for_a_link_that_is_down_are_completed_and_dropped);
    tcase_add_test(t, frames_are_captured_while_somebody_watches);
    tcase_add_test(t, frames_that_are_dropped_are_not_captured);
    tcase_add_test(t, captured_frames_may_wrap);
    suite_add_tcase(s, t);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

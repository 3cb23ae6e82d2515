#include <stdlib.h>
#include <sys/uio.h>

#include "tests/fakes/net_stage.h"
#include "tests/unit/frame_case.h"

/* Frames of several TCP segments that a back end gives: whole in parts, or cut. */
enum {
    SECTION_BYTES = 1808,
    MSS = 1448,
    DATA = 20000,
    SEGMENTS = (DATA + MSS - 1) / MSS,
    NEEDS_CSUM = 1,
    GSO_TCPV4 = 1,
    GSO_TCPV6 = 4,
    FLAGS_AT = 13,
    ACK_PSH_FIN = 0x19,
    ACK = 0x10,
    ALL_RSC = NIC_RSC_V4 | NIC_RSC_V6 | NIC_RX_CHECKSUM_V4 | NIC_RX_CHECKSUM_V6,
    MESSAGES = 64,
    PART_TYPE = 1,
    FEW_BYTES = 600,
    MANY = 60,
};

static const uint32_t SEQUENCE = 0xfffffff0; /* it wraps */

static struct net_stage stage;
static uint8_t vnet[VNET_HEADER_BYTES];

/* What the guest got with one packet. */
static struct got {
    uint64_t transaction;
    unsigned n;
    struct {
        uint32_t len, part;
        uint8_t frame[SECTION_BYTES];
    } messages[MESSAGES];
} got;

static void set_up(void)
{
    net_stage_begin(&stage, 0);
    net_stage_receive(&stage, SECTION_BYTES);
}

static void tear_down(void)
{
    net_stage_end(&stage);
}

/* --- the other end --- */

static uint32_t naive_sum(const uint8_t *at, uint32_t n, uint32_t s)
{
    for (uint32_t i = 0; i < n; i++)
        s += i % 2 == 0 ? (uint32_t)at[i] << 8 : at[i];
    while (s >> 16 != 0)
        s = (s & 0xffff) + (s >> 16);
    return s;
}

static uint32_t pseudo(const uint8_t *f, uint32_t n)
{
    bool v6 = f[ip_at] >> 4 == 6;

    return naive_sum(f + ip_at + (v6 ? 8 : 12), v6 ? 32 : 8, TCP + n - transport_at);
}

static void make(bool v6, uint32_t data)
{
    uint32_t sequence = htonl(SEQUENCE);

    begin(0);
    if (v6)
        put_ipv6("fd00::1", "fd00::2", TCP);
    else
        put_ipv4("10.0.0.1", "10.0.0.2", TCP, 0);
    put_tcp(1234, 80, data);
    put16(ip_at + 4, v6 ? len - ip_at - 40 : 0xfffe); /* of IPv4: a packet's number, which wraps */
    memcpy(frame + transport_at + 4, &sequence, sizeof(sequence));
    frame[transport_at + FLAGS_AT] = ACK_PSH_FIN;
    if (!v6)
        put16(ip_at + 10, ~naive_sum(frame + ip_at, 20, 0) & 0xffff);
    put16(transport_at + 16, pseudo(frame, len));
    memset(vnet, 0, sizeof(vnet));
    vnet[0] = NEEDS_CSUM;
    vnet[1] = v6 ? GSO_TCPV6 : GSO_TCPV4;
    vnet[4] = MSS & 0xff;
    vnet[5] = MSS >> 8;
    vnet[6] = (uint8_t)transport_at;
    vnet[8] = 16;
}

static void send_it(void)
{
    struct iovec v[] = {
        {vnet,  sizeof(vnet)},
        {frame, len         },
    };

    ck_assert_int_eq(writev(stage.pair[0], v, 2), (ssize_t)(sizeof(vnet) + len));
}

/* --- the guest --- */

static uint32_t ring32(uint32_t at)
{
    uint8_t b[4];

    for (unsigned i = 0; i < 4; i++)
        b[i] = *ring_byte(&stage.guest, INCOMING, at + i);
    return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static uint32_t word(const uint8_t *at)
{
    uint32_t v;

    memcpy(&v, at, sizeof(v));
    return v;
}

static void take_message(uint32_t bytes, uint32_t offset)
{
    const uint8_t *m = stage.ram + STAGE_BUFFER_PAGE * 4096 + offset;
    uint32_t infos = word(m + 32);

    ck_assert_uint_lt(got.n, MESSAGES);
    ck_assert_uint_eq(word(m), 1);
    ck_assert_uint_eq(word(m + 4), bytes);
    got.messages[got.n].len = word(m + 12);
    got.messages[got.n].part = 0;
    memcpy(got.messages[got.n].frame, m + 8 + word(m + 8), word(m + 12));
    for (uint32_t at = 44; at < 44 + infos; at += word(m + at)) {
        if (word(m + at + 4) == (0x80000000u | PART_TYPE))
            got.messages[got.n].part = word(m + at + 12);
    }
    got.n++;
}

/* False: there is no packet. */
static bool take_packet(void)
{
    uint32_t at = stage.guest.received_to;
    uint8_t payload[PACKET_BYTES];
    uint32_t ranges;
    uint16_t type;

    got.n = 0;
    if (at == *control(&stage.guest, INCOMING, WRITE_INDEX))
        return false;
    ranges = ring32(at + 20);
    for (uint32_t i = 0; i < ranges; i++)
        take_message(ring32(at + 24 + 8 * i), ring32(at + 28 + 8 * i));
    ck_assert(guest_receive(&stage.guest, &type, &got.transaction, payload));
    ck_assert_uint_eq(type, VMRING_TRANSFER_PAGES);
    return true;
}

static void give_back(uint64_t transaction)
{
    static const uint8_t payload[PACKET_BYTES];

    ck_assert(
        guest_send(&stage.guest, VMRING_COMPLETION, transaction, NULL, 0, payload, PACKET_BYTES));
    (void)tx_work(stage.net, stage.nic, 0);
}

static bool receive(void)
{
    return rx_work(stage.net, stage.nic);
}

static uint32_t sequence_of(const uint8_t *f)
{
    return ntohl(word(f + transport_at + 4));
}

static void expect_good(const uint8_t *f, uint32_t n)
{
    bool v6 = f[ip_at] >> 4 == 6;

    if (!v6)
        ck_assert_uint_eq(naive_sum(f + ip_at, 20, 0), 0xffff);
    ck_assert_uint_eq((uint32_t)f[ip_at + (v6 ? 4 : 2)] << 8 | f[ip_at + (v6 ? 5 : 3)],
                      n - ip_at - (v6 ? 40 : 0));
    ck_assert_uint_eq(naive_sum(f + transport_at, n - transport_at, pseudo(f, n)), 0xffff);
}

/* Segment number i of the frame, as TCP would have sent it. */
static void expect_segment(unsigned i, const uint8_t *f, uint32_t n)
{
    uint32_t headers = transport_at + 20;
    uint32_t from = i * MSS;
    uint32_t data = DATA - from < MSS ? DATA - from : MSS;

    ck_assert_uint_eq(n, headers + data);
    expect_good(f, n);
    ck_assert_uint_eq(sequence_of(f), SEQUENCE + from);
    ck_assert_uint_eq(f[transport_at + FLAGS_AT], i == SEGMENTS - 1 ? ACK_PSH_FIN : ACK);
    ck_assert_mem_eq(f + headers, frame + headers + from, data);
    if (f[ip_at] >> 4 == 4)
        ck_assert_uint_eq((uint32_t)f[ip_at + 4] << 8 | f[ip_at + 5], (0xfffe + i) & 0xffff);
}

static unsigned expect_segments_from(unsigned seen)
{
    while (take_packet()) {
        for (unsigned i = 0; i < got.n; i++) {
            ck_assert_uint_eq(got.messages[i].part, 0);
            expect_segment(seen++, got.messages[i].frame, got.messages[i].len);
        }
        give_back(got.transaction);
    }
    return seen;
}

/* --- tests --- */

START_TEST(a_driver_that_joins_segments_gets_them_in_one_packet)
{
    static uint8_t joined[66000];
    uint32_t n = 0;

    stage.nic->nvsp.offloads = ALL_RSC;
    make(_i != 0, DATA);
    send_it();
    ck_assert(receive());
    ck_assert(take_packet());
    ck_assert_uint_gt(got.n, 10);
    for (unsigned i = 0; i < got.n; i++) {
        ck_assert_uint_eq(got.messages[i].part,
                          1u | (1u | (i == 0 ? 2u : 0) | (i == got.n - 1 ? 4u : 0)) << 8);
        memcpy(joined + n, got.messages[i].frame, got.messages[i].len);
        n += got.messages[i].len;
    }
    ck_assert_uint_eq(n, len);
    expect_good(joined, n);
    memcpy(frame + transport_at + 16, joined + transport_at + 16, 2);
    ck_assert_mem_eq(joined, frame, len);
    ck_assert(!take_packet());
    give_back(got.transaction);
    ck_assert_uint_eq(stage.frames.owners[0][0], 0);
}
END_TEST

START_TEST(another_gets_each_of_them)
{
    make(_i != 0, DATA);
    send_it();
    ck_assert(receive());
    ck_assert_uint_eq(expect_segments_from(0), SEGMENTS);
    ck_assert_uint_eq(stage.nic->counters->rx_frames, SEGMENTS);
    ck_assert_uint_eq(stage.nic->counters->rx[NIC_DIRECTED].frames, SEGMENTS);
    ck_assert_uint_eq(stage.nic->counters->rx[NIC_DIRECTED].bytes, stage.nic->counters->rx_bytes);
}
END_TEST

START_TEST(an_operator_sees_what_the_guest_gets)
{
    static struct capture_page page;
    static uint8_t seen[CAPTURE_FRAME_MAX];
    bool joins = _i != 0;
    struct capture_record record;
    struct capture_reader r;

    stage.net->capture.page = &page;
    stage.nic->capture_bytes = CAPTURE_FRAME_MAX;
    stage.nic->nvsp.offloads = joins ? ALL_RSC : 0;
    capture_read_begin(&r, &page, 0);
    make(false, DATA);
    send_it();
    ck_assert(receive());
    for (unsigned i = 0; i < (joins ? 1 : SEGMENTS); i++) {
        ck_assert_int_eq(capture_read(&r, &record, seen, sizeof(seen)), 0);
        ck_assert_uint_eq(record.captured, record.len);
        ck_assert_uint_eq(record.outbound, 0);
        expect_good(seen, record.len);
        if (joins)
            ck_assert_uint_eq(record.len, len);
        else
            expect_segment(i, seen, record.len);
    }
    ck_assert_int_eq(capture_read(&r, &record, seen, sizeof(seen)), -EAGAIN);
}
END_TEST

/* So many sections that not all segments have room. */
static void own(unsigned every)
{
    for (unsigned i = 0; i < stage.nic->nvsp.receive.sections; i++)
        stage.frames.owners[0][i] = i % every == 0 ? 1 : 0;
}

START_TEST(what_has_no_section_waits_for_one)
{
    unsigned sections = stage.nic->nvsp.receive.sections - NVSP_CONTROL_SECTIONS;

    for (unsigned i = 5; i < sections; i++)
        stage.frames.owners[0][i] = 1;
    make(false, DATA);
    send_it();
    for (unsigned seen = 0; seen < SEGMENTS;) {
        ck_assert(receive());
        seen = expect_segments_from(seen);
    }
    ck_assert(!take_packet());
    ck_assert_uint_eq(stage.nic->drops[DROP_NO_BUFFER], 0);
}
END_TEST

static void send_numbered(uint8_t number)
{
    make(false, 100);
    vnet[1] = 0;
    frame[54] = number; /* its first byte of data */
    send_it();
}

/* Packets of another kind, until the ring has room for about so many bytes more. */
static unsigned fill_ring(struct line *l, uint32_t left)
{
    static const uint8_t words[PACKET_BYTES];
    bool signal = false;
    unsigned n = 0;
    uint32_t room;

    for (; vmring_room(&l->out, l->write, &room) == 0 && room > left; n++)
        ck_assert(line_say(l, words, sizeof(words), &signal));
    return n;
}

static void skip_packets(unsigned n)
{
    for (uint8_t payload[PACKET_BYTES]; n > 0; n--) {
        uint64_t transaction;
        uint16_t type;

        ck_assert(guest_receive(&stage.guest, &type, &transaction, payload));
    }
}

/* A guest that reads nothing: frames stay with the back end, and come in their order. */
START_TEST(what_the_ring_has_no_room_for_waits)
{
    unsigned others = fill_ring(&stage.nic->lines[0], FEW_BYTES);
    unsigned seen = 0;

    for (unsigned i = 0; i < MANY; i++)
        send_numbered((uint8_t)i);
    while (receive())
        ;
    ck_assert_uint_eq(stage.nic->drops[DROP_NO_BUFFER], 0);
    skip_packets(others);
    while (seen < MANY) {
        while (take_packet()) {
            for (unsigned i = 0; i < got.n; i++)
                ck_assert_uint_eq(got.messages[i].frame[54], seen++);
            give_back(got.transaction);
        }
        ck_assert(receive() || seen == MANY);
    }
    ck_assert_uint_eq(stage.nic->drops[DROP_NO_BUFFER], 0);
}
END_TEST

START_TEST(what_cannot_stay_whole_is_cut)
{
    stage.nic->nvsp.offloads = ALL_RSC;
    own(2);
    make(false, DATA);
    send_it();
    ck_assert(receive());
    ck_assert_uint_eq(expect_segments_from(0), SEGMENTS);
}
END_TEST

START_TEST(several_of_them_and_others_keep_their_order)
{
    unsigned seen = 0;

    stage.nic->nvsp.offloads = 0;
    for (unsigned i = 0; i < 3; i++) {
        send_numbered((uint8_t)(2 * i));
        make(false, 2 * MSS);
        send_it();
    }
    for (unsigned rounds = 0; rounds < 10; rounds++) {
        (void)receive();
        while (take_packet()) {
            for (unsigned i = 0; i < got.n; i++, seen++)
                ck_assert_uint_eq(got.messages[i].len, seen % 3 == 0 ? 154 : 54 + MSS);
            give_back(got.transaction);
        }
    }
    ck_assert_uint_eq(seen, 9);
}
END_TEST

/* As long as its driver wants frames to be. */
START_TEST(a_short_one_is_a_frame_like_others)
{
    make(false, 900);
    vnet[4] = 200;
    vnet[5] = 0;
    send_it();
    ck_assert(receive());
    ck_assert(take_packet());
    ck_assert_uint_eq(got.n, 1);
    ck_assert_uint_eq(got.messages[0].len, len);
    expect_good(got.messages[0].frame, len);
}
END_TEST

/* As of a connection whose MTU is the least. */
START_TEST(segments_may_be_tiny)
{
    unsigned seen = 0;

    make(false, 800);
    vnet[4] = SEGMENTS_MSS_MIN;
    vnet[5] = 0;
    stage.nic->nvsp.mtu = NIC_MTU_MIN;
    send_it();
    for (unsigned rounds = 0; rounds < 10; rounds++) {
        (void)receive();
        while (take_packet()) {
            for (unsigned i = 0; i < got.n; i++, seen++)
                ck_assert_uint_eq(got.messages[i].len, 54 + SEGMENTS_MSS_MIN);
            give_back(got.transaction);
        }
    }
    ck_assert_uint_eq(seen, 100);
}
END_TEST

/* A frame of more segments than the ring has room for, each in a packet of its own. */
START_TEST(segments_wait_for_room_in_the_ring)
{
    unsigned others, seen = 0;

    net_stage_receive(&stage, 400);
    own(2);
    others = fill_ring(&stage.nic->lines[0], RING_BYTES / 2 + 200);
    make(false, 800);
    vnet[4] = SEGMENTS_MSS_MIN;
    vnet[5] = 0;
    stage.nic->nvsp.mtu = NIC_MTU_MIN;
    send_it();
    while (receive())
        ;
    skip_packets(others);
    do {
        while (take_packet()) {
            ck_assert_uint_eq(got.n, 1);
            ck_assert_uint_eq(sequence_of(got.messages[0].frame),
                              SEQUENCE + SEGMENTS_MSS_MIN * seen++);
            give_back(got.transaction);
        }
    } while (receive());
    ck_assert_uint_eq(seen, 100);
    ck_assert(!rx_is_ready(stage.nic));
    ck_assert_uint_eq(stage.nic->drops[DROP_NO_BUFFER], 0);
}
END_TEST

/* What a hostile back end may say of a frame. */
static const struct {
    unsigned at;
    uint8_t value;
} lies[] = {
    {0, 0        }, /* no checksum is due */
    {1, 0        }, /* no segments, and too long */
    {1, 3        }, /* UDP */
    {1, GSO_TCPV6}, /* the other version */
    {1, 0x81     }, /* ECN, which nobody asked for */
    {1, 255      },
    {4, 0        }, /* with vnet[5] = 0: segments of nothing */
    {5, 0xff     }, /* larger than any section */
    {6, 0        },
    {6, 200      },
    {7, 255      },
    {8, 6        },
    {9, 1        },
};

START_TEST(a_header_that_lies_costs_its_frame_alone)
{
    make(false, DATA);
    vnet[lies[_i].at] = lies[_i].value;
    if (lies[_i].at == 4)
        vnet[5] = 0;
    send_it();
    make(false, DATA);
    send_it();
    for (unsigned i = 0; i < 4; i++)
        (void)receive();
    ck_assert_uint_eq(expect_segments_from(0), SEGMENTS);
    ck_assert_uint_eq(stage.nic->drops[DROP_BAD_FRAME] + stage.nic->drops[DROP_TOO_LONG], 1);
}
END_TEST

START_TEST(headers_longer_than_the_frame_cost_it_alone)
{
    make(false, DATA);
    frame[transport_at + 12] = (uint8_t)_i;
    send_it();
    (void)receive();
    ck_assert(!take_packet());
    ck_assert_uint_eq(stage.nic->drops[DROP_BAD_FRAME], 1);
}
END_TEST

static void let_one_wait(void)
{
    own(1);
    stage.frames.owners[0][0] = 0;
    make(false, DATA);
    send_it();
    (void)receive();
    ck_assert_uint_ne(stage.nic->large.len, 0);
}

START_TEST(another_buffer_has_nothing_of_the_last_one)
{
    let_one_wait();
    stage.nic->nvsp.receive.gpadl = 0;
    nic_take_buffers(stage.net, stage.nic);
    ck_assert_uint_eq(stage.nic->large.len, 0);
}
END_TEST

/* After each control packet of its driver the buffers are looked at. */
START_TEST(with_the_same_buffer_what_waits_goes_on_waiting)
{
    unsigned seen;

    let_one_wait();
    nic_take_buffers(stage.net, stage.nic);
    seen = expect_segments_from(0);
    memset(stage.frames.owners[0], 0, sizeof(stage.frames.owners[0]));
    stage.nic->rx_is_full = false;
    while (receive())
        seen = expect_segments_from(seen);
    ck_assert_uint_eq(seen, SEGMENTS);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("net_rx");
    TCase *t = tcase_create("segments");
    SRunner *runner = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, a_driver_that_joins_segments_gets_them_in_one_packet, 0, 2);
    tcase_add_loop_test(t, another_gets_each_of_them, 0, 2);
    tcase_add_loop_test(t, an_operator_sees_what_the_guest_gets, 0, 2);
    tcase_add_test(t, what_has_no_section_waits_for_one);
    tcase_add_test(t, what_the_ring_has_no_room_for_waits);
    tcase_add_test(t, what_cannot_stay_whole_is_cut);
    tcase_add_test(t, several_of_them_and_others_keep_their_order);
    tcase_add_test(t, a_short_one_is_a_frame_like_others);
    tcase_add_test(t, segments_may_be_tiny);
    tcase_add_test(t, segments_wait_for_room_in_the_ring);
    tcase_add_loop_test(t, a_header_that_lies_costs_its_frame_alone, 0, COUNT_OF(lies));
    tcase_add_loop_test(t, headers_longer_than_the_frame_cost_it_alone, 0, 0x50);
    tcase_add_test(t, another_buffer_has_nothing_of_the_last_one);
    tcase_add_test(t, with_the_same_buffer_what_waits_goes_on_waiting);
    suite_add_tcase(s, t);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "tests/fakes/guest_rings.h"
#include "workers/storage/flow.h"

static uint8_t ram[RAM_PAGES * 4096] __attribute__((aligned(4096)));
static struct inflight_channel channel_log;
static struct guest_rings guest;
static struct flow flow;
static struct vmbus_channel channel;

static void set_up(void)
{
    memset(ram, 0, sizeof(ram));
    memset(&channel_log, 0, sizeof(channel_log));
    guest_rings_init(&guest, ram);
    channel = guest_channel(5);
    flow = (struct flow){.log = &channel_log};
    ck_assert_int_eq(flow_open(&flow, &guest.memory, &channel, guest.pfns, false), 0);
}

/* Another process takes over. */
static int take_over(void)
{
    memset(&flow, 0xa5, sizeof(flow));
    flow.log = &channel_log;
    flow.open = false;
    return flow_open(&flow, &guest.memory, &channel, guest.pfns, true);
}

static void send_requests(uint64_t from, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        uint8_t packet[PACKET_BYTES] = {(uint8_t)(from + i)};

        ck_assert(guest_request(&guest, from + i, 20, 0, 512, packet));
    }
}

static int take(void)
{
    int slot = flow_take(&flow);

    (void)flow_taken(&flow);
    return slot;
}

static void answer(int slot)
{
    uint8_t bytes[PACKET_BYTES] = {0};

    bytes[0] = (uint8_t)(flow_slot(&flow, (unsigned)slot)->packet[0] + 100);
    flow_answer(&flow, (unsigned)slot, bytes, PACKET_BYTES);
}

static void expect_answer(uint64_t tid)
{
    uint8_t payload[PACKET_BYTES];
    uint64_t got;
    uint16_t type;

    ck_assert(guest_receive(&guest, &type, &got, payload));
    ck_assert_uint_eq(type, VMRING_COMPLETION);
    ck_assert_uint_eq(got, tid);
    ck_assert_uint_eq(payload[0], (uint8_t)(tid + 100));
}

static void expect_nothing(void)
{
    uint8_t payload[PACKET_BYTES];
    uint64_t tid;
    uint16_t type;

    ck_assert(!guest_receive(&guest, &type, &tid, payload));
}

START_TEST(a_request_is_taken_with_its_data_and_answered_once)
{
    int slot;

    send_requests(1, 1);
    slot = take();
    ck_assert_int_ge(slot, 0);
    ck_assert_uint_eq(flow_slot(&flow, (unsigned)slot)->data_len, 512);
    ck_assert_uint_eq(flow_slot(&flow, (unsigned)slot)->pages[0], 20);
    ck_assert_int_eq(take(), -EAGAIN);
    ck_assert(!flow_publish(&flow));
    answer(slot);
    ck_assert(flow_publish(&flow));
    expect_answer(1);
    ck_assert(!flow_publish(&flow));
    expect_nothing();
}
END_TEST

START_TEST(all_slots_are_used_and_come_back)
{
    int slots[INFLIGHT_SLOTS];

    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < INFLIGHT_SLOTS; i++) {
            send_requests(i, 1);
            slots[i] = take();
            ck_assert_int_ge(slots[i], 0);
        }
        send_requests(7, 1);
        ck_assert_int_eq(take(), -ENOBUFS);
        for (unsigned i = 0; i < INFLIGHT_SLOTS; i++) {
            answer(slots[i]);
            (void)flow_publish(&flow);
            expect_answer(i);
        }
        slots[0] = take();
        answer(slots[0]);
        (void)flow_publish(&flow);
        expect_answer(7);
    }
}
END_TEST

/* The guest does not take its answers: they stay, and nothing grows. */
START_TEST(answers_wait_for_room)
{
    unsigned n = 0, got = 0;
    uint8_t payload[PACKET_BYTES];
    uint64_t tid;
    uint16_t type;

    for (unsigned i = 0; i < INFLIGHT_SLOTS; i++) {
        send_requests(i, 1);
        answer(take());
        (void)flow_publish(&flow);
        n++;
    }
    ck_assert(flow_is_blocked(&flow));
    ck_assert_uint_ne(*control(&guest, INCOMING, PENDING_SEND), 0);
    while (got < n) {
        while (guest_receive(&guest, &type, &tid, payload))
            ck_assert_uint_eq(tid, got++);
        (void)flow_publish(&flow);
    }
    ck_assert(!flow_is_blocked(&flow));
    ck_assert_uint_eq(*control(&guest, INCOMING, PENDING_SEND), 0);
}
END_TEST

START_TEST(what_was_taken_is_found_again_in_its_order)
{
    int slots[4];

    send_requests(1, 4);
    for (unsigned i = 0; i < 4; i++)
        slots[i] = take();
    answer(slots[1]);
    ck_assert_int_eq(take_over(), 0);
    ck_assert_uint_eq(flow.n_claimed, 3);
    (void)flow_publish(&flow);
    expect_answer(2);
    slots[0] = flow_claimed_from(&flow, flow.taken - INFLIGHT_SLOTS);
    ck_assert_uint_eq(flow_slot(&flow, (unsigned)slots[0])->transaction, 1);
    slots[1] = flow_claimed_from(&flow, flow_slot(&flow, (unsigned)slots[0])->seq + 1);
    ck_assert_uint_eq(flow_slot(&flow, (unsigned)slots[1])->transaction, 3);
    answer(slots[0]);
    (void)flow_publish(&flow);
    expect_answer(1);
    ck_assert_int_eq(take(), -EAGAIN);
}
END_TEST

static unsigned count_claimed(void)
{
    int slot = flow_claimed_from(&flow, flow.taken - INT32_MAX);
    unsigned n = 0;

    for (; slot >= 0; n++)
        slot = flow_claimed_from(&flow, flow_slot(&flow, (unsigned)slot)->seq + 1);
    return n;
}

/* A channel with requests that are never taken up would never be closed. */
START_TEST(what_cannot_be_taken_up_is_nobodys)
{
    static const uint32_t numbers[] = {0, 1, 3, 4, 0x7fffffff, 0x80000004, 0x80000005, 0xffffffff};

    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        int last = 0;

        set_up();
        send_requests(1, 4);
        for (unsigned n = 0; n < 4; n++)
            last = take();
        flow_slot(&flow, (unsigned)last)->seq = numbers[i];
        ck_assert_int_eq(take_over(), 0);
        ck_assert_uint_eq(flow.n_claimed, count_claimed());
        ck_assert_uint_eq(flow.n_claimed + flow.n_free, INFLIGHT_SLOTS);
    }
}
END_TEST

/* Died between filling slots and counting them: the packets are still the guest's. */
START_TEST(what_was_not_counted_is_taken_anew)
{
    send_requests(1, 2);
    ck_assert_int_ge(flow_take(&flow), 0);
    ck_assert_int_ge(flow_take(&flow), 0);
    ck_assert_int_eq(take_over(), 0);
    ck_assert_uint_eq(flow.n_claimed, 0);
    for (unsigned i = 1; i <= 2; i++) {
        answer(take());
        (void)flow_publish(&flow);
        expect_answer(i);
    }
}
END_TEST

static void leave_commit(uint32_t shown)
{
    send_requests(1, 1);
    answer(take());
    channel_log.commit_from = flow.write;
    channel_log.commit_to = vmring_put_completion(
        &flow.out, flow.write, 1, flow_slot(&flow, flow.done[0])->answer, PACKET_BYTES);
    channel_log.commit_slots[0] = flow.done[0];
    atomic_store(&channel_log.commit, 1);
    *control(&guest, INCOMING, WRITE_INDEX) = shown == 1   ? channel_log.commit_to
                                              : shown == 0 ? channel_log.commit_from
                                                           : shown;
}

START_TEST(a_batch_that_was_shown_is_not_shown_again)
{
    leave_commit(1);
    ck_assert_int_eq(take_over(), 0);
    (void)flow_publish(&flow);
    expect_answer(1);
    expect_nothing();
}
END_TEST

START_TEST(a_batch_that_was_not_shown_is)
{
    leave_commit(0);
    ck_assert_int_eq(take_over(), 0);
    expect_nothing();
    (void)flow_publish(&flow);
    expect_answer(1);
    expect_nothing();
}
END_TEST

START_TEST(a_guest_that_meddled_with_a_batch_stops_its_channel)
{
    leave_commit(48);
    ck_assert_int_eq(take_over(), -EBADMSG);
    ck_assert(flow.stopped);
    ck_assert_int_eq(take(), -EBADMSG);
}
END_TEST

START_TEST(another_opening_begins_anew)
{
    send_requests(1, 3);
    (void)take();
    memset(ram, 0, 2 * RING_PAGES * 4096);
    guest.received_to = 0;
    channel = guest_channel(6);
    ck_assert_int_eq(flow_open(&flow, &guest.memory, &channel, guest.pfns, false), 0);
    ck_assert_uint_eq(flow.n_claimed, 0);
    ck_assert_int_eq(take(), -EAGAIN);
    send_requests(9, 1);
    answer(take());
    (void)flow_publish(&flow);
    expect_answer(9);
}
END_TEST

START_TEST(a_ring_outside_of_memory_is_not_opened)
{
    guest.pfns[3] = RAM_PAGES;
    flow.open = false;
    ck_assert_int_eq(flow_open(&flow, &guest.memory, &channel, guest.pfns, false), -EFAULT);
    ck_assert(!flow.open);
}
END_TEST

/* Data that makes no sense is the request's trouble, not the channel's. */
START_TEST(ranges_that_make_no_sense_are_marked)
{
    static const struct {
        uint32_t n, bytes, offset;
    } wrong[] = {
        {1,          512,                   4096      },
        {1,          UINT32_MAX,            0         },
        {1,          INFLIGHT_DATA_MAX + 1, 0         },
        {2,          512,                   0         },
        {UINT32_MAX, 512,                   0         },
        {1,          8192,                  0         },
        {1,          4096,                  UINT32_MAX},
        {1,          UINT32_MAX,            4095      },
    };
    uint8_t packet[PACKET_BYTES] = {0};

    for (unsigned i = 0; i < COUNT_OF(wrong); i++) {
        const uint64_t head[3] = {(uint64_t)wrong[i].n << 32,
                                  (uint64_t)wrong[i].offset << 32 | wrong[i].bytes, 20};
        int slot;

        ck_assert(guest_send(&guest, 9, i, head, sizeof(head), packet, PACKET_BYTES));
        slot = take();
        ck_assert_int_ge(slot, 0);
        ck_assert_uint_ne(flow_slot(&flow, (unsigned)slot)->flags & INFLIGHT_BAD_DATA, 0);
        ck_assert_uint_eq(flow_slot(&flow, (unsigned)slot)->n_pages, 0);
        answer(slot);
    }
    ck_assert(!flow.stopped);
}
END_TEST

START_TEST(a_broken_ring_stops_its_channel)
{
    *control(&guest, OUTGOING, WRITE_INDEX) = 12;
    ck_assert_int_eq(take(), -EBADMSG);
    *control(&guest, OUTGOING, WRITE_INDEX) = 0;
    ck_assert_int_eq(take(), -EBADMSG);
    ck_assert(flow.stopped);
}
END_TEST

START_TEST(an_unknown_type_stops_its_channel)
{
    uint8_t packet[PACKET_BYTES] = {0};

    ck_assert(guest_send(&guest, 7, 1, NULL, 0, packet, PACKET_BYTES));
    ck_assert_int_eq(take(), -EBADMSG);
}
END_TEST

/* A predecessor that was taken over leaves numbers that cannot be. */
START_TEST(a_log_of_nonsense_is_survived)
{
    uint64_t random = 1;

    for (unsigned round = 0; round < 200; round++) {
        uint8_t *bytes = (uint8_t *)&channel_log;

        for (size_t i = 0; i < sizeof(channel_log); i += 97) {
            random = random * 6364136223846793005 + 1442695040888963407;
            bytes[i] = (uint8_t)(random >> 56);
        }
        channel_log.opening = channel.opening;
        if (take_over() == 0) {
            (void)flow_publish(&flow);
            ck_assert_uint_le(flow.n_free + flow.n_done + flow.n_claimed, INFLIGHT_SLOTS);
        }
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("flow");
    TCase *c = tcase_create("all");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(c, set_up, NULL);
    tcase_add_test(c, a_request_is_taken_with_its_data_and_answered_once);
    tcase_add_test(c, all_slots_are_used_and_come_back);
    tcase_add_test(c, answers_wait_for_room);
    tcase_add_test(c, what_was_taken_is_found_again_in_its_order);
    tcase_add_test(c, what_cannot_be_taken_up_is_nobodys);
    tcase_add_test(c, what_was_not_counted_is_taken_anew);
    tcase_add_test(c, a_batch_that_was_shown_is_not_shown_again);
    tcase_add_test(c, a_batch_that_was_not_shown_is);
    tcase_add_test(c, a_guest_that_meddled_with_a_batch_stops_its_channel);
    tcase_add_test(c, another_opening_begins_anew);
    tcase_add_test(c, a_ring_outside_of_memory_is_not_opened);
    tcase_add_test(c, ranges_that_make_no_sense_are_marked);
    tcase_add_test(c, a_broken_ring_stops_its_channel);
    tcase_add_test(c, an_unknown_type_stops_its_channel);
    tcase_add_test(c, a_log_of_nonsense_is_survived);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

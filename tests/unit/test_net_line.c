#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "tests/fakes/guest_rings.h"
#include "workers/net/line.h"

enum {
    COMPLETION_BYTES = 40,
    STATUS_AT = 4,
    SET = 0xcafe,
};

static uint8_t ram[RAM_PAGES * 4096] __attribute__((aligned(4096)));
static struct frames_page page;
static struct guest_rings guest;
static struct line line;
static struct vmbus_channel channel;

static void attach(void)
{
    line.log = &page.channels[0];
    line.owners = page.owners[0];
}

static void set_up(void)
{
    memset(ram, 0, sizeof(ram));
    memset(&page, 0, sizeof(page));
    guest_rings_init(&guest, ram);
    channel = guest_channel(5);
    line = (struct line){0};
    attach();
    ck_assert_int_eq(line_open(&line, &guest.memory, &channel, guest.pfns, false), 0);
}

/* Another process takes over. */
static int take_over(void)
{
    memset(&line, 0xa5, sizeof(line));
    attach();
    line.open = false;
    return line_open(&line, &guest.memory, &channel, guest.pfns, true);
}

static void send_packet(uint16_t type, uint64_t tid)
{
    static const uint8_t payload[PACKET_BYTES] = {1};

    ck_assert(guest_send(&guest, type, tid, NULL, 0, payload, sizeof(payload)));
}

static void take_one(enum line_kind kind)
{
    struct vmring_packet p;

    ck_assert_int_eq(line_next(&line, &p), 0);
    line_take(&line, &p, kind, 1);
}

static bool complete(void)
{
    uint8_t completion[COMPLETION_BYTES] = {108};

    return line_complete(&line, completion, sizeof(completion), STATUS_AT);
}

static void expect(uint16_t type, uint64_t tid)
{
    uint8_t payload[PACKET_BYTES];
    uint64_t got;
    uint16_t got_type;

    ck_assert(guest_receive(&guest, &got_type, &got, payload));
    ck_assert_uint_eq(got_type, type);
    ck_assert_uint_eq(got, tid);
}

static void expect_nothing(void)
{
    uint8_t payload[PACKET_BYTES];
    uint64_t tid;
    uint16_t type;

    ck_assert(!guest_receive(&guest, &type, &tid, payload));
}

static unsigned give(uint16_t first, uint16_t n)
{
    struct line_group g = {.first = first, .n = n, .n_ranges = n};
    uint8_t payload[COMPLETION_BYTES] = {107};
    bool signal = false;

    for (unsigned i = 0; i < n; i++) {
        g.ranges[i].bytes = 100;
        g.ranges[i].offset = (first + i) * 2048;
    }
    return line_give(&line, &g, 1, SET, payload, sizeof(payload), 0, &signal);
}

START_TEST(frames_are_completed_once_and_in_order)
{
    for (uint64_t i = 1; i <= 3; i++)
        send_packet(VMRING_IN_BAND, 100 + i);
    for (unsigned i = 0; i < 3; i++)
        take_one(i == 1 ? LINE_NOTHING : LINE_FRAME);
    line_taken(&line);
    (void)line_show_taken(&line);
    ck_assert(complete());
    expect(VMRING_COMPLETION, 101);
    expect(VMRING_COMPLETION, 103);
    expect_nothing();
    ck_assert(!complete());
    expect_nothing();
}
END_TEST

START_TEST(what_was_noted_and_not_taken_is_there_for_a_successor)
{
    struct vmring_packet p;

    send_packet(VMRING_IN_BAND, 7);
    take_one(LINE_FRAME);
    ck_assert_int_eq(take_over(), 0);
    (void)complete();
    expect_nothing();
    ck_assert_int_eq(line_next(&line, &p), 0);
    ck_assert_uint_eq(p.transaction, 7);
}
END_TEST

START_TEST(a_taken_frame_is_completed_by_a_successor_and_not_taken_again)
{
    struct vmring_packet p;

    send_packet(VMRING_IN_BAND, 7);
    take_one(LINE_FRAME);
    line_taken(&line);
    (void)line_show_taken(&line);
    ck_assert_int_eq(take_over(), 0);
    ck_assert_int_eq(line_next(&line, &p), -EAGAIN);
    ck_assert(complete());
    expect(VMRING_COMPLETION, 7);
    expect_nothing();
}
END_TEST

/* As it is when somebody dies between the commit and what follows. */
START_TEST(completions_that_were_shown_are_not_shown_again)
{
    send_packet(VMRING_IN_BAND, 7);
    take_one(LINE_FRAME);
    line_taken(&line);
    (void)line_show_taken(&line);
    ck_assert(complete());
    atomic_store(&page.channels[0].done, 0);
    atomic_store(&page.channels[0].out, page.channels[0].commit_from);
    atomic_store(&page.channels[0].commit, 1 << 16 | 1);
    ck_assert_int_eq(take_over(), 0);
    ck_assert(!complete());
    expect(VMRING_COMPLETION, 7);
    expect_nothing();
}
END_TEST

/* It had all been done, but for the last store. */
START_TEST(completions_are_not_counted_twice)
{
    send_packet(VMRING_IN_BAND, 7);
    send_packet(VMRING_IN_BAND, 8);
    take_one(LINE_FRAME);
    take_one(LINE_FRAME);
    line_taken(&line);
    (void)line_show_taken(&line);
    ck_assert(complete());
    atomic_store(&page.channels[0].commit, 1 << 16 | 2);
    ck_assert_int_eq(take_over(), 0);
    ck_assert_uint_eq(line.done, 2);
    send_packet(VMRING_IN_BAND, 9);
    take_one(LINE_FRAME);
    line_taken(&line);
    (void)line_show_taken(&line);
    (void)complete();
    for (uint64_t i = 7; i <= 9; i++)
        expect(VMRING_COMPLETION, i);
    expect_nothing();
}
END_TEST

START_TEST(completions_that_were_not_shown_are_shown)
{
    send_packet(VMRING_IN_BAND, 7);
    take_one(LINE_FRAME);
    line_taken(&line);
    (void)line_show_taken(&line);
    page.channels[0].commit_from = 0;
    page.channels[0].commit_to = 64;
    atomic_store(&page.channels[0].commit, 1 << 16 | 1);
    ck_assert_int_eq(take_over(), 0);
    ck_assert(complete());
    expect(VMRING_COMPLETION, 7);
    expect_nothing();
}
END_TEST

START_TEST(sections_are_the_guests_until_it_gives_them_back)
{
    ck_assert_uint_eq(give(4, 3), 1);
    expect(VMRING_TRANSFER_PAGES, 5);
    ck_assert_uint_eq(page.owners[0][4], 3);
    ck_assert_uint_eq(page.owners[0][5], FRAMES_MORE);
    ck_assert_uint_eq(page.owners[0][7], 0);
    send_packet(VMRING_COMPLETION, 5);
    take_one(LINE_GIVEN_BACK);
    line_taken(&line);
    (void)line_show_taken(&line);
    ck_assert_uint_eq(line_free_sections(&line), 3);
    for (unsigned i = 0; i < 16; i++)
        ck_assert_uint_eq(page.owners[0][i], 0);
    ck_assert_uint_eq(line_free_sections(&line), 0);
}
END_TEST

START_TEST(what_it_does_not_have_it_cannot_give_back)
{
    static const uint64_t wrong[] = {0, 2, 6, 7, FRAMES_SECTIONS, FRAMES_SECTIONS + 1, UINT64_MAX};

    ck_assert_uint_eq(give(4, 3), 1);
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        send_packet(VMRING_COMPLETION, wrong[i]);
        take_one(LINE_GIVEN_BACK);
    }
    line_taken(&line);
    (void)line_show_taken(&line);
    ck_assert_uint_eq(line_free_sections(&line), 0);
    ck_assert_uint_eq(page.owners[0][4], 3);
}
END_TEST

START_TEST(sections_given_back_are_freed_by_a_successor)
{
    ck_assert_uint_eq(give(4, 3), 1);
    send_packet(VMRING_COMPLETION, 5);
    take_one(LINE_GIVEN_BACK);
    line_taken(&line);
    (void)line_show_taken(&line);
    ck_assert_int_eq(take_over(), 0);
    ck_assert_uint_eq(line_free_sections(&line), 3);
    ck_assert_uint_eq(page.owners[0][4], 0);
}
END_TEST

START_TEST(frames_that_were_not_shown_are_lost_and_their_sections_are_ours)
{
    ck_assert_uint_eq(give(4, 3), 1);
    *control(&guest, INCOMING, WRITE_INDEX) = 0; /* as if it had died before that */
    atomic_store(&page.channels[0].out, 0);
    atomic_store(&page.channels[0].commit, 2 << 16 | 1);
    ck_assert_int_eq(take_over(), 0);
    for (unsigned i = 0; i < 16; i++)
        ck_assert_uint_eq(page.owners[0][i], 0);
    expect_nothing();
}
END_TEST

START_TEST(frames_that_were_shown_are_the_guests)
{
    ck_assert_uint_eq(give(4, 3), 1);
    atomic_store(&page.channels[0].out, 0);
    atomic_store(&page.channels[0].commit, 2 << 16 | 1);
    ck_assert_int_eq(take_over(), 0);
    ck_assert_uint_eq(page.owners[0][4], 3);
    expect(VMRING_TRANSFER_PAGES, 5);
    ck_assert_uint_eq(give(7, 1), 1);
    expect(VMRING_TRANSFER_PAGES, 8);
}
END_TEST

START_TEST(a_write_index_that_is_neither_stops_the_line)
{
    struct vmring_packet p;

    ck_assert_uint_eq(give(4, 3), 1);
    *control(&guest, INCOMING, WRITE_INDEX) = 8;
    atomic_store(&page.channels[0].commit, 2 << 16 | 1);
    ck_assert_int_eq(take_over(), -EBADMSG);
    ck_assert_int_eq(line_next(&line, &p), -EBADMSG);
}
END_TEST

START_TEST(a_full_ring_waits_and_goes_on)
{
    unsigned given = 0;

    while (give((uint16_t)given, 1) == 1)
        given++;
    ck_assert_uint_gt(given, 50);
    ck_assert(line_is_blocked(&line));
    ck_assert_uint_gt(*control(&guest, INCOMING, PENDING_SEND), 0);
    ck_assert_uint_eq(page.owners[0][given], 0);
    send_packet(VMRING_IN_BAND, 7);
    take_one(LINE_FRAME);
    line_taken(&line);
    (void)line_show_taken(&line);
    ck_assert(!complete());
    for (unsigned i = 0; i < given; i++)
        expect(VMRING_TRANSFER_PAGES, i + 1);
    (void)complete();
    expect(VMRING_COMPLETION, 7);
    ck_assert(!line_is_blocked(&line));
    ck_assert_uint_eq(*control(&guest, INCOMING, PENDING_SEND), 0);
}
END_TEST

START_TEST(a_control_packet_holds_up_what_follows)
{
    const uint8_t answer[COMPLETION_BYTES] = {2};
    uint32_t number;
    bool signal = false;

    send_packet(VMRING_IN_BAND, 7);
    send_packet(VMRING_IN_BAND, 8);
    take_one(LINE_CONTROL);
    take_one(LINE_FRAME);
    line_taken(&line);
    (void)line_show_taken(&line);
    ck_assert(!complete());
    expect_nothing();
    ck_assert(line_control(&line, &number));
    ck_assert_uint_eq(number, 0);
    ck_assert(line_tell(&line, answer, sizeof(answer), &signal));
    ck_assert(signal);
    expect(VMRING_COMPLETION, 7);
    ck_assert(!line_control(&line, &number));
    ck_assert(complete());
    expect(VMRING_COMPLETION, 8);
}
END_TEST

START_TEST(another_opening_knows_nothing_of_the_last)
{
    send_packet(VMRING_IN_BAND, 7);
    take_one(LINE_FRAME);
    line_taken(&line);
    (void)line_show_taken(&line);
    line_close(&line);
    memset(ram, 0, sizeof(ram));
    guest.received_to = 0;
    channel = guest_channel(6);
    ck_assert_int_eq(line_open(&line, &guest.memory, &channel, guest.pfns, false), 0);
    ck_assert(!complete());
    expect_nothing();
    send_packet(VMRING_IN_BAND, 9);
    take_one(LINE_FRAME);
    line_taken(&line);
    (void)line_show_taken(&line);
    ck_assert(complete());
    expect(VMRING_COMPLETION, 9);
}
END_TEST

START_TEST(rings_that_are_none)
{
    static const struct vmbus_channel wrong[] = {
        {.pages = VMBUS_RING_PAGES_MAX + 1, .downstream = 4},
        {.pages = 8,                        .downstream = 1},
        {.pages = 8,                        .downstream = 8},
        {.pages = 8,                        .downstream = 7},
    };

    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        line_close(&line);
        ck_assert_int_eq(line_open(&line, &guest.memory, &wrong[i], guest.pfns, false), -EINVAL);
        ck_assert(!line.open);
    }
    guest.pfns[1] = RAM_PAGES;
    ck_assert_int_eq(line_open(&line, &guest.memory, &channel, guest.pfns, false), -EFAULT);
}
END_TEST

/* After that many packets, which were taken one by one. */
static void skip_to(uint32_t taken)
{
    static const uint32_t steps[] = {UINT32_C(1) << 30, UINT32_C(1) << 31, UINT32_C(3) << 30};

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && steps[i] < taken; i++) {
        line.taken = line.done = steps[i];
        send_packet(VMRING_IN_BAND, 1);
        take_one(LINE_NOTHING);
        line_taken(&line);
        (void)line_show_taken(&line);
        (void)complete();
    }
    line.taken = line.done = taken;
    atomic_store(&page.channels[0].done, taken);
}

/* Packets are counted modulo 2^32. */
START_TEST(sections_come_back_after_any_number_of_packets)
{
    static const uint32_t taken[] = {0x7fffffff, 0x80000001, 0xc0000000, 0xffffffff};

    skip_to(taken[_i / 2]);
    if (_i % 2 != 0) {
        send_packet(VMRING_IN_BAND, 1);
        take_one(LINE_NOTHING);
        line_taken(&line);
        (void)line_show_taken(&line);
        ck_assert_int_eq(take_over(), 0);
    }
    ck_assert_uint_eq(give(0, 1), 1);
    send_packet(VMRING_COMPLETION, 1);
    take_one(LINE_GIVEN_BACK);
    line_taken(&line);
    (void)line_show_taken(&line);
    ck_assert_uint_eq(line_free_sections(&line), 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("net_line");
    TCase *t = tcase_create("net_line");
    SRunner *runner = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(t, set_up, NULL);
    tcase_add_test(t, frames_are_completed_once_and_in_order);
    tcase_add_test(t, what_was_noted_and_not_taken_is_there_for_a_successor);
    tcase_add_test(t, a_taken_frame_is_completed_by_a_successor_and_not_taken_again);
    tcase_add_test(t, completions_that_were_shown_are_not_shown_again);
    tcase_add_test(t, completions_are_not_counted_twice);
    tcase_add_test(t, completions_that_were_not_shown_are_shown);
    tcase_add_test(t, sections_are_the_guests_until_it_gives_them_back);
    tcase_add_test(t, what_it_does_not_have_it_cannot_give_back);
    tcase_add_test(t, sections_given_back_are_freed_by_a_successor);
    tcase_add_test(t, frames_that_were_not_shown_are_lost_and_their_sections_are_ours);
    tcase_add_test(t, frames_that_were_shown_are_the_guests);
    tcase_add_test(t, a_write_index_that_is_neither_stops_the_line);
    tcase_add_test(t, a_full_ring_waits_and_goes_on);
    tcase_add_test(t, a_control_packet_holds_up_what_follows);
    tcase_add_test(t, another_opening_knows_nothing_of_the_last);
    tcase_add_test(t, rings_that_are_none);
    tcase_add_loop_test(t, sections_come_back_after_any_number_of_packets, 0, 8);
    suite_add_tcase(s, t);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#include <check.h>
#include <stdlib.h>

#include "tests/unit/net_case.h"

enum {
    MESSAGE_PAGE = 56,
    XMIT_OK = 0x00020101,
};

/* An RNDIS message: what is answered, in a section of its own. */
static void request(uint64_t tid, const void *message, uint32_t len)
{
    const uint32_t words[] = {NVSP_SEND_RNDIS_PACKET, NVSP_CHANNEL_CONTROL, NVSP_NO_SECTION, 0};
    uint8_t payload[PACKET_BYTES] = {0};

    memcpy(ram + MESSAGE_PAGE * 4096, message, len);
    memcpy(payload, words, sizeof(words));
    ck_assert(guest_request(&guest, tid, MESSAGE_PAGE, 0, len, payload));
    run();
    expect_completion(tid, NVSP_SEND_RNDIS_PACKET_COMPLETE);
}

static uint32_t query(uint64_t tid, uint32_t oid)
{
    const uint32_t message[] = {4, 28, (uint32_t)tid, oid, 0, 20, 0};
    uint32_t reply[7];

    request(tid, message, sizeof(message));
    expect_message(reply, sizeof(reply));
    ck_assert_uint_eq(reply[0], 0x80000004);
    ck_assert_uint_eq(reply[3], 0);
    return reply[6];
}

START_TEST(what_was_counted_for_the_guest_goes_on_after_a_death)
{
    begin_driver();
    send_real_frame(3);
    send_real_frame(4);
    run();
    expect_completion(3, NVSP_SEND_RNDIS_PACKET_COMPLETE);
    expect_completion(4, NVSP_SEND_RNDIS_PACKET_COMPLETE);
    new_worker(2); /* nothing was committed after those */
    ck_assert_uint_eq(query(5, XMIT_OK), 2);
    send_real_frame(6);
    run();
    expect_completion(6, NVSP_SEND_RNDIS_PACKET_COMPLETE);
    ck_assert_uint_eq(query(7, XMIT_OK), 3);
    shown_look(net, UINT64_MAX);
    ck_assert_uint_eq(net->nics[0].rows.tx_frames->value, 1); /* operators are shown its own */
}
END_TEST

static void set_offloads(uint64_t tid)
{
    const uint32_t message[] = {5, 56, (uint32_t)tid, 0xfc01020c, 28, 20, 0, 28u << 16 | 0x380};
    uint8_t bytes[56] = {0};

    memcpy(bytes, message, sizeof(message));
    request(tid, bytes, sizeof(bytes));
}

static void expect_done(uint64_t tid)
{
    uint32_t reply[4];

    expect_message(reply, sizeof(reply));
    ck_assert_uint_eq(reply[0], 0x80000005);
    ck_assert_uint_eq(reply[2], tid);
    ck_assert_uint_eq(reply[3], 0);
}

static void expect_offloads(void)
{
    uint32_t message[6];

    expect_message(message, sizeof(message));
    ck_assert_uint_eq(message[0], 7);
    ck_assert_uint_eq(message[2], 0x40020006);
    ck_assert_uint_eq(message[3], 156);
    ck_assert_uint_eq(message[5] & 0xff, 0xa7);
}

/* Behind its answer, once; as NDIS wants it. */
START_TEST(offloads_that_were_set_are_told)
{
    begin_driver();
    set_offloads(3);
    expect_done(3);
    expect_offloads();
    run();
    new_worker(2);
    run();
    expect_nothing();
    set_offloads(4);
    expect_done(4);
    expect_offloads();
    expect_nothing();
}
END_TEST

START_TEST(where_there_is_no_room_offloads_are_told_later)
{
    struct nvsp_buffer *b = &net->nics[0].nvsp.receive;
    uint32_t first;

    begin_driver();
    first = b->sections - NVSP_CONTROL_SECTIONS;
    for (uint32_t i = first + 1; i < b->sections; i++)
        atomic_store(&frames.owners[0][i], 1);
    set_offloads(3); /* its answer has the last section for such */
    expect_done(3);
    run();
    expect_nothing();
    new_worker(2); /* it is not forgotten */
    atomic_store(&frames.owners[0][first + 1], 0);
    run();
    expect_offloads();
    expect_nothing();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("net_asked");
    TCase *t = tcase_create("net_asked");
    SRunner *runner = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, what_was_counted_for_the_guest_goes_on_after_a_death);
    tcase_add_test(t, offloads_that_were_set_are_told);
    tcase_add_test(t, where_there_is_no_room_offloads_are_told_later);
    suite_add_tcase(s, t);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

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

int main(void)
{
    Suite *s = suite_create("net_asked");
    TCase *t = tcase_create("net_asked");
    SRunner *runner = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, what_was_counted_for_the_guest_goes_on_after_a_death);
    suite_add_tcase(s, t);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

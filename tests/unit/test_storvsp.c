#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "workers/storage/storvsp.h"

static uint8_t packet[STORVSP_PACKET_BYTES], out[STORVSP_PACKET_BYTES];

static void set_up(void)
{
    for (unsigned i = 0; i < sizeof(packet); i++)
        packet[i] = (uint8_t)(0x40 + i);
    memset(packet, 0, 12);
    packet[0] = STORVSP_EXECUTE_SRB;
    packet[20] = 10; /* bytes of the CDB */
    packet[22] = 1;  /* from the device */
    memset(out, 0xee, sizeof(out));
}

static uint32_t status_of(const uint8_t *answer)
{
    uint32_t status;

    memcpy(&status, answer + 8, sizeof(status));
    return status;
}

START_TEST(a_request_is_read_field_by_field)
{
    static const uint32_t len = 0x12345678;
    struct storvsp_packet p;

    memcpy(packet + 24, &len, sizeof(len));
    ck_assert_int_eq(storvsp_parse(packet, sizeof(packet), &p), 0);
    ck_assert_uint_eq(p.op, STORVSP_EXECUTE_SRB);
    ck_assert_uint_eq(p.path, 0x40 + 17);
    ck_assert_uint_eq(p.target, 0x40 + 18);
    ck_assert_uint_eq(p.lun, 0x40 + 19);
    ck_assert_uint_eq(p.cdb_len, 10);
    ck_assert_uint_eq(p.data_in, 1);
    ck_assert_uint_eq(p.data_len, len);
    ck_assert_uint_eq(p.cdb[0], 0x40 + 28);
    ck_assert_uint_eq(p.cdb[9], 0x40 + 37);
    ck_assert_uint_eq(p.cdb[10], 0); /* after its end */
}
END_TEST

START_TEST(a_packet_of_old_guests_is_shorter)
{
    struct storvsp_packet p;

    ck_assert_int_eq(storvsp_parse(packet, STORVSP_OLD_PACKET_BYTES, &p), 0);
    ck_assert(!p.no_sense);
    for (uint32_t len = 0; len < STORVSP_OLD_PACKET_BYTES; len++)
        ck_assert_int_eq(storvsp_parse(packet, len, &p), -EBADMSG);
}
END_TEST

START_TEST(what_cannot_be_is_refused)
{
    struct storvsp_packet p;

    packet[20] = 17;
    ck_assert_int_eq(storvsp_parse(packet, sizeof(packet), &p), -EBADMSG);
    packet[20] = 16;
    packet[22] = 3;
    ck_assert_int_eq(storvsp_parse(packet, sizeof(packet), &p), -EBADMSG);
    packet[0] = STORVSP_QUERY_VERSION; /* there these bytes mean nothing */
    ck_assert_int_eq(storvsp_parse(packet, sizeof(packet), &p), 0);
}
END_TEST

START_TEST(an_answer_begins_as_the_request)
{
    const struct storvsp_result result = {
        .status = STORVSP_IO_ERROR,
        .srb_status = SRB_ERROR | SRB_AUTOSENSE_VALID,
        .scsi_status = 2,
        .data_len = 7,
        .sense_len = 18,
        .sense = {0x70, 0, 3}
    };

    storvsp_answer_srb(packet, sizeof(packet), &result, out);
    ck_assert_uint_eq(out[0], STORVSP_COMPLETE);
    ck_assert_uint_eq(status_of(out), STORVSP_IO_ERROR);
    ck_assert_uint_eq(out[14], 0x84);
    ck_assert_uint_eq(out[15], 2);
    ck_assert_uint_eq(out[21], 18);
    ck_assert_uint_eq(out[24], 7);
    ck_assert_uint_eq(out[28], 0x70);
    ck_assert_uint_eq(out[30], 3);
    ck_assert_uint_eq(out[19], packet[19]);
    ck_assert_mem_eq(out + 48, packet + 48, 16);
}
END_TEST

/* --- a controller --- */

static uint32_t ask(struct controller *c, uint8_t op, uint16_t value)
{
    struct storvsp_packet p;

    memset(packet, 0, sizeof(packet));
    packet[0] = op;
    memcpy(packet + 12, &value, sizeof(value));
    ck_assert_int_eq(storvsp_parse(packet, sizeof(packet), &p), 0);
    (void)controller_execute(c, &p, packet, sizeof(packet), 7, out);
    return status_of(out);
}

static void make_ready(struct controller *c)
{
    controller_open(c, 3);
    ck_assert_uint_eq(ask(c, STORVSP_BEGIN_INIT, 0), STORVSP_SUCCESS);
    ck_assert_uint_eq(ask(c, STORVSP_QUERY_VERSION, 0x0602), STORVSP_SUCCESS);
    ck_assert_uint_eq(ask(c, STORVSP_QUERY_PROPERTIES, 0), STORVSP_SUCCESS);
    ck_assert_uint_eq(out[16], 7); /* subchannels */
    ck_assert_uint_eq(out[20], 1); /* so there may be several channels */
    ck_assert_uint_eq(ask(c, STORVSP_END_INIT, 0), STORVSP_SUCCESS);
    ck_assert_uint_eq(c->phase, CONTROLLER_READY);
}

START_TEST(a_controller_begins_step_by_step)
{
    struct controller c;

    make_ready(&c);
    ck_assert_uint_eq(ask(&c, STORVSP_CREATE_SUBCHANNELS, 3), STORVSP_SUCCESS);
    ck_assert_uint_eq(ask(&c, STORVSP_CREATE_SUBCHANNELS, 3), STORVSP_SUCCESS);
    ck_assert_uint_eq(ask(&c, STORVSP_CREATE_SUBCHANNELS, 4), STORVSP_INVALID_REQUEST);
    ck_assert_uint_eq(c.subchannels, 3);
    ck_assert_uint_eq(ask(&c, STORVSP_RESET_BUS, 0), STORVSP_SUCCESS);
}
END_TEST

START_TEST(no_step_is_left_out_and_none_taken_back)
{
    static const uint8_t ops[] = {STORVSP_QUERY_VERSION,
                                  STORVSP_QUERY_PROPERTIES,
                                  STORVSP_END_INIT,
                                  STORVSP_CREATE_SUBCHANNELS,
                                  STORVSP_RESET_LUN,
                                  0,
                                  2,
                                  200};
    struct controller c;

    controller_open(&c, 3);
    for (unsigned i = 0; i < COUNT_OF(ops); i++) {
        ck_assert_uint_eq(ask(&c, ops[i], 1), STORVSP_INVALID_DEVICE_STATE);
        ck_assert_uint_eq(c.phase, CONTROLLER_CLOSED);
    }
    make_ready(&c);
    ck_assert_uint_eq(ask(&c, STORVSP_BEGIN_INIT, 0), STORVSP_INVALID_DEVICE_STATE);
    ck_assert_uint_eq(c.phase, CONTROLLER_READY);
}
END_TEST

START_TEST(an_unknown_version_is_refused_and_a_known_one_may_follow)
{
    struct controller c;

    controller_open(&c, 3);
    ck_assert_uint_eq(ask(&c, STORVSP_BEGIN_INIT, 0), STORVSP_SUCCESS);
    ck_assert_uint_eq(ask(&c, STORVSP_QUERY_VERSION, 0x0700), STORVSP_REVISION_MISMATCH);
    ck_assert_uint_eq(c.phase, CONTROLLER_BEGUN);
    ck_assert_uint_eq(ask(&c, STORVSP_QUERY_VERSION, 0x0600), STORVSP_SUCCESS);
    ck_assert_uint_eq(c.version, 0x0600);
}
END_TEST

START_TEST(too_many_subchannels_are_refused)
{
    struct controller c;

    make_ready(&c);
    ck_assert_uint_eq(ask(&c, STORVSP_CREATE_SUBCHANNELS, 8), STORVSP_INVALID_REQUEST);
    ck_assert_uint_eq(ask(&c, STORVSP_CREATE_SUBCHANNELS, 65535), STORVSP_INVALID_REQUEST);
    ck_assert_uint_eq(c.subchannels, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("storvsp");
    TCase *c = tcase_create("all");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(c, set_up, NULL);
    tcase_add_test(c, a_request_is_read_field_by_field);
    tcase_add_test(c, a_packet_of_old_guests_is_shorter);
    tcase_add_test(c, what_cannot_be_is_refused);
    tcase_add_test(c, an_answer_begins_as_the_request);
    tcase_add_test(c, a_controller_begins_step_by_step);
    tcase_add_test(c, no_step_is_left_out_and_none_taken_back);
    tcase_add_test(c, an_unknown_version_is_refused_and_a_known_one_may_follow);
    tcase_add_test(c, too_many_subchannels_are_refused);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

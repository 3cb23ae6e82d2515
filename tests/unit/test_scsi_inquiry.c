#include "tests/unit/scsi_ask.h"

static struct ask a;

static void setup(void)
{
    ask_disk(&a);
}

static void page(uint8_t code)
{
    ASK_IN(&a, 0x12, 1, code, 1, 0);
}

START_TEST(a_disk_says_what_linux_and_windows_know)
{
    ASK_IN(&a, 0x12, 0, 0, 0, 36);
    ask_is_good(&a);
    ck_assert_uint_eq(a.answer.in_len, 36);
    ck_assert_uint_eq(ask_field(&a, 0, 4), 0x00000502); /* SPC-3, format 2 */
    ck_assert_uint_eq(ask_field(&a, 4, 1), 31);
    ck_assert_uint_eq(ask_field(&a, 7, 1), 2);
    ck_assert_int_eq(memcmp(a.answer.in + 8, "Msft    Virtual Disk    1.0 ", 28), 0);
}
END_TEST

START_TEST(a_dvd_is_removable)
{
    ask_dvd(&a);
    a.lun.config.bytes = 0;
    ASK_IN(&a, 0x12, 0, 0, 0, 96);
    ask_is_good(&a);
    ck_assert_uint_eq(a.answer.in_len, 36);
    ck_assert_uint_eq(ask_field(&a, 0, 4), 0x05800502);
    ck_assert_int_eq(memcmp(a.answer.in + 8, "Msft    Virtual DVD-ROM 1.0 ", 28), 0);
    page(0x00);
    ck_assert_uint_eq(ask_field(&a, 0, 4), 0x05000003);
    ck_assert_uint_eq(ask_field(&a, 4, 3), 0x008083);
    page(0xb0);
    ask_points_to(&a, true, 2);
}
END_TEST

START_TEST(the_answer_is_cut_to_what_is_asked_and_to_the_room)
{
    for (uint8_t alloc = 0; alloc < 40; alloc++) {
        ASK_IN(&a, 0x12, 0, 0, 0, alloc);
        ask_is_good(&a);
        ck_assert_uint_eq(a.answer.in_len, alloc < 36 ? alloc : 36);
    }
    a.room = 5;
    ASK_IN(&a, 0x12, 0, 0, 0, 36);
    ck_assert_uint_eq(a.answer.in_len, 5);
    ASK_NONE(&a, 0x12, 0, 0, 0, 36);
    ask_is_good(&a);
    ck_assert_uint_eq(a.answer.in_len, 0);
    ASK_OUT(&a, 36, 0x12, 0, 0, 0, 36);
    ask_fails(&a, 5, 0x24, 0);
}
END_TEST

START_TEST(pages_that_there_are_are_listed)
{
    page(0x00);
    ask_is_good(&a);
    ck_assert_uint_eq(ask_field(&a, 0, 4), 6);
    ck_assert_uint_eq(ask_field(&a, 4, 6), 0x008083b0b1b2);
    for (unsigned code = 0; code < 256; code++) {
        bool listed;

        page(0x00);
        listed = memchr(a.answer.in + 4, (int)code, 6) != NULL;
        page((uint8_t)code);
        ck_assert_int_eq((int)a.answer.status, listed ? SCSI_GOOD : SCSI_CHECK_CONDITION);
        /* What Linux takes for good anyway must not look like the page. */
        ck_assert_uint_eq(ask_field(&a, 1, 1), listed ? code : 0);
        ck_assert_uint_eq(a.answer.in_len, listed ? 4 + ask_field(&a, 2, 2) : 4);
    }
}
END_TEST

START_TEST(a_serial_only_where_there_is_one)
{
    page(0x80);
    ask_is_good(&a);
    ck_assert_uint_eq(ask_field(&a, 0, 4), 0x00800006);
    ck_assert_int_eq(memcmp(a.answer.in + 4, "BULK-1", 6), 0);
    memset(a.lun.config.serial, 'x', sizeof(a.lun.config.serial)); /* nowhere ended */
    page(0x80);
    ck_assert_uint_eq(ask_field(&a, 2, 2), DISK_SERIAL_BYTES);
    memset(a.lun.config.serial, 0, sizeof(a.lun.config.serial));
    page(0x80);
    ask_points_to(&a, true, 2);
    page(0x00);
    ck_assert_uint_eq(ask_field(&a, 4, 5), 0x0083b0b1b2);
}
END_TEST

START_TEST(identity_is_the_same_and_of_all_its_bytes)
{
    uint8_t first[80];
    uint32_t len;

    page(0x83);
    ask_is_good(&a);
    len = a.answer.in_len;
    ck_assert_uint_eq(len, 4 + 4 + 40 + 4 + 8);
    memcpy(first, a.answer.in, len);
    ck_assert_uint_eq(ask_field(&a, 4, 4), 0x02010028); /* ASCII, T10 vendor */
    ck_assert_int_eq(memcmp(a.answer.in + 8, "Msft    12345678", 16), 0);
    ck_assert_uint_eq(ask_field(&a, 48, 4), 0x01030008); /* binary, NAA */
    ck_assert_uint_eq(ask_field(&a, 52, 1) >> 4, 3);     /* locally assigned */
    page(0x83);
    ck_assert_int_eq(memcmp(first, a.answer.in, len), 0);
    a.lun.config.identity[15] = 0x80;
    page(0x83);
    ck_assert_int_ne(memcmp(first + 52, a.answer.in + 52, 8), 0);
}
END_TEST

START_TEST(limits_are_those_that_are_kept)
{
    page(0xb0);
    ask_is_good(&a);
    ck_assert_uint_eq(a.answer.in_len, 64);
    ck_assert_uint_eq(ask_field(&a, 6, 2), 8); /* granularity: one physical block */
    ck_assert_uint_eq(ask_field(&a, 8, 4), (1 << 20) / 512);
    ck_assert_uint_eq(ask_field(&a, 20, 4), SCSI_UNMAP_BYTES_MAX / 512);
    ck_assert_uint_eq(ask_field(&a, 24, 4), SCSI_RANGES_MAX);
    ck_assert_uint_eq(ask_field(&a, 28, 4), 8);
    ck_assert_uint_eq(ask_field(&a, 32, 4), 0x80000000);
    ck_assert_uint_eq(ask_field(&a, 36, 8), SCSI_WRITE_SAME_BYTES_MAX / 512);
    page(0xb2);
    ck_assert_uint_eq(ask_field(&a, 4, 4), 0x00e40200);
    page(0xb1);
    ck_assert_uint_eq(a.answer.in_len, 64);
    ck_assert_uint_eq(ask_field(&a, 4, 2), 1);
    a.lun.config.discard_bytes = 0;
    page(0xb0);
    ck_assert_uint_eq(ask_field(&a, 20, 8), 0);
    ck_assert_uint_eq(ask_field(&a, 28, 8), 0);
    page(0xb2);
    ck_assert_uint_eq(ask_field(&a, 4, 4), 0);
}
END_TEST

START_TEST(inquiry_refuses_what_is_obsolete)
{
    ASK_IN(&a, 0x12, 2, 0, 0, 36); /* CMDDT */
    ask_points_to(&a, true, 1);
    ck_assert_uint_eq(a.answer.in_len, 36); /* sensible all the same */
    ASK_IN(&a, 0x12, 0, 0x80, 0, 36);
    ask_points_to(&a, true, 2);
    ck_assert_uint_eq(a.answer.in_len, 36);
}
END_TEST

START_TEST(an_absent_unit_says_so_to_inquiry_alone)
{
    struct scsi_command c = {
        .cdb = {0x12, 0, 0, 0, 36},
          .cdb_len = 6, .direction = SCSI_DATA_IN, .data_len = 36
    };

    ck_assert(scsi_absent(&c, &a.answer));
    ask_is_good(&a);
    ck_assert_uint_eq(a.answer.in_len, 36);
    ck_assert_uint_eq(ask_field(&a, 0, 1), 0x7f);
    c.cdb[1] = 1;
    ck_assert(scsi_absent(&c, &a.answer));
    ask_sense_is(&a.answer, 5, 0x24, 0);
    c.cdb[0] = 0;
    ck_assert(!scsi_absent(&c, &a.answer));
}
END_TEST

START_TEST(luns_are_those_of_the_mask)
{
    struct scsi_command c = {
        .cdb = {0xa0, 0, 0, 0, 0, 0, 0, 0, 16, 0},
        .cdb_len = 12,
        .direction = SCSI_DATA_IN,
        .data_len = 4096
    };

    ck_assert(scsi_is_report_luns(&c));
    scsi_report_luns(UINT64_C(1) << 63 | 2, &c, &a.answer);
    ask_is_good(&a);
    ck_assert_uint_eq(a.answer.in_len, 24);
    ck_assert_uint_eq(ask_field(&a, 0, 4), 16);
    ck_assert_uint_eq(ask_field(&a, 8, 8), UINT64_C(1) << 48);
    ck_assert_uint_eq(ask_field(&a, 16, 8), UINT64_C(63) << 48);
    scsi_report_luns(UINT64_MAX, &c, &a.answer);
    ck_assert_uint_eq(a.answer.in_len, 8 + 64 * 8);
    c.cdb[8] = 0;
    c.cdb[9] = 9;
    scsi_report_luns(UINT64_MAX, &c, &a.answer);
    ck_assert_uint_eq(a.answer.in_len, 9);
    ck_assert_uint_eq(ask_field(&a, 0, 4), 512);
    c.cdb[2] = 1;
    scsi_report_luns(UINT64_MAX, &c, &a.answer);
    ck_assert_uint_eq(ask_field(&a, 0, 4), 0);
    c.cdb[2] = 3;
    scsi_report_luns(UINT64_MAX, &c, &a.answer);
    ask_sense_is(&a.answer, 5, 0x24, 0);
    c.cdb[0] = 0x12;
    ck_assert(!scsi_is_report_luns(&c));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("scsi_inquiry");
    TCase *t = tcase_create("scsi_inquiry");

    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, a_disk_says_what_linux_and_windows_know);
    tcase_add_test(t, a_dvd_is_removable);
    tcase_add_test(t, the_answer_is_cut_to_what_is_asked_and_to_the_room);
    tcase_add_test(t, pages_that_there_are_are_listed);
    tcase_add_test(t, a_serial_only_where_there_is_one);
    tcase_add_test(t, identity_is_the_same_and_of_all_its_bytes);
    tcase_add_test(t, limits_are_those_that_are_kept);
    tcase_add_test(t, inquiry_refuses_what_is_obsolete);
    tcase_add_test(t, an_absent_unit_says_so_to_inquiry_alone);
    tcase_add_test(t, luns_are_those_of_the_mask);
    suite_add_tcase(s, t);
    return ask_run(s);
}

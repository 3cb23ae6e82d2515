#include "tests/unit/scsi_ask.h"

enum { BLOCKS = ASK_MEDIUM / 2048 };

static struct ask a;

static void setup(void)
{
    ask_dvd(&a);
}

static void eject(void)
{
    ASK_NONE(&a, 0x1b, 0, 0, 0, 2);
}

static void load(void)
{
    ASK_NONE(&a, 0x1b, 0, 0, 0, 3);
}

/* Event code and status of the media class. */
static uint64_t event(void)
{
    ASK_IN(&a, 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8);
    ask_is_good(&a);
    ck_assert_uint_eq(a.answer.in_len, 8);
    ck_assert_uint_eq(ask_field(&a, 0, 4), 0x00060410);
    return ask_field(&a, 4, 2);
}

START_TEST(a_disc_is_read_in_blocks_of_2048)
{
    ASK_IN(&a, 0x28, 0, 0, 0, 0, 1, 0, 0, 2);
    ask_moves(&a, SCSI_IO_READ, 2048, 4096);
    ASK_IN(&a, 0x28, 0xe8, 0, 0, 0, 1, 0, 0, 2); /* LUN in byte 1, as it once was; FUA */
    ask_moves(&a, SCSI_IO_READ, 2048, 4096);
    ck_assert(!a.io.fua);
    ASK_IN(&a, 0xa8, 0, 0, 0, 0, 1, 0, 0, 0, 2);
    ask_moves(&a, SCSI_IO_READ, 2048, 4096);
    ASK_IN(&a, 0x88, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2);
    ask_moves(&a, SCSI_IO_READ, 2048, 4096);
    ASK_IN(&a, 0x28, 0, 0, 0, 0x80, 0, 0, 0, 1);
    ask_fails(&a, 5, 0x21, 0);
    ASK_IN(&a, 0x25);
    ck_assert_uint_eq(ask_field(&a, 0, 4), BLOCKS - 1);
    ck_assert_uint_eq(ask_field(&a, 4, 4), 2048);
}
END_TEST

START_TEST(nothing_is_written_and_no_keys_are_told)
{
    static const uint8_t refused[] = {0x0a, 0x2a, 0xaa, 0x8a, 0x2e, 0x35, 0x41, 0x42, 0x5f,
                                      0x16, 0x9e, 0xa3, 0xa4, 0x04, 0x55, 0x5b, 0xa1, 0xbe};

    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        ASK_NONE(&a, refused[i]);
        ask_fails(&a, 5, 0x20, 0);
    }
}
END_TEST

START_TEST(without_a_disc_the_drive_is_not_ready)
{
    static const uint8_t of_disc[] = {0x00, 0x25, 0x28, 0xa8, 0x43, 0x51, 0x52, 0xad};
    static const uint8_t of_drive[] = {0x12, 0x46, 0x5a, 0xbd, 0x03};

    scsi_insert(&a.lun, 0);
    for (size_t i = 0; i < COUNT_OF(of_disc); i++) {
        ASK_IN(&a, of_disc[i]);
        ask_fails(&a, 2, 0x3a, 1);
    }
    for (size_t i = 0; i < COUNT_OF(of_drive); i++) {
        ASK_IN(&a, of_drive[i], 0, of_drive[i] == 0x5a ? 0x2a : 0);
        ask_is_good(&a);
    }
    eject();
    ask_is_good(&a);
    ck_assert(!a.answer.ejected); /* there was nothing */
    ASK_NONE(&a, 0x00);
    ask_fails(&a, 2, 0x3a, 2);
    ASK_IN(&a, 0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8);
    ck_assert_uint_eq(ask_field(&a, 1, 1), 0x10);
}
END_TEST

START_TEST(a_new_disc_is_told_once)
{
    scsi_insert(&a.lun, 0);
    ck_assert_uint_eq(event(), 0x0300);
    ck_assert(a.answer.changed);
    ck_assert_uint_eq(event(), 0x0000);
    ck_assert(!a.answer.changed);
    scsi_insert(&a.lun, 2 * ASK_MEDIUM);
    ASK_IN(&a, 0x46, 0, 0, 0, 0, 0, 0, 0, 8); /* says nothing of it, nor does this: */
    ask_is_good(&a);
    ASK_IN(&a, 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 4); /* no room for the event */
    ask_is_good(&a);
    ck_assert_uint_eq(event(), 0x0202);
    ck_assert_uint_eq(event(), 0x0002);
    ASK_NONE(&a, 0x00);
    ask_fails(&a, 6, 0x28, 0);
    ASK_NONE(&a, 0x00);
    ask_is_good(&a);
    ASK_IN(&a, 0x25);
    ck_assert_uint_eq(ask_field(&a, 0, 4), 2 * BLOCKS - 1);
}
END_TEST

START_TEST(only_what_was_asked_about_is_told)
{
    ASK_IN(&a, 0x4a, 1, 0, 0, 0x6f, 0, 0, 0, 8);
    ask_is_good(&a);
    ck_assert_uint_eq(a.answer.in_len, 4);
    ck_assert_uint_eq(ask_field(&a, 0, 4), 0x00028010);
    ASK_IN(&a, 0x4a, 0, 0, 0, 0x10, 0, 0, 0, 8); /* when it happens: no */
    ask_points_to(&a, true, 1);
}
END_TEST

START_TEST(the_tray_takes_the_disc_out_and_in)
{
    eject();
    ask_is_good(&a);
    ck_assert(a.answer.ejected);
    ck_assert(a.answer.changed);
    ck_assert_uint_eq(event(), 0x0301);
    ASK_IN(&a, 0x28, 0, 0, 0, 0, 1, 0, 0, 2);
    ask_fails(&a, 2, 0x3a, 2);
    eject();
    ask_is_good(&a);
    ck_assert(!a.answer.ejected);
    load();
    ask_is_good(&a);
    ck_assert(a.answer.changed);
    ck_assert_uint_eq(event(), 0x0202);
    ASK_NONE(&a, 0x00);
    ask_fails(&a, 6, 0x28, 0);
    load();
    ask_is_good(&a);
    ck_assert(!a.answer.changed);
    ASK_NONE(&a, 0x1b, 0, 0, 0, 1);
    ask_is_good(&a);
    ASK_NONE(&a, 0x1b, 0, 0, 0, 0);
    ask_is_good(&a);
    eject();
    scsi_insert(&a.lun, 0); /* the caller took it away */
    load();
    ask_is_good(&a);
    ASK_NONE(&a, 0x1b, 0, 0, 0, 1);
    ask_fails(&a, 2, 0x3a, 1);
}
END_TEST

START_TEST(a_locked_tray_stays_closed)
{
    ASK_NONE(&a, 0x1e, 0, 0, 0, 1);
    ask_is_good(&a);
    ck_assert(a.answer.changed);
    ASK_NONE(&a, 0x1e, 0, 0, 0, 1);
    ck_assert(!a.answer.changed);
    eject();
    ask_fails(&a, 5, 0x53, 2);
    ck_assert(!a.answer.ejected);
    ASK_NONE(&a, 0x1e, 0, 0, 0, 3); /* of a button that there is not */
    ask_is_good(&a);
    ASK_NONE(&a, 0x1e, 0, 0, 0, 0);
    ck_assert(a.answer.changed);
    eject();
    ask_is_good(&a);
    ck_assert(a.answer.ejected);
    scsi_insert(&a.lun, ASK_MEDIUM); /* that closes it */
    ck_assert_uint_eq(a.lun.state.flags & SCSI_TRAY_OPEN, 0);
    ASK_NONE(&a, 0x1e, 0, 0, 0, 1);
    ask_fails(&a, 6, 0x28, 0);
    ASK_NONE(&a, 0x1e, 0, 0, 0, 1);
    scsi_reset(&a.lun);
    eject();
    ask_is_good(&a);
}
END_TEST

START_TEST(start_stop_refuses_what_there_is_not)
{
    ASK_NONE(&a, 0x1b, 0, 0, 0, 0x20);
    ask_points_to(&a, true, 4);
    ASK_NONE(&a, 0x1b, 0, 0, 0, 6);
    ask_points_to(&a, true, 4);
}
END_TEST

START_TEST(the_contents_are_one_track)
{
    ASK_IN(&a, 0x43, 0, 0, 0, 0, 0, 0, 0, 20);
    ask_is_good(&a);
    ck_assert_uint_eq(a.answer.in_len, 20);
    ck_assert_uint_eq(ask_field(&a, 0, 4), 0x00120101);
    ck_assert_uint_eq(ask_field(&a, 4, 8), 0x0014010000000000);
    ck_assert_uint_eq(ask_field(&a, 12, 4), 0x0014aa00);
    ck_assert_uint_eq(ask_field(&a, 16, 4), BLOCKS);
    ASK_IN(&a, 0x43, 2, 0, 0, 0, 0, 0, 0, 20);
    ck_assert_uint_eq(ask_field(&a, 8, 4), 0x00000200);
    ck_assert_uint_eq(ask_field(&a, 16, 4), 0x00071244); /* 32918 frames */
    ASK_IN(&a, 0x43, 0, 0, 0, 0, 0, 0xaa, 0, 20);
    ck_assert_uint_eq(a.answer.in_len, 12);
    ck_assert_uint_eq(ask_field(&a, 6, 1), 0xaa);
    ASK_IN(&a, 0x43, 0, 0, 0, 0, 0, 2, 0, 20);
    ask_points_to(&a, true, 6);
    ASK_IN(&a, 0x43, 0, 3, 0, 0, 0, 0, 0, 20);
    ask_points_to(&a, true, 2);
    a.lun.config.bytes = UINT64_C(8) << 30; /* longer than minutes go */
    ASK_IN(&a, 0x43, 2, 0, 0, 0, 0, 0, 0, 20);
    ck_assert_uint_eq(ask_field(&a, 16, 4), 0x00ff3b4a);
}
END_TEST

START_TEST(sessions_and_points)
{
    ASK_IN(&a, 0x43, 0, 1, 0, 0, 0, 0, 0, 12);
    ck_assert_uint_eq(a.answer.in_len, 12);
    ck_assert_uint_eq(ask_field(&a, 0, 8), 0x000a010100140100);
    ASK_IN(&a, 0x43, 0, 0, 0, 0, 0, 0, 0, 12, 0x40); /* as Linux's sr asks */
    ck_assert_uint_eq(ask_field(&a, 0, 8), 0x000a010100140100);
    ASK_IN(&a, 0x43, 2, 2, 0, 0, 0, 1, 0, 64);
    ask_is_good(&a);
    ck_assert_uint_eq(a.answer.in_len, 4 + 4 * 11);
    ck_assert_uint_eq(ask_field(&a, 0, 4), 0x002e0101);
    ck_assert_uint_eq(ask_field(&a, 4 + 3, 1), 0xa0);
    ck_assert_uint_eq(ask_field(&a, 4 + 8, 1), 1);
    ck_assert_uint_eq(ask_field(&a, 4 + 22 + 3, 1), 0xa2);
    ck_assert_uint_eq(ask_field(&a, 4 + 22 + 7, 4), 0x00071244);
    ck_assert_uint_eq(ask_field(&a, 4 + 33 + 7, 4), 0x00000200);
}
END_TEST

START_TEST(configuration_names_profile_and_features)
{
    uint64_t all;

    ASK_IN(&a, 0x46, 0, 0, 0, 0, 0, 0, 1, 0);
    ask_is_good(&a);
    all = a.answer.in_len;
    ck_assert_uint_eq(ask_field(&a, 0, 4), all - 4);
    ck_assert_uint_eq(ask_field(&a, 6, 2), 0x10); /* DVD-ROM */
    ck_assert_uint_eq(ask_field(&a, 8, 8), 0x0000030400100100);
    ASK_IN(&a, 0x46, 2, 0, 0x10, 0, 0, 0, 1, 0); /* one of them */
    ck_assert_uint_eq(a.answer.in_len, 8 + 12);
    ck_assert_uint_eq(ask_field(&a, 8, 4), 0x00100108);
    ck_assert_uint_eq(ask_field(&a, 12, 4), 2048);
    ASK_IN(&a, 0x46, 2, 0, 0x11, 0, 0, 0, 1, 0);
    ck_assert_uint_eq(a.answer.in_len, 8);
    ASK_IN(&a, 0x46, 0, 0, 2, 0, 0, 0, 1, 0); /* from there on */
    ck_assert_uint_eq(ask_field(&a, 8, 2), 3);
    ASK_IN(&a, 0x46, 3);
    ask_points_to(&a, true, 1);
    scsi_insert(&a.lun, 0);
    ASK_IN(&a, 0x46, 0, 0, 0, 0, 0, 0, 1, 0);
    ck_assert_uint_eq(a.answer.in_len, all);
    ck_assert_uint_eq(ask_field(&a, 6, 2), 0);
    ck_assert_uint_eq(ask_field(&a, 14, 1), 0);
    ASK_IN(&a, 0x46, 1, 0, 0, 0, 0, 0, 1, 0); /* what goes now */
    ck_assert_uint_eq(a.answer.in_len, all - 12 - 8);
}
END_TEST

START_TEST(disc_and_track_are_complete)
{
    ASK_IN(&a, 0x51, 0, 0, 0, 0, 0, 0, 0, 34);
    ck_assert_uint_eq(a.answer.in_len, 34);
    ck_assert_uint_eq(ask_field(&a, 0, 8), 0x00200e0101010120);
    ASK_IN(&a, 0x51, 1, 0, 0, 0, 0, 0, 0, 34);
    ask_points_to(&a, true, 1);
    ASK_IN(&a, 0x52, 1, 0, 0, 0, 1, 0, 0, 36);
    ck_assert_uint_eq(a.answer.in_len, 36);
    ck_assert_uint_eq(ask_field(&a, 0, 8), 0x0022010100040100);
    ck_assert_uint_eq(ask_field(&a, 24, 8), (uint64_t)BLOCKS << 32 | (BLOCKS - 1));
    ASK_IN(&a, 0x52, 1, 0, 0, 0, 2, 0, 0, 36);
    ask_points_to(&a, true, 2);
    ASK_IN(&a, 0x52, 0, 0, 0, 0x80, 0, 0, 0, 36);
    ask_fails(&a, 5, 0x21, 0);
    ASK_IN(&a, 0x52, 0, 0, 0, 0x7f, 0xff, 0, 0, 36);
    ask_is_good(&a);
    ASK_IN(&a, 0x52, 2, 0, 0, 0, 1, 0, 0, 36);
    ask_is_good(&a);
    ASK_IN(&a, 0x52, 3, 0, 0, 0, 1, 0, 0, 36);
    ask_points_to(&a, true, 1);
}
END_TEST

START_TEST(structure_and_performance)
{
    ASK_IN(&a, 0xad, 0, 0, 0, 0, 0, 0, 0, 0x10, 0);
    ask_is_good(&a);
    ck_assert_uint_eq(a.answer.in_len, 4 + 2048);
    ck_assert_uint_eq(ask_field(&a, 0, 8), 0x08020000010f0100);
    ck_assert_uint_eq(ask_field(&a, 8, 8), 0x0003000000037fff);
    ASK_IN(&a, 0xad, 0, 0, 0, 0, 0, 0, 1, 0, 255);
    ck_assert_uint_eq(a.answer.in_len, 8);
    ck_assert_uint_eq(ask_field(&a, 0, 8), 0x0006000000000000); /* not protected */
    ASK_IN(&a, 0xad, 0, 0, 0, 0, 0, 0, 4, 0, 255);
    ask_points_to(&a, true, 7);
    ASK_IN(&a, 0xad, 0, 0, 0, 0, 0, 1, 0, 0, 255);
    ask_points_to(&a, true, 6);
    ASK_IN(&a, 0xad, 1);
    ask_points_to(&a, true, 1);
    ASK_IN(&a, 0xac, 0x10, 0, 0, 0, 0, 0, 0, 0, 1, 0);
    ask_is_good(&a);
    ck_assert_uint_eq(a.answer.in_len, 24);
    ck_assert_uint_eq(ask_field(&a, 0, 4), 20);
    ck_assert_uint_eq(ask_field(&a, 16, 4), BLOCKS - 1);
    ASK_IN(&a, 0xac, 0x10);
    ck_assert_uint_eq(a.answer.in_len, 8); /* no room for descriptors */
    ASK_IN(&a, 0xac, 0, 0, 0, 0, 0, 0, 0, 0, 1, 5);
    ask_points_to(&a, true, 10);
    ASK_IN(&a, 0xac, 4, 0, 0, 0, 0, 0, 0, 0, 1, 0);
    ask_points_to(&a, true, 1);
    ASK_NONE(&a, 0xbb, 0, 0xff, 0xff);
    ask_is_good(&a);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("scsi_dvd");
    TCase *t = tcase_create("scsi_dvd");

    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, a_disc_is_read_in_blocks_of_2048);
    tcase_add_test(t, nothing_is_written_and_no_keys_are_told);
    tcase_add_test(t, without_a_disc_the_drive_is_not_ready);
    tcase_add_test(t, a_new_disc_is_told_once);
    tcase_add_test(t, only_what_was_asked_about_is_told);
    tcase_add_test(t, the_tray_takes_the_disc_out_and_in);
    tcase_add_test(t, a_locked_tray_stays_closed);
    tcase_add_test(t, start_stop_refuses_what_there_is_not);
    tcase_add_test(t, the_contents_are_one_track);
    tcase_add_test(t, sessions_and_points);
    tcase_add_test(t, configuration_names_profile_and_features);
    tcase_add_test(t, disc_and_track_are_complete);
    tcase_add_test(t, structure_and_performance);
    suite_add_tcase(s, t);
    return ask_run(s);
}

#include "tests/unit/scsi_ask.h"

enum { PF = 0x10 };

static struct ask a;

static void setup(void)
{
    ask_disk(&a);
}

START_TEST(a_disk_has_a_write_cache_and_fua)
{
    ASK_IN(&a, 0x1a, 0, 0x08, 0, 255);
    ask_is_good(&a);
    ck_assert_uint_eq(a.answer.in_len, 4 + 8 + 20);
    ck_assert_uint_eq(ask_field(&a, 0, 4), 0x1f001008); /* DPOFUA, a descriptor */
    ck_assert_uint_eq(ask_field(&a, 4, 4), ASK_MEDIUM / 512);
    ck_assert_uint_eq(ask_field(&a, 8, 4), 512);
    ck_assert_uint_eq(ask_field(&a, 12, 3), 0x081204); /* WCE */
    ASK_IN(&a, 0x5a, 0x08, 0x08, 0, 0, 0, 0, 1, 0);
    ck_assert_uint_eq(a.answer.in_len, 8 + 20); /* DBD */
    ck_assert_uint_eq(ask_field(&a, 0, 4), 0x001a0010);
    ck_assert_uint_eq(ask_field(&a, 6, 2), 0);
    ck_assert_uint_eq(ask_field(&a, 8, 3), 0x081204);
    a.lun.config.read_only = true;
    ASK_IN(&a, 0x1a, 0, 0x3f, 0, 4);
    ck_assert_uint_eq(a.answer.in_len, 4);
    ck_assert_uint_eq(ask_field(&a, 2, 1), 0x90); /* WP */
}
END_TEST

START_TEST(all_pages_come_in_order)
{
    ASK_IN(&a, 0x1a, 8, 0x3f, 0, 255);
    ck_assert_uint_eq(a.answer.in_len, 4 + 20 + 12);
    ck_assert_uint_eq(ask_field(&a, 0, 1), 4 + 20 + 12 - 1);
    ck_assert_uint_eq(ask_field(&a, 4, 2), 0x0812);
    ck_assert_uint_eq(ask_field(&a, 24, 2), 0x0a0a);
    ASK_IN(&a, 0x1a, 8, 0x3f, 0xff, 255);
    ck_assert_uint_eq(a.answer.in_len, 36);
    ask_dvd(&a);
    ASK_IN(&a, 0x5a, 0, 0x3f, 0, 0, 0, 0, 1, 0);
    ck_assert_uint_eq(a.answer.in_len, 8 + 12 + 16 + 20); /* never a descriptor */
    ck_assert_uint_eq(ask_field(&a, 8, 2), 0x010a);
    ck_assert_uint_eq(ask_field(&a, 20, 2), 0x0e0e);
    ck_assert_uint_eq(ask_field(&a, 36, 2), 0x2a12);
}
END_TEST

START_TEST(nothing_can_be_changed_or_saved)
{
    ASK_IN(&a, 0x1a, 8, 0x48, 0, 255);
    ck_assert_uint_eq(ask_field(&a, 4, 4), 0x08120000);
    ASK_IN(&a, 0x1a, 8, 0x88, 0, 255);
    ck_assert_uint_eq(ask_field(&a, 4, 3), 0x081204);
    ASK_IN(&a, 0x1a, 8, 0xc8, 0, 255);
    ask_fails(&a, 5, 0x39, 0);
    ck_assert_uint_eq(a.answer.in_len, 4);
}
END_TEST

START_TEST(a_refusal_still_has_a_header)
{
    static const uint8_t refused[] = {0x00, 0x01, 0x1c, 0x2a, 0x3e};

    a.lun.config.read_only = true;
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        ASK_IN(&a, 0x1a, 0, refused[i], 0, 255);
        ask_points_to(&a, true, 2);
        ck_assert_uint_eq(a.answer.in_len, 4);
        ck_assert_uint_eq(ask_field(&a, 0, 4), 0x03009000);
    }
    ASK_IN(&a, 0x5a, 0, 0x08, 1, 0, 0, 0, 1, 0);
    ask_points_to(&a, true, 3);
    ck_assert_uint_eq(a.answer.in_len, 8);
    ck_assert_uint_eq(ask_field(&a, 0, 8), 0x0006009000000000);
}
END_TEST

START_TEST(the_page_is_cut_at_any_byte)
{
    for (uint8_t alloc = 0; alloc < 40; alloc++) {
        ASK_IN(&a, 0x1a, 0, 0x08, 0, alloc);
        ask_is_good(&a);
        ck_assert_uint_eq(a.answer.in_len, alloc < 32 ? alloc : 32);
    }
}
END_TEST

START_TEST(a_dvd_shows_its_lock)
{
    ask_dvd(&a);
    ASK_IN(&a, 0x1a, 0, 0x2a, 0, 255);
    ask_is_good(&a);
    ck_assert_uint_eq(ask_field(&a, 4 + 2, 1), 0x08); /* reads DVDs */
    ck_assert_uint_eq(ask_field(&a, 4 + 3, 1), 0);    /* writes nothing */
    ck_assert_uint_eq(ask_field(&a, 4 + 6, 1), 0x29);
    ASK_NONE(&a, 0x1e, 0, 0, 0, 1);
    ASK_IN(&a, 0x5a, 0, 0x2a, 0, 0, 0, 0, 1, 0);
    ck_assert_uint_eq(ask_field(&a, 8 + 6, 1), 0x2b);
}
END_TEST

/* --- MODE SELECT --- */

/* The list that says what is: how long it is. */
static uint8_t current_list(void)
{
    uint8_t len;

    ASK_IN(&a, 0x1a, 0, 0x3f, 0, 255);
    len = (uint8_t)a.answer.in_len;
    memcpy(a.out, a.answer.in, len);
    a.out[0] = 0; /* the length is reserved here */
    return len;
}

START_TEST(what_is_already_so_may_be_selected)
{
    uint8_t len = current_list();

    ASK_OUT(&a, len, 0x15, PF, 0, 0, len);
    ask_does(&a, SCSI_IO_NONE);
    ck_assert(!a.answer.changed);
    ASK_NONE(&a, 0x15, PF);
    ask_is_good(&a);
    memset(a.out + 4, 0, 4); /* as many blocks as there are */
    ASK_OUT(&a, len, 0x15, PF, 0, 0, len);
    ask_is_good(&a);
    ASK_IN(&a, 0x5a, 8, 0x3f, 0, 0, 0, 0, 1, 0);
    memcpy(a.out, a.answer.in, 40);
    ASK_OUT(&a, 40, 0x55, PF, 0, 0, 0, 0, 0, 0, 40);
    ask_is_good(&a);
}
END_TEST

START_TEST(any_other_bit_is_refused)
{
    uint8_t len = current_list();

    for (uint8_t at = 4; at < len; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            bool means_nothing = ((at == 12 || at == 32) && bit == 7) || /* PS: reserved here */
                                 (at == 5 && bit == 1); /* leaves 0 blocks: as it is */

            if (at == 8)
                continue; /* reserved in a descriptor */
            a.out[at] ^= (uint8_t)(1u << bit);
            ASK_OUT(&a, len, 0x15, PF, 0, 0, len);
            if (means_nothing)
                ask_is_good(&a);
            else
                ask_fails(&a, 5, 0x26, 0);
            a.out[at] ^= (uint8_t)(1u << bit);
        }
    }
    a.out[14] &= (uint8_t)~4u; /* WCE, as Linux's cache_type does */
    ASK_OUT(&a, len, 0x15, PF, 0, 0, len);
    ask_points_to(&a, false, 14);
}
END_TEST

START_TEST(a_list_that_is_cut_anywhere_is_refused)
{
    uint8_t len = current_list();

    for (uint8_t cut = 1; cut < len; cut++) {
        ASK_OUT(&a, cut, 0x15, PF, 0, 0, cut);
        if (cut == 12 || cut == 32) /* between pages */
            ask_is_good(&a);
        else
            ask_fails(&a, 5, 0x1a, 0);
        ASK_OUT(&a, cut, 0x15, PF, 0, 0, len);
        ask_fails(&a, 5, 0x1a, 0);
    }
}
END_TEST

START_TEST(a_list_of_another_form_is_refused)
{
    uint8_t len = current_list();

    ASK_OUT(&a, len, 0x15, PF | 1, 0, 0, len); /* save */
    ask_points_to(&a, true, 1);
    ASK_OUT(&a, len, 0x15, 0, 0, 0, len);
    ask_points_to(&a, true, 1);
    a.out[1] = 1; /* medium type */
    ASK_OUT(&a, len, 0x15, PF, 0, 0, len);
    ask_points_to(&a, false, 1);
    a.out[1] = 0;
    a.out[3] = 7; /* length of descriptors */
    ASK_OUT(&a, len, 0x15, PF, 0, 0, len);
    ask_points_to(&a, false, 3);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("scsi_mode");
    TCase *t = tcase_create("scsi_mode");

    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, a_disk_has_a_write_cache_and_fua);
    tcase_add_test(t, all_pages_come_in_order);
    tcase_add_test(t, nothing_can_be_changed_or_saved);
    tcase_add_test(t, a_refusal_still_has_a_header);
    tcase_add_test(t, the_page_is_cut_at_any_byte);
    tcase_add_test(t, a_dvd_shows_its_lock);
    tcase_add_test(t, what_is_already_so_may_be_selected);
    tcase_add_test(t, any_other_bit_is_refused);
    tcase_add_test(t, a_list_that_is_cut_anywhere_is_refused);
    tcase_add_test(t, a_list_of_another_form_is_refused);
    suite_add_tcase(s, t);
    return ask_run(s);
}

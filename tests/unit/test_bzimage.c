#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/boot/bzimage.h"

enum {
    SETUP_SECTORS = 3,
    CODE_OFFSET = (SETUP_SECTORS + 1) * 512,
    PARAGRAPHS = 1000,
    CODE_LEN = PARAGRAPHS * 16,
    FILE_LEN = CODE_OFFSET + CODE_LEN,
    HEAD_LEN = BZIMAGE_HEAD_BYTES,
};

static uint8_t head[HEAD_LEN];

static void put(size_t offset, unsigned size, uint64_t v)
{
    for (unsigned i = 0; i < size; i++)
        head[offset + i] = (uint8_t)(v >> (8 * i));
}

/* A header with nothing wrong, which each test then spoils. */
static void good_head(void)
{
    memset(head, 0, sizeof(head));
    put(0x1f1, 1, SETUP_SECTORS);
    put(0x1f4, 4, PARAGRAPHS);
    put(0x1fe, 2, 0xaa55);
    put(0x200, 1, 0xeb);
    put(0x201, 1, 0x6a); /* the header ends at 0x26c */
    memcpy(head + 0x202, "HdrS", 4);
    put(0x206, 2, 0x020f);
    put(0x211, 1, 1);
    put(0x22c, 4, 0x7fffffff);
    put(0x230, 4, 0x200000);
    put(0x234, 1, 1);
    put(0x236, 2, 0x3f);
    put(0x238, 4, 2047);
    put(0x258, 8, 0x1000000);
    put(0x260, 4, 0x2d00000);
}

static void refused(uint64_t file_len, size_t head_len, int err)
{
    struct bzimage b;
    struct bzimage before;

    memset(&b, 0x55, sizeof(b));
    before = b;
    ck_assert_int_eq(bzimage_parse(head, head_len, file_len, &b), err);
    ck_assert_mem_eq(&b, &before, sizeof(b));
}

START_TEST(a_good_header_is_read)
{
    struct bzimage b;

    ck_assert_int_eq(bzimage_parse(head, HEAD_LEN, FILE_LEN, &b), 0);
    ck_assert_uint_eq(b.code_offset, CODE_OFFSET);
    ck_assert_uint_eq(b.code_len, CODE_LEN);
    ck_assert_uint_eq(b.load_at, 0x1000000);
    ck_assert_uint_eq(b.room, 0x2d00000);
    ck_assert_uint_eq(b.initrd_end, 0x80000000);
    ck_assert_uint_eq(b.append_max, 2047);
    ck_assert_uint_eq(b.setup_len, 0x26c - 0x1f1);
    ck_assert_mem_eq(b.setup, head + 0x1f1, b.setup_len);
}
END_TEST

START_TEST(a_signature_behind_the_code_is_left_out)
{
    struct bzimage b;

    ck_assert_int_eq(bzimage_parse(head, HEAD_LEN, FILE_LEN + 1234, &b), 0);
    ck_assert_uint_eq(b.code_len, CODE_LEN);
}
END_TEST

START_TEST(no_setup_sectors_mean_four)
{
    struct bzimage b;

    put(0x1f1, 1, 0);
    ck_assert_int_eq(bzimage_parse(head, HEAD_LEN, 5 * 512 + CODE_LEN, &b), 0);
    ck_assert_uint_eq(b.code_offset, 5 * 512);
}
END_TEST

START_TEST(room_is_never_less_than_the_code)
{
    struct bzimage b;

    put(0x260, 4, 1);
    ck_assert_int_eq(bzimage_parse(head, HEAD_LEN, FILE_LEN, &b), 0);
    ck_assert_uint_eq(b.room, CODE_LEN);
}
END_TEST

START_TEST(a_longer_header_of_later_days_is_cut)
{
    struct bzimage b;

    put(0x201, 1, 0xff);
    ck_assert_int_eq(bzimage_parse(head, HEAD_LEN, FILE_LEN, &b), 0);
    ck_assert_uint_eq(b.setup_len, BZIMAGE_SETUP_MAX);
}
END_TEST

START_TEST(a_shorter_header_loses_its_end)
{
    struct bzimage b;

    put(0x201, 1, 0);
    ck_assert_int_eq(bzimage_parse(head, HEAD_LEN, FILE_LEN, &b), 0);
    ck_assert_uint_eq(b.setup_len, 0x202 - 0x1f1);
}
END_TEST

START_TEST(nothing_is_not_a_bzimage)
{
    refused(0, 0, -ENOEXEC);
}
END_TEST

START_TEST(other_files_are_not_bzimages)
{
    memset(head + 0x202, 0, 4);
    refused(FILE_LEN, HEAD_LEN, -ENOEXEC);
    good_head();
    put(0x1fe, 2, 0);
    refused(FILE_LEN, HEAD_LEN, -ENOEXEC);
}
END_TEST

START_TEST(a_zimage_is_not_a_bzimage)
{
    put(0x211, 1, 0);
    refused(FILE_LEN, HEAD_LEN, -ENOEXEC);
}
END_TEST

START_TEST(an_old_kernel_has_no_64_bit_entry)
{
    put(0x206, 2, 0x020b);
    refused(FILE_LEN, HEAD_LEN, -ENOSYS);
}
END_TEST

START_TEST(a_32_bit_kernel_is_refused)
{
    put(0x236, 2, 0x3e);
    refused(FILE_LEN, HEAD_LEN, -ENOSYS);
}
END_TEST

START_TEST(a_kernel_that_cannot_move_is_refused)
{
    put(0x234, 1, 0);
    refused(FILE_LEN, HEAD_LEN, -ENOSYS);
}
END_TEST

START_TEST(a_file_cut_in_the_header_is_refused)
{
    for (size_t len = 0; len < 0x264; len++) {
        struct bzimage b;

        ck_assert_int_lt(bzimage_parse(head, len, len, &b), 0);
    }
    put(0x201, 1, 0); /* so that copying the header does not notice either */
    refused(FILE_LEN, 0x263, -EBADMSG);
}
END_TEST

START_TEST(a_file_cut_in_the_code_is_refused)
{
    refused(FILE_LEN - 1, HEAD_LEN, -EBADMSG);
    refused(CODE_OFFSET, HEAD_LEN, -EBADMSG);
    refused(CODE_OFFSET - 1, HEAD_LEN, -EBADMSG);
}
END_TEST

START_TEST(code_that_ends_before_its_entry_is_refused)
{
    put(0x1f4, 4, 0x200 / 16);
    refused(FILE_LEN, HEAD_LEN, -EBADMSG);
    put(0x1f4, 4, 0);
    refused(FILE_LEN, HEAD_LEN, -EBADMSG);
}
END_TEST

START_TEST(the_largest_code_length_does_not_wrap)
{
    put(0x1f4, 4, UINT32_MAX);
    refused(FILE_LEN, HEAD_LEN, -EBADMSG);
}
END_TEST

START_TEST(an_impossible_alignment_is_refused)
{
    put(0x230, 4, 0);
    refused(FILE_LEN, HEAD_LEN, -EBADMSG);
    put(0x230, 4, 0x300000);
    refused(FILE_LEN, HEAD_LEN, -EBADMSG);
}
END_TEST

START_TEST(an_address_against_the_alignment_is_refused)
{
    put(0x258, 8, 0x1000001);
    refused(FILE_LEN, HEAD_LEN, -EBADMSG);
}
END_TEST

START_TEST(a_header_whose_jump_leaves_the_bytes_is_refused)
{
    put(0x201, 1, 0x80);
    refused(FILE_LEN, 0x268, -EBADMSG);
}
END_TEST

static void add_refusals(TCase *t)
{
    tcase_add_test(t, nothing_is_not_a_bzimage);
    tcase_add_test(t, other_files_are_not_bzimages);
    tcase_add_test(t, a_zimage_is_not_a_bzimage);
    tcase_add_test(t, an_old_kernel_has_no_64_bit_entry);
    tcase_add_test(t, a_32_bit_kernel_is_refused);
    tcase_add_test(t, a_kernel_that_cannot_move_is_refused);
    tcase_add_test(t, a_file_cut_in_the_header_is_refused);
    tcase_add_test(t, a_file_cut_in_the_code_is_refused);
    tcase_add_test(t, code_that_ends_before_its_entry_is_refused);
    tcase_add_test(t, the_largest_code_length_does_not_wrap);
    tcase_add_test(t, an_impossible_alignment_is_refused);
    tcase_add_test(t, an_address_against_the_alignment_is_refused);
    tcase_add_test(t, a_header_whose_jump_leaves_the_bytes_is_refused);
}

int main(void)
{
    Suite *s = suite_create("bzimage");
    TCase *t = tcase_create("bzimage");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(t, good_head, NULL);
    tcase_add_test(t, a_good_header_is_read);
    tcase_add_test(t, a_signature_behind_the_code_is_left_out);
    tcase_add_test(t, no_setup_sectors_mean_four);
    tcase_add_test(t, room_is_never_less_than_the_code);
    tcase_add_test(t, a_longer_header_of_later_days_is_cut);
    tcase_add_test(t, a_shorter_header_loses_its_end);
    add_refusals(t);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}

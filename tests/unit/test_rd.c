#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/rd.h"

static const uint8_t bytes[] = {1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11,
                                12, 13, 14, 15, 16, 17, 18, 19, 20, 21};

START_TEST(numbers_are_read_in_their_order)
{
    struct rd r = rd_over(bytes, sizeof(bytes));

    ck_assert_uint_eq(rd_u8(&r), 0x01);
    ck_assert_uint_eq(rd_le16(&r), 0x0302);
    ck_assert_uint_eq(rd_le32(&r), 0x07060504);
    ck_assert_uint_eq(rd_le64(&r), 0x0f0e0d0c0b0a0908);
    ck_assert_uint_eq(rd_be16(&r), 0x1011);
    ck_assert_int_eq(rd_finish(&r), -EBADMSG); /* not all was read */
    ck_assert_uint_eq(rd_be32(&r), 0x12131415);
    ck_assert(rd_ok(&r));
    ck_assert_int_eq(rd_finish(&r), 0);
}
END_TEST

START_TEST(spans_and_copies)
{
    struct rd r = rd_over(bytes, 5);
    struct span s = rd_span(&r, 2);
    uint8_t copy[3] = {0};

    ck_assert_ptr_eq(s.at, bytes);
    ck_assert_uint_eq(s.len, 2);
    rd_copy(&r, copy, sizeof(copy));
    ck_assert_mem_eq(copy, bytes + 2, 3);
    ck_assert_int_eq(rd_finish(&r), 0);
}
END_TEST

START_TEST(nothing_can_be_read_of_nothing)
{
    struct rd r = rd_over(NULL, 0);

    ck_assert_int_eq(rd_finish(&r), 0);
    ck_assert_uint_eq(rd_span(&r, 0).len, 0);
    ck_assert_int_eq(rd_finish(&r), 0);
    ck_assert_uint_eq(rd_u8(&r), 0);
    ck_assert(!rd_ok(&r));
}
END_TEST

START_TEST(one_byte_short_reads_zero)
{
    struct rd r;

    r = rd_over(bytes, 1);
    ck_assert_uint_eq(rd_le16(&r), 0);
    ck_assert_int_eq(rd_finish(&r), -EBADMSG);
    r = rd_over(bytes, 3);
    ck_assert_uint_eq(rd_le32(&r), 0);
    ck_assert_int_eq(rd_finish(&r), -EBADMSG);
    r = rd_over(bytes, 7);
    ck_assert_uint_eq(rd_le64(&r), 0);
    ck_assert_int_eq(rd_finish(&r), -EBADMSG);
    r = rd_over(bytes, 1);
    ck_assert_uint_eq(rd_be16(&r), 0);
    ck_assert_int_eq(rd_finish(&r), -EBADMSG);
    r = rd_over(bytes, 3);
    ck_assert_uint_eq(rd_be32(&r), 0);
    ck_assert_int_eq(rd_finish(&r), -EBADMSG);
}
END_TEST

START_TEST(one_read_too_many_is_an_error_though_all_was_read)
{
    struct rd r = rd_over(bytes, 1);

    ck_assert_uint_eq(rd_u8(&r), 1);
    (void)rd_u8(&r);
    ck_assert_int_eq(rd_finish(&r), -EBADMSG);
}
END_TEST

START_TEST(the_error_stays_though_bytes_are_left)
{
    struct rd r = rd_over(bytes, 3);

    (void)rd_le32(&r);
    ck_assert_uint_eq(rd_u8(&r), 0);
    ck_assert(!rd_ok(&r));
    ck_assert_int_eq(r.err, -EBADMSG);
}
END_TEST

START_TEST(a_span_past_the_end_is_none)
{
    struct rd r = rd_over(bytes, 3);
    struct span s = rd_span(&r, 4);

    ck_assert_ptr_null(s.at);
    ck_assert_uint_eq(s.len, 0);
    ck_assert(!rd_ok(&r));
}
END_TEST

START_TEST(a_span_as_long_as_memory_is_none)
{
    struct rd r = rd_over(bytes, 3);

    ck_assert_uint_eq(rd_span(&r, SIZE_MAX).len, 0);
    ck_assert(!rd_ok(&r));
}
END_TEST

START_TEST(a_copy_past_the_end_leaves_its_target)
{
    struct rd r = rd_over(bytes, 3);
    uint8_t copy[4] = {7, 7, 7, 7};

    rd_copy(&r, copy, sizeof(copy));
    ck_assert_mem_eq(copy, "\7\7\7\7", 4);
    ck_assert(!rd_ok(&r));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("rd");
    TCase *c = tcase_create("all");
    SRunner *r;
    int failed;

    tcase_add_test(c, numbers_are_read_in_their_order);
    tcase_add_test(c, spans_and_copies);
    tcase_add_test(c, nothing_can_be_read_of_nothing);
    tcase_add_test(c, one_byte_short_reads_zero);
    tcase_add_test(c, one_read_too_many_is_an_error_though_all_was_read);
    tcase_add_test(c, the_error_stays_though_bytes_are_left);
    tcase_add_test(c, a_span_past_the_end_is_none);
    tcase_add_test(c, a_span_as_long_as_memory_is_none);
    tcase_add_test(c, a_copy_past_the_end_leaves_its_target);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

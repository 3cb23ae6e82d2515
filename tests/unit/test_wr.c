#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/wr.h"

START_TEST(numbers_are_written_in_their_order)
{
    static const uint8_t expected[] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08,
                                       0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x10,
                                       0x11, 0x12, 0x13, 0x14, 0x15, 'o',  'k'};
    uint8_t buf[sizeof(expected)];
    struct wr w = wr_over(buf, sizeof(buf));
    size_t len = 77;

    wr_u8(&w, 0x01);
    wr_le16(&w, 0x0302);
    wr_le32(&w, 0x07060504);
    wr_le64(&w, 0x0f0e0d0c0b0a0908);
    wr_be16(&w, 0x1011);
    wr_be32(&w, 0x12131415);
    wr_bytes(&w, "ok", 2);
    wr_bytes(&w, NULL, 0);
    ck_assert_int_eq(wr_finish(&w, &len), 0);
    ck_assert_uint_eq(len, sizeof(expected));
    ck_assert_mem_eq(buf, expected, sizeof(expected));
}
END_TEST

START_TEST(what_does_not_fit_is_not_written_at_all)
{
    uint8_t buf[4] = {7, 7, 7, 7};
    struct wr w = wr_over(buf, 3);
    size_t len = 77;

    wr_le32(&w, 0);
    ck_assert_mem_eq(buf, "\7\7\7\7", 4);
    ck_assert_int_eq(wr_finish(&w, &len), -ENOBUFS);
    ck_assert_uint_eq(len, 77);
}
END_TEST

START_TEST(what_fits_alone_need_not_fit_behind_another)
{
    uint8_t buf[8] = {7, 7, 7, 7, 7, 7, 7, 7};
    struct wr w = wr_over(buf, 5);

    wr_le32(&w, 0);
    wr_le32(&w, 0);
    ck_assert_mem_eq(buf, "\0\0\0\0\7\7\7\7", 8);
    ck_assert_int_eq(w.err, -ENOBUFS);
}
END_TEST

START_TEST(the_error_stays_though_there_is_room)
{
    uint8_t buf[4] = {7, 7, 7, 7};
    struct wr w = wr_over(buf, sizeof(buf));
    size_t len = 77;

    wr_le64(&w, 0);
    wr_u8(&w, 0);
    ck_assert_uint_eq(buf[0], 7);
    ck_assert_int_eq(wr_finish(&w, &len), -ENOBUFS);
}
END_TEST

START_TEST(a_length_as_long_as_memory_does_not_fit)
{
    uint8_t buf[4] = {7, 7, 7, 7};
    struct wr w = wr_over(buf, sizeof(buf));

    wr_u8(&w, 1);
    wr_bytes(&w, buf, SIZE_MAX);
    ck_assert_int_eq(w.err, -ENOBUFS);
    ck_assert_mem_eq(buf, "\1\7\7\7", 4);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("wr");
    TCase *c = tcase_create("all");
    SRunner *r;
    int failed;

    tcase_add_test(c, numbers_are_written_in_their_order);
    tcase_add_test(c, what_does_not_fit_is_not_written_at_all);
    tcase_add_test(c, what_fits_alone_need_not_fit_behind_another);
    tcase_add_test(c, the_error_stays_though_there_is_room);
    tcase_add_test(c, a_length_as_long_as_memory_does_not_fit);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

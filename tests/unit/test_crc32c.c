#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/macro.h"

/* RFC 3720 B.4, and the check value of every CRC catalogue. */
START_TEST(known_answers)
{
    uint8_t buf[32];

    ck_assert_uint_eq(crc32c(0, "123456789", 9), 0xe3069283);
    ck_assert_uint_eq(crc32c(0, "", 0), 0);
    memset(buf, 0, sizeof(buf));
    ck_assert_uint_eq(crc32c(0, buf, sizeof(buf)), 0x8a9136aa);
    memset(buf, 0xff, sizeof(buf));
    ck_assert_uint_eq(crc32c(0, buf, sizeof(buf)), 0x62a8ab43);
    for (unsigned i = 0; i < sizeof(buf); i++)
        buf[i] = (uint8_t)i;
    ck_assert_uint_eq(crc32c(0, buf, sizeof(buf)), 0x46dd794e);
    for (unsigned i = 0; i < sizeof(buf); i++)
        buf[i] = (uint8_t)(31 - i);
    ck_assert_uint_eq(crc32c(0, buf, sizeof(buf)), 0x113fdb5c);
}
END_TEST

START_TEST(both_versions_agree_at_every_length_and_place)
{
    uint8_t buf[80];

    for (unsigned i = 0; i < sizeof(buf); i++)
        buf[i] = (uint8_t)(i * 151 + 7);
    for (unsigned from = 0; from < 8; from++) {
        for (unsigned len = 0; len + from <= sizeof(buf); len++)
            ck_assert_uint_eq(crc32c(12345, buf + from, len),
                              crc32c_portable(12345, buf + from, len));
    }
}
END_TEST

START_TEST(it_goes_on_where_it_left_off)
{
    uint32_t crc = 0;

    crc = crc32c(crc, "1234", 4);
    crc = crc32c(crc, "56789", 5);
    ck_assert_uint_eq(crc, 0xe3069283);
    crc = crc32c_portable(crc32c_portable(0, "1", 1), "23456789", 8);
    ck_assert_uint_eq(crc, 0xe3069283);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("crc32c");
    TCase *c = tcase_create("all");
    SRunner *r;
    int failed;

    tcase_add_test(c, known_answers);
    tcase_add_test(c, both_versions_agree_at_every_length_and_place);
    tcase_add_test(c, it_goes_on_where_it_left_off);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

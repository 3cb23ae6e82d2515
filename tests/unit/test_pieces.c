#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/partition/pieces.h"

static uint8_t bytes[16];

static void check_next(struct pieces *p, uint8_t size, uint64_t addr, uint64_t data)
{
    struct vm_access a;

    ck_assert(pieces_left(p));
    pieces_next(p, &a);
    ck_assert_uint_eq(a.size, size);
    ck_assert_uint_eq(a.addr, addr);
    ck_assert_uint_eq(a.data, data);
}

START_TEST(one_port_write_is_one_access)
{
    struct pieces p = {.at = bytes, .left = 2, .io_size = 2, .write = true, .addr = 0x604};

    memcpy(bytes, "\x01\x34\xff", 3);
    check_next(&p, 2, 0x604, 0x3401);
    pieces_finish(&p, 0x9999);
    ck_assert(!pieces_left(&p));
    ck_assert_mem_eq(bytes, "\x01\x34\xff", 3); /* a write has no result */
}
END_TEST

START_TEST(a_string_read_collects_its_results)
{
    struct pieces p = {.at = bytes, .left = 6, .io_size = 2, .addr = 0x71};

    memset(bytes, 0xee, sizeof(bytes));
    for (uint64_t i = 0; i < 3; i++) {
        check_next(&p, 2, 0x71, 0);
        pieces_finish(&p, 0xffff1100 + i);
    }
    ck_assert(!pieces_left(&p));
    ck_assert_mem_eq(bytes, "\x00\x11\x01\x11\x02\x11\xee", 7);
}
END_TEST

START_TEST(mmio_goes_out_in_one_when_it_can)
{
    for (uint8_t size = 1; size <= 8; size = (uint8_t)(size * 2)) {
        struct pieces p = {.at = bytes, .left = size, .addr = 0xfed40001};

        check_next(&p, size, 0xfed40001, 0);
        pieces_finish(&p, 0);
        ck_assert(!pieces_left(&p));
    }
}
END_TEST

START_TEST(odd_mmio_is_split_and_its_address_rises)
{
    struct pieces p = {.at = bytes, .left = 7, .write = true, .addr = 0xfed40ff9};

    memcpy(bytes, "\x01\x02\x03\x04\x05\x06\x07", 7);
    check_next(&p, 4, 0xfed40ff9, 0x04030201);
    pieces_finish(&p, 0);
    check_next(&p, 2, 0xfed40ffd, 0x0605);
    pieces_finish(&p, 0);
    check_next(&p, 1, 0xfed40fff, 0x07);
    pieces_finish(&p, 0);
    ck_assert(!pieces_left(&p));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pieces");
    TCase *t = tcase_create("pieces");
    SRunner *r;
    int failed;

    tcase_add_test(t, one_port_write_is_one_access);
    tcase_add_test(t, a_string_read_collects_its_results);
    tcase_add_test(t, mmio_goes_out_in_one_when_it_can);
    tcase_add_test(t, odd_mmio_is_split_and_its_address_rises);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}

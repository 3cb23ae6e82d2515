#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "workers/chipset/pci.h"

static struct pci pci;
static struct io last;

static void reset(void)
{
    pci_init(&pci);
}

static uint32_t in(uint16_t port, uint8_t size)
{
    last = (struct io){.port = port, .size = size};
    pci_access(&pci, &last);
    ck_assert(!last.changed);
    return last.data;
}

static void out(uint16_t port, uint8_t size, uint32_t v)
{
    last = (struct io){.port = port, .size = size, .write = true, .data = v};
    pci_access(&pci, &last);
    ck_assert_int_eq(last.effect, PORT_EFFECT_NONE);
}

/* pci_check_type1() of Linux. */
START_TEST(the_address_can_be_read_back)
{
    ck_assert_uint_eq(in(0xcf8, 4), 0);
    out(0xcf8, 4, 0x80000000);
    ck_assert(last.changed);
    ck_assert(!last.unknown);
    ck_assert_uint_eq(in(0xcf8, 4), 0x80000000);
    ck_assert(!last.unknown);
    out(0xcf8, 4, 0xffffffff);
    ck_assert_uint_eq(in(0xcf8, 4), 0x80fffffc);
}
END_TEST

START_TEST(every_register_is_all_ones)
{
    out(0xcf8, 4, 0x80000000);
    ck_assert_uint_eq(in(0xcfc, 4), 0xffffffff);
    ck_assert_uint_eq(in(0xcfe, 2) & 0xffff, 0xffff);
    out(0xcfc, 4, 0);
    ck_assert(!last.changed);
    ck_assert(!last.unknown);
    ck_assert_uint_eq(in(0xcfc, 4), 0xffffffff);
}
END_TEST

START_TEST(part_of_the_address_is_not_the_address)
{
    out(0xcf8, 4, 0x80000010);
    out(0xcfb, 1, 0x01);
    ck_assert(last.unknown);
    out(0xcf8, 2, 0);
    ck_assert(last.unknown);
    out(0xcf9, 4, 0);
    ck_assert(last.unknown);
    ck_assert_uint_eq(in(0xcfb, 1) & 0xff, 0xff);
    ck_assert(last.unknown);
    ck_assert_uint_eq(in(0xcf8, 4), 0x80000010);
}
END_TEST

START_TEST(state_survives)
{
    uint8_t buf[PCI_STATE_MAX] = {0};
    struct wr w = wr_over(buf, sizeof(buf));
    struct rd r = rd_over(buf, sizeof(buf));
    size_t len;

    out(0xcf8, 4, 0x80123454);
    pci_save(&pci, &w);
    ck_assert_int_eq(wr_finish(&w, &len), 0);
    ck_assert_uint_eq(len, PCI_STATE_MAX);
    reset();
    ck_assert_int_eq(pci_load(&r, &pci), 0);
    ck_assert_uint_eq(in(0xcf8, 4), 0x80123454);
}
END_TEST

static void expect_refusal(const uint8_t *buf, size_t len)
{
    struct pci target = {.address = 77};
    struct rd r = rd_over(buf, len);

    ck_assert_int_eq(pci_load(&r, &target), -EBADMSG);
    ck_assert_uint_eq(target.address, 77);
}

START_TEST(an_address_that_cannot_be_is_refused)
{
    expect_refusal((uint8_t[]){0x01, 0, 0, 0x80}, PCI_STATE_MAX);
}
END_TEST

START_TEST(a_truncated_state_is_refused)
{
    expect_refusal((uint8_t[]){0, 0, 0}, 3);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pci");
    TCase *c = tcase_create("all");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(c, reset, NULL);
    tcase_add_test(c, the_address_can_be_read_back);
    tcase_add_test(c, every_register_is_all_ones);
    tcase_add_test(c, part_of_the_address_is_not_the_address);
    tcase_add_test(c, state_survives);
    tcase_add_test(c, an_address_that_cannot_be_is_refused);
    tcase_add_test(c, a_truncated_state_is_refused);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

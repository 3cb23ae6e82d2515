#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "workers/debug/page_walk.h"

enum {
    MEMORY = 1 << 20,
    PRESENT = 1,
    LARGE = 1 << 7,
    TABLE = 0x10000, /* the first of five, a page each */
};

static uint8_t memory[MEMORY];
static struct guest guest;
static struct guest_regs regs;

static int read_memory(void *self, uint64_t gpa, void *out, size_t len)
{
    (void)self;
    if (gpa > MEMORY - len)
        return -EFAULT;
    memcpy(out, memory + gpa, len);
    return 0;
}

static void set_up(void)
{
    memset(memory, 0, sizeof(memory));
    guest = (struct guest){.read = read_memory, .vcpus = 1};
    regs = (struct guest_regs){0};
    regs.v[GUEST_CR0] = UINT64_C(1) << 31;
    regs.v[GUEST_EFER] = UINT64_C(1) << 10;
    regs.v[GUEST_CR3] = TABLE | 0xfff; /* PCID and the like are no part of the address */
}

/* What the table of that level says of an address; 5 is the highest. */
static void map(unsigned level, uint64_t address, uint64_t entry)
{
    const uint64_t table = TABLE + (5 - level) * 0x1000;
    const uint64_t index = address >> (12 + 9 * (level - 1)) & 511;

    memcpy(memory + table + 8 * index, &entry, sizeof(entry));
}

/* Tables from `from` down to the level that maps the page. */
static void map_down(unsigned from, unsigned last, uint64_t address, uint64_t page)
{
    for (unsigned level = from; level > last; level--)
        map(level, address, (TABLE + (6 - level) * 0x1000) | PRESENT | UINT64_C(1) << 63);
    map(last, address, page | PRESENT | (last > 1 ? LARGE : 0));
}

static void expect(uint64_t address, uint64_t gpa, uint64_t left)
{
    struct page_place at;

    ck_assert_int_eq(page_walk(&guest, &regs, address, &at), 0);
    ck_assert_uint_eq(at.gpa, gpa);
    ck_assert_uint_eq(at.left, left);
}

static void expect_fault(uint64_t address, int r)
{
    struct page_place at = {.gpa = 77};

    ck_assert_int_eq(page_walk(&guest, &regs, address, &at), r);
    ck_assert_uint_eq(at.gpa, 77);
}

static const struct {
    unsigned last;
    uint64_t page, gpa, left;
} pages[] = {
    {1, 0x5000,               0x5123,               0xedd     },
    {2, 0x600000,             0x6ab123,             0x154edd  },
    {3, UINT64_C(0x40000000), UINT64_C(0x4beab123), 0x34154edd},
};

START_TEST(four_levels_and_pages_of_each_size)
{
    const uint64_t address = 0xffffffff8beab123;

    regs.v[GUEST_CR3] = TABLE + 0x1000;
    map_down(4, pages[_i].last, address, pages[_i].page);
    expect(address, pages[_i].gpa, pages[_i].left);
}
END_TEST

START_TEST(five_levels)
{
    const uint64_t address = 0x00aabbccddeeff42;

    regs.v[GUEST_CR4] = 1u << 12;
    map_down(5, 1, address, 0x7000);
    expect(address, 0x7f42, 0xbe);
}
END_TEST

START_TEST(what_is_not_mapped)
{
    const uint64_t address = 0x7fff12345678;

    regs.v[GUEST_CR3] = TABLE + 0x1000;
    map_down(4, 1, address, 0x5000);
    map((unsigned)_i, address, 0);
    expect_fault(address, -EFAULT);
}
END_TEST

START_TEST(tables_that_are_no_memory)
{
    const uint64_t address = 0x7fff12345678;

    regs.v[GUEST_CR3] = TABLE + 0x1000;
    map(4, address, 0x7fffff000 | PRESENT);
    expect_fault(address, -EFAULT);
    regs.v[GUEST_CR3] = UINT64_C(0x000fffffffff0000);
    expect_fault(address, -EFAULT);
}
END_TEST

/* A table that names itself maps something, and ends. */
START_TEST(tables_in_a_ring)
{
    const uint64_t address = 0x123;
    const uint64_t self = TABLE | PRESENT;

    regs.v[GUEST_CR3] = TABLE;
    memcpy(memory + TABLE, &self, sizeof(self));
    expect(address, TABLE + 0x123, 0xedd);
}
END_TEST

START_TEST(addresses_that_are_none)
{
    regs.v[GUEST_CR3] = TABLE + 0x1000;
    expect_fault(UINT64_C(0x0000800000000000), -EFAULT);
    expect_fault(UINT64_C(0xffff7fffffffffff), -EFAULT);
}
END_TEST

START_TEST(without_paging_an_address_is_itself)
{
    regs.v[GUEST_CR0] = 1;
    expect(0x12345, 0x12345, 0xcbb);
}
END_TEST

START_TEST(paging_of_32_bits_is_not_ours)
{
    regs.v[GUEST_EFER] = 0;
    expect_fault(0x1000, -EOPNOTSUPP);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("page_walk");
    TCase *tests = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_add_loop_test(tests, four_levels_and_pages_of_each_size, 0, 3);
    tcase_add_test(tests, five_levels);
    tcase_add_loop_test(tests, what_is_not_mapped, 1, 5);
    tcase_add_test(tests, tables_that_are_no_memory);
    tcase_add_test(tests, tables_in_a_ring);
    tcase_add_test(tests, addresses_that_are_none);
    tcase_add_test(tests, without_paging_an_address_is_itself);
    tcase_add_test(tests, paging_of_32_bits_is_not_ours);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

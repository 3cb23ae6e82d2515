#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "supervisor/boot/memory_map.h"

static const uint64_t MIB = UINT64_C(1) << 20;
static const uint64_t GIB = UINT64_C(1) << 30;

static struct memory_map made(uint64_t bytes)
{
    struct memory_map m;

    ck_assert_int_eq(memory_map_make(bytes, &m), 0);
    return m;
}

static void refused(uint64_t bytes, int err)
{
    struct memory_map m;
    struct memory_map before;

    memset(&m, 0x77, sizeof(m));
    before = m;
    ck_assert_int_eq(memory_map_make(bytes, &m), err);
    ck_assert_mem_eq(&m, &before, sizeof(m));
}

static bool is_backed(const struct memory_map *m, const struct memory_range *r)
{
    for (unsigned i = 0; i < m->n_ram; i++) {
        if (r->start >= m->ram[i].start &&
            range_inside(r->start - m->ram[i].start, r->len, m->ram[i].len))
            return true;
    }
    return false;
}

/* What holds for every size. */
static void check_invariants(uint64_t bytes)
{
    struct memory_map m = made(bytes);
    uint64_t total = 0;
    uint64_t end = 0;

    for (unsigned i = 0; i < m.n_ram; i++)
        total += m.ram[i].len;
    ck_assert_uint_eq(total, bytes);
    for (unsigned i = 0; i < m.n_entries; i++) {
        const struct memory_entry *e = &m.entries[i];

        ck_assert_uint_gt(e->range.len, 0);
        ck_assert_uint_ge(e->range.start, end);
        end = e->range.start + e->range.len;
        if (e->kind == MEMORY_KIND_RAM)
            ck_assert(is_backed(&m, &e->range));
    }
    for (unsigned i = 0; i < m.n_entries; i++) {
        const struct memory_range *r = &m.entries[i].range;

        if (m.entries[i].kind == MEMORY_KIND_RAM)
            ck_assert(!range_overlap(r->start, r->len, RAM_LOW_END, RAM_HIGH_START - RAM_LOW_END));
    }
}

START_TEST(every_size_is_consistent)
{
    check_invariants(RAM_MIN_BYTES);
    check_invariants(512 * MIB);
    check_invariants(3 * GIB - 2 * MIB);
    check_invariants(3 * GIB);
    check_invariants(3 * GIB + 2 * MIB);
    check_invariants(4 * GIB);
    check_invariants(RAM_MAX_BYTES);
}
END_TEST

START_TEST(below_three_gib_there_is_one_range)
{
    struct memory_map m = made(3 * GIB);

    ck_assert_uint_eq(m.n_ram, 1);
    ck_assert_uint_eq(m.ram[0].start, 0);
    ck_assert_uint_eq(m.ram[0].len, RAM_LOW_END);
}
END_TEST

START_TEST(the_rest_is_above_four_gib)
{
    struct memory_map m = made(4 * GIB);

    ck_assert_uint_eq(m.n_ram, 2);
    ck_assert_uint_eq(m.ram[1].start, 4 * GIB);
    ck_assert_uint_eq(m.ram[1].len, GIB);
}
END_TEST

START_TEST(boot_data_is_in_told_memory_and_apart)
{
    struct memory_map m = made(RAM_MIN_BYTES);

    ck_assert_int_eq(m.entries[0].kind, MEMORY_KIND_RAM);
    ck_assert_uint_ge(m.entries[0].range.len, COMMAND_LINE_GPA + COMMAND_LINE_ROOM);
    ck_assert_int_lt(ZERO_PAGE_GPA, GDT_GPA);
    ck_assert_int_le(PAGE_TABLES_GPA + 6 * 4096, STACK_GPA - 4096);
    ck_assert_int_le(STACK_GPA, COMMAND_LINE_GPA);
    ck_assert_int_le(ACPI_GPA + ACPI_BYTES, HIGH_RAM_START);
}
END_TEST

START_TEST(too_little_is_refused)
{
    refused(0, -ERANGE);
    refused(MIB, -ERANGE);
    refused(RAM_MIN_BYTES - 2 * MIB, -ERANGE);
}
END_TEST

START_TEST(too_much_is_refused)
{
    refused(RAM_MAX_BYTES + 2 * MIB, -ERANGE);
    refused(1024 * GIB, -ERANGE);
    refused(UINT64_MAX, -ERANGE);
}
END_TEST

START_TEST(odd_sizes_are_refused)
{
    refused(RAM_MIN_BYTES + 1, -EINVAL);
    refused(RAM_MIN_BYTES + MIB, -EINVAL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("memory_map");
    TCase *t = tcase_create("memory_map");
    SRunner *r;
    int failed;

    tcase_add_test(t, every_size_is_consistent);
    tcase_add_test(t, below_three_gib_there_is_one_range);
    tcase_add_test(t, the_rest_is_above_four_gib);
    tcase_add_test(t, boot_data_is_in_told_memory_and_apart);
    tcase_add_test(t, too_little_is_refused);
    tcase_add_test(t, too_much_is_refused);
    tcase_add_test(t, odd_sizes_are_refused);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}

#include <check.h>
#include <string.h>

#include "supervisor/hyperv/cpuid.h"

static struct cpuid_leaf leaves[PARTITION_MAX_LEAVES];
static size_t n;

static const struct cpuid_leaf *get(uint32_t leaf)
{
    for (size_t i = 0; i < n; i++) {
        if (leaves[i].leaf == leaf)
            return &leaves[i];
    }
    ck_abort_msg("leaf %x is not there", leaf);
    return NULL;
}

static void make(void)
{
    n = hv_cpuid_leaves(true, leaves);
    ck_assert_uint_le(n, PARTITION_MAX_LEAVES);
}

START_TEST(linux_and_windows_find_their_signatures)
{
    const struct cpuid_leaf *l = get(0x40000000);
    char name[13] = {0};

    memcpy(name, &l->ebx, 4);
    memcpy(name + 4, &l->ecx, 4);
    memcpy(name + 8, &l->edx, 4);
    ck_assert_str_eq(name, "Microsoft Hv");
    ck_assert_uint_eq(l->eax, 0x4000000a);
    ck_assert_mem_eq(&get(0x40000001)->eax, "Hv#1", 4);
    ck_assert_uint_ge(get(0x40000005)->eax, 64);
}
END_TEST

START_TEST(what_linux_7_asks_for_is_offered)
{
    uint32_t wanted = 1u << 5 | 1u << 6; /* hypercalls, VP index */

    ck_assert_uint_eq(get(0x40000003)->eax & wanted, wanted);
    ck_assert_uint_ne(get(0x40000003)->eax & 1u << 2, 0); /* SynIC */
    ck_assert_uint_eq(get(0x40000003)->ebx, 0x30);
}
END_TEST

/* Each of these would make an exit of something that needs none, or is not there. */
START_TEST(what_costs_exits_is_not_offered)
{
    ck_assert_uint_eq(get(0x40000003)->eax, 0x8a66);
    ck_assert_uint_eq(get(0x40000003)->edx, 0x500);
    ck_assert_uint_eq(get(0x40000004)->eax, 0x220);
    ck_assert_uint_eq(get(0x40000004)->ebx, UINT32_MAX);
}
END_TEST

START_TEST(a_clock_by_msr_comes_with_its_page)
{
    for (int invariant = 0; invariant <= 1; invariant++) {
        uint32_t eax;

        n = hv_cpuid_leaves(invariant != 0, leaves);
        eax = get(0x40000003)->eax;
        ck_assert_int_eq((eax >> 1 & 1) != 0, (eax >> 9 & 1) != 0);
        ck_assert_int_eq((eax >> 15 & 1) != 0, invariant);
    }
}
END_TEST

START_TEST(auto_eoi_is_deprecated)
{
    ck_assert_uint_ne(get(0x40000004)->eax & 1u << 9, 0);
}
END_TEST

START_TEST(leaves_that_linux_looks_at_are_there_and_zero)
{
    static const uint32_t zero[] = {0x40000006, 0x4000000a, 0x4000000c, 0x4000000f,
                                    0x40000080, 0x40000081, 0x40000082};

    for (size_t i = 0; i < sizeof(zero) / sizeof(zero[0]); i++) {
        const struct cpuid_leaf *l = get(zero[i]);

        ck_assert_uint_eq(l->eax | l->ebx | l->ecx | l->edx, 0);
    }
}
END_TEST

START_TEST(every_leaf_is_there_once)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < i; j++)
            ck_assert_uint_ne(leaves[i].leaf, leaves[j].leaf);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("hv_cpuid");
    TCase *t = tcase_create("hv_cpuid");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(t, make, NULL);
    tcase_add_test(t, linux_and_windows_find_their_signatures);
    tcase_add_test(t, what_linux_7_asks_for_is_offered);
    tcase_add_test(t, what_costs_exits_is_not_offered);
    tcase_add_test(t, a_clock_by_msr_comes_with_its_page);
    tcase_add_test(t, auto_eoi_is_deprecated);
    tcase_add_test(t, leaves_that_linux_looks_at_are_there_and_zero);
    tcase_add_test(t, every_leaf_is_there_once);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}

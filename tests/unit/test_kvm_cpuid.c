#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "supervisor/partition/kvm_cpuid.h"

static struct cpuid_table table;

static void put(uint32_t leaf, uint32_t index, uint32_t eax, uint32_t ebx)
{
    table.entries[table.n++] = (struct kvm_cpuid_entry2){
        .function = leaf, .index = index, .eax = eax, .ebx = ebx, .ecx = 0xffff, .edx = 0xffff};
}

static const struct kvm_cpuid_entry2 *get(uint32_t leaf, uint32_t index)
{
    for (uint32_t i = 0; i < table.n; i++) {
        if (table.entries[i].function == leaf && table.entries[i].index == index)
            return &table.entries[i];
    }
    ck_abort_msg("leaf %x.%u is not there", leaf, index);
    return NULL;
}

/* A host's table with leaves of both makers. */
static void host_table(void)
{
    memset(&table, 0, sizeof(table));
    put(0, 0, 0x1f, 0x756e6547); /* Genu */
    put(1, 0, 0x800f12, 0xaabbccdd);
    table.entries[1].ecx |= 1u << 26; /* XSAVE */
    put(4, 0, 0xffffc121, 0);         /* data, level 1 */
    put(4, 1, 0xffffc163, 0);         /* unified, level 3 */
    put(4, 2, 0, 0);
    put(0xb, 0, 5, 6);
    put(0x1f, 0, 7, 8);
    put(0x80000001, 0, 0, 0);
    put(0x80000008, 0, 0x302e, 0);
    put(0x8000000a, 0, 1, 1);
    put(0x8000001e, 0, 0x99, 0x99);
    put(0x80000026, 0, 1, 1);
}

static void adapt(unsigned index, unsigned count)
{
    struct kvm_cpu cpu = {.index = index, .count = count, .tsc_deadline = true};

    ck_assert_int_eq(kvm_cpuid_for(&table, &cpu), 0);
}

START_TEST(no_vector_registers_without_xsave)
{
    host_table();
    put(7, 0, 0, 0xffffffff);
    table.entries[table.n - 1].ecx = 0xffffffff;
    put(7, 1, 0xffffffff, 0);
    table.entries[1].ecx = 0xffffffff; /* leaf 1 */
    adapt(0, 1);
    ck_assert_uint_eq(get(1, 0)->ecx & 0x30001000, 0x30001000);
    ck_assert_uint_eq(get(7, 0)->ebx, 0xffffffff);
    table.entries[1].ecx &= ~(1u << 26);
    adapt(0, 1);
    ck_assert_uint_eq(get(1, 0)->ecx & 0x30001000, 0);
    ck_assert_uint_ne(get(1, 0)->ecx & 1u << 25, 0); /* AES by itself stays */
    ck_assert_uint_eq(get(7, 0)->ebx, 0x23dcffdf);   /* no AVX2, no AVX-512; BMI stays */
    ck_assert_uint_eq(get(7, 0)->ecx & 1u << 9, 0);  /* VAES */
    ck_assert_uint_eq(get(7, 1)->eax & 1u << 4, 0);  /* AVX-VNNI */
    ck_assert_uint_eq(get(0x80000001, 0)->ecx & 0x10800, 0);
}
END_TEST

START_TEST(apic_ids_are_the_index_everywhere)
{
    for (unsigned i = 0; i < 64; i++) {
        host_table();
        adapt(i, 64);
        ck_assert_uint_eq(get(1, 0)->ebx >> 24, i);
        ck_assert_uint_eq(get(0xb, 0)->edx, i);
        ck_assert_uint_eq(get(0xb, 1)->edx, i);
        ck_assert_uint_eq(get(0x1f, 1)->edx, i);
    }
}
END_TEST

START_TEST(one_package_of_single_thread_cores)
{
    adapt(2, 6);
    ck_assert_uint_eq(get(1, 0)->ebx >> 16 & 0xff, 8);
    ck_assert_uint_eq(get(1, 0)->ebx & 0xffff, 0xccdd);
    ck_assert_uint_ne(get(1, 0)->edx & 1u << 28, 0);
    ck_assert_uint_eq(get(0xb, 0)->eax, 0);
    ck_assert_uint_eq(get(0xb, 0)->ebx, 1);
    ck_assert_uint_eq(get(0xb, 0)->ecx, 0x100);
    ck_assert_uint_eq(get(0xb, 1)->eax, 3);
    ck_assert_uint_eq(get(0xb, 1)->ebx, 6);
    ck_assert_uint_eq(get(0xb, 1)->ecx, 0x201);
    ck_assert_uint_eq(get(0xb, 2)->ebx, 0);
}
END_TEST

START_TEST(one_cpu_has_no_siblings)
{
    adapt(0, 1);
    ck_assert_uint_eq(get(1, 0)->edx & 1u << 28, 0);
    ck_assert_uint_eq(get(1, 0)->ebx >> 16, 1);
    ck_assert_uint_eq(get(4, 1)->eax >> 14, 0);
    ck_assert_uint_eq(get(0xb, 1)->eax, 0);
    ck_assert_uint_eq(get(0xb, 1)->ebx, 1);
}
END_TEST

START_TEST(only_the_third_level_is_shared)
{
    adapt(0, 4);
    ck_assert_uint_eq(get(4, 0)->eax, 3u << 26 | 0x121);
    ck_assert_uint_eq(get(4, 1)->eax, 3u << 26 | 3u << 14 | 0x163);
    ck_assert_uint_eq(get(4, 2)->eax, 0); /* the end of the list */
}
END_TEST

START_TEST(features_say_virtual_and_deadline)
{
    table.entries[1].ecx |= 1u << 27;
    adapt(0, 1);
    ck_assert_uint_ne(get(1, 0)->ecx & 1u << 31, 0);
    ck_assert_uint_ne(get(1, 0)->ecx & 1u << 24, 0);
    ck_assert_uint_eq(get(1, 0)->ecx & 1u << 27, 0); /* OSXSAVE is the guest's to turn on */
}
END_TEST

START_TEST(virtualization_is_hidden)
{
    uint32_t n = table.n;

    adapt(0, 1);
    ck_assert_uint_eq(get(1, 0)->ecx & 1u << 5, 0);
    ck_assert_uint_eq(get(0x80000001, 0)->ecx & 1u << 2, 0);
    for (uint32_t i = 0; i < table.n; i++)
        ck_assert_uint_ne(table.entries[i].function, 0x8000000a);
    ck_assert_uint_eq(table.n, n - 2 + 2 * 2); /* two dropped, two topology leaves grown to three */
}
END_TEST

START_TEST(intel_keeps_its_extended_leaves)
{
    adapt(1, 4);
    ck_assert_uint_eq(get(0x80000008, 0)->ecx, 0xffff);
    ck_assert_uint_eq(get(0x80000001, 0)->ecx, 0xfffb);
}
END_TEST

START_TEST(amd_counts_cores_in_its_own_leaves)
{
    table.entries[0].ebx = 0x68747541; /* Auth */
    adapt(3, 5);
    ck_assert_uint_eq(get(0x80000008, 0)->ecx, 3u << 12 | 4);
    ck_assert_uint_ne(get(0x80000001, 0)->ecx & 2, 0);
    ck_assert_uint_eq(get(0x8000001e, 0)->eax, 3);
    ck_assert_uint_eq(get(0x8000001e, 0)->ebx, 3);
    ck_assert_uint_eq(get(0x8000001e, 0)->ecx, 0);
}
END_TEST

START_TEST(leaves_the_host_lacks_are_not_made_up)
{
    uint32_t before;

    memset(&table, 0, sizeof(table));
    put(0, 0, 0xd, 0x68747541);
    put(1, 0, 0, 0);
    before = table.n;
    adapt(0, 2);
    ck_assert_uint_eq(table.n, before);
}
END_TEST

static const struct cpuid_leaf ours[] = {
    {0x40000000, 0x4000000a, 1, 2, 3},
    {0x40000082, 0,          0, 0, 0},
};

static int adapt_with_leaves(void)
{
    struct kvm_cpu cpu = {.count = 1, .leaves = ours, .n_leaves = COUNT_OF(ours)};

    return kvm_cpuid_for(&table, &cpu);
}

static unsigned count_in_range(uint32_t first, uint32_t last)
{
    unsigned n = 0;

    for (uint32_t i = 0; i < table.n; i++)
        n += table.entries[i].function >= first && table.entries[i].function <= last;
    return n;
}

/* A guest that finds two hypervisors picks one, and not ours. */
START_TEST(the_kernels_signature_gives_way_to_ours)
{
    put(0x40000000, 0, 0x40000001, 0x4b4d564b); /* KVMK */
    put(0x40000001, 0, 0x1007efb, 0);
    put(0x40000100, 0, 0x40000101, 0x4b4d564b);
    put(0x4fffffff, 0, 1, 1);
    ck_assert_int_eq(adapt_with_leaves(), 0);
    ck_assert_uint_eq(count_in_range(0x40000000, 0x4fffffff), 2);
    ck_assert_uint_eq(get(0x40000000, 0)->eax, 0x4000000a);
    ck_assert_uint_eq(get(0x40000000, 0)->ebx, 1);
    ck_assert_uint_eq(get(0x40000000, 0)->ecx, 2);
    ck_assert_uint_eq(get(0x40000000, 0)->edx, 3);
    ck_assert_uint_eq(get(0x40000082, 0)->eax, 0);
    ck_assert_uint_eq(get(0x80000008, 0)->eax, 0x302e); /* what is beside the range stays */
}
END_TEST

START_TEST(without_leaves_the_kernels_stay)
{
    put(0x40000000, 0, 0x40000001, 0x4b4d564b);
    adapt(0, 1);
    ck_assert_uint_eq(get(0x40000000, 0)->ebx, 0x4b4d564b);
}
END_TEST

START_TEST(leaves_need_room)
{
    while (table.n < KVM_CPUID_MAX - 1)
        put(0xd, table.n, 0, 0);
    for (uint32_t i = 0; i < table.n; i++) {
        if (table.entries[i].function == 0x8000000a)
            table.entries[i].function = 0xd; /* nothing is dropped that would make room */
    }
    ck_assert_int_eq(adapt_with_leaves(), -ENOBUFS);
}
END_TEST

START_TEST(an_invariant_tsc_is_seen)
{
    ck_assert(!kvm_cpuid_tsc_invariant(&table));
    put(0x80000007, 0, 0, 0);
    ck_assert(kvm_cpuid_tsc_invariant(&table)); /* edx is all ones */
    table.entries[table.n - 1].edx = ~(1u << 8);
    ck_assert(!kvm_cpuid_tsc_invariant(&table));
}
END_TEST

START_TEST(a_full_table_is_an_error)
{
    struct kvm_cpu cpu = {.count = 2};

    while (table.n < KVM_CPUID_MAX)
        put(0xd, table.n, 0, 0);
    ck_assert_int_eq(kvm_cpuid_for(&table, &cpu), -ENOBUFS);
}
END_TEST

START_TEST(address_bits_are_read_or_assumed)
{
    ck_assert_uint_eq(kvm_cpuid_phys_bits(&table), 0x2e);
    table.entries[8].eax = 0xff;
    ck_assert_uint_eq(kvm_cpuid_phys_bits(&table), 36);
    table.n = 0;
    ck_assert_uint_eq(kvm_cpuid_phys_bits(&table), 36);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("kvm_cpuid");
    TCase *t = tcase_create("kvm_cpuid");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(t, host_table, NULL);
    tcase_add_test(t, no_vector_registers_without_xsave);
    tcase_add_test(t, apic_ids_are_the_index_everywhere);
    tcase_add_test(t, one_package_of_single_thread_cores);
    tcase_add_test(t, one_cpu_has_no_siblings);
    tcase_add_test(t, only_the_third_level_is_shared);
    tcase_add_test(t, features_say_virtual_and_deadline);
    tcase_add_test(t, virtualization_is_hidden);
    tcase_add_test(t, intel_keeps_its_extended_leaves);
    tcase_add_test(t, amd_counts_cores_in_its_own_leaves);
    tcase_add_test(t, leaves_the_host_lacks_are_not_made_up);
    tcase_add_test(t, a_full_table_is_an_error);
    tcase_add_test(t, the_kernels_signature_gives_way_to_ours);
    tcase_add_test(t, without_leaves_the_kernels_stay);
    tcase_add_test(t, leaves_need_room);
    tcase_add_test(t, an_invariant_tsc_is_seen);
    tcase_add_test(t, address_bits_are_read_or_assumed);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}

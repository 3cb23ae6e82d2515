#include <check.h>
#include <errno.h>
#include <stdio.h>

#include "tests/fakes/hv.h"

enum {
    OS_ID = 0x40000000,
    HYPERCALL = 0x40000001,
    VP_INDEX = 0x40000002,
    TSC_FREQUENCY = 0x40000022,
    APIC_FREQUENCY = 0x40000023,
    VP_ASSIST = 0x40000073,
    SVERSION = 0x40000081,
    EOM = 0x40000084,
    CRASH_P0 = 0x40000100,
    CRASH_CONTROL = 0x40000105,
    TSC_CONTROL = 0x40000118,
    PAGE = 0x5000,
};

static const uint64_t LINUX = 0x8100000006010000;
static const uint64_t CRASH_NOTIFY = UINT64_C(1) << 63;
static const uint64_t CRASH_TEXT = UINT64_C(1) << 62;

static struct fake_hv *f;

static void set_up(void)
{
    f = fake_hv_new();
}

static void tear_down(void)
{
    fake_hv_free(f);
}

static uint64_t get(uint32_t index)
{
    uint64_t v = 0x7777;

    ck_assert_int_eq(hv_msr_read(&f->hv, 1, index, &v), 0);
    return v;
}

static void set(uint32_t index, uint64_t v)
{
    ck_assert_int_eq(hv_msr_write(&f->hv, 1, index, v), 0);
}

static void refuse(uint32_t index, uint64_t v)
{
    ck_assert_int_eq(hv_msr_write(&f->hv, 1, index, v), -EACCES);
}

static bool page_is(uint64_t gpa, uint8_t byte)
{
    for (size_t i = 0; i < HV_PAGE_BYTES; i++) {
        if (f->ram[gpa + i] != byte)
            return false;
    }
    return true;
}

START_TEST(msrs_that_are_not_offered_fault)
{
    static const uint32_t unknown[] = {0x40000003, 0x40000010, 0x40000024, 0x40000070, 0x40000071,
                                       0x40000072, 0x40000074, 0x40000085, 0x4000008f, 0x400000a0,
                                       0x400000b0, 0x400000b7, 0x400000f0, 0x40000106, 0x40000107,
                                       0x40000108, 0x40000119, 0x400001ff, 0,          UINT32_MAX};

    for (size_t i = 0; i < COUNT_OF(unknown); i++) {
        uint64_t v = 0x7777;

        ck_assert_int_eq(hv_msr_read(&f->hv, 0, unknown[i], &v), -EACCES);
        ck_assert_uint_eq(v, 0x7777);
        ck_assert_int_eq(hv_msr_write(&f->hv, 0, unknown[i], 0), -EACCES);
    }
}
END_TEST

START_TEST(some_can_only_be_read)
{
    refuse(VP_INDEX, 1);
    refuse(0x40000020, 1);
    refuse(TSC_FREQUENCY, 1);
    refuse(APIC_FREQUENCY, 1);
    refuse(SVERSION, 1);
    ck_assert_uint_eq(get(VP_INDEX), 1);
    ck_assert_uint_eq(get(TSC_FREQUENCY), 2000000000);
    ck_assert_uint_eq(get(APIC_FREQUENCY), 1000000000);
    ck_assert_uint_eq(get(SVERSION), 1);
    ck_assert_uint_eq(get(EOM), 0);
}
END_TEST

START_TEST(every_vp_has_its_own_index)
{
    for (unsigned vp = 0; vp < FAKE_VPS; vp++) {
        uint64_t v;

        ck_assert_int_eq(hv_msr_read(&f->hv, vp, VP_INDEX, &v), 0);
        ck_assert_uint_eq(v, vp);
    }
}
END_TEST

START_TEST(the_hypercall_page_needs_a_guest_with_a_name)
{
    set(HYPERCALL, PAGE | 1);
    ck_assert_uint_eq(get(HYPERCALL), PAGE);
    ck_assert(page_is(PAGE, 0));
    set(OS_ID, LINUX);
    ck_assert_uint_eq(get(OS_ID), LINUX);
    set(HYPERCALL, PAGE | 1);
    ck_assert_uint_eq(get(HYPERCALL), PAGE | 1);
    ck_assert(page_is(PAGE, 64));
}
END_TEST

START_TEST(a_nameless_guest_makes_no_hypercalls)
{
    set(OS_ID, LINUX);
    set(HYPERCALL, PAGE | 1);
    set(OS_ID, 0);
    ck_assert_uint_eq(get(HYPERCALL), PAGE);
}
END_TEST

START_TEST(the_mode_chooses_the_code)
{
    f->long_mode = false;
    set(OS_ID, LINUX);
    set(HYPERCALL, PAGE | 1);
    ck_assert(page_is(PAGE, 32));
    ck_assert(page_is(PAGE + HV_PAGE_BYTES, 0));
}
END_TEST

START_TEST(a_locked_page_stays)
{
    set(OS_ID, LINUX);
    set(HYPERCALL, PAGE | 3);
    refuse(HYPERCALL, 0);
    refuse(HYPERCALL, (PAGE + HV_PAGE_BYTES) | 1);
    ck_assert_uint_eq(get(HYPERCALL), PAGE | 3);
    ck_assert(page_is(PAGE + HV_PAGE_BYTES, 0));
}
END_TEST

START_TEST(pages_outside_ram_fault)
{
    static const uint32_t pages[] = {HYPERCALL, 0x40000021, VP_ASSIST, 0x40000082, 0x40000083};
    static const uint64_t outside[] = {FAKE_RAM_BYTES, 0xfee00000, UINT64_C(1) << 52,
                                       ~UINT64_C(0xfff)};

    set(OS_ID, LINUX);
    for (size_t i = 0; i < COUNT_OF(pages); i++) {
        set(pages[i], PAGE | 1);
        for (size_t j = 0; j < COUNT_OF(outside); j++)
            refuse(pages[i], outside[j] | 1);
        ck_assert_uint_eq(get(pages[i]), PAGE | 1);
        set(pages[i], outside[0]); /* a page that is not enabled may be anywhere */
        set(pages[i], (FAKE_RAM_BYTES - HV_PAGE_BYTES) | 1);
    }
}
END_TEST

/* Whose pages lie on each other harms himself: what was written last is there. */
START_TEST(pages_may_overlap)
{
    set(OS_ID, LINUX);
    set(0x40000083, PAGE | 1);
    set(0x40000082, PAGE | 1);
    set(VP_ASSIST, PAGE | 1);
    set(0x40000021, PAGE | 1);
    set(HYPERCALL, PAGE | 1);
    ck_assert(page_is(PAGE, 64));
}
END_TEST

START_TEST(the_assist_page_says_nothing)
{
    memset(f->ram + PAGE, 0xff, 2 * HV_PAGE_BYTES);
    set(VP_ASSIST, PAGE | 1);
    ck_assert(page_is(PAGE, 0));
    ck_assert(page_is(PAGE + HV_PAGE_BYTES, 0xff));
    memset(f->ram + PAGE, 0xff, HV_PAGE_BYTES);
    set(VP_ASSIST, PAGE | 1);
    ck_assert(page_is(PAGE, 0xff)); /* the same page: its content is the guest's */
    ck_assert_uint_eq(get(VP_ASSIST), PAGE | 1);
}
END_TEST

START_TEST(tsc_control_is_set_once)
{
    ck_assert_uint_eq(get(TSC_CONTROL), 0);
    refuse(TSC_CONTROL, 2);
    refuse(TSC_CONTROL, CRASH_NOTIFY | 1);
    set(TSC_CONTROL, 1);
    set(TSC_CONTROL, 0);
    ck_assert_uint_eq(get(TSC_CONTROL), 1);
}
END_TEST

START_TEST(tsc_control_is_not_there_when_not_offered)
{
    uint64_t v;

    f->hv.config.tsc_invariant = false;
    ck_assert_int_eq(hv_msr_read(&f->hv, 0, TSC_CONTROL, &v), -EACCES);
    refuse(TSC_CONTROL, 1);
}
END_TEST

START_TEST(a_crash_says_five_numbers)
{
    for (uint32_t i = 0; i < 5; i++)
        set(CRASH_P0 + i, 0x1000 + i);
    for (uint32_t i = 0; i < 5; i++)
        ck_assert_uint_eq(get(CRASH_P0 + i), 0x1000 + i);
    ck_assert_uint_eq(get(CRASH_CONTROL), CRASH_NOTIFY | CRASH_TEXT);
    set(CRASH_CONTROL, CRASH_TEXT); /* nothing to report yet */
    ck_assert(!fake_hv_logged(f, "crash"));
    set(CRASH_CONTROL, CRASH_NOTIFY);
    ck_assert(fake_hv_logged(f, "vCPU 1: the guest reports a crash: 0x1000 0x1001 0x1002"));
}
END_TEST

static void crash_with(uint64_t gpa, uint64_t len)
{
    set(CRASH_P0 + 3, gpa);
    set(CRASH_P0 + 4, len);
    set(CRASH_CONTROL, CRASH_NOTIFY | CRASH_TEXT);
}

START_TEST(a_crash_says_lines)
{
    static const char text[] = "one\nKernel panic - \33[1mtwo\n\nthree";

    memcpy(f->ram + PAGE, text, sizeof(text) - 1);
    crash_with(PAGE, sizeof(text) - 1);
    ck_assert(fake_hv_logged(f, "guest: one"));
    ck_assert(fake_hv_logged(f, "guest: Kernel panic - ?[1mtwo"));
    ck_assert(fake_hv_logged(f, "guest: three"));
    ck_assert_uint_eq(atomic_load(&f->board_page->log_seq), 4);
}
END_TEST

START_TEST(a_crash_may_say_anything)
{
    memset(f->ram + PAGE, 0xe7, 2 * HV_PAGE_BYTES);
    crash_with(PAGE, UINT64_MAX); /* cut to a page */
    ck_assert(fake_hv_logged(f, "guest: ???"));
    crash_with(FAKE_RAM_BYTES - 1, 2);
    ck_assert(fake_hv_logged(f, "not in its memory"));
    crash_with(UINT64_MAX, 1);
    crash_with(PAGE, 0);
}
END_TEST

START_TEST(the_last_lines_are_the_ones_that_count)
{
    size_t at = 0;

    for (int i = 0; i < 400; i++)
        at += (size_t)snprintf((char *)f->ram + PAGE + at, 64, "line %d\n", i);
    ck_assert_uint_lt(at, HV_PAGE_BYTES);
    crash_with(PAGE, at);
    ck_assert_uint_eq(atomic_load(&f->board_page->log_seq), 1 + 64);
    ck_assert(fake_hv_logged(f, "guest: line 399"));
    ck_assert(fake_hv_logged(f, "guest: line 336"));
    ck_assert(!fake_hv_logged(f, "guest: line 335"));
}
END_TEST

START_TEST(nobody_dies_without_end)
{
    memcpy(f->ram + PAGE, "words", 5);
    for (int i = 0; i < 1000; i++)
        crash_with(PAGE, 5);
    ck_assert_uint_eq(atomic_load(&f->board_page->log_seq), 2 * 8);
}
END_TEST

START_TEST(a_confidential_guest_dies_in_silence)
{
    f->hv.config.confidential = true;
    memcpy(f->ram + PAGE, "secret", 6);
    crash_with(PAGE, 6);
    ck_assert(fake_hv_logged(f, "the guest reports a crash"));
    ck_assert(!fake_hv_logged(f, "secret"));
    set(CRASH_CONTROL, CRASH_NOTIFY);
    ck_assert(!fake_hv_logged(f, "0x5000"));
}
END_TEST

START_TEST(every_access_is_counted)
{
    (void)get(VP_INDEX);
    refuse(VP_INDEX, 0);
    ck_assert_uint_eq(atomic_load(&f->hv.vps[1].row_msrs->value), 2);
    ck_assert_str_eq(f->hv.vps[1].row_msrs->name, "vcpu/1/msr_exits");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("hv_msr");
    TCase *t = tcase_create("hv_msr");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, msrs_that_are_not_offered_fault);
    tcase_add_test(t, some_can_only_be_read);
    tcase_add_test(t, every_vp_has_its_own_index);
    tcase_add_test(t, the_hypercall_page_needs_a_guest_with_a_name);
    tcase_add_test(t, a_nameless_guest_makes_no_hypercalls);
    tcase_add_test(t, the_mode_chooses_the_code);
    tcase_add_test(t, a_locked_page_stays);
    tcase_add_test(t, pages_outside_ram_fault);
    tcase_add_test(t, pages_may_overlap);
    tcase_add_test(t, the_assist_page_says_nothing);
    tcase_add_test(t, tsc_control_is_set_once);
    tcase_add_test(t, tsc_control_is_not_there_when_not_offered);
    tcase_add_test(t, a_crash_says_five_numbers);
    tcase_add_test(t, a_crash_says_lines);
    tcase_add_test(t, a_crash_may_say_anything);
    tcase_add_test(t, the_last_lines_are_the_ones_that_count);
    tcase_add_test(t, nobody_dies_without_end);
    tcase_add_test(t, a_confidential_guest_dies_in_silence);
    tcase_add_test(t, every_access_is_counted);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}

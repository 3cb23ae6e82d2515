#include <check.h>
#include <errno.h>

#include "tests/fakes/hv.h"

enum {
    TIME_REF_COUNT = 0x40000020,
    REFERENCE_TSC = 0x40000021,
    PAGE = 0x5000,
};

static struct fake_hv *f;

static void set_up(void)
{
    f = fake_hv_new();
}

static void tear_down(void)
{
    fake_hv_free(f);
}

static uint64_t by_msr(void)
{
    uint64_t v = 0;

    ck_assert_int_eq(hv_msr_read(&f->hv, 0, TIME_REF_COUNT, &v), 0);
    return v;
}

/* As a guest reads it, with a product of its own: by 32-bit halves. */
static uint64_t by_page(uint64_t tsc)
{
    uint64_t scale = fake_hv_u64(f, PAGE + 8);
    uint64_t low = (tsc & UINT32_MAX) * (scale & UINT32_MAX) >> 32;
    uint64_t a = (tsc >> 32) * (scale & UINT32_MAX);
    uint64_t b = (tsc & UINT32_MAX) * (scale >> 32);
    uint64_t carry = (low + (a & UINT32_MAX) + (b & UINT32_MAX)) >> 32;

    return (tsc >> 32) * (scale >> 32) + (a >> 32) + (b >> 32) + carry + fake_hv_u64(f, PAGE + 16);
}

static void start(uint32_t khz, uint64_t tsc)
{
    struct hv_config c = f->hv.config;

    c.tsc_khz = khz;
    f->tsc = tsc;
    ck_assert_int_eq(hv_init(&f->hv, &c), 0);
}

static void enable(void)
{
    ck_assert_int_eq(hv_msr_write(&f->hv, 0, REFERENCE_TSC, PAGE | 1), 0);
}

START_TEST(the_clock_starts_with_the_vm)
{
    start(2000000, 987654321);
    ck_assert_uint_eq(by_msr(), 0);
    f->tsc += 2000000000; /* one second */
    ck_assert_uint_ge(by_msr(), 10000000 - 1);
    ck_assert_uint_le(by_msr(), 10000000);
}
END_TEST

START_TEST(page_and_msr_agree)
{
    static const uint32_t khz[] = {10001, 1000000, 2445435, 2999999, 5300000, UINT32_MAX};
    uint64_t last = 0;

    for (size_t i = 0; i < COUNT_OF(khz); i++) {
        start(khz[i], (uint64_t)i << 40 | 12345);
        enable();
        last = 0;
        for (unsigned step = 0; step < 2000; step++) {
            uint64_t now = by_msr();

            ck_assert_uint_eq(now, by_page(f->tsc));
            ck_assert_uint_ge(now, last);
            last = now;
            f->tsc += step * step * 977;
        }
    }
}
END_TEST

START_TEST(it_loses_less_than_a_tick_in_years)
{
    const uint64_t seconds = 10ull * 365 * 24 * 3600;

    start(2445435, 0);
    f->tsc = seconds * 2445435000;
    ck_assert_uint_ge(by_msr(), seconds * 10000000 - 1);
    ck_assert_uint_le(by_msr(), seconds * 10000000);
}
END_TEST

START_TEST(the_page_is_valid_at_once)
{
    memset(f->ram + PAGE, 0xff, 2 * HV_PAGE_BYTES);
    enable();
    ck_assert_uint_ne(fake_hv_u32(f, PAGE), 0);
    ck_assert_uint_ne(fake_hv_u32(f, PAGE), UINT32_MAX);
    ck_assert_uint_eq(fake_hv_u32(f, PAGE + 4), 0);
    ck_assert_uint_eq(f->ram[PAGE + HV_PAGE_BYTES - 1], 0);
    ck_assert_uint_eq(f->ram[PAGE + HV_PAGE_BYTES], 0xff);
}
END_TEST

START_TEST(the_msr_reads_back)
{
    uint64_t v;

    enable();
    ck_assert_int_eq(hv_msr_read(&f->hv, 3, REFERENCE_TSC, &v), 0);
    ck_assert_uint_eq(v, PAGE | 1);
    ck_assert_int_eq(hv_msr_write(&f->hv, 0, REFERENCE_TSC, FAKE_RAM_BYTES | 1), -EACCES);
    ck_assert_int_eq(hv_msr_write(&f->hv, 0, REFERENCE_TSC, 0), 0);
    ck_assert_int_eq(hv_msr_read(&f->hv, 3, REFERENCE_TSC, &v), 0);
    ck_assert_uint_eq(v, 0);
}
END_TEST

START_TEST(without_a_rate_there_is_no_clock)
{
    static const uint32_t khz[] = {0, 1, 10000};

    for (size_t i = 0; i < COUNT_OF(khz); i++) {
        struct hv_config c = f->hv.config;

        c.tsc_khz = khz[i];
        ck_assert_int_eq(hv_init(&f->hv, &c), -EOPNOTSUPP);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("hv_reference_tsc");
    TCase *t = tcase_create("hv_reference_tsc");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, the_clock_starts_with_the_vm);
    tcase_add_test(t, page_and_msr_agree);
    tcase_add_test(t, it_loses_less_than_a_tick_in_years);
    tcase_add_test(t, the_page_is_valid_at_once);
    tcase_add_test(t, the_msr_reads_back);
    tcase_add_test(t, without_a_rate_there_is_no_clock);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/macro.h"
#include "workers/chipset/power.h"

enum {
    SCI_EN = 0x0001,
    SLP_EN = 0x2000,
    S5 = 5 << 10,
};

static struct power power;
static struct chipset_time now;
static struct io last;

static void reset(void)
{
    now = (struct chipset_time){.mono_ns = 1234567890123};
    power_init(&power, &now);
}

static uint32_t in(uint16_t port, uint8_t size)
{
    last = (struct io){.port = port, .size = size};
    power_access(&power, &last, &now);
    ck_assert(!last.changed);
    ck_assert_int_eq(last.effect, PORT_EFFECT_NONE);
    return last.data;
}

static enum port_effect out(uint16_t port, uint8_t size, uint32_t v)
{
    last = (struct io){.port = port, .size = size, .write = true, .data = v};
    power_access(&power, &last, &now);
    return last.effect;
}

START_TEST(s5_powers_off)
{
    ck_assert_int_eq(out(0x604, 2, S5), PORT_EFFECT_NONE);
    ck_assert_uint_eq(in(0x604, 2), S5 | SCI_EN);
    ck_assert_int_eq(out(0x604, 2, S5 | SLP_EN), PORT_EFFECT_POWER_OFF);
    ck_assert_uint_eq(in(0x604, 2), S5 | SCI_EN); /* SLP_EN is write-only */
}
END_TEST

START_TEST(s5_by_bytes_powers_off)
{
    ck_assert_int_eq(out(0x605, 1, (S5 | SLP_EN) >> 8), PORT_EFFECT_POWER_OFF);
}
END_TEST

START_TEST(s5_type_of_before_counts_with_a_write_of_the_low_byte_only)
{
    (void)out(0x604, 2, S5);
    ck_assert_int_eq(out(0x604, 1, 0), PORT_EFFECT_NONE);
    ck_assert_uint_eq(in(0x604, 2), S5 | SCI_EN);
}
END_TEST

START_TEST(other_sleep_types_do_nothing)
{
    for (uint32_t type = 0; type < 8; type++) {
        if (type != 5)
            ck_assert_int_eq(out(0x604, 2, type << 10 | SLP_EN), PORT_EFFECT_NONE);
    }
}
END_TEST

START_TEST(sci_cannot_be_disabled)
{
    (void)out(0x604, 2, 0);
    ck_assert(last.changed);
    ck_assert_uint_eq(in(0x604, 2), SCI_EN);
    (void)out(0x604, 2, 0xdfff);
    ck_assert_uint_eq(in(0x604, 2), 0x1c03);
}
END_TEST

START_TEST(enable_bits_are_remembered_status_never_rises)
{
    (void)out(0x602, 2, 0xffff);
    ck_assert(last.changed);
    ck_assert_uint_eq(in(0x602, 2), 0x0721);
    (void)out(0x603, 1, 0x01);
    ck_assert_uint_eq(in(0x602, 2), 0x0121);
    (void)out(0x600, 2, 0xffff);
    ck_assert_uint_eq(in(0x600, 2), 0);
    ck_assert_uint_eq(in(0x600, 4), 0x01210000);
}
END_TEST

START_TEST(timer_counts_3579545_a_second)
{
    ck_assert_uint_eq(in(0x608, 4), 0);
    now.mono_ns += NS_PER_S;
    ck_assert_uint_eq(in(0x608, 4), 3579545);
    now.mono_ns += NS_PER_S / 2;
    ck_assert_uint_eq(in(0x608, 4), 3579545 + 1789772);
    ck_assert_uint_eq(in(0x608, 2), (3579545 + 1789772) & 0xffff);
    ck_assert_uint_eq(in(0x609, 1), (3579545 + 1789772) >> 8 & 0xff);
}
END_TEST

START_TEST(timer_wraps_at_32_bits)
{
    now.mono_ns += 1199 * NS_PER_S;
    ck_assert_uint_eq(in(0x608, 4), 1199u * 3579545u); /* just below 2^32 */
    now.mono_ns += NS_PER_S;
    ck_assert_uint_eq(in(0x608, 4), (uint32_t)(1200ull * 3579545ull));
}
END_TEST

START_TEST(timer_does_not_overflow_in_a_century)
{
    now.mono_ns += 3155760000 * NS_PER_S;
    ck_assert_uint_eq(in(0x608, 4), (uint32_t)(3155760000ull * 3579545ull));
}
END_TEST

START_TEST(timer_never_starts_below_zero)
{
    now.mono_ns -= 5;
    ck_assert_uint_eq(in(0x608, 4), 0);
}
END_TEST

START_TEST(timer_cannot_be_written)
{
    ck_assert_int_eq(out(0x608, 4, 0xffffffff), PORT_EFFECT_NONE);
    ck_assert(!last.unknown);
    ck_assert_uint_eq(in(0x608, 4), 0);
}
END_TEST

START_TEST(nobody_is_in_the_gaps)
{
    static const uint16_t gaps[] = {0x606, 0x607, 0x60c, 0x60f};

    for (unsigned i = 0; i < COUNT_OF(gaps); i++) {
        ck_assert_uint_eq(in(gaps[i], 1), 0xff);
        ck_assert(last.unknown);
        (void)out(gaps[i], 1, 0);
        ck_assert(last.unknown);
    }
}
END_TEST

START_TEST(an_access_over_registers_is_made_of_their_bytes)
{
    ck_assert_uint_eq(in(0x604, 4), 0xffff0000 | SCI_EN);
    ck_assert(last.unknown);
    (void)out(0x602, 4, (uint32_t)S5 << 16 | 0x0020);
    ck_assert(!last.unknown);
    ck_assert_uint_eq(in(0x602, 4), (uint32_t)(S5 | SCI_EN) << 16 | 0x0020);
}
END_TEST

START_TEST(i8042_is_idle_and_resets)
{
    ck_assert_uint_eq(in(0x64, 1), 0);
    ck_assert_uint_eq(in(0x60, 1), 0);
    ck_assert_int_eq(out(0x64, 1, 0xfd), PORT_EFFECT_NONE);
    ck_assert_int_eq(out(0x60, 1, 0xfe), PORT_EFFECT_NONE);
    ck_assert_int_eq(out(0x64, 1, 0xfe), PORT_EFFECT_RESET);
}
END_TEST

START_TEST(reset_control_resets)
{
    ck_assert_uint_eq(in(0xcf9, 1), 0);
    ck_assert_int_eq(out(0xcf9, 1, 0x02), PORT_EFFECT_NONE);
    ck_assert_int_eq(out(0xcf9, 1, 0x06), PORT_EFFECT_RESET);
    ck_assert_int_eq(out(0xcf9, 1, 0x0e), PORT_EFFECT_RESET);
}
END_TEST

START_TEST(pvpanic_panics)
{
    ck_assert_uint_eq(in(0x505, 1), 3);
    ck_assert_int_eq(out(0x505, 1, 0x02), PORT_EFFECT_NONE); /* the guest goes on and dumps */
    ck_assert_int_eq(out(0x505, 1, 0x01), PORT_EFFECT_PANIC);
}
END_TEST

static void save(uint8_t buf[POWER_STATE_MAX])
{
    struct wr w = wr_over(buf, POWER_STATE_MAX);
    size_t len;

    power_save(&power, &w);
    ck_assert_int_eq(wr_finish(&w, &len), 0);
    ck_assert_uint_eq(len, POWER_STATE_MAX);
}

START_TEST(timer_and_registers_survive)
{
    uint8_t buf[POWER_STATE_MAX] = {0};
    struct rd r = rd_over(buf, sizeof(buf));

    (void)out(0x602, 2, 0x0100);
    (void)out(0x604, 2, S5);
    save(buf);
    now.mono_ns += NS_PER_S;
    power_init(&power, &now);
    ck_assert_int_eq(power_load(&r, &power), 0);
    ck_assert_int_eq(rd_finish(&r), 0);
    ck_assert_uint_eq(in(0x608, 4), 3579545);
    ck_assert_uint_eq(in(0x602, 2), 0x0100);
    ck_assert_uint_eq(in(0x604, 2), S5 | SCI_EN);
}
END_TEST

static void expect_refusal(const uint8_t *buf, size_t len)
{
    struct power target = {.pm1_enable = 77};
    struct rd r = rd_over(buf, len);

    ck_assert_int_eq(power_load(&r, &target), -EBADMSG);
    ck_assert_uint_eq(target.pm1_enable, 77);
}

START_TEST(an_enable_bit_that_is_none_is_refused)
{
    uint8_t buf[POWER_STATE_MAX] = {0};

    save(buf);
    buf[0] = 0x02;
    expect_refusal(buf, sizeof(buf));
}
END_TEST

START_TEST(a_stored_slp_en_is_refused)
{
    uint8_t buf[POWER_STATE_MAX] = {0};

    save(buf);
    buf[3] = SLP_EN >> 8;
    expect_refusal(buf, sizeof(buf));
}
END_TEST

START_TEST(a_truncated_state_is_refused)
{
    uint8_t buf[POWER_STATE_MAX] = {0};

    save(buf);
    for (size_t cut = 0; cut < sizeof(buf); cut++)
        expect_refusal(buf, cut);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("power");
    TCase *c = tcase_create("all");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(c, reset, NULL);
    tcase_add_test(c, s5_powers_off);
    tcase_add_test(c, s5_by_bytes_powers_off);
    tcase_add_test(c, s5_type_of_before_counts_with_a_write_of_the_low_byte_only);
    tcase_add_test(c, other_sleep_types_do_nothing);
    tcase_add_test(c, sci_cannot_be_disabled);
    tcase_add_test(c, enable_bits_are_remembered_status_never_rises);
    tcase_add_test(c, timer_counts_3579545_a_second);
    tcase_add_test(c, timer_wraps_at_32_bits);
    tcase_add_test(c, timer_does_not_overflow_in_a_century);
    tcase_add_test(c, timer_never_starts_below_zero);
    tcase_add_test(c, timer_cannot_be_written);
    tcase_add_test(c, nobody_is_in_the_gaps);
    tcase_add_test(c, an_access_over_registers_is_made_of_their_bytes);
    tcase_add_test(c, i8042_is_idle_and_resets);
    tcase_add_test(c, reset_control_resets);
    tcase_add_test(c, pvpanic_panics);
    tcase_add_test(c, timer_and_registers_survive);
    tcase_add_test(c, an_enable_bit_that_is_none_is_refused);
    tcase_add_test(c, a_stored_slp_en_is_refused);
    tcase_add_test(c, a_truncated_state_is_refused);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

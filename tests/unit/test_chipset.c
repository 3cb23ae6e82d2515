#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "workers/chipset/chipset.h"

static struct chipset chipset;
static const struct chipset_time now = {.real_s = 1700000000, .mono_ns = 1000};

/* What the last access said. */
static struct port_response rs;
static bool changed;

static void reset(void)
{
    chipset_init(&chipset, &now);
}

static void run(const struct port_request *rq)
{
    rs = (struct port_response){.seq = 77};
    changed = chipset_access(&chipset, rq, &now, &rs);
    ck_assert_uint_eq(rs.seq, 77);
}

static uint64_t in(uint64_t port, uint8_t size)
{
    run(&(struct port_request){.addr = port, .op = PORT_READ, .size = size});
    return rs.data;
}

static void out(uint64_t port, uint8_t size, uint64_t v)
{
    run(&(struct port_request){.addr = port, .op = PORT_WRITE, .size = size, .data = v});
    ck_assert_uint_eq(rs.data, 0);
}

START_TEST(each_device_is_at_its_port)
{
    static const uint16_t coms[] = {0x3f8, 0x2f8, 0x3e8, 0x2e8};

    for (unsigned i = 0; i < COUNT_OF(coms); i++) {
        out(coms[i] + 7u, 1, 0x40 + i);
        ck_assert(changed);
        ck_assert_uint_eq(chipset.uarts[i].scr, 0x40 + i);
        ck_assert_uint_eq(in(coms[i] + 5u, 1), 0x60);
        ck_assert(!changed);
    }
    out(0x70, 1, 0x0d);
    ck_assert_uint_eq(in(0x71, 1), 0x80);
    ck_assert_uint_eq(in(0x60, 1), 0);
    ck_assert_uint_eq(in(0x64, 1), 0);
    ck_assert_uint_eq(in(0x505, 1), 3);
    ck_assert_uint_eq(in(0x604, 2), 1);
    ck_assert_uint_eq(in(0x608, 4), 0);
    out(0xcf8, 4, 0x80000000);
    ck_assert_uint_eq(in(0xcf8, 4), 0x80000000);
    ck_assert_uint_eq(in(0xcfc, 4), 0xffffffff);
    ck_assert_uint_eq(chipset.unknown, 0);
}
END_TEST

START_TEST(what_ends_the_vm)
{
    out(0x604, 2, 0x3400);
    ck_assert_int_eq(rs.effect, PORT_EFFECT_POWER_OFF);
    out(0x64, 1, 0xfe);
    ck_assert_int_eq(rs.effect, PORT_EFFECT_RESET);
    out(0xcf9, 1, 0x06);
    ck_assert_int_eq(rs.effect, PORT_EFFECT_RESET);
    out(0x505, 1, 0x01);
    ck_assert_int_eq(rs.effect, PORT_EFFECT_PANIC);
}
END_TEST

START_TEST(an_address_write_over_0xcf9_does_not_reset)
{
    out(0xcf8, 4, 0xffffffff);
    ck_assert_int_eq(rs.effect, PORT_EFFECT_NONE);
    out(0xcf9, 2, 0x0606);
    ck_assert_int_eq(rs.effect, PORT_EFFECT_NONE);
}
END_TEST

/* As an 8-bit bus does it: index and data of the CMOS memory in one go. */
START_TEST(bytes_go_in_ascending_order)
{
    out(0x70, 2, 0x5540);
    ck_assert_uint_eq(chipset.rtc.ram[0x40], 0x55);
    ck_assert_uint_eq(in(0x70, 2), 0x55ff);
}
END_TEST

START_TEST(a_wide_access_to_a_uart_is_made_byte_by_byte)
{
    out(0x3fb, 2, 0x0a03);
    ck_assert(changed);
    ck_assert_uint_eq(chipset.uarts[0].lcr, 0x03);
    ck_assert_uint_eq(chipset.uarts[0].mcr, 0x0a);
    ck_assert_uint_eq(in(0x3fb, 4), 0xb0600a03);
    ck_assert_uint_eq(chipset.unknown, 0);
}
END_TEST

START_TEST(an_access_that_leaves_a_device_is_half_unknown)
{
    chipset.uarts[0].scr = 0x11;
    ck_assert_uint_eq(in(0x3ff, 2), 0xff11);
    ck_assert_uint_eq(chipset.unknown, 1);
    ck_assert_uint_eq(in(0x3f6, 4), 0x0000ffff);
    ck_assert_uint_eq(chipset.unknown, 2);
    ck_assert_uint_eq(in(0x60e, 4), 0xffffffff);
    ck_assert_uint_eq(chipset.unknown, 3);
    ck_assert_uint_eq(in(0xcfe, 4), 0xffffffff);
    ck_assert_uint_eq(chipset.unknown, 4);
    out(0x504, 2, 0x0100); /* pvpanic is the second byte */
    ck_assert_int_eq(rs.effect, PORT_EFFECT_PANIC);
    out(0x64, 2, 0x12fe);
    ck_assert_int_eq(rs.effect, PORT_EFFECT_RESET);
}
END_TEST

START_TEST(a_bytes_answer_has_no_more_than_a_byte)
{
    ck_assert_uint_eq(in(0xcfc, 1), 0xff);
    ck_assert_uint_eq(in(0xcfc, 2), 0xffff);
}
END_TEST

START_TEST(a_write_has_no_more_than_its_size)
{
    out(0x64, 1, 0xfffffffffffffffe);
    ck_assert_int_eq(rs.effect, PORT_EFFECT_RESET);
    out(0x3ff, 1, 0xffffff12);
    ck_assert_uint_eq(in(0x3ff, 1), 0x12);
}
END_TEST

START_TEST(where_nobody_is_all_is_ones)
{
    static const uint64_t ports[] = {0x61, 0x80, 0x2e7, 0x2f0, 0x400, 0x610, 0xd00, 0xffff};

    for (unsigned i = 0; i < COUNT_OF(ports); i++) {
        ck_assert_uint_eq(in(ports[i], 1), 0xff);
        ck_assert_uint_eq(chipset.unknown, 2 * i + 1);
        out(ports[i], 1, 0);
        ck_assert(!changed);
        ck_assert_uint_eq(chipset.unknown, 2 * i + 2);
    }
    ck_assert_uint_eq(in(0xfffe, 4), 0xffffffff);
}
END_TEST

START_TEST(an_address_beyond_all_ports_is_unknown)
{
    ck_assert_uint_eq(in(0x100003f8, 1), 0xff);
    ck_assert_uint_eq(in(UINT64_MAX, 4), 0xffffffff);
    ck_assert_uint_eq(in(UINT64_MAX - 1, 2), 0xffff);
    ck_assert_uint_eq(chipset.unknown, 3);
}
END_TEST

START_TEST(sizes_that_do_not_exist_are_unknown)
{
    static const uint8_t sizes[] = {0, 3, 5, 8, 255};
    static const uint64_t ones[] = {0, 0xffffff, 0xffffffffff, UINT64_MAX, UINT64_MAX};

    for (unsigned i = 0; i < COUNT_OF(sizes); i++) {
        ck_assert_uint_eq(in(0x3ff, sizes[i]), ones[i]);
        ck_assert(!changed);
        ck_assert_uint_eq(chipset.unknown, i + 1);
    }
}
END_TEST

START_TEST(memory_is_not_ours)
{
    run(&(struct port_request){
        .addr = 0x64, .op = PORT_WRITE, .space = PORT_SPACE_MMIO, .size = 1, .data = 0xfe});
    ck_assert_int_eq(rs.effect, PORT_EFFECT_NONE);
    ck_assert_uint_eq(chipset.unknown, 1);
}
END_TEST

static void parked(uint64_t port, uint8_t size, enum port_op op, uint64_t v)
{
    const struct port_request rq = {.addr = port, .op = (uint8_t)op, .size = size, .data = v};

    rs = (struct port_response){0};
    chipset_access_parked(&rq, &rs);
}

START_TEST(parked_it_answers_all_ones)
{
    parked(0x3fd, 1, PORT_READ, 0);
    ck_assert_uint_eq(rs.data, 0xff);
    parked(0x608, 4, PORT_READ, 0);
    ck_assert_uint_eq(rs.data, 0xffffffff);
    parked(0x604, 2, PORT_READ, 0x3400);
    ck_assert_int_eq(rs.effect, PORT_EFFECT_NONE);
    parked(0x3f8, 1, PORT_WRITE, 'x');
    ck_assert_uint_eq(rs.data, 0);
    ck_assert_int_eq(rs.effect, PORT_EFFECT_NONE);
    parked(0x604, 3, PORT_WRITE, 0x3400);
    ck_assert_int_eq(rs.effect, PORT_EFFECT_NONE);
}
END_TEST

START_TEST(parked_it_still_ends_the_vm)
{
    parked(0x604, 2, PORT_WRITE, 0x3400);
    ck_assert_int_eq(rs.effect, PORT_EFFECT_POWER_OFF);
    parked(0x64, 1, PORT_WRITE, 0xfffe);
    ck_assert_int_eq(rs.effect, PORT_EFFECT_RESET);
    parked(0xcf9, 1, PORT_WRITE, 0x06);
    ck_assert_int_eq(rs.effect, PORT_EFFECT_RESET);
    parked(0x505, 1, PORT_WRITE, 0x01);
    ck_assert_int_eq(rs.effect, PORT_EFFECT_PANIC);
}
END_TEST

static size_t save(uint8_t buf[CHIPSET_STATE_MAX])
{
    struct wr w = wr_over(buf, CHIPSET_STATE_MAX);
    size_t len;

    chipset_save(&chipset, &w);
    ck_assert_int_eq(wr_finish(&w, &len), 0);
    return len;
}

START_TEST(state_survives)
{
    uint8_t before[CHIPSET_STATE_MAX] = {0};
    uint8_t after[CHIPSET_STATE_MAX] = {0};
    struct rd r;
    size_t len;

    for (unsigned i = 0; i < COM_COUNT; i++) {
        for (unsigned n = 0; n < 10 + i; n++)
            uart_access(&chipset.uarts[i],
                        &(struct io){.port = 0, .size = 1, .write = true, .data = n});
    }
    out(0x70, 2, 0x5540);
    out(0x602, 2, 0x0100);
    out(0xcf8, 4, 0x80000010);
    len = save(before);
    r = rd_over(before, len);
    reset();
    ck_assert_int_eq(chipset_load(&r, CHIPSET_SCHEMA, &now, &chipset), 0);
    ck_assert_uint_eq(save(after), len);
    ck_assert_mem_eq(before, after, len);
    ck_assert_uint_eq(chipset.uarts[3].out_len, 13);
    ck_assert_uint_eq(in(0x71, 1), 0x55);
    ck_assert_uint_eq(in(0x602, 2), 0x0100);
    ck_assert_uint_eq(in(0xcf8, 4), 0x80000010);
}
END_TEST

/* Its clock was four bytes shorter, in the middle of all. */
START_TEST(a_state_of_schema_1_is_read)
{
    uint8_t buf[CHIPSET_STATE_MAX] = {0};
    const size_t behind = POWER_STATE_MAX + PCI_STATE_MAX;
    struct rd r;
    size_t len;

    out(0x70, 2, 0x5540);
    out(0x602, 2, 0x0100);
    out(0xcf8, 4, 0x80000010);
    len = save(buf);
    memmove(buf + len - behind - 4, buf + len - behind, behind);
    r = rd_over(buf, len - 4);
    reset();
    ck_assert_int_eq(chipset_load(&r, 1, &now, &chipset), 0);
    ck_assert_uint_eq(in(0x71, 1), 0x55);
    ck_assert_uint_eq(in(0x602, 2), 0x0100);
    ck_assert_uint_eq(in(0xcf8, 4), 0x80000010);
    r = rd_over(buf, len - 4);
    ck_assert_int_eq(chipset_load(&r, CHIPSET_SCHEMA, &now, &chipset), -EBADMSG);
}
END_TEST

START_TEST(the_longest_state_fits)
{
    uint8_t buf[CHIPSET_STATE_MAX];

    for (unsigned i = 0; i < COM_COUNT; i++) {
        out(0x3f8, 1, 'x');
        chipset.uarts[i].fcr = 1;
        chipset.uarts[i].rx_len = UART_FIFO_BYTES;
        chipset.uarts[i].out_len = UART_OUT_BYTES;
    }
    ck_assert_uint_eq(save(buf), CHIPSET_STATE_MAX);
}
END_TEST

static void expect_refusal(const uint8_t *buf, size_t len)
{
    static struct chipset target;
    struct rd r = rd_over(buf, len);

    target.rtc.index = 77;
    target.uarts[0].scr = 77;
    target.pci.address = 77;
    ck_assert_int_eq(chipset_load(&r, CHIPSET_SCHEMA, &now, &target), -EBADMSG);
    ck_assert_uint_eq(target.rtc.index, 77);
    ck_assert_uint_eq(target.uarts[0].scr, 77);
    ck_assert_uint_eq(target.pci.address, 77);
}

START_TEST(a_truncated_state_is_refused)
{
    uint8_t buf[CHIPSET_STATE_MAX + 1] = {0};
    size_t len = save(buf);

    for (size_t cut = 0; cut < len; cut++)
        expect_refusal(buf, cut);
}
END_TEST

START_TEST(a_state_with_more_behind_is_refused)
{
    uint8_t buf[CHIPSET_STATE_MAX + 1] = {0};
    size_t len = save(buf);

    expect_refusal(buf, len + 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("chipset");
    TCase *c = tcase_create("all");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(c, reset, NULL);
    tcase_add_test(c, each_device_is_at_its_port);
    tcase_add_test(c, what_ends_the_vm);
    tcase_add_test(c, an_address_write_over_0xcf9_does_not_reset);
    tcase_add_test(c, bytes_go_in_ascending_order);
    tcase_add_test(c, a_wide_access_to_a_uart_is_made_byte_by_byte);
    tcase_add_test(c, an_access_that_leaves_a_device_is_half_unknown);
    tcase_add_test(c, a_bytes_answer_has_no_more_than_a_byte);
    tcase_add_test(c, a_write_has_no_more_than_its_size);
    tcase_add_test(c, where_nobody_is_all_is_ones);
    tcase_add_test(c, an_address_beyond_all_ports_is_unknown);
    tcase_add_test(c, sizes_that_do_not_exist_are_unknown);
    tcase_add_test(c, memory_is_not_ours);
    tcase_add_test(c, parked_it_answers_all_ones);
    tcase_add_test(c, parked_it_still_ends_the_vm);
    tcase_add_test(c, state_survives);
    tcase_add_test(c, a_state_of_schema_1_is_read);
    tcase_add_test(c, the_longest_state_fits);
    tcase_add_test(c, a_truncated_state_is_refused);
    tcase_add_test(c, a_state_with_more_behind_is_refused);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

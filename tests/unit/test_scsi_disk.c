#include <errno.h>

#include "tests/unit/scsi_ask.h"

static struct ask a;

static void setup(void)
{
    ask_disk(&a);
}

/* --- READ and WRITE --- */

START_TEST(every_length_of_read_and_write_means_the_same)
{
    ASK_IN(&a, 0x08, 0x00, 0x01, 0x02, 3);
    ask_moves(&a, SCSI_IO_READ, 0x102 * 512, 3 * 512);
    ASK_IN(&a, 0x28, 0, 0, 0, 1, 2, 0, 0, 3);
    ask_moves(&a, SCSI_IO_READ, 0x102 * 512, 3 * 512);
    ASK_IN(&a, 0xa8, 0, 0, 0, 1, 2, 0, 0, 0, 3);
    ask_moves(&a, SCSI_IO_READ, 0x102 * 512, 3 * 512);
    ASK_IN(&a, 0x88, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 3);
    ask_moves(&a, SCSI_IO_READ, 0x102 * 512, 3 * 512);
    ck_assert(!a.io.fua);
    ck_assert_uint_eq(a.answer.in_len, 0); /* the data is the medium's */
    ASK_OUT(&a, 1536, 0x0a, 0x00, 0x01, 0x02, 3);
    ask_moves(&a, SCSI_IO_WRITE, 0x102 * 512, 3 * 512);
    ASK_OUT(&a, 1536, 0x2a, 0, 0, 0, 1, 2, 0, 0, 3);
    ask_moves(&a, SCSI_IO_WRITE, 0x102 * 512, 3 * 512);
    ASK_OUT(&a, 1536, 0xaa, 0, 0, 0, 1, 2, 0, 0, 0, 3);
    ask_moves(&a, SCSI_IO_WRITE, 0x102 * 512, 3 * 512);
    ASK_OUT(&a, 1536, 0x8a, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 3);
    ask_moves(&a, SCSI_IO_WRITE, 0x102 * 512, 3 * 512);
    ck_assert(!a.io.fua);
    ck_assert(!a.answer.changed);
}
END_TEST

START_TEST(no_number_is_256_in_the_short_read_and_nothing_in_the_others)
{
    a.room = 256 * 512;
    ASK_IN(&a, 0x08, 0xe0, 0, 1, 0); /* bits 7 to 5 are not of the address */
    ask_moves(&a, SCSI_IO_READ, 512, 256 * 512);
    a.room = 0;
    ASK_IN(&a, 0x28, 0, 0, 0, 0, 1);
    ask_does(&a, SCSI_IO_NONE);
    ASK_NONE(&a, 0x8a, 0, 0, 0, 0, 0, 0, 0, 0, 1);
    ask_does(&a, SCSI_IO_NONE);
    ASK_NONE(&a, 0x28, 0, 0, 2, 0, 0); /* at the end is nothing, and nothing is asked for */
    ask_does(&a, SCSI_IO_NONE);
    ASK_NONE(&a, 0x28, 0, 0, 2, 0, 1);
    ask_fails(&a, 5, 0x21, 0);
}
END_TEST

START_TEST(nothing_moves_past_the_end)
{
    ASK_IN(&a, 0x28, 0, 0, 1, 0xff, 0xff, 0, 0, 1);
    ask_moves(&a, SCSI_IO_READ, ASK_MEDIUM - 512, 512);
    ASK_IN(&a, 0x28, 0, 0, 1, 0xff, 0xff, 0, 0, 2);
    ask_fails(&a, 5, 0x21, 0);
    ASK_IN(&a, 0x28, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 1);
    ask_fails(&a, 5, 0x21, 0);
    ASK_OUT(&a, 512, 0x8a, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1);
    ask_fails(&a, 5, 0x21, 0);
    /* The product would wrap to the first block. */
    ASK_OUT(&a, 512, 0x8a, 0, 0x00, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
    ask_fails(&a, 5, 0x21, 0);
    a.lun.config.bytes = ASK_MEDIUM + 511; /* a block that is not whole is none */
    ASK_IN(&a, 0x28, 0, 0, 2, 0, 0, 0, 0, 1);
    ask_fails(&a, 5, 0x21, 0);
}
END_TEST

START_TEST(no_more_moves_than_the_limit)
{
    a.room = UINT32_MAX;
    ASK_IN(&a, 0x28, 0, 0, 0, 0, 0, 0, 8, 0);
    ask_moves(&a, SCSI_IO_READ, 0, 1 << 20);
    ASK_IN(&a, 0x28, 0, 0, 0, 0, 0, 0, 8, 1);
    ask_points_to(&a, true, 7);
    ASK_IN(&a, 0xa8, 0, 0, 0, 0, 0, 0, 0, 8, 1);
    ask_points_to(&a, true, 6);
    ASK_OUT(&a, UINT32_MAX, 0x8a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 1);
    ask_points_to(&a, true, 10);
}
END_TEST

START_TEST(data_must_fit_the_command)
{
    a.room = 511;
    ASK_IN(&a, 0x28, 0, 0, 0, 0, 0, 0, 0, 1);
    ask_fails(&a, 5, 0x24, 0);
    ASK_OUT(&a, 511, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1);
    ask_fails(&a, 5, 0x24, 0);
    ASK_OUT(&a, 512, 0x28, 0, 0, 0, 0, 0, 0, 0, 1);
    ask_fails(&a, 5, 0x24, 0);
    a.room = 512;
    ASK_IN(&a, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1);
    ask_fails(&a, 5, 0x24, 0);
    ASK_NONE(&a, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1);
    ask_fails(&a, 5, 0x24, 0);
    a.room = 1024; /* more than it takes is no harm */
    ASK_IN(&a, 0x28, 0, 0, 0, 0, 0, 0, 0, 1);
    ask_moves(&a, SCSI_IO_READ, 0, 512);
}
END_TEST

START_TEST(fua_and_verify_make_writes_durable)
{
    ASK_OUT(&a, 512, 0x2a, 0x18, 0, 0, 0, 0, 0, 0, 1); /* DPO too */
    ask_moves(&a, SCSI_IO_WRITE, 0, 512);
    ck_assert(a.io.fua);
    ASK_OUT(&a, 512, 0x0a, 0x08, 0, 0, 1); /* an address in the short one */
    ask_fails(&a, 5, 0x21, 0);
    ASK_IN(&a, 0x28, 0x08, 0, 0, 0, 0, 0, 0, 1);
    ck_assert(a.io.fua);
    ASK_OUT(&a, 512, 0x2e, 0, 0, 0, 0, 0, 0, 0, 1);
    ask_moves(&a, SCSI_IO_WRITE, 0, 512);
    ck_assert(a.io.fua);
    ASK_OUT(&a, 512, 0xae, 0, 0, 0, 0, 0, 0, 0, 0, 1);
    ck_assert(a.io.fua);
    ASK_OUT(&a, 512, 0x8e, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
    ck_assert(a.io.fua);
    ASK_OUT(&a, 512, 0x2e, 0x02, 0, 0, 0, 0, 0, 0, 1); /* BYTCHK */
    ask_points_to(&a, true, 1);
}
END_TEST

START_TEST(protection_information_is_refused)
{
    ASK_IN(&a, 0x28, 0x20, 0, 0, 0, 0, 0, 0, 1);
    ask_points_to(&a, true, 1);
    ASK_OUT(&a, 512, 0x8a, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
    ask_points_to(&a, true, 1);
    ASK_NONE(&a, 0x2f, 0x40, 0, 0, 0, 0, 0, 0, 1);
    ask_points_to(&a, true, 1);
    ASK_OUT(&a, 512, 0x93, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
    ask_points_to(&a, true, 1);
}
END_TEST

START_TEST(nothing_writes_to_a_read_only_disk)
{
    a.lun.config.read_only = true;
    ASK_OUT(&a, 512, 0x0a, 0, 0, 0, 1);
    ask_fails(&a, 7, 0x27, 0);
    ASK_OUT(&a, 512, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1);
    ask_fails(&a, 7, 0x27, 0);
    ASK_OUT(&a, 512, 0x2e, 0, 0, 0, 0, 0, 0, 0, 1);
    ask_fails(&a, 7, 0x27, 0);
    ASK_OUT(&a, 512, 0x41, 0, 0, 0, 0, 0, 0, 0, 1);
    ask_fails(&a, 7, 0x27, 0);
    ASK_OUT(&a, 24, 0x42, 0, 0, 0, 0, 0, 0, 0, 24);
    ask_fails(&a, 7, 0x27, 0);
    ASK_NONE(&a, 0x35);
    ask_does(&a, SCSI_IO_NONE);
    ASK_IN(&a, 0x28, 0, 0, 0, 0, 0, 0, 0, 1);
    ask_moves(&a, SCSI_IO_READ, 0, 512);
}
END_TEST

START_TEST(blocks_of_4096_bytes)
{
    a.lun.config.block_bytes = 4096;
    ASK_IN(&a, 0x28, 0, 0, 0, 0, 2, 0, 0, 1);
    ask_moves(&a, SCSI_IO_READ, 8192, 4096);
    ASK_IN(&a, 0x28, 0, 0, 0, 0x40, 0, 0, 0, 1);
    ask_fails(&a, 5, 0x21, 0);
    ASK_IN(&a, 0x25);
    ck_assert_uint_eq(ask_field(&a, 0, 4), 16383);
    ck_assert_uint_eq(ask_field(&a, 4, 4), 4096);
    ASK_OUT(&a, 4095, 0x93, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
    ask_fails(&a, 5, 0x24, 0);
}
END_TEST

/* --- VERIFY, flush --- */

START_TEST(verify_checks_the_range_only)
{
    ASK_NONE(&a, 0x2f, 0, 0, 0, 0, 0, 0, 0xff, 0xff);
    ask_does(&a, SCSI_IO_NONE);
    ASK_NONE(&a, 0xaf, 0, 0, 0, 0, 0, 0, 2, 0, 1);
    ask_fails(&a, 5, 0x21, 0);
    ASK_NONE(&a, 0x8f, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 2);
    ask_fails(&a, 5, 0x21, 0);
    for (unsigned check = 2; check <= 6; check += 2) {
        ASK_OUT(&a, 512, 0x2f, (uint8_t)check, 0, 0, 0, 0, 0, 0, 1);
        ask_points_to(&a, true, 1);
    }
}
END_TEST

START_TEST(a_flush_takes_all)
{
    ASK_NONE(&a, 0x35);
    ask_does(&a, SCSI_IO_FLUSH);
    ck_assert_uint_eq(a.io.n_ranges, 0);
    ASK_NONE(&a, 0x91, 2, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 1); /* IMMED */
    ask_does(&a, SCSI_IO_FLUSH);
    ASK_NONE(&a, 0x35, 0, 0, 2, 0, 1);
    ask_fails(&a, 5, 0x21, 0);
}
END_TEST

/* --- UNMAP --- */

static uint8_t unmap_list(unsigned n)
{
    memset(a.out, 0, sizeof(a.out));
    ask_put(&a, 0, 2, 6 + 16 * n);
    ask_put(&a, 2, 2, 16 * n);
    for (unsigned i = 0; i < n; i++) {
        ask_put(&a, 8 + 16 * i, 8, 100 * i);
        ask_put(&a, 16 + 16 * i, 4, i);
    }
    return (uint8_t)(8 + 16 * n);
}

START_TEST(unmap_is_zeroing_that_may_punch_holes)
{
    uint8_t len = unmap_list(3);

    ASK_OUT(&a, len, 0x42, 0, 0, 0, 0, 0, 0, 0, len);
    ask_does(&a, SCSI_IO_ZERO);
    ck_assert(a.io.may_discard);
    ck_assert_uint_eq(a.io.n_ranges, 2); /* the first is of no blocks */
    ck_assert_uint_eq(a.io.ranges[0].offset, 100 * 512);
    ck_assert_uint_eq(a.io.ranges[0].len, 512);
    ck_assert_uint_eq(a.io.ranges[1].offset, 200 * 512);
    ck_assert_uint_eq(a.io.ranges[1].len, 1024);
    len = unmap_list(1);
    ASK_OUT(&a, len, 0x42, 0, 0, 0, 0, 0, 0, 0, len);
    ask_does(&a, SCSI_IO_NONE);
    ASK_NONE(&a, 0x42);
    ask_does(&a, SCSI_IO_NONE);
}
END_TEST

START_TEST(unmap_refuses_lists_that_are_cut_anywhere)
{
    uint8_t len = unmap_list(2);

    for (uint8_t cut = 1; cut < len; cut++) {
        ASK_OUT(&a, cut, 0x42, 0, 0, 0, 0, 0, 0, 0, cut);
        ask_fails(&a, 5, 0x1a, 0);
        ASK_OUT(&a, cut, 0x42, 0, 0, 0, 0, 0, 0, 0, len); /* less than it says */
        ask_fails(&a, 5, 0x1a, 0);
    }
    ASK_NONE(&a, 0x42, 0, 0, 0, 0, 0, 0, 0, len);
    ask_fails(&a, 5, 0x1a, 0);
    ask_put(&a, 2, 2, 33); /* the list has one byte less */
    ASK_OUT(&a, len + 1u, 0x42, 0, 0, 0, 0, 0, 0, 0, len);
    ask_fails(&a, 5, 0x1a, 0);
    ask_put(&a, 0, 2, 6 + 15);
    ask_put(&a, 2, 2, 31); /* an incomplete descriptor is ignored */
    ASK_OUT(&a, len, 0x42, 0, 0, 0, 0, 0, 0, 0, len);
    ask_does(&a, SCSI_IO_NONE);
}
END_TEST

START_TEST(unmap_stays_inside_the_medium_and_its_limits)
{
    uint8_t len = unmap_list(2);

    ask_put(&a, 24, 8, ASK_MEDIUM / 512);
    ASK_OUT(&a, len, 0x42, 0, 0, 0, 0, 0, 0, 0, len);
    ask_fails(&a, 5, 0x21, 0);
    ask_put(&a, 24, 8, UINT64_MAX);
    ASK_OUT(&a, len, 0x42, 0, 0, 0, 0, 0, 0, 0, len);
    ask_fails(&a, 5, 0x21, 0);
    a.lun.config.bytes = UINT64_C(1) << 40;
    ask_put(&a, 24, 8, 0);
    ask_put(&a, 32, 4, SCSI_UNMAP_BYTES_MAX / 512);
    ASK_OUT(&a, len, 0x42, 0, 0, 0, 0, 0, 0, 0, len);
    ask_does(&a, SCSI_IO_ZERO);
    ask_put(&a, 16, 4, 1); /* and one block more in all */
    ASK_OUT(&a, len, 0x42, 0, 0, 0, 0, 0, 0, 0, len);
    ask_points_to(&a, false, 32);
}
END_TEST

START_TEST(unmap_has_room_for_256_descriptors)
{
    (void)unmap_list(SCSI_RANGES_MAX + 1);
    ASK_OUT(&a, 8 + 16 * 257, 0x42, 0, 0, 0, 0, 0, 0, 0x10, 0x18);
    ask_points_to(&a, false, 2);
    (void)unmap_list(SCSI_RANGES_MAX);
    ASK_OUT(&a, 8 + 16 * 256, 0x42, 0, 0, 0, 0, 0, 0, 0x10, 0x08);
    ask_does(&a, SCSI_IO_ZERO);
    ck_assert_uint_eq(a.io.n_ranges, SCSI_RANGES_MAX - 1);
    ask_put(&a, 0, 2, 0xfffd);
    ask_put(&a, 2, 2, 0xfff0); /* longer than what is looked at */
    ASK_OUT(&a, 0xffff, 0x42, 0, 0, 0, 0, 0, 0, 0xff, 0xff);
    ask_points_to(&a, false, 2);
}
END_TEST

START_TEST(without_discard_there_is_no_unmap)
{
    uint8_t len = unmap_list(2);

    ASK_OUT(&a, len, 0x42, 1, 0, 0, 0, 0, 0, 0, len); /* ANCHOR */
    ask_points_to(&a, true, 1);
    a.lun.config.discard_bytes = 0;
    ASK_OUT(&a, len, 0x42, 0, 0, 0, 0, 0, 0, 0, len);
    ask_fails(&a, 5, 0x20, 0);
    ASK_OUT(&a, 512, 0x93, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
    ask_points_to(&a, true, 1);
    ASK_IN(&a, 0x9e, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0);
    ask_points_to(&a, true, 1);
}
END_TEST

/* --- WRITE SAME --- */

START_TEST(write_same_of_zeros_is_zeroing)
{
    memset(a.out, 0, sizeof(a.out));
    ASK_OUT(&a, 512, 0x41, 0, 0, 0, 0, 1, 0, 0, 2);
    ask_moves(&a, SCSI_IO_ZERO, 512, 1024);
    ck_assert(!a.io.may_discard);
    ASK_OUT(&a, 512, 0x93, 8, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2);
    ask_moves(&a, SCSI_IO_ZERO, 512, 1024);
    ck_assert(a.io.may_discard);
    a.out[511] = 1;
    ASK_OUT(&a, 512, 0x93, 8, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2);
    ask_moves(&a, SCSI_IO_SAME, 512, 1024);
    ck_assert(!a.io.may_discard);
    a.out[511] = 0;
    a.out[0] = 1;
    ASK_OUT(&a, 512, 0x41, 0, 0, 0, 0, 1, 0, 0, 2);
    ask_moves(&a, SCSI_IO_SAME, 512, 1024);
}
END_TEST

START_TEST(write_same_to_the_end_must_fit_the_limit)
{
    a.out[0] = 1;
    ASK_OUT(&a, 512, 0x41, 0, 0, 1, 0xff, 0xff);
    ask_moves(&a, SCSI_IO_SAME, ASK_MEDIUM - 512, 512);
    ASK_OUT(&a, 512, 0x93, 0, 0, 0, 0, 0, 0, 1, 0xc0, 0);
    ask_moves(&a, SCSI_IO_SAME, ASK_MEDIUM - (8 << 20), 8 << 20);
    ASK_OUT(&a, 512, 0x93, 0, 0, 0, 0, 0, 0, 1, 0xbf, 0xff);
    ask_points_to(&a, true, 10);
    ASK_OUT(&a, 512, 0x41, 0, 0, 0, 0, 0, 0, 0x40, 0x01);
    ask_points_to(&a, true, 7);
    ASK_OUT(&a, 512, 0x41, 0, 0, 2, 0, 0);
    ask_fails(&a, 5, 0x21, 0);
    ASK_OUT(&a, 512, 0x41, 0, 0, 2, 0, 1);
    ask_fails(&a, 5, 0x21, 0);
}
END_TEST

START_TEST(write_same_refuses_what_it_does_not_do)
{
    static const uint8_t bits[] = {1 << 4, 1 << 2, 1 << 1, 1 << 0};

    for (size_t i = 0; i < COUNT_OF(bits); i++) {
        ASK_OUT(&a, 512, 0x93, bits[i], 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
        ask_points_to(&a, true, 1);
    }
    ASK_OUT(&a, 511, 0x41, 0, 0, 0, 0, 0, 0, 0, 1);
    ask_fails(&a, 5, 0x24, 0);
    ASK_NONE(&a, 0x41, 0, 0, 0, 0, 0, 0, 0, 1);
    ask_fails(&a, 5, 0x24, 0);
}
END_TEST

/* --- capacity --- */

START_TEST(capacity_says_the_last_block)
{
    ASK_IN(&a, 0x25);
    ask_is_good(&a);
    ck_assert_uint_eq(a.answer.in_len, 8);
    ck_assert_uint_eq(ask_field(&a, 0, 4), ASK_MEDIUM / 512 - 1);
    ck_assert_uint_eq(ask_field(&a, 4, 4), 512);
    ASK_IN(&a, 0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32);
    ck_assert_uint_eq(a.answer.in_len, 32);
    ck_assert_uint_eq(ask_field(&a, 0, 8), ASK_MEDIUM / 512 - 1);
    ck_assert_uint_eq(ask_field(&a, 8, 4), 512);
    ck_assert_uint_eq(ask_field(&a, 13, 1), 3);    /* 2^3 blocks of 512 are one of 4096 */
    ck_assert_uint_eq(ask_field(&a, 14, 1), 0xc0); /* LBPME, LBPRZ */
    a.lun.config.physical_bytes = 512;
    a.lun.config.discard_bytes = 0;
    a.lun.config.bytes = UINT64_C(1) << 60;
    ASK_IN(&a, 0x25);
    ck_assert_uint_eq(ask_field(&a, 0, 4), UINT32_MAX);
    ASK_IN(&a, 0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16);
    ck_assert_uint_eq(a.answer.in_len, 16);
    ck_assert_uint_eq(ask_field(&a, 0, 8), (UINT64_C(1) << 51) - 1);
    ck_assert_uint_eq(ask_field(&a, 13, 2), 0);
}
END_TEST

START_TEST(all_blocks_are_mapped)
{
    ASK_IN(&a, 0x9e, 0x12, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 1, 0);
    ask_is_good(&a);
    ck_assert_uint_eq(ask_field(&a, 0, 4), 20);
    ck_assert_uint_eq(ask_field(&a, 8, 8), 5);
    ck_assert_uint_eq(ask_field(&a, 16, 4), ASK_MEDIUM / 512 - 5);
    ck_assert_uint_eq(ask_field(&a, 20, 1), 0);
    ASK_IN(&a, 0x9e, 0x12, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1, 0);
    ask_fails(&a, 5, 0x21, 0);
}
END_TEST

/* --- the rest --- */

START_TEST(a_stopped_disk_flushes_and_is_not_ready)
{
    ASK_NONE(&a, 0x1b, 0, 0, 0, 0);
    ask_does(&a, SCSI_IO_FLUSH);
    ck_assert(a.answer.changed);
    ASK_IN(&a, 0x28, 0, 0, 0, 0, 0, 0, 0, 1);
    ask_fails(&a, 2, 4, 2);
    ASK_NONE(&a, 0x00);
    ask_fails(&a, 2, 4, 2);
    ASK_IN(&a, 0x03, 0, 0, 0, 252);
    ck_assert_uint_eq(ask_field(&a, 2, 1), 2);
    ck_assert_uint_eq(ask_field(&a, 12, 2), 0x0402);
    ASK_NONE(&a, 0x1b, 0, 0, 0, 0); /* as a successor does that finds it half done */
    ask_does(&a, SCSI_IO_FLUSH);
    ck_assert(!a.answer.changed);
    ASK_NONE(&a, 0x1b, 0, 0, 0, 1);
    ask_does(&a, SCSI_IO_NONE);
    ck_assert(a.answer.changed);
    ASK_NONE(&a, 0x00);
    ask_is_good(&a);
    ASK_NONE(&a, 0x1b, 0, 0, 0, 2);
    ask_points_to(&a, true, 4);
    ASK_NONE(&a, 0x1b, 0, 0, 0, 0x30);
    ask_points_to(&a, true, 4);
    ASK_NONE(&a, 0x1b, 0, 0, 0, 0);
    scsi_reset(&a.lun);
    ASK_NONE(&a, 0x00);
    ask_is_good(&a);
}
END_TEST

START_TEST(a_new_capacity_is_told_once)
{
    scsi_resize(&a.lun, ASK_MEDIUM);
    ASK_NONE(&a, 0x00);
    ask_is_good(&a);
    scsi_resize(&a.lun, 2 * ASK_MEDIUM);
    ASK_IN(&a, 0x12, 0, 0, 0, 36);
    ask_is_good(&a);
    ASK_IN(&a, 0x1a, 0, 8, 0, 36); /* Linux would not see it there */
    ask_is_good(&a);
    ASK_IN(&a, 0x28, 0, 0, 0, 0, 0, 0, 0, 1);
    ask_fails(&a, 6, 0x2a, 9);
    ck_assert(a.answer.changed);
    ASK_IN(&a, 0x28, 0, 0, 0, 0, 0, 0, 0, 1);
    ask_moves(&a, SCSI_IO_READ, 0, 512);
    scsi_resize(&a.lun, ASK_MEDIUM);
    scsi_luns_changed(&a.lun);
    ASK_IN(&a, 0x03, 0, 0, 0, 18); /* that tells it as well */
    ask_is_good(&a);
    ck_assert_uint_eq(ask_field(&a, 2, 1), 6);
    ck_assert_uint_eq(ask_field(&a, 12, 2), 0x2a09);
    ASK_NONE(&a, 0xff);
    ask_fails(&a, 6, 0x3f, 0x0e);
    ASK_IN(&a, 0x03, 0, 0, 0, 18);
    ck_assert_uint_eq(ask_field(&a, 2, 1), 0);
    ASK_IN(&a, 0x03, 1, 0, 0, 18);
    ask_points_to(&a, true, 1);
}
END_TEST

START_TEST(unknown_commands_are_refused)
{
    static const uint8_t unknown[] = {0x04, 0x4d, 0x83, 0x85, 0x9b, 0xa0, 0xa1,
                                      0xa3, 0xa4, 0x43, 0x46, 0x7f, 0xc0, 0xff};

    for (size_t i = 0; i < COUNT_OF(unknown); i++) {
        ASK_NONE(&a, unknown[i]);
        ask_fails(&a, 5, 0x20, 0);
    }
    ASK_IN(&a, 0x9e, 0x11);
    ask_points_to(&a, true, 1);
    ASK_NONE(&a, 0x00, 0, 0, 0, 0, 4); /* NACA */
    ask_points_to(&a, true, 5);
}
END_TEST

START_TEST(a_cdb_that_is_cut_is_refused)
{
    for (uint8_t len = 0; len < 16; len++) {
        struct scsi_command c = {.cdb = {0x88}, .cdb_len = len, .initiator = ASK_GUEST};

        scsi_execute(&a.lun, &c, &a.io, &a.answer);
        ask_fails(&a, 5, 0x24, 0);
    }
}
END_TEST

START_TEST(diagnostic_and_prevention_have_nothing_to_do)
{
    ASK_NONE(&a, 0x1d, 4);
    ask_does(&a, SCSI_IO_NONE);
    ASK_NONE(&a, 0x1d, 0x20);
    ask_points_to(&a, true, 1);
    ASK_NONE(&a, 0x1d, 0, 0, 0, 1);
    ask_points_to(&a, true, 3);
    ASK_NONE(&a, 0x1e, 0, 0, 0, 1);
    ask_does(&a, SCSI_IO_NONE);
    ck_assert(!a.answer.changed);
}
END_TEST

START_TEST(a_disk_of_no_blocks_is_not_ready)
{
    a.lun.config.bytes = 511;
    ASK_IN(&a, 0x25);
    ask_fails(&a, 2, 0x3a, 0);
    ASK_IN(&a, 0x12, 0, 0, 0, 36);
    ask_is_good(&a);
}
END_TEST

struct failure {
    int err;
    unsigned read; /* key, code, qualifier */
    unsigned write;
};

START_TEST(errors_become_sense)
{
    static const struct failure failures[] = {
        {-EIO,       0x031100, 0x030c00},
        {-EBADMSG,   0x031100, 0x030c00},
        {-ENOSPC,    0x031100, 0x072707},
        {-EROFS,     0x031100, 0x072700},
        {-ENODEV,    0x020403, 0x020403},
        {-ETIMEDOUT, 0x0b2e02, 0x0b2e02},
        {-ENOMEM,    0x0b4400, 0x0b4400},
    };

    for (size_t i = 0; i < COUNT_OF(failures); i++) {
        const struct failure *f = &failures[i];

        ASK_IN(&a, 0x28, 0, 0, 0, 0, 0, 0, 0, 1);
        scsi_io_error(a.io.kind, f->err, &a.answer);
        ask_sense_is(&a.answer, f->read >> 16, f->read >> 8 & 0xff, f->read & 0xff);
        ASK_OUT(&a, 512, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1);
        scsi_io_error(a.io.kind, f->err, &a.answer);
        ask_sense_is(&a.answer, f->write >> 16, f->write >> 8 & 0xff, f->write & 0xff);
        ck_assert_uint_eq(a.answer.in_len, 0);
    }
    ASK_NONE(&a, 0x1b); /* it is stopped, whatever became of the flush */
    scsi_io_error(a.io.kind, -EIO, &a.answer);
    ck_assert(a.answer.changed);
    scsi_poisoned(&a.answer);
    ask_sense_is(&a.answer, 4, 0x44, 0);
    ck_assert(!a.answer.changed);
}
END_TEST

START_TEST(a_parked_unit_says_who_it_is_and_no_more)
{
    struct scsi_command c = {
        .cdb = {0x12, 0, 0, 0, 36},
          .cdb_len = 6, .direction = SCSI_DATA_IN, .data_len = 36
    };

    c.initiator = ASK_GUEST;
    scsi_resize(&a.lun, 2 * ASK_MEDIUM);
    scsi_parked(&a.lun, &c, &a.answer);
    ask_is_good(&a);
    ck_assert_uint_eq(a.answer.in_len, 36);
    c.cdb[0] = 0x03;
    scsi_parked(&a.lun, &c, &a.answer);
    ck_assert_uint_eq(ask_field(&a, 12, 2), 0x0403);
    ck_assert(!a.answer.changed);
    ck_assert_uint_eq(a.lun.state.attentions, SCSI_CAPACITY_CHANGED);
    c.cdb[0] = 0x00;
    scsi_parked(&a.lun, &c, &a.answer);
    ask_sense_is(&a.answer, 2, 4, 3);
    c.cdb[0] = 0xff;
    scsi_parked(&a.lun, &c, &a.answer);
    ask_sense_is(&a.answer, 2, 4, 3);
    c.cdb[0] = 0x1a;
    c.cdb[2] = 0x3f;
    scsi_parked(&a.lun, &c, &a.answer);
    ask_is_good(&a);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("scsi_disk");
    TCase *t = tcase_create("scsi_disk");

    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, every_length_of_read_and_write_means_the_same);
    tcase_add_test(t, no_number_is_256_in_the_short_read_and_nothing_in_the_others);
    tcase_add_test(t, nothing_moves_past_the_end);
    tcase_add_test(t, no_more_moves_than_the_limit);
    tcase_add_test(t, data_must_fit_the_command);
    tcase_add_test(t, fua_and_verify_make_writes_durable);
    tcase_add_test(t, protection_information_is_refused);
    tcase_add_test(t, nothing_writes_to_a_read_only_disk);
    tcase_add_test(t, blocks_of_4096_bytes);
    tcase_add_test(t, verify_checks_the_range_only);
    tcase_add_test(t, a_flush_takes_all);
    tcase_add_test(t, unmap_is_zeroing_that_may_punch_holes);
    tcase_add_test(t, unmap_refuses_lists_that_are_cut_anywhere);
    tcase_add_test(t, unmap_stays_inside_the_medium_and_its_limits);
    tcase_add_test(t, unmap_has_room_for_256_descriptors);
    tcase_add_test(t, without_discard_there_is_no_unmap);
    tcase_add_test(t, write_same_of_zeros_is_zeroing);
    tcase_add_test(t, write_same_to_the_end_must_fit_the_limit);
    tcase_add_test(t, write_same_refuses_what_it_does_not_do);
    tcase_add_test(t, capacity_says_the_last_block);
    tcase_add_test(t, all_blocks_are_mapped);
    tcase_add_test(t, a_stopped_disk_flushes_and_is_not_ready);
    tcase_add_test(t, a_new_capacity_is_told_once);
    tcase_add_test(t, unknown_commands_are_refused);
    tcase_add_test(t, a_cdb_that_is_cut_is_refused);
    tcase_add_test(t, diagnostic_and_prevention_have_nothing_to_do);
    tcase_add_test(t, a_disk_of_no_blocks_is_not_ready);
    tcase_add_test(t, errors_become_sense);
    tcase_add_test(t, a_parked_unit_says_who_it_is_and_no_more);
    suite_add_tcase(s, t);
    return ask_run(s);
}

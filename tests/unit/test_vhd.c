#include <check.h>
#include <stdlib.h>

#include "base/macro.h"
#include "tests/fakes/block_session.h"
#include "tests/fakes/vhd_image.h"

enum {
    BLOCK_BYTES = 1 << 16,
    N_BLOCKS = 40,
    BYTES = N_BLOCKS * BLOCK_BYTES - 4096, /* the last one is not whole */
    SLOT = BLOCK_BYTES + 512,
    FIRST = 4096 - 512, /* of a block: what follows the bitmap is aligned */
    STEPS = 40,
};

static struct session s;
static char why[BLOCK_WHY_BYTES];

static void setup(void)
{
    session_init(&s, BLOCK_VHD);
    vi_make_dynamic(&s.file.now, BYTES, BLOCK_BYTES);
}

static void teardown(void)
{
    session_close(&s);
    file_done(&s.file);
}

static void put_word(unsigned block, uint64_t byte)
{
    uint8_t raw[4];

    vi_be32(raw, (uint32_t)(byte / 512));
    store_write(&s.file.now, VI_TABLE_AT + 4 * block, raw, sizeof(raw));
}

static uint32_t get_word(unsigned block)
{
    uint8_t raw[4];

    store_read(&s.file.now, VI_TABLE_AT + 4 * block, raw, sizeof(raw));
    return (uint32_t)raw[0] << 24 | (uint32_t)raw[1] << 16 | (uint32_t)raw[2] << 8 | raw[3];
}

static void append_footer(void)
{
    uint8_t raw[VI_FOOTER];

    vi_footer(raw, BYTES, 3);
    store_write(&s.file.now, s.file.now.bytes, raw, sizeof(raw));
}

/* A block at byte, as other programs make it: all bits set, data of one value. */
static void put_block(unsigned block, uint64_t byte, uint8_t value, uint8_t bits)
{
    uint8_t sector[512];

    put_word(block, byte);
    memset(sector, bits, sizeof(sector));
    store_write(&s.file.now, byte, sector, sizeof(sector));
    memset(sector, value, sizeof(sector));
    for (uint64_t at = 0; at < BLOCK_BYTES; at += sizeof(sector))
        store_write(&s.file.now, byte + 512 + at, sector, sizeof(sector));
}

static void expect_open(void)
{
    int r = session_open(&s, why);

    ck_assert_msg(r == 0, "%d: %s", r, why);
}

static void expect_refused(int err, const char *text)
{
    int r;

    why[0] = 0;
    r = session_open(&s, why);
    ck_assert_msg(r == err, "%s: %d: %s", text, r, why);
    ck_assert_msg(strstr(why, text) != NULL, "%s: %s", text, why);
    ck_assert_ptr_null(s.block);
    ck_assert_uint_eq(s.file.n_ops, 0); /* nothing was written */
    ck_assert(!s.files.outside);
}

START_TEST(an_empty_image_is_zeros)
{
    struct block_extent e;

    expect_open();
    ck_assert_uint_eq(block_info(s.block)->bytes, BYTES);
    ck_assert_uint_eq(block_info(s.block)->block_bytes, 512);
    ck_assert_uint_eq(block_info(s.block)->discard_bytes, BLOCK_BYTES);
    ck_assert_uint_eq(block_info(s.block)->identity[15], 0x5a);
    block_map(s.block, 100, BYTES - 100, &e);
    ck_assert_int_eq(e.kind, BLOCK_ZERO);
    ck_assert_uint_eq(e.len, BLOCK_BYTES - 100);
    ck_assert_uint_eq(s.file.n_ops, 0);
}
END_TEST

START_TEST(a_block_is_where_the_table_says)
{
    struct block_extent e;

    put_block(3, 8192, 0x33, 0xff);
    append_footer();
    expect_open();
    block_map(s.block, 3 * BLOCK_BYTES + 1024, BYTES, &e);
    ck_assert_int_eq(e.kind, BLOCK_DATA);
    ck_assert_uint_eq(e.offset, 8192 + 512 + 1024);
    ck_assert_uint_eq(e.len, BLOCK_BYTES - 1024);
    block_map(s.block, 2 * BLOCK_BYTES, 1, &e);
    ck_assert_int_eq(e.kind, BLOCK_ZERO);
}
END_TEST

START_TEST(a_new_block_is_zeros_with_all_its_bits)
{
    uint8_t bits[512];
    struct block_extent e;

    expect_open();
    ck_assert_int_eq(block_allocate(s.block, 5 * BLOCK_BYTES + 17, 1), 0);
    ck_assert_uint_eq(get_word(5) * 512, FIRST);
    block_map(s.block, 5 * BLOCK_BYTES, BLOCK_BYTES, &e);
    ck_assert_int_eq(e.kind, BLOCK_DATA);
    ck_assert_uint_eq(e.offset, 4096);
    store_read(&s.file.now, FIRST, bits, sizeof(bits));
    for (size_t i = 0; i < sizeof(bits); i++)
        ck_assert_uint_eq(bits[i], 0xff);
    for (uint32_t i = 0; i < BLOCK_BYTES / 512; i++)
        ck_assert_uint_eq(session_read(&s, 5 * BLOCK_BYTES / 512 + i), 0);
    ck_assert_int_eq(block_allocate(s.block, 5 * BLOCK_BYTES, BLOCK_BYTES), 0); /* again: nothing */
    ck_assert_uint_eq(get_word(5) * 512, FIRST);
}
END_TEST

START_TEST(the_footer_stays_at_the_end)
{
    uint8_t raw[VI_FOOTER];
    uint8_t want[VI_FOOTER];

    vi_footer(want, BYTES, 3);
    expect_open();
    for (unsigned i = 0; i < N_BLOCKS; i++) {
        ck_assert_int_eq(block_allocate(s.block, (uint64_t)i * BLOCK_BYTES, 1), 0);
        store_read(&s.file.now, s.file.now.bytes - VI_FOOTER, raw, sizeof(raw));
        ck_assert_mem_eq(raw, want, sizeof(raw));
    }
    ck_assert_int_eq(block_flush(s.block), 0);
    session_close(&s);
    expect_open();
    for (unsigned i = 0; i < N_BLOCKS; i++)
        ck_assert_uint_ne(get_word(i), UINT32_MAX);
}
END_TEST

START_TEST(a_discarded_block_is_used_again_after_a_flush)
{
    uint32_t place;
    bool zeroed = false;

    expect_open();
    for (unsigned i = 0; i < 16; i++)
        ck_assert_int_eq(block_allocate(s.block, (uint64_t)i * BLOCK_BYTES, 1), 0);
    place = get_word(2);
    ck_assert_int_eq(block_discard(s.block, BLOCK_BYTES, 3 * BLOCK_BYTES - 512, &zeroed), 0);
    ck_assert(!zeroed); /* a part of block 3 is still there */
    ck_assert_uint_eq(get_word(1), UINT32_MAX);
    ck_assert_uint_eq(get_word(2), UINT32_MAX);
    ck_assert_uint_ne(get_word(3), UINT32_MAX);
    for (unsigned i = 16; i < 32; i++) {
        ck_assert_int_eq(block_allocate(s.block, (uint64_t)i * BLOCK_BYTES, 1), 0);
        ck_assert_uint_ne(get_word(i), place);
    }
    ck_assert_int_eq(block_flush(s.block), 0);
    ck_assert_int_eq(block_allocate(s.block, 32 * BLOCK_BYTES, 1), 0);
    ck_assert_int_eq(block_allocate(s.block, 33 * BLOCK_BYTES, 1), 0);
    ck_assert(get_word(32) == place || get_word(33) == place);
}
END_TEST

START_TEST(the_last_block_can_be_discarded)
{
    bool zeroed = false;

    expect_open();
    ck_assert_int_eq(block_allocate(s.block, BYTES - 1, 1), 0);
    ck_assert_int_eq(
        block_discard(s.block, (N_BLOCKS - 1) * BLOCK_BYTES, BLOCK_BYTES - 4096, &zeroed), 0);
    ck_assert(zeroed);
    ck_assert_uint_eq(get_word(N_BLOCKS - 1), UINT32_MAX);
}
END_TEST

START_TEST(read_only_writes_nothing)
{
    bool zeroed;

    put_block(3, 8192, 0, 0x0f); /* its bits would be set */
    append_footer();
    s.spec.read_only = true;
    expect_open();
    ck_assert_int_eq(block_allocate(s.block, 0, 1), -EROFS);
    ck_assert_int_eq(block_discard(s.block, 0, BLOCK_BYTES, &zeroed), -EROFS);
    ck_assert_int_eq(block_flush(s.block), 0);
    ck_assert_uint_eq(s.file.n_ops, 0);
}
END_TEST

START_TEST(bits_are_set_where_that_changes_nothing)
{
    uint8_t bits[512];

    put_block(3, 8192, 0, 0x0f);
    append_footer();
    expect_open();
    store_read(&s.file.now, 8192, bits, sizeof(bits));
    ck_assert_uint_eq(bits[0], 0xff);
}
END_TEST

START_TEST(a_bitmap_that_hides_data_is_refused)
{
    put_block(3, 8192, 0x77, 0x0f);
    append_footer();
    expect_refused(-EBADMSG, "block 3 has data where its bitmap says there is none");
}
END_TEST

START_TEST(without_the_footer_at_the_end_its_copy_counts)
{
    uint8_t raw[VI_FOOTER];
    uint8_t want[VI_FOOTER];

    store_resize(&s.file.now, s.file.now.bytes - 300);
    expect_open();
    vi_footer(want, BYTES, 3);
    store_read(&s.file.now, s.file.now.bytes - VI_FOOTER, raw, sizeof(raw));
    ck_assert_mem_eq(raw, want, sizeof(raw)); /* it is there again */
    ck_assert_int_eq(block_allocate(s.block, 0, 1), 0);
}
END_TEST

START_TEST(a_fixed_image_is_its_bytes)
{
    struct block_extent e;
    bool zeroed = true;

    vi_make_fixed(&s.file.now, 1 << 20);
    expect_open();
    ck_assert_uint_eq(block_info(s.block)->bytes, 1 << 20);
    block_map(s.block, 512, 1024, &e);
    ck_assert_int_eq(e.kind, BLOCK_DATA);
    ck_assert_uint_eq(e.offset, 512);
    ck_assert_int_eq(block_allocate(s.block, 0, 1), 0);
    ck_assert_int_eq(block_discard(s.block, 0, 1 << 20, &zeroed), 0);
    ck_assert(!zeroed);
    ck_assert_int_eq(block_flush(s.block), 0);
    ck_assert_int_eq(block_resized(s.block, s.spec.file_bytes), -EBADMSG);
    ck_assert_uint_eq(s.file.n_ops, 0);
}
END_TEST

/* The guest of a fixed image writes the first sectors: they must not become the image's metadata. */
START_TEST(a_guest_cannot_make_a_fixed_image_dynamic)
{
    struct block_extent e;
    uint8_t raw[2048];

    store_read(&s.file.now, 0, raw, sizeof(raw));
    vi_make_fixed(&s.file.now, 1 << 20);
    store_write(&s.file.now, 0, raw, sizeof(raw));
    expect_open();
    block_map(s.block, 0, 512, &e);
    ck_assert_int_eq(e.kind, BLOCK_DATA);
    ck_assert_uint_eq(block_info(s.block)->bytes, 1 << 20);
}
END_TEST

START_TEST(a_device_does_not_grow)
{
    uint64_t room = FIRST + 3 * (SLOT + 3584); /* two blocks, and not quite a third */

    store_resize(&s.file.now, room - 512 - 512);
    append_footer();
    s.spec.is_device[0] = true;
    expect_open();
    ck_assert_int_eq(block_allocate(s.block, 0, 1), 0);
    ck_assert_int_eq(block_allocate(s.block, BLOCK_BYTES, 1), 0);
    ck_assert_int_eq(block_allocate(s.block, 2 * BLOCK_BYTES, 1), 0);
    ck_assert_int_eq(block_allocate(s.block, 3 * BLOCK_BYTES, 1), -ENOSPC);
    ck_assert_uint_eq(s.file.now.bytes, room - 512);
    session_close(&s);
    expect_open();
}
END_TEST

/* mkfs on a disk that was full: it discards everything, and writes before it flushes. */
START_TEST(a_full_device_reuses_what_was_discarded)
{
    bool zeroed;

    store_resize(&s.file.now, FIRST + 3 * (SLOT + 3584) - 512);
    append_footer();
    s.spec.is_device[0] = true;
    expect_open();
    for (unsigned round = 0; round < 4; round++) {
        for (uint64_t i = 0; i < 3; i++)
            ck_assert_int_eq(block_allocate(s.block, i * BLOCK_BYTES, 1), 0);
        ck_assert_int_eq(block_allocate(s.block, 3 * BLOCK_BYTES, 1), -ENOSPC);
        ck_assert_int_eq(block_discard(s.block, 0, 3 * BLOCK_BYTES, &zeroed), 0);
        ck_assert(zeroed);
    }
    session_close(&s);
    expect_open();
}
END_TEST

START_TEST(a_full_file_system_is_survived)
{
    unsigned n = 0;

    s.file.max_bytes = 10 * SLOT;
    expect_open();
    while (n < N_BLOCKS && block_allocate(s.block, (uint64_t)n * BLOCK_BYTES, 1) == 0)
        n++;
    ck_assert_uint_ge(n, 8);
    ck_assert_uint_lt(n, 10);
    ck_assert_int_eq(block_allocate(s.block, (uint64_t)n * BLOCK_BYTES, 1), -ENOSPC);
    ck_assert_int_eq(block_flush(s.block), 0);
    s.file.max_bytes = 0;
    ck_assert_int_eq(block_allocate(s.block, (uint64_t)n * BLOCK_BYTES, 1), 0);
    session_close(&s);
    expect_open();
}
END_TEST

START_TEST(the_largest_image_needs_little)
{
    const uint64_t bytes = UINT64_C(2040) << 30;

    vi_make_dynamic(&s.file.now, bytes, 2 << 20);
    expect_open();
    ck_assert_uint_eq(block_info(s.block)->bytes, bytes);
    ck_assert_int_eq(block_allocate(s.block, bytes - 1, 1), 0);
    ck_assert_int_eq(block_flush(s.block), 0);
    session_close(&s);
    expect_open();
}
END_TEST

/* A field, what it becomes, and what is said of it. */
struct corruption {
    uint64_t at;
    unsigned len;
    uint64_t value;
    bool fix; /* the checksums are right */
    int err;
    const char *text;
};

enum {
    TAIL = 1 << 30, /* + offset in the footer: in both copies */
};

static const struct corruption corruptions[] = {
    {TAIL + 0,                     4, 0x41414141,       true,  -EBADMSG,    "no VHD footer"              },
    {TAIL + 100,                   4, 0x41414141,       false, -EBADMSG,    "checksum of the VHD footer" },
    {TAIL + VI_F_VERSION,          4, 0x20000,          true,  -EOPNOTSUPP, "version 2.0 is not known"   },
    {TAIL + VI_F_TYPE,             4, 4,                true,  -EOPNOTSUPP, "differencing"               },
    {TAIL + VI_F_TYPE,             4, 0,                true,  -EBADMSG,    "type 0 does not exist"      },
    {TAIL + VI_F_TYPE,             4, 5,                true,  -EBADMSG,    "type 5 does not exist"      },
    {TAIL + VI_F_TYPE,             4, 2,                true,  -EBADMSG,    "shorter than the disk"      },
    {TAIL + VI_F_BYTES,            8, 0,                true,  -EBADMSG,    "whole sectors"              },
    {TAIL + VI_F_BYTES,            8, 513,              true,  -EBADMSG,    "whole sectors"              },
    {TAIL + VI_F_BYTES,            8, 0x1fe00000200,    true,  -EBADMSG,    "more than 2040 GiB"         },
    {TAIL + VI_F_BYTES,            8, 0x100000000,      true,  -EBADMSG,    "table is too short"         },
    {TAIL + VI_F_HEADER_AT,        8, UINT64_MAX,       true,  -EBADMSG,    "header is outside"          },
    {TAIL + VI_F_HEADER_AT,        8, 1000,             true,  -EBADMSG,    "header is outside"          },
    {TAIL + VI_F_HEADER_AT,        8, 1 << 20,          true,  -EBADMSG,    "header is outside"          },
    {TAIL + VI_F_HEADER_AT,        8, 0,                true,  -EBADMSG,    "no VHD dynamic header"      },
    {VI_F_BYTES,                   8, 512,              true,  -EBADMSG,    "footer and its copy differ" },
    {VI_F_ID,                      4, 512,              true,  -EBADMSG,    "footer and its copy differ" },
    {VI_HEADER_AT,                 4, 0,                true,  -EBADMSG,    "no VHD dynamic header"      },
    {VI_HEADER_AT + 700,           4, 1,                false, -EBADMSG,    "checksum of the VHD dynamic"},
    {VI_HEADER_AT + VI_H_VERSION,  4, 0x20000,          true,  -EOPNOTSUPP, "header version 2.0"         },
    {VI_HEADER_AT + VI_H_BLOCK,    4, 0,                true,  -EBADMSG,    "blocks of 0 bytes"          },
    {VI_HEADER_AT + VI_H_BLOCK,    4, 3 << 16,          true,  -EBADMSG,    "blocks of 196608 bytes"     },
    {VI_HEADER_AT + VI_H_BLOCK,    4, 1 << 15,          true,  -EBADMSG,    "blocks of 32768 bytes"      },
    {VI_HEADER_AT + VI_H_BLOCK,    4, 1u << 31,         true,  -EBADMSG,    "blocks of 2147483648 bytes" },
    {VI_HEADER_AT + VI_H_N,        4, N_BLOCKS - 1,     true,  -EBADMSG,    "table is too short"         },
    {VI_HEADER_AT + VI_H_TABLE_AT, 8, 1537,             true,  -EBADMSG,    "does not begin at a sector" },
    {VI_HEADER_AT + VI_H_TABLE_AT, 8, 1 << 20,          true,  -EBADMSG,    "table is outside"           },
    {VI_HEADER_AT + VI_H_TABLE_AT, 8, UINT64_MAX - 511, true,  -EBADMSG,    "table is outside"           },
    {VI_HEADER_AT + VI_H_TABLE_AT, 8, 512,              true,  -EBADMSG,    "is outside the file"        },
    {VI_TABLE_AT,                  4, 0,                true,  -EBADMSG,    "two things are in one place"},
    {VI_TABLE_AT + 4,              4, 3,                true,  -EBADMSG,    "two things are in one place"},
    {VI_TABLE_AT + 4,              4, 0x1000000,        true,  -EBADMSG,    "block 1 is outside the file"},
    {VI_TABLE_AT + 4,              4, UINT32_MAX - 1,   true,  -EBADMSG,    "block 1 is outside the file"},
};

static void put_field(uint64_t at, unsigned len, uint64_t value)
{
    uint8_t raw[8];

    vi_be64(raw, value);
    store_write(&s.file.now, at, raw + 8 - len, len);
}

START_TEST(each_corruption_is_refused)
{
    const struct corruption *c = &corruptions[_i];

    put_block(0, 8192, 1, 0xff);
    store_resize(&s.file.now, 8192 + SLOT);
    append_footer();
    if (c->at >= TAIL) {
        put_field(c->at - TAIL, c->len, c->value);
        put_field(s.file.now.bytes - VI_FOOTER + c->at - TAIL, c->len, c->value);
    } else {
        put_field(c->at, c->len, c->value);
    }
    if (c->fix)
        vi_fix_sums(&s.file.now);
    expect_refused(c->err, c->text);
}
END_TEST

START_TEST(two_blocks_in_one_place_are_refused)
{
    put_block(0, 8192, 1, 0xff);
    put_word(9, 8192 + SLOT - 512);
    store_resize(&s.file.now, 8192 + 2 * SLOT);
    append_footer();
    expect_refused(-EBADMSG, "two things are in one place of the file, at byte 73728");
}
END_TEST

START_TEST(a_file_that_was_cut_off_is_refused)
{
    put_block(0, 8192, 1, 0xff);
    append_footer();
    for (uint64_t bytes = 0; bytes < 8192 + SLOT; bytes += 509) {
        struct store whole = {0};

        store_copy(&whole, &s.file.now);
        store_resize(&s.file.now, bytes);
        ck_assert_int_eq(session_open(&s, why), -EBADMSG);
        ck_assert_uint_eq(s.file.n_ops, 0);
        store_copy(&s.file.now, &whole);
        store_free(&whole);
    }
}
END_TEST

/* What block_io says comes through; nothing leaks, nothing is half open. */
START_TEST(an_error_of_any_call_while_opening_is_told)
{
    put_block(0, 8192, 0, 0x0f);
    append_footer();
    file_settle(&s.file);
    for (long call = 1;; call++) {
        int r;

        s.files.calls = 0;
        s.files.fail_at = call;
        s.files.fail_with = -EIO;
        r = session_open(&s, why);
        if (s.files.calls < call) {
            ck_assert_int_eq(r, 0);
            ck_assert_int_gt(call, 6);
            return;
        }
        ck_assert_int_eq(r, -EIO);
        store_copy(&s.file.now, &s.file.durable);
        file_settle(&s.file);
    }
}
END_TEST

/* Any call fails once, having done its work or not: nothing is lost, and the guest goes on. */
START_TEST(a_call_that_fails_harms_nothing)
{
    for (long call = 1; call < 300; call++) {
        setup();
        session_run_failing(&s, call, _i != 0, STEPS);
    }
}
END_TEST

START_TEST(a_flush_makes_the_map_durable)
{
    expect_open();
    file_settle(&s.file);
    ck_assert_int_eq(block_allocate(s.block, 0, 1), 0);
    ck_assert_int_eq(block_flush(s.block), 0);
    session_close(&s);
    file_power_failure(&s.file, 6); /* all is lost that can be */
    expect_open();
    ck_assert_uint_eq(get_word(0) * 512, FIRST);
}
END_TEST

/* What nothing points to holds anything: it must not show. */
static void put_junk(void)
{
    uint8_t junk[4096];

    memset(junk, 0xee, sizeof(junk));
    for (uint64_t at = FIRST + 512; at < FIRST + 10 * SLOT; at += sizeof(junk))
        store_write(&s.file.now, at, junk, sizeof(junk));
    append_footer();
}

static void cut_everywhere(bool power, uint64_t seed)
{
    const long step = power ? 4 : 1; /* other seeds meet the other calls */
    bool done = false;

    for (long call = 1 + (long)seed % step; !done; call += step) {
        setup();
        put_junk();
        done = session_run(&s, &(struct cut){call, power, seed, STEPS});
        ck_assert_int_lt(call, 10000);
    }
}

START_TEST(killed_at_any_call_nothing_is_lost)
{
    cut_everywhere(false, (uint64_t)_i + 1);
}
END_TEST

START_TEST(a_power_failure_takes_only_what_was_not_flushed)
{
    cut_everywhere(true, (uint64_t)_i + 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("vhd");
    TCase *t = tcase_create("vhd");
    SRunner *r = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, an_empty_image_is_zeros);
    tcase_add_test(t, a_block_is_where_the_table_says);
    tcase_add_test(t, a_new_block_is_zeros_with_all_its_bits);
    tcase_add_test(t, the_footer_stays_at_the_end);
    tcase_add_test(t, a_discarded_block_is_used_again_after_a_flush);
    tcase_add_test(t, the_last_block_can_be_discarded);
    tcase_add_test(t, read_only_writes_nothing);
    tcase_add_test(t, bits_are_set_where_that_changes_nothing);
    tcase_add_test(t, a_bitmap_that_hides_data_is_refused);
    tcase_add_test(t, without_the_footer_at_the_end_its_copy_counts);
    tcase_add_test(t, a_fixed_image_is_its_bytes);
    tcase_add_test(t, a_guest_cannot_make_a_fixed_image_dynamic);
    tcase_add_test(t, a_device_does_not_grow);
    tcase_add_test(t, a_full_device_reuses_what_was_discarded);
    tcase_add_test(t, a_full_file_system_is_survived);
    tcase_add_test(t, the_largest_image_needs_little);
    tcase_add_loop_test(t, each_corruption_is_refused, 0, (int)COUNT_OF(corruptions));
    tcase_add_test(t, two_blocks_in_one_place_are_refused);
    tcase_add_test(t, a_file_that_was_cut_off_is_refused);
    tcase_add_test(t, an_error_of_any_call_while_opening_is_told);
    tcase_add_test(t, a_flush_makes_the_map_durable);
    tcase_add_loop_test(t, a_call_that_fails_harms_nothing, 0, 2);
    tcase_add_loop_test(t, killed_at_any_call_nothing_is_lost, 0, 2);
    tcase_add_loop_test(t, a_power_failure_takes_only_what_was_not_flushed, 0, 12);
    suite_add_tcase(suite, t);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#include <check.h>
#include <stdlib.h>

#include "tests/fakes/block_file.h"
#include "tests/fakes/vhd_image.h"

enum {
    MEMBERS = 3,
    CHUNK = 65536,
    MEMBER_BYTES = 5 * CHUNK + 512, /* the rest is of no use */
    VHD_BYTES = 4 << 20,
    VHD_BLOCK = 1 << 16,
};

static struct fake_file members[MEMBERS];
static struct fake_files files;
static struct block_io io;
static struct block_spec spec;
static struct block *block;
static char why[BLOCK_WHY_BYTES];

static void setup(void)
{
    memset(members, 0, sizeof(members));
    files = (struct fake_files){.files = members, .n = MEMBERS};
    io = files_io(&files);
    spec = (struct block_spec){
        .n_members = MEMBERS, .chunk_bytes = CHUNK, .files = {0, 1, 2}
    };
    block = NULL;
    for (size_t i = 0; i < MEMBERS; i++)
        store_resize(&members[i].now, MEMBER_BYTES);
}

static void teardown(void)
{
    block_close(block);
    for (size_t i = 0; i < MEMBERS; i++)
        file_done(&members[i]);
}

static int open_members(void)
{
    for (size_t i = 0; i < MEMBERS; i++)
        spec.file_bytes[i] = members[i].now.bytes;
    return block_open(&spec, &io, &block, why);
}

static void expect(uint64_t at, uint64_t len, uint32_t file, uint64_t offset, uint64_t piece)
{
    struct block_extent e;

    block_map(block, at, len, &e);
    ck_assert_int_eq(e.kind, BLOCK_DATA);
    ck_assert_uint_eq(e.file, file);
    ck_assert_uint_eq(e.offset, offset);
    ck_assert_uint_eq(e.len, piece);
}

START_TEST(chunks_go_round_the_members)
{
    ck_assert_int_eq(open_members(), 0);
    ck_assert_uint_eq(block_info(block)->bytes, 5 * MEMBERS * CHUNK);
    expect(0, 1 << 20, 0, 0, CHUNK);
    expect(CHUNK, 1 << 20, 1, 0, CHUNK);
    expect(2 * CHUNK + 5, 100, 2, 5, 100);
    expect(3 * CHUNK + CHUNK - 1, 100, 0, 2 * CHUNK - 1, 1);
    expect(14 * CHUNK, CHUNK, 2, 4 * CHUNK, CHUNK);
}
END_TEST

/* Each byte of the disk is a byte of one member, and no two are the same. */
START_TEST(no_two_bytes_share_a_place)
{
    static uint8_t taken[MEMBERS][MEMBER_BYTES / 512];

    memset(taken, 0, sizeof(taken));
    ck_assert_int_eq(open_members(), 0);
    for (uint64_t at = 0; at < block_info(block)->bytes; at += 512) {
        struct block_extent e;

        block_map(block, at, 512, &e);
        ck_assert_uint_eq(e.len, 512);
        ck_assert_uint_eq(taken[e.file][e.offset / 512]++, 0);
    }
}
END_TEST

START_TEST(the_smallest_member_says_how_large_it_is)
{
    store_resize(&members[1].now, 3 * CHUNK - 1);
    ck_assert_int_eq(open_members(), 0);
    ck_assert_uint_eq(block_info(block)->bytes, 2 * MEMBERS * CHUNK);
}
END_TEST

START_TEST(a_member_without_a_chunk_is_refused)
{
    store_resize(&members[2].now, CHUNK - 512);
    ck_assert_int_eq(open_members(), -EBADMSG);
    ck_assert_ptr_nonnull(strstr(why, "no chunk"));
}
END_TEST

START_TEST(a_member_that_is_refused_closes_the_others)
{
    store_resize(&members[2].now, 10);
    ck_assert_int_eq(open_members(), -EBADMSG);
    ck_assert_ptr_null(block);
}
END_TEST

START_TEST(resizing_is_all_or_nothing)
{
    uint64_t bytes[BLOCK_MEMBERS_MAX] = {9 * CHUNK, 9 * CHUNK, 9 * CHUNK};

    ck_assert_int_eq(open_members(), 0);
    ck_assert_int_eq(block_resized(block, bytes), 0);
    ck_assert_uint_eq(block_info(block)->bytes, 9 * MEMBERS * CHUNK);
    bytes[2] = 0;
    bytes[0] = CHUNK;
    ck_assert_int_eq(block_resized(block, bytes), -EBADMSG);
    bytes[2] = CHUNK - 512;
    ck_assert_int_eq(block_resized(block, bytes), -EBADMSG);
    ck_assert_uint_eq(block_info(block)->bytes, 9 * MEMBERS * CHUNK);
    expect(26 * CHUNK, CHUNK, 2, 8 * CHUNK, CHUNK);
}
END_TEST

static void use_vhds(void)
{
    spec.format = BLOCK_VHD;
    spec.chunk_bytes = VHD_BLOCK / 2;
    for (size_t i = 0; i < MEMBERS; i++)
        vi_make_dynamic(&members[i].now, VHD_BYTES, VHD_BLOCK);
}

static bool is_data(uint64_t at)
{
    struct block_extent e;

    block_map(block, at, 512, &e);
    return e.kind == BLOCK_DATA;
}

START_TEST(a_block_is_allocated_in_the_member_that_needs_it)
{
    use_vhds();
    ck_assert_int_eq(open_members(), 0);
    ck_assert_uint_eq(block_info(block)->discard_bytes, MEMBERS * VHD_BLOCK);
    ck_assert_int_eq(block_allocate(block, VHD_BLOCK / 2, 512), 0);
    ck_assert(!is_data(0));
    ck_assert(is_data(VHD_BLOCK / 2));
    ck_assert(is_data(VHD_BLOCK / 2 * (1 + MEMBERS))); /* the other half of that block */
    ck_assert(!is_data(VHD_BLOCK));
    ck_assert_uint_eq(members[0].n_ops, 0);
}
END_TEST

START_TEST(discarding_reaches_each_member)
{
    bool zeroed = false;

    use_vhds();
    ck_assert_int_eq(open_members(), 0);
    for (uint64_t at = 0; at < 4 * MEMBERS * VHD_BLOCK; at += VHD_BLOCK / 2)
        ck_assert_int_eq(block_allocate(block, at, 512), 0);
    ck_assert_int_eq(block_discard(block, MEMBERS * VHD_BLOCK, MEMBERS * VHD_BLOCK, &zeroed), 0);
    ck_assert(zeroed);
    for (uint64_t at = 0; at < 4 * MEMBERS * VHD_BLOCK; at += VHD_BLOCK / 2)
        ck_assert_int_eq(is_data(at), at / (MEMBERS * VHD_BLOCK) != 1);
    ck_assert_int_eq(block_discard(block, 512, MEMBERS * VHD_BLOCK, &zeroed), 0);
    ck_assert(!zeroed);
    ck_assert_int_eq(block_flush(block), 0);
}
END_TEST

/* A range that begins and ends anywhere: exactly what is whole in a member is given back. */
START_TEST(a_ragged_range_is_discarded_where_it_is_whole)
{
    const uint64_t chunk = VHD_BLOCK / 2;

    use_vhds();
    ck_assert_int_eq(open_members(), 0);
    for (uint64_t from = 0; from < 7; from++) {
        for (uint64_t to = 8; to < 16; to++) {
            bool zeroed;

            for (uint64_t at = 0; at < 24; at++)
                ck_assert_int_eq(block_allocate(block, at * chunk, 512), 0);
            ck_assert_int_eq(block_discard(block, from * chunk, (to - from) * chunk, &zeroed), 0);
            for (uint64_t at = 0; at < 24; at++) {
                uint64_t first = at - at / MEMBERS % 2 * MEMBERS; /* of its block in that member */
                bool whole = first >= from && first + MEMBERS < to;

                ck_assert_int_eq(is_data(at * chunk), !whole);
            }
        }
    }
}
END_TEST

START_TEST(a_member_that_cannot_flush_is_told)
{
    use_vhds();
    ck_assert_int_eq(open_members(), 0);
    for (uint64_t at = 0; at < MEMBERS; at++)
        ck_assert_int_eq(block_allocate(block, at * VHD_BLOCK / 2, 512), 0);
    files.calls = 0;
    files.fail_at = 1;
    files.fail_with = -EIO;
    ck_assert_int_eq(block_flush(block), -EIO);
    ck_assert_int_eq(files.calls, MEMBERS); /* the others are flushed all the same */
    ck_assert_int_eq(block_flush(block), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("stripe");
    TCase *t = tcase_create("stripe");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, chunks_go_round_the_members);
    tcase_add_test(t, no_two_bytes_share_a_place);
    tcase_add_test(t, the_smallest_member_says_how_large_it_is);
    tcase_add_test(t, a_member_without_a_chunk_is_refused);
    tcase_add_test(t, a_member_that_is_refused_closes_the_others);
    tcase_add_test(t, resizing_is_all_or_nothing);
    tcase_add_test(t, a_block_is_allocated_in_the_member_that_needs_it);
    tcase_add_test(t, discarding_reaches_each_member);
    tcase_add_test(t, a_ragged_range_is_discarded_where_it_is_whole);
    tcase_add_test(t, a_member_that_cannot_flush_is_told);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

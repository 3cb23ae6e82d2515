#include <check.h>
#include <stdlib.h>

#include "tests/fakes/block_session.h"

static struct session s;
static char why[BLOCK_WHY_BYTES];

static void setup(void)
{
    session_init(&s, BLOCK_RAW);
}

static void teardown(void)
{
    session_close(&s);
    file_done(&s.file);
}

static void open_with(uint64_t bytes)
{
    store_resize(&s.file.now, bytes);
    ck_assert_int_eq(session_open(&s, why), 0);
}

START_TEST(bytes_are_where_they_are)
{
    struct block_extent e;

    open_with(1 << 20);
    ck_assert_uint_eq(block_info(s.block)->bytes, 1 << 20);
    ck_assert_uint_eq(block_info(s.block)->block_bytes, 0);
    block_map(s.block, 12345, 5000, &e);
    ck_assert_int_eq(e.kind, BLOCK_DATA);
    ck_assert_uint_eq(e.offset, 12345);
    ck_assert_uint_eq(e.len, 5000);
    ck_assert_int_eq(block_allocate(s.block, 0, 512), 0);
    ck_assert_int_eq(block_flush(s.block), 0);
    ck_assert_int_eq(s.files.calls, 0); /* there is no metadata */
}
END_TEST

START_TEST(a_part_of_a_sector_at_the_end_does_not_count)
{
    open_with(1025);
    ck_assert_uint_eq(block_info(s.block)->bytes, 1024);
}
END_TEST

START_TEST(what_has_no_sector_is_refused)
{
    store_resize(&s.file.now, 511);
    ck_assert_int_eq(session_open(&s, why), -EBADMSG);
    ck_assert_ptr_nonnull(strstr(why, "no whole sector"));
    ck_assert_ptr_null(s.block);
}
END_TEST

START_TEST(only_who_punches_makes_zeros)
{
    bool zeroed = true;

    open_with(1 << 20);
    ck_assert_int_eq(block_discard(s.block, 0, 1 << 20, &zeroed), 0);
    ck_assert(!zeroed);
}
END_TEST

START_TEST(read_only_is_read_only)
{
    bool zeroed = true;

    s.spec.read_only = true;
    open_with(1 << 20);
    ck_assert(block_info(s.block)->read_only);
    ck_assert_int_eq(block_allocate(s.block, 0, 512), -EROFS);
    ck_assert_int_eq(block_discard(s.block, 0, 512, &zeroed), -EROFS);
    ck_assert(zeroed);
    ck_assert_int_eq(s.files.calls, 0);
}
END_TEST

START_TEST(the_file_may_be_resized)
{
    uint64_t bytes[BLOCK_MEMBERS_MAX] = {2 << 20};

    open_with(1 << 20);
    ck_assert_int_eq(block_resized(s.block, bytes), 0);
    ck_assert_uint_eq(block_info(s.block)->bytes, 2 << 20);
    bytes[0] = 100;
    ck_assert_int_eq(block_resized(s.block, bytes), -EBADMSG);
    ck_assert_uint_eq(block_info(s.block)->bytes, 2 << 20);
}
END_TEST

START_TEST(a_specification_that_makes_no_sense_is_refused)
{
    s.io = files_io(&s.files);
    ck_assert_int_eq(block_open(&s.spec, &s.io, &s.block, why), -EINVAL);
    s.spec.n_members = BLOCK_MEMBERS_MAX + 1;
    ck_assert_int_eq(block_open(&s.spec, &s.io, &s.block, why), -EINVAL);
    s.spec.n_members = 2;
    ck_assert_int_eq(block_open(&s.spec, &s.io, &s.block, why), -EINVAL);
    s.spec.chunk_bytes = 700;
    ck_assert_int_eq(block_open(&s.spec, &s.io, &s.block, why), -EINVAL);
    s.spec.n_members = 1;
    s.spec.chunk_bytes = 0;
    s.spec.file_bytes[0] = UINT64_MAX;
    ck_assert_int_eq(block_open(&s.spec, &s.io, &s.block, why), -EBADMSG);
    s.spec.file_bytes[0] = 4096;
    s.spec.format = (enum block_format)77;
    ck_assert_int_eq(block_open(&s.spec, &s.io, &s.block, why), -EINVAL);
    ck_assert_ptr_null(s.block);
    block_close(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("block_raw");
    TCase *t = tcase_create("block_raw");
    SRunner *r = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, bytes_are_where_they_are);
    tcase_add_test(t, a_part_of_a_sector_at_the_end_does_not_count);
    tcase_add_test(t, what_has_no_sector_is_refused);
    tcase_add_test(t, only_who_punches_makes_zeros);
    tcase_add_test(t, read_only_is_read_only);
    tcase_add_test(t, the_file_may_be_resized);
    tcase_add_test(t, a_specification_that_makes_no_sense_is_refused);
    suite_add_tcase(suite, t);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "workers/storage/storage.h"

enum {
    PAGES = 16,
};

static uint8_t ram[PAGES * 4096] __attribute__((aligned(4096)));
static struct storage *storage;
static struct inflight_slot slot;

static void set_up(void)
{
    static const uint64_t pages[] = {3, 4, 5, 9, 8, 15};

    storage = calloc(1, sizeof(*storage));
    ck_assert_ptr_nonnull(storage);
    ck_assert_int_eq(gmem_add(&storage->bus.memory, (struct gpa){0}, sizeof(ram), ram), 0);
    memset(ram, 0, sizeof(ram));
    slot = (struct inflight_slot){.n_pages = COUNT_OF(pages), .data_offset = 100};
    slot.data_len = COUNT_OF(pages) * 4096 - 200;
    memcpy(slot.pages, pages, sizeof(pages));
}

static void tear_down(void)
{
    free(storage);
}

/* Where byte at of the data is, by the definition. */
static uint8_t *byte_at(uint32_t at)
{
    uint32_t from = slot.data_offset + at;

    return ram + slot.pages[from / 4096] * 4096 + from % 4096;
}

START_TEST(bytes_are_copied_to_where_they_belong)
{
    static uint8_t bytes[6 * 4096], back[6 * 4096];

    for (uint32_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 7 + i / 256);
    ck_assert_int_eq(data_copy_out(storage, &slot, 0, bytes, slot.data_len), 0);
    for (uint32_t i = 0; i < slot.data_len; i++) {
        if (*byte_at(i) != bytes[i])
            ck_abort_msg("byte %u", i);
    }
    ck_assert_int_eq(data_copy_in(storage, &slot, 4000, back, 9000), 0);
    ck_assert_mem_eq(back, bytes + 4000, 9000);
    ck_assert_int_eq(data_zero(storage, &slot, 10, 8000), 0);
    ck_assert_uint_eq(*byte_at(9), bytes[9]);
    ck_assert_uint_eq(*byte_at(8010), bytes[8010]);
    for (uint32_t i = 10; i < 8010; i++) {
        if (*byte_at(i) != 0)
            ck_abort_msg("byte %u is not zero", i);
    }
    ck_assert_uint_eq(ram[3 * 4096 + 99], 0); /* before the first, after the last */
    ck_assert_uint_eq(ram[15 * 4096 + 3996], 0);
}
END_TEST

START_TEST(pages_that_follow_each_other_are_one_piece)
{
    struct iovec iov[INFLIGHT_PAGES];

    ck_assert_int_eq(data_iovecs(storage, &slot, 0, slot.data_len, iov), 4);
    ck_assert_ptr_eq(iov[0].iov_base, ram + 3 * 4096 + 100);
    ck_assert_uint_eq(iov[0].iov_len, 3 * 4096 - 100);
    ck_assert_ptr_eq(iov[1].iov_base, ram + 9 * 4096);
    ck_assert_uint_eq(iov[1].iov_len, 4096);
    ck_assert_ptr_eq(iov[3].iov_base, ram + 15 * 4096);
    ck_assert_uint_eq(iov[3].iov_len, 3996);
}
END_TEST

START_TEST(nothing_is_touched_beyond_the_data)
{
    uint8_t byte = 1;
    struct iovec iov[INFLIGHT_PAGES];

    ck_assert_int_eq(data_copy_out(storage, &slot, slot.data_len, &byte, 1), -EFAULT);
    ck_assert_int_eq(data_copy_in(storage, &slot, UINT32_MAX, &byte, 1), -EFAULT);
    ck_assert_int_eq(data_zero(storage, &slot, slot.data_len - 4, 5), -EFAULT);
    ck_assert_int_eq(data_iovecs(storage, &slot, 1, slot.data_len, iov), -EFAULT);
    ck_assert_int_eq(data_copy_out(storage, &slot, slot.data_len, &byte, 0), 0);
}
END_TEST

START_TEST(pages_that_are_no_memory_are_refused)
{
    static const uint64_t wrong[] = {PAGES, UINT64_MAX, UINT64_MAX / 4096, UINT64_MAX / 4096 + 1};
    struct iovec iov[INFLIGHT_PAGES];
    uint8_t bytes[8192];

    for (unsigned i = 0; i < COUNT_OF(wrong); i++) {
        slot.pages[1] = wrong[i];
        ck_assert_int_eq(data_iovecs(storage, &slot, 0, 8192, iov), -EFAULT);
        ck_assert_int_eq(data_copy_in(storage, &slot, 0, bytes, 8192), -EFAULT);
        ck_assert_int_eq(data_copy_in(storage, &slot, 0, bytes, 3996), 0);
    }
    slot.pages[0] = PAGES - 1; /* one piece that leaves memory */
    slot.pages[1] = PAGES;
    ck_assert_int_eq(data_iovecs(storage, &slot, 0, 8192, iov), -EFAULT);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("storage_data");
    TCase *c = tcase_create("all");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, bytes_are_copied_to_where_they_belong);
    tcase_add_test(c, pages_that_follow_each_other_are_one_piece);
    tcase_add_test(c, nothing_is_touched_beyond_the_data);
    tcase_add_test(c, pages_that_are_no_memory_are_refused);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

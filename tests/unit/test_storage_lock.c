#include <check.h>
#include <stdlib.h>

#include "workers/storage/storage.h"

enum {
    REQUESTS = 8,
};

static struct unit unit;
static struct request requests[REQUESTS];

static void set_up(void)
{
    memset(&unit, 0, sizeof(unit));
    memset(requests, 0, sizeof(requests));
}

static bool take(unsigned i, enum scsi_io_kind kind, uint64_t from, uint64_t to)
{
    requests[i].unit = &unit;
    requests[i].kind = (uint32_t)kind;
    requests[i].lock_from = from;
    requests[i].lock_to = to;
    return lock_take(&requests[i]);
}

static void expect_ready(struct request *ready, const unsigned *numbers, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        ck_assert_ptr_eq(ready, &requests[numbers[i]]);
        ready = ready->queue_next;
    }
    ck_assert_ptr_null(ready);
}

START_TEST(writes_that_do_not_meet_run_together)
{
    ck_assert(take(0, SCSI_IO_WRITE, 0, 512));
    ck_assert(take(1, SCSI_IO_WRITE, 512, 1024));
    ck_assert(take(2, SCSI_IO_SAME, 1024, 4096));
    ck_assert(take(3, SCSI_IO_ZERO, 4096, 8192));
    for (unsigned i = 0; i < 4; i++)
        ck_assert_ptr_null(lock_release(&requests[i]));
    ck_assert_ptr_null(unit.active.first);
}
END_TEST

START_TEST(what_meets_runs_one_after_the_other_as_it_came)
{
    static const unsigned one[] = {1}, two[] = {2};

    ck_assert(take(0, SCSI_IO_WRITE, 0, 1024));
    ck_assert(!take(1, SCSI_IO_SAME, 512, 2048));
    ck_assert(!take(2, SCSI_IO_ZERO, 1024, 4096)); /* meets only what waits itself */
    expect_ready(lock_release(&requests[0]), one, 1);
    expect_ready(lock_release(&requests[1]), two, 1);
    ck_assert_ptr_null(lock_release(&requests[2]));
}
END_TEST

/* Whoever waits is not passed again and again by smaller ones. */
START_TEST(nobody_passes_one_who_waits_for_the_same)
{
    static const unsigned both[] = {1, 3};

    ck_assert(take(0, SCSI_IO_WRITE, 0, 512));
    ck_assert(!take(1, SCSI_IO_WRITE, 0, 1 << 20));
    ck_assert(!take(2, SCSI_IO_WRITE, 4096, 8192));
    ck_assert(take(4, SCSI_IO_WRITE, 1 << 21, 1 << 22)); /* elsewhere */
    ck_assert(!take(3, SCSI_IO_WRITE, 1 << 21, 1 << 22));
    ck_assert_ptr_eq(lock_release(&requests[0]), &requests[1]);
    ck_assert_ptr_eq(lock_release(&requests[4]), &requests[3]);
    ck_assert_ptr_eq(lock_release(&requests[both[0]]), &requests[2]);
}
END_TEST

START_TEST(one_that_ends_lets_go_all_that_waited_for_it_alone)
{
    static const unsigned all[] = {1, 2, 3};

    ck_assert(take(0, SCSI_IO_ZERO, 0, 1 << 20));
    for (unsigned i = 1; i <= 3; i++)
        ck_assert(!take(i, SCSI_IO_WRITE, i * 4096, (i + 1) * 4096));
    expect_ready(lock_release(&requests[0]), all, 3);
}
END_TEST

START_TEST(reads_and_flushes_wait_for_nothing_on_a_plain_disk)
{
    ck_assert(take(0, SCSI_IO_ZERO, 0, 1 << 20));
    ck_assert(take(1, SCSI_IO_READ, 0, 512));
    ck_assert(take(2, SCSI_IO_FLUSH, 0, UINT64_MAX));
    ck_assert_ptr_null(lock_release(&requests[1]));
    ck_assert_ptr_null(lock_release(&requests[2]));
}
END_TEST

/* An image that grows gives the place of what was discarded to other data. */
START_TEST(reads_and_discards_do_not_meet_where_an_image_grows)
{
    static const unsigned one[] = {1};

    unit.grows = true;
    ck_assert(take(0, SCSI_IO_READ, 0, 4096));
    ck_assert(!take(1, SCSI_IO_ZERO, 0, 1 << 20));
    ck_assert(!take(2, SCSI_IO_READ, 8192, 12288)); /* or the discard would never run */
    ck_assert(take(3, SCSI_IO_READ, 1 << 20, 1 << 21));
    expect_ready(lock_release(&requests[0]), one, 1);
    ck_assert_ptr_eq(lock_release(&requests[1]), &requests[2]);
}
END_TEST

START_TEST(reads_and_writes_run_together_where_an_image_grows)
{
    unit.grows = true;
    ck_assert(take(0, SCSI_IO_READ, 0, 4096));
    ck_assert(take(1, SCSI_IO_WRITE, 0, 4096));
    ck_assert(take(2, SCSI_IO_READ, 0, 4096));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("storage_lock");
    TCase *c = tcase_create("all");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(c, set_up, NULL);
    tcase_add_test(c, writes_that_do_not_meet_run_together);
    tcase_add_test(c, what_meets_runs_one_after_the_other_as_it_came);
    tcase_add_test(c, nobody_passes_one_who_waits_for_the_same);
    tcase_add_test(c, one_that_ends_lets_go_all_that_waited_for_it_alone);
    tcase_add_test(c, reads_and_flushes_wait_for_nothing_on_a_plain_disk);
    tcase_add_test(c, reads_and_discards_do_not_meet_where_an_image_grows);
    tcase_add_test(c, reads_and_writes_run_together_where_an_image_grows);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

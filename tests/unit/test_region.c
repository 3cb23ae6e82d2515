#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ipc/region.h"

enum {
    LEN = 32768,
    GUARD = 4096,
    KILLS = 100,
};

static uint8_t *map;
static struct region region;

static void reset(void)
{
    map = mmap(NULL, LEN + GUARD, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(map, MAP_FAILED);
    ck_assert_int_eq(mprotect(map + LEN, GUARD, PROT_NONE), 0); /* what runs over ends here */
    ck_assert_int_eq(region_attach(&region, map, LEN), 0);
}

static void done(void)
{
    (void)munmap(map, LEN + GUARD);
}

static void commit(const char *text)
{
    memcpy(region_stage(&region), text, strlen(text));
    region_commit(&region, strlen(text), 7);
}

static void attach_again(void)
{
    ck_assert_int_eq(region_attach(&region, map, LEN), 0);
}

static void expect(const char *text)
{
    char buf[64];
    size_t len = 0;

    ck_assert_int_eq(region_load(&region, buf, sizeof(buf), &len), 0);
    ck_assert_uint_eq(len, strlen(text));
    ck_assert_mem_eq(buf, text, len);
    ck_assert_uint_eq(region_schema(&region), 7);
}

/* A load that fails, and touches nothing. */
static void expect_failure(size_t out_len, int error)
{
    static uint8_t buf[LEN];
    static uint8_t before[LEN];
    size_t len = 77;

    memset(buf, 0x55, sizeof(buf));
    memset(before, 0x55, sizeof(before));
    ck_assert_int_eq(region_load(&region, buf, out_len, &len), error);
    ck_assert_uint_eq(len, 77);
    if (error != -EBADMSG) /* of a message that changes while it is copied, a part may be there */
        ck_assert_mem_eq(buf, before, sizeof(buf));
}

START_TEST(the_newest_message_is_found)
{
    commit("one");
    expect("one");
    attach_again();
    expect("one");
    commit("two");
    commit("three");
    expect("three");
    attach_again();
    expect("three");
    ck_assert_uint_eq(region.seq, 3);
    commit("four");
    attach_again();
    expect("four");
}
END_TEST

START_TEST(an_empty_region_has_no_message)
{
    ck_assert_uint_eq(region_schema(&region), 0);
    expect_failure(LEN, -ENOENT);
}
END_TEST

START_TEST(a_message_may_be_empty)
{
    commit("");
    attach_again();
    expect("");
}
END_TEST

START_TEST(the_longest_message_fits)
{
    static uint8_t buf[LEN];
    size_t len = 0;

    for (int i = 0; i < 3; i++) {
        memset(region_stage(&region), 0x30 + i, region.cap);
        region_commit(&region, region.cap, 1);
        attach_again();
        ck_assert_int_eq(region_load(&region, buf, sizeof(buf), &len), 0);
        ck_assert_uint_eq(len, region.cap);
        ck_assert_uint_eq(buf[0], 0x30u + (unsigned)i);
        ck_assert_uint_eq(buf[len - 1], 0x30u + (unsigned)i);
    }
    ck_assert_uint_eq(region.head->magic, REGION_MAGIC);
    ck_assert_uint_ge(region.cap, (LEN - 4096 - REGION_RECORDS * 512) / 2 - 128);
}
END_TEST

START_TEST(a_commit_that_was_not_finished_did_not_happen)
{
    commit("one");
    commit("two");
    memcpy(region_stage(&region), "thr", 3);
    ck_assert_uint_eq(region.slots[1 - region.newest]->seq, 0);
    attach_again();
    expect("two");
    commit("three");
    expect("three");
}
END_TEST

START_TEST(a_commit_whose_bytes_are_not_those_of_its_crc_did_not_happen)
{
    commit("one");
    commit("two");
    region.slots[region.newest]->message[1] ^= 1;
    attach_again();
    expect("one");
}
END_TEST

START_TEST(the_crc_covers_length_schema_and_number)
{
    commit("one");
    commit("two");
    region.slots[region.newest]->len--;
    attach_again();
    expect("one");
    commit("two");
    region.slots[region.newest]->schema++;
    attach_again();
    expect("one");
    commit("two");
    region.slots[region.newest]->seq += 2;
    attach_again();
    expect("one");
}
END_TEST

START_TEST(a_length_beyond_the_slot_is_no_message)
{
    commit("one");
    commit("two");
    region.slots[0]->len = UINT32_MAX;
    region.slots[1]->len = UINT32_MAX;
    attach_again();
    ck_assert_uint_eq(region_schema(&region), 0);
    expect_failure(LEN, -ENOENT);
}
END_TEST

START_TEST(a_message_that_changes_after_it_was_found_is_refused)
{
    commit("one");
    region.slots[region.newest]->message[0] ^= 1;
    expect_failure(LEN, -EBADMSG);
}
END_TEST

START_TEST(a_length_that_changes_after_it_was_found_is_refused)
{
    commit("one");
    region.slots[region.newest]->len = (uint32_t)region.cap + 1;
    expect_failure(SIZE_MAX, -ENOBUFS);
}
END_TEST

START_TEST(a_message_longer_than_the_callers_memory_is_refused)
{
    commit("three");
    expect_failure(4, -ENOBUFS);
}
END_TEST

static void expect_no_attach(size_t len, int error)
{
    struct region other = {.cap = 77};

    ck_assert_int_eq(region_attach(&other, map, len), error);
    if (error == -EINVAL)
        ck_assert_uint_eq(other.cap, 77);
}

START_TEST(lengths_that_hold_no_region_are_refused)
{
    expect_no_attach(0, -EINVAL);
    expect_no_attach(8192, -EINVAL);
    expect_no_attach(16383, -EINVAL);
    expect_no_attach(20480, -EINVAL);
}
END_TEST

START_TEST(another_layout_is_refused)
{
    region.head->version++;
    expect_no_attach(LEN, -EBADMSG);
    region.head->version--;
    region.head->magic = 1;
    expect_no_attach(LEN, -EBADMSG);
}
END_TEST

START_TEST(notes_and_the_request_being_executed_are_kept)
{
    for (unsigned i = 0; i < REGION_NOTES; i++) {
        ck_assert_uint_eq(region_note(&region, i), 0);
        region_set_note(&region, i, 100 + i);
    }
    region_set_executing(&region, 42);
    commit("one");
    attach_again();
    ck_assert_uint_eq(region_executing(map, 0), 42);
    ck_assert_uint_eq(region_executing(map, 1), 0); /* another generation did not execute it */
    region_begin(&region, 1);
    ck_assert_uint_eq(region_executing(map, 0), 0);
    region_set_executing(&region, 43);
    ck_assert_uint_eq(region_executing(map, 1), 43);
    for (unsigned i = 0; i < REGION_NOTES; i++)
        ck_assert_uint_eq(region_note(&region, i), 100 + i);
}
END_TEST

static void append(const char *text)
{
    uint8_t *at = region_log_stage(&region);

    ck_assert_ptr_nonnull(at);
    memcpy(at, text, strlen(text));
    region_log_append(&region, strlen(text));
}

static void expect_record(unsigned i, const char *text)
{
    uint8_t buf[REGION_RECORD_MAX];
    size_t len = 0;

    ck_assert_uint_gt(region.n_records, i);
    ck_assert_int_eq(region_log_read(&region, i, buf, &len), 0);
    ck_assert_uint_eq(len, strlen(text));
    ck_assert_mem_eq(buf, text, len);
}

START_TEST(records_come_back_in_order)
{
    commit("one");
    append("a");
    append("");
    append("ccc");
    attach_again();
    expect("one");
    ck_assert_uint_eq(region.n_records, 3);
    expect_record(0, "a");
    expect_record(1, "");
    expect_record(2, "ccc");
}
END_TEST

START_TEST(there_is_no_log_before_the_first_message)
{
    ck_assert_ptr_null(region_log_stage(&region));
    ck_assert_uint_eq(region.n_records, 0);
}
END_TEST

START_TEST(a_commit_empties_the_log)
{
    commit("one");
    append("a");
    append("b");
    commit("two");
    ck_assert_uint_eq(region.n_records, 0);
    attach_again();
    ck_assert_uint_eq(region.n_records, 0);
    append("c");
    attach_again();
    ck_assert_uint_eq(region.n_records, 1); /* not the old second one too */
    expect_record(0, "c");
}
END_TEST

START_TEST(a_commit_that_was_not_finished_leaves_the_log)
{
    commit("one");
    append("a");
    memcpy(region_stage(&region), "tw", 2);
    attach_again();
    expect("one");
    expect_record(0, "a");
}
END_TEST

START_TEST(a_full_log_takes_no_more)
{
    commit("one");
    for (unsigned i = 0; i < REGION_RECORDS; i++) {
        memset(region_log_stage(&region), (int)i, REGION_RECORD_MAX);
        region_log_append(&region, REGION_RECORD_MAX);
    }
    ck_assert_ptr_null(region_log_stage(&region));
    attach_again();
    expect("one");
    ck_assert_uint_eq(region.n_records, REGION_RECORDS);
    ck_assert_ptr_null(region_log_stage(&region));
    commit("two");
    append("a");
    expect("two");
}
END_TEST

START_TEST(a_record_that_was_not_finished_ends_the_log)
{
    commit("one");
    append("a");
    append("b");
    append("c");
    region.log[1].bytes[0] ^= 1;
    attach_again();
    ck_assert_uint_eq(region.n_records, 1);
    expect_record(0, "a");
    memcpy(region_log_stage(&region), "x", 1);
    attach_again();
    ck_assert_uint_eq(region.n_records, 1);
}
END_TEST

START_TEST(a_records_crc_covers_length_place_and_message)
{
    commit("one");
    append("aa");
    append("bb");
    region.log[1].len--;
    attach_again();
    ck_assert_uint_eq(region.n_records, 1);
    memcpy(&region.log[1], &region.log[0], sizeof(region.log[0]));
    attach_again();
    ck_assert_uint_eq(region.n_records, 1);
    region.log[1].len = UINT32_MAX;
    attach_again();
    ck_assert_uint_eq(region.n_records, 1);
    commit("two");
    region.log[0].seq = region.seq;
    attach_again();
    ck_assert_uint_eq(region.n_records, 0);
}
END_TEST

START_TEST(a_record_that_changed_since_is_refused_and_leaves_the_length)
{
    uint8_t buf[REGION_RECORD_MAX];
    size_t len = 77;

    commit("one");
    append("aa");
    region.log[0].bytes[1] ^= 1;
    ck_assert_int_eq(region_log_read(&region, 0, buf, &len), -EBADMSG);
    region.log[0].len = REGION_RECORD_MAX + 1;
    ck_assert_int_eq(region_log_read(&region, 0, buf, &len), -EBADMSG);
    ck_assert_uint_eq(len, 77);
}
END_TEST

/* Commit messages whose bytes all are the low byte of their number, and say so after each. */
static _Noreturn void commit_for_ever(_Atomic uint64_t *said)
{
    for (;;) {
        size_t len = 1 + region.seq * 37 % region.cap;

        memset(region_stage(&region), (int)((region.seq + 1) & 0xff), len);
        region_commit(&region, len, 7);
        *said = region.seq;
    }
}

START_TEST(a_kill_at_any_instant_leaves_a_whole_message)
{
    static uint8_t buf[LEN];
    _Atomic uint64_t *said =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    for (int i = 0; i < KILLS; i++) {
        struct timespec t = {.tv_nsec = 500000 + i * 7919};
        pid_t pid = fork();
        size_t len = 0;

        if (pid == 0)
            commit_for_ever(said);
        (void)nanosleep(&t, NULL);
        (void)kill(pid, SIGKILL);
        ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
        attach_again();
        if (*said == 0)
            continue; /* it had not begun */
        ck_assert_uint_ge(region.seq, *said);
        ck_assert_uint_le(region.seq, *said + 1);
        ck_assert_int_eq(region_load(&region, buf, sizeof(buf), &len), 0);
        ck_assert_uint_eq(len, 1 + (region.seq - 1) * 37 % region.cap);
        for (size_t at = 0; at < len; at++) {
            if (buf[at] != (region.seq & 0xff))
                ck_abort_msg("torn");
        }
    }
    ck_assert_uint_gt(*said, KILLS);
}
END_TEST

/* Fill the log, again and again, with records whose bytes are their place; say so after each. */
static _Noreturn void log_for_ever(_Atomic uint64_t *said)
{
    for (;;) {
        uint8_t *at = region_log_stage(&region);
        size_t len = 1 + region.n_records * 37 % REGION_RECORD_MAX;

        if (at == NULL) {
            region_stage(&region)[0] = 0;
            region_commit(&region, 1, 7);
        } else {
            memset(at, (int)region.n_records, len);
            region_log_append(&region, len);
        }
        *said = region.seq << 8 | region.n_records;
    }
}

static void expect_whole_records(void)
{
    uint8_t buf[REGION_RECORD_MAX];
    size_t len = 0;

    for (unsigned i = 0; i < region.n_records; i++) {
        ck_assert_int_eq(region_log_read(&region, i, buf, &len), 0);
        ck_assert_uint_eq(len, 1 + i * 37 % REGION_RECORD_MAX);
        for (size_t at = 0; at < len; at++)
            ck_assert_uint_eq(buf[at], i);
    }
}

START_TEST(a_kill_at_any_instant_leaves_whole_records)
{
    _Atomic uint64_t *said =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    commit("one");
    for (int i = 0; i < KILLS; i++) {
        struct timespec t = {.tv_nsec = 500000 + i * 7919};
        pid_t pid = fork();
        uint64_t found;

        if (pid == 0)
            log_for_ever(said);
        (void)nanosleep(&t, NULL);
        (void)kill(pid, SIGKILL);
        ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
        attach_again();
        found = region.seq << 8 | region.n_records;
        ck_assert_uint_ge(found, *said);
        ck_assert(found <= *said + 1 || region.n_records == 0);
        expect_whole_records();
    }
    ck_assert_uint_gt(*said >> 8, 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("region");
    TCase *c = tcase_create("all");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(c, reset, done);
    tcase_set_timeout(c, 30);
    tcase_add_test(c, the_newest_message_is_found);
    tcase_add_test(c, an_empty_region_has_no_message);
    tcase_add_test(c, a_message_may_be_empty);
    tcase_add_test(c, the_longest_message_fits);
    tcase_add_test(c, a_commit_that_was_not_finished_did_not_happen);
    tcase_add_test(c, a_commit_whose_bytes_are_not_those_of_its_crc_did_not_happen);
    tcase_add_test(c, the_crc_covers_length_schema_and_number);
    tcase_add_test(c, a_length_beyond_the_slot_is_no_message);
    tcase_add_test(c, a_message_that_changes_after_it_was_found_is_refused);
    tcase_add_test(c, a_length_that_changes_after_it_was_found_is_refused);
    tcase_add_test(c, a_message_longer_than_the_callers_memory_is_refused);
    tcase_add_test(c, lengths_that_hold_no_region_are_refused);
    tcase_add_test(c, another_layout_is_refused);
    tcase_add_test(c, notes_and_the_request_being_executed_are_kept);
    tcase_add_test(c, a_kill_at_any_instant_leaves_a_whole_message);
    tcase_add_test(c, records_come_back_in_order);
    tcase_add_test(c, there_is_no_log_before_the_first_message);
    tcase_add_test(c, a_commit_empties_the_log);
    tcase_add_test(c, a_commit_that_was_not_finished_leaves_the_log);
    tcase_add_test(c, a_full_log_takes_no_more);
    tcase_add_test(c, a_record_that_was_not_finished_ends_the_log);
    tcase_add_test(c, a_records_crc_covers_length_place_and_message);
    tcase_add_test(c, a_record_that_changed_since_is_refused_and_leaves_the_length);
    tcase_add_test(c, a_kill_at_any_instant_leaves_whole_records);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

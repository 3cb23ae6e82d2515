#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/board.h"
#include "ipc/manifest.h"
#include "ipc/records.h"

static struct records_page *page;
static struct records_cursor cursor;

static void reset(void)
{
    page = calloc(1, sizeof(*page));
    ck_assert_ptr_nonnull(page);
    cursor = records_oldest_event(page);
}

static void done(void)
{
    free(page);
}

static void add_event(uint32_t generation)
{
    struct event_record e = {
        .kind = EVENT_RUNNING, .process = PROCESS_VTPM, .generation = generation};

    ck_assert_uint_eq(records_add_event(page, &e), page->n_events);
}

static struct event_record next_event(void)
{
    struct event_record e = {0};
    int r = records_next_event(page, &cursor, &e);

    ck_assert_int_eq(r, 0);
    return e;
}

static void expect_no_event(void)
{
    struct event_record e = {.seq = 77};
    int r = records_next_event(page, &cursor, &e);

    ck_assert_int_eq(r, -EAGAIN);
    ck_assert_uint_eq(e.seq, 77);
}

START_TEST(events_come_in_order_and_once)
{
    expect_no_event();
    add_event(1);
    add_event(2);
    for (uint32_t i = 1; i <= 2; i++) {
        struct event_record e = next_event();

        ck_assert_uint_eq(e.seq, i);
        ck_assert_uint_eq(e.generation, i);
        ck_assert_uint_ne(e.time_ns, 0);
        ck_assert_uint_ne(e.monotonic_ns, 0);
    }
    expect_no_event();
    ck_assert_uint_eq(cursor.lost, 0);
}
END_TEST

START_TEST(who_is_overtaken_knows_how_many_were_lost)
{
    add_event(1);
    (void)next_event();
    for (uint32_t i = 2; i <= RECORDS_EVENTS + 11; i++)
        add_event(i);
    ck_assert_uint_eq(next_event().generation, 12);
    ck_assert_uint_eq(cursor.lost, 10);
    for (uint32_t i = 13; i <= RECORDS_EVENTS + 11; i++)
        ck_assert_uint_eq(next_event().generation, i);
    expect_no_event();
    ck_assert_uint_eq(cursor.lost, 10);
}
END_TEST

START_TEST(who_comes_late_has_lost_nothing)
{
    for (uint32_t i = 1; i <= RECORDS_EVENTS + 5; i++)
        add_event(i);
    cursor = records_oldest_event(page);
    ck_assert_uint_eq(next_event().generation, 6);
    ck_assert_uint_eq(cursor.lost, 0);
}
END_TEST

START_TEST(a_record_that_makes_no_sense_is_passed_over_and_counted)
{
    add_event(1);
    add_event(2);
    add_event(3);
    add_event(4);
    add_event(5);
    page->events[1].event.kind = EVENT_KINDS;
    page->events[2].event.process = PROCESS_COUNT;
    page->events[3].event.cause = CAUSES;
    page->events[4].written = 0; /* torn */
    ck_assert_uint_eq(next_event().generation, 5);
    ck_assert_uint_eq(cursor.lost, 4);
}
END_TEST

START_TEST(numbers_that_no_writer_reaches_tell_nothing)
{
    add_event(1);
    page->n_events = UINT64_MAX;
    expect_no_event();
    page->n_events = UINT64_MAX / 2;
    expect_no_event();  /* as far as one could get, and no slot has what it says */
    page->n_events = 0; /* backwards */
    expect_no_event();
}
END_TEST

static uint64_t add_crash(uint32_t generation)
{
    struct crash_record c = {.process = PROCESS_NET,
                             .cause = CAUSE_HANG,
                             .generation = generation,
                             .doing = DOING_SCSI,
                             .n_lines = 1,
                             .build_id = "01ab"};

    c.lines[0] = (struct crash_line){.level = LOG_LEVEL_WARN, .len = 4, .text = "last"};
    return records_add_crash(page, &c);
}

START_TEST(a_crash_is_found_by_its_number_as_long_as_it_is_there)
{
    struct crash_record c;

    for (uint32_t i = 1; i <= RECORDS_CRASHES + 1; i++)
        ck_assert_uint_eq(add_crash(i), i);
    ck_assert_int_eq(records_find_crash(page, 1, &c), -ENOENT);
    ck_assert_int_eq(records_find_crash(page, 0, &c), -ENOENT);
    ck_assert_int_eq(records_find_crash(page, RECORDS_CRASHES + 2, &c), -ENOENT);
    ck_assert_int_eq(records_find_crash(page, 2, &c), 0);
    ck_assert_uint_eq(c.generation, 2);
    ck_assert_str_eq(c.lines[0].text, "last");
    cursor = records_oldest_crash(page);
    ck_assert_int_eq(records_next_crash(page, &cursor, &c), 0);
    ck_assert_uint_eq(c.seq, 2);
}
END_TEST

START_TEST(texts_of_a_crash_steer_no_terminal_and_end)
{
    struct crash_record *there, c;

    (void)add_crash(1);
    there = &page->crashes[1].crash;
    memset(there->build_id, '\033', sizeof(there->build_id));
    memset(there->lines[0].text, '\n', sizeof(there->lines[0].text));
    there->lines[0].len = BOARD_LOG_TEXT_BYTES - 1;
    ck_assert_int_eq(records_find_crash(page, 1, &c), 0);
    ck_assert_uint_eq(strspn(c.build_id, "?"), RECORDS_BUILD_ID_BYTES - 1);
    ck_assert_uint_eq(strspn(c.lines[0].text, "?"), BOARD_LOG_TEXT_BYTES - 1);
    ck_assert_uint_eq(strlen(c.lines[0].text), BOARD_LOG_TEXT_BYTES - 1);
}
END_TEST

START_TEST(a_crash_that_makes_no_sense_is_none)
{
    struct crash_record *there, c;

    (void)add_crash(1);
    there = &page->crashes[1].crash;
    there->lines[0].len = BOARD_LOG_TEXT_BYTES;
    ck_assert_int_eq(records_find_crash(page, 1, &c), -ENOENT);
    there->lines[0].len = 4;
    there->n_lines = RECORDS_LINES + 1;
    ck_assert_int_eq(records_find_crash(page, 1, &c), -ENOENT);
    there->n_lines = 1;
    there->doing = DOINGS;
    ck_assert_int_eq(records_find_crash(page, 1, &c), -ENOENT);
    there->doing = DOING_NONE;
    there->process = RECORDS_VM; /* a VM does not crash */
    ck_assert_int_eq(records_find_crash(page, 1, &c), -ENOENT);
    there->process = PROCESS_NET;
    there->cause = CAUSE_NONE;
    ck_assert_int_eq(records_find_crash(page, 1, &c), -ENOENT);
    there->cause = CAUSE_CRASH;
    ck_assert_int_eq(records_find_crash(page, 1, &c), 0);
}
END_TEST

/* Whatever a worker may be told to log. */
START_TEST(last_lines_are_of_any_level)
{
    struct crash_record c;

    (void)add_crash(1);
    for (unsigned level = LOG_LEVEL_ERROR; log_level_name(level) != NULL; level++) {
        page->crashes[1].crash.lines[0].level = (uint8_t)level;
        ck_assert_int_eq(records_find_crash(page, 1, &c), 0);
        ck_assert_uint_eq(c.lines[0].level, level);
    }
    for (unsigned i = 0; i < 2; i++) {
        page->crashes[1].crash.lines[0].level = i == 0 ? 0 : LOG_LEVEL_DEBUG + 1;
        ck_assert_int_eq(records_find_crash(page, 1, &c), -ENOENT);
    }
}
END_TEST

START_TEST(everything_has_a_word)
{
    for (unsigned i = 1; i < EVENT_KINDS; i++)
        ck_assert_ptr_nonnull(records_event_name(i));
    for (unsigned i = 1; i < CAUSES; i++)
        ck_assert_ptr_nonnull(records_cause_name(i));
    for (unsigned i = 1; i < DOINGS; i++)
        ck_assert_ptr_nonnull(records_doing_name(i));
    ck_assert_ptr_null(records_event_name(EVENT_KINDS));
    ck_assert_ptr_null(records_cause_name(CAUSES));
    ck_assert_ptr_null(records_doing_name(DOINGS));
    ck_assert_ptr_null(records_event_numbers(EVENT_KINDS)[0]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("records");
    TCase *c = tcase_create("records");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(c, reset, done);
    tcase_add_test(c, events_come_in_order_and_once);
    tcase_add_test(c, who_is_overtaken_knows_how_many_were_lost);
    tcase_add_test(c, who_comes_late_has_lost_nothing);
    tcase_add_test(c, a_record_that_makes_no_sense_is_passed_over_and_counted);
    tcase_add_test(c, numbers_that_no_writer_reaches_tell_nothing);
    tcase_add_test(c, a_crash_is_found_by_its_number_as_long_as_it_is_there);
    tcase_add_test(c, texts_of_a_crash_steer_no_terminal_and_end);
    tcase_add_test(c, a_crash_that_makes_no_sense_is_none);
    tcase_add_test(c, last_lines_are_of_any_level);
    tcase_add_test(c, everything_has_a_word);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

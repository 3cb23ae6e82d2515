#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/board.h"
#include "base/board_read.h"

static struct board_page *page;
static struct board board;

static void reset(void)
{
    page = calloc(1, sizeof(*page));
    ck_assert_ptr_nonnull(page);
    board_attach(&board, page, 3);
    board_take_rows(&board);
}

static void done(void)
{
    free(page);
}

static struct board_value row(uint32_t i)
{
    struct board_value v;

    ck_assert_int_eq(board_read_row(page, i, &v), 0);
    return v;
}

static struct board_line line(uint64_t from)
{
    struct board_line l;

    ck_assert_int_eq(board_read_log(page, from, &l), 0);
    return l;
}

START_TEST(values_are_shown)
{
    struct board_row *counter = board_add(&board, BOARD_COUNTER, "crb/commands");
    struct board_row *gauge = board_addf(&board, BOARD_GAUGE, "com%u/room", 2u);
    struct board_row *text = board_add(&board, BOARD_TEXT, "state");

    board_inc(counter);
    board_inc(counter);
    board_set(gauge, 99);
    board_text(text, "serving");
    ck_assert_str_eq(row(0).name, "crb/commands");
    ck_assert_int_eq(row(0).kind, BOARD_COUNTER);
    ck_assert_uint_eq(row(0).value, 2);
    ck_assert_str_eq(row(0).text, "");
    ck_assert_str_eq(row(1).name, "com2/room");
    ck_assert_int_eq(row(1).kind, BOARD_GAUGE);
    ck_assert_uint_eq(row(1).value, 99);
    ck_assert_str_eq(row(2).text, "serving");
    ck_assert_int_eq(board_read_row(page, 3, &(struct board_value){0}), -ENOENT);
}
END_TEST

/* What is not wanted takes no room, nor the place of another one in a flood. */
START_TEST(lines_of_a_level_are_logged_or_not)
{
    static _Atomic uint8_t level;

    board_log(&board, LOG_LEVEL_DEBUG, "none");
    ck_assert_uint_eq(page->log_seq, 0);
    board.level = &level;
    for (unsigned l = 0; l < 256; l++) { /* anything may be there */
        const unsigned last = l >= LOG_LEVEL_ERROR && l <= LOG_LEVEL_DEBUG ? l : LOG_LEVEL_INFO;

        level = (uint8_t)l;
        board.tokens_ns = 0;
        for (unsigned of = LOG_LEVEL_ERROR; of <= LOG_LEVEL_DEBUG; of++) {
            uint64_t before = page->log_seq;

            board_log(&board, (enum log_level)of, "line");
            ck_assert_uint_eq(page->log_seq - before, of <= last ? 1 : 0);
            if (of <= last)
                ck_assert_uint_eq(line(page->log_seq).level, of);
        }
    }
    ck_assert_uint_eq(page->log_dropped, 0);
}
END_TEST

START_TEST(names_and_texts_are_cut)
{
    char longest[2 * BOARD_TEXT_BYTES];

    memset(longest, 'a', sizeof(longest));
    longest[sizeof(longest) - 1] = '\0';
    board_text(board_add(&board, BOARD_TEXT, longest), longest);
    ck_assert_uint_eq(strlen(row(0).name), BOARD_NAME_BYTES - 1);
    ck_assert_uint_eq(strlen(row(0).text), BOARD_TEXT_BYTES - 1);
}
END_TEST

START_TEST(a_full_board_costs_values_only)
{
    for (int i = 0; i < BOARD_ROWS; i++)
        ck_assert_ptr_nonnull(board_add(&board, BOARD_GAUGE, "x"));
    ck_assert_ptr_null(board_add(&board, BOARD_GAUGE, "y"));
    board_set(NULL, 1);
    board_inc(NULL);
    board_text(NULL, "x");
    ck_assert_int_eq(board_read_row(page, BOARD_ROWS, &(struct board_value){0}), -ENOENT);
    ck_assert_int_eq(board_read_row(page, UINT32_MAX, &(struct board_value){0}), -ENOENT);
}
END_TEST

START_TEST(without_a_page_nothing_happens)
{
    struct board none = {0};

    ck_assert_ptr_null(board_add(&none, BOARD_GAUGE, "x"));
    board_log(&none, LOG_LEVEL_ERROR, "nobody hears this");
}
END_TEST

/* A generation may log before the device is its own; rows it may not touch. */
START_TEST(rows_belong_to_the_generation_before_until_taken)
{
    struct board next;

    (void)board_add(&board, BOARD_GAUGE, "old");
    board_attach(&next, page, 4);
    ck_assert_ptr_null(board_add(&next, BOARD_GAUGE, "too early"));
    board_log(&next, LOG_LEVEL_INFO, "here");
    ck_assert_str_eq(row(0).name, "old");
    ck_assert_uint_eq(page->generation, 3);
    board_take_rows(&next);
    ck_assert_uint_eq(page->generation, 4);
    ck_assert_int_eq(board_read_row(page, 0, &(struct board_value){0}), -ENOENT);
    ck_assert_ptr_nonnull(board_add(&next, BOARD_GAUGE, "new"));
}
END_TEST

START_TEST(the_log_outlives_generations)
{
    struct board next;
    struct board_line l;

    board_log(&board, LOG_LEVEL_WARN, "dying of %d", 42);
    board_attach(&next, page, 4);
    board_take_rows(&next);
    board_log(&next, LOG_LEVEL_INFO, "back");
    l = line(0);
    ck_assert_str_eq(l.text, "dying of 42");
    ck_assert_uint_eq(l.generation, 3);
    ck_assert_int_eq(l.level, LOG_LEVEL_WARN);
    ck_assert_uint_eq(l.seq, 1);
    ck_assert_uint_gt(l.time_ns, 0);
    l = line(2);
    ck_assert_str_eq(l.text, "back");
    ck_assert_uint_eq(l.generation, 4);
    ck_assert_int_eq(board_read_log(page, 3, &l), -ENOENT);
    ck_assert_uint_eq(l.seq, 2);
}
END_TEST

START_TEST(long_lines_are_cut_and_control_characters_replaced)
{
    char text[2 * BOARD_LOG_TEXT_BYTES];

    memset(text, 'a', sizeof(text));
    text[0] = '\033';
    text[1] = '\n';
    text[2] = 0x7f;
    text[3] = (char)0xff;
    text[sizeof(text) - 1] = '\0';
    board_log(&board, LOG_LEVEL_INFO, "%s", text);
    ck_assert_uint_eq(strlen(line(0).text), BOARD_LOG_TEXT_BYTES - 1);
    ck_assert_int_eq(strncmp(page->log[1].text, "????aa", 6), 0); /* already where it is written */
}
END_TEST

START_TEST(a_flood_is_dropped_and_counted)
{
    enum { FLOOD = 10000, BURST = 200 };
    uint64_t logged;

    for (int i = 0; i < FLOOD; i++)
        board_log(&board, LOG_LEVEL_INFO, "line %d", i);
    logged = page->log_seq;
    ck_assert_uint_ge(logged, BURST - 1);
    ck_assert_uint_lt(logged, BURST + 300); /* 3 s on the slowest of machines */
    ck_assert_uint_eq(logged + page->log_dropped, FLOOD);
}
END_TEST

START_TEST(old_lines_give_way_to_new_ones)
{
    for (int i = 1; i <= 3 * BOARD_LOG_RECORDS; i++) {
        board.tokens_ns = 0; /* no limit here */
        board_log(&board, LOG_LEVEL_INFO, "line %d", i);
    }
    ck_assert_str_eq(line(0).text, "line 513");
    ck_assert_str_eq(line(514).text, "line 514");
    ck_assert_str_eq(line(768).text, "line 768");
}
END_TEST

START_TEST(a_row_of_an_unknown_kind_is_skipped)
{
    struct board_value v = {.value = 77};

    (void)board_add(&board, BOARD_GAUGE, "x");
    page->rows[0].kind = BOARD_HISTOGRAM + 1;
    ck_assert_int_eq(board_read_row(page, 0, &v), -EBADMSG);
    ck_assert_uint_eq(v.value, 77);
}
END_TEST

START_TEST(names_and_texts_without_end_are_ended)
{
    (void)board_add(&board, BOARD_TEXT, "x");
    memset(page->rows[0].name, '\n', BOARD_NAME_BYTES);
    memset(page->rows[0].text, 'b', BOARD_TEXT_BYTES);
    ck_assert_uint_eq(strlen(row(0).name), BOARD_NAME_BYTES - 1);
    ck_assert_int_eq(row(0).name[0], '?');
    ck_assert_uint_eq(strlen(row(0).text), BOARD_TEXT_BYTES - 1);
}
END_TEST

START_TEST(a_text_that_is_written_for_ever_is_still_read)
{
    board_text(board_add(&board, BOARD_TEXT, "x"), "half");
    page->rows[0].version = 1;
    ck_assert_str_eq(row(0).text, "half");
    board_text(&page->rows[0], "whole");
    ck_assert_uint_eq(page->rows[0].version % 2, 0);
    ck_assert_str_eq(row(0).text, "whole");
}
END_TEST

START_TEST(a_line_being_written_is_passed_over)
{
    board_log(&board, LOG_LEVEL_INFO, "one");
    board_log(&board, LOG_LEVEL_INFO, "two");
    page->log[1].seq = 0;
    ck_assert_str_eq(line(0).text, "two");
}
END_TEST

START_TEST(a_line_of_another_number_is_passed_over)
{
    board_log(&board, LOG_LEVEL_INFO, "one");
    page->log[1].seq = 1 + BOARD_LOG_RECORDS;
    ck_assert_int_eq(board_read_log(page, 0, &(struct board_line){0}), -ENOENT);
}
END_TEST

START_TEST(a_line_beyond_the_count_is_not_seen)
{
    board_log(&board, LOG_LEVEL_INFO, "one");
    page->log[2].seq = 2;
    ck_assert_int_eq(board_read_log(page, 2, &(struct board_line){0}), -ENOENT);
}
END_TEST

START_TEST(a_line_longer_than_its_record_is_cut)
{
    board_log(&board, LOG_LEVEL_INFO, "one");
    memset(page->log[1].text, 'c', BOARD_LOG_TEXT_BYTES);
    page->log[1].len = UINT16_MAX;
    ck_assert_uint_eq(strlen(line(0).text), BOARD_LOG_TEXT_BYTES);
    page->log[1].len = 5;
    ck_assert_str_eq(line(0).text, "ccccc");
}
END_TEST

START_TEST(a_level_that_is_none_is_an_error)
{
    board_log(&board, LOG_LEVEL_INFO, "one");
    page->log[1].level = 0;
    ck_assert_int_eq(line(0).level, LOG_LEVEL_ERROR);
    page->log[1].level = LOG_LEVEL_DEBUG + 1;
    ck_assert_int_eq(line(0).level, LOG_LEVEL_ERROR);
}
END_TEST

START_TEST(a_count_of_lines_that_lies_ends_all_the_same)
{
    struct board_line l = {.seq = 77};

    page->log_seq = UINT64_MAX;
    ck_assert_int_eq(board_read_log(page, 0, &l), -ENOENT);
    ck_assert_int_eq(board_read_log(page, UINT64_MAX, &l), -ENOENT);
    ck_assert_uint_eq(l.seq, 77);
}
END_TEST

static struct latency histogram(uint32_t i)
{
    struct latency l;

    ck_assert_int_eq(board_read_histogram(page, i, &l), 0);
    return l;
}

START_TEST(what_takes_long_is_in_its_bucket)
{
    struct board_row *one = board_add(&board, BOARD_HISTOGRAM, "one by one");
    struct board_row *all = board_add(&board, BOARD_HISTOGRAM, "all at once");
    struct latency l = {0}, got;

    for (uint64_t ns = 1; ns != 0; ns *= 2) {
        board_took(one, ns);
        latency_count(&l, ns, 1);
    }
    board_latency(all, &l);
    got = histogram(0);
    ck_assert_mem_eq(&got, &l, sizeof(l));
    got = histogram(1);
    ck_assert_mem_eq(&got, &l, sizeof(l));
    ck_assert_int_eq(row(0).kind, BOARD_HISTOGRAM);
    ck_assert_uint_eq(row(0).value, l.sum_ns);
    ck_assert_str_eq(row(0).text, "");
    board_took(NULL, 1);
    board_latency(NULL, &l);
}
END_TEST

START_TEST(only_a_histogram_is_read_as_one)
{
    struct latency l = {.n = 7};

    (void)board_add(&board, BOARD_COUNTER, "x");
    ck_assert_int_eq(board_read_histogram(page, 0, &l), -EBADMSG);
    ck_assert_int_eq(board_read_histogram(page, 1, &l), -ENOENT);
    ck_assert_uint_eq(l.n, 7);
}
END_TEST

/* Whoever adds buckets up may rely on it. */
START_TEST(the_buckets_of_a_liar_do_not_wrap)
{
    struct board_row *bad = board_add(&board, BOARD_HISTOGRAM, "x");
    struct latency l;

    for (unsigned i = 0; i < LATENCY_BUCKETS; i++)
        atomic_store(&bad->buckets[i], UINT64_MAX - i);
    l = histogram(0);
    ck_assert_uint_eq(l.n, UINT64_MAX);
    ck_assert_uint_eq(l.buckets[0], UINT64_MAX);
    ck_assert_uint_eq(l.buckets[1], 0);
}
END_TEST

/* A generation that was taken over may have written anywhere. */
START_TEST(rows_behind_the_end_never_show)
{
    struct board next;
    struct board_value v;

    for (uint32_t i = 0; i < BOARD_ROWS; i++) {
        memset(&page->rows[i], 'x', sizeof(page->rows[i]));
        atomic_store(&page->rows[i].kind, BOARD_COUNTER);
    }
    board_attach(&next, page, 2);
    board_take_rows(&next);
    ck_assert_int_eq(board_read_row(page, 0, &v), -ENOENT);
    for (uint32_t i = 0; i < BOARD_ROWS; i++) {
        ck_assert_ptr_nonnull(board_add(&next, BOARD_GAUGE, "mine"));
        ck_assert_int_eq(board_read_row(page, i, &v), 0);
        ck_assert_str_eq(v.name, "mine");
        ck_assert_uint_eq(v.value, 0);
        ck_assert_int_eq(board_read_row(page, i + 1, &v), -ENOENT);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("board");
    TCase *c = tcase_create("all");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(c, reset, done);
    tcase_add_test(c, values_are_shown);
    tcase_add_test(c, lines_of_a_level_are_logged_or_not);
    tcase_add_test(c, names_and_texts_are_cut);
    tcase_add_test(c, a_full_board_costs_values_only);
    tcase_add_test(c, without_a_page_nothing_happens);
    tcase_add_test(c, rows_belong_to_the_generation_before_until_taken);
    tcase_add_test(c, the_log_outlives_generations);
    tcase_add_test(c, long_lines_are_cut_and_control_characters_replaced);
    tcase_add_test(c, a_flood_is_dropped_and_counted);
    tcase_add_test(c, old_lines_give_way_to_new_ones);
    tcase_add_test(c, a_row_of_an_unknown_kind_is_skipped);
    tcase_add_test(c, what_takes_long_is_in_its_bucket);
    tcase_add_test(c, only_a_histogram_is_read_as_one);
    tcase_add_test(c, the_buckets_of_a_liar_do_not_wrap);
    tcase_add_test(c, names_and_texts_without_end_are_ended);
    tcase_add_test(c, a_text_that_is_written_for_ever_is_still_read);
    tcase_add_test(c, a_line_being_written_is_passed_over);
    tcase_add_test(c, a_line_of_another_number_is_passed_over);
    tcase_add_test(c, a_line_beyond_the_count_is_not_seen);
    tcase_add_test(c, a_line_longer_than_its_record_is_cut);
    tcase_add_test(c, a_level_that_is_none_is_an_error);
    tcase_add_test(c, a_count_of_lines_that_lies_ends_all_the_same);
    tcase_add_test(c, rows_behind_the_end_never_show);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

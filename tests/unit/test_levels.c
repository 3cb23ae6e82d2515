#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "base/board_read.h"
#include "supervisor/levels.h"

static struct board_page page;
static struct board board;
static struct levels_page shared;
static struct levels levels;

static void reset(void)
{
    board_attach(&board, &page, 1);
    board_take_rows(&board);
    shared = (struct levels_page){0};
    levels_init(&levels, &board, &shared);
}

static const char *shown(enum process p)
{
    static struct board_value v;

    ck_assert_int_eq(board_read_row(&page, (uint32_t)p, &v), 0);
    return v.text;
}

START_TEST(each_process_has_one)
{
    for (enum process p = 0; p < PROCESS_COUNT; p++)
        ck_assert_str_eq(shown(p), "info");
    ck_assert_int_eq(levels_set(&levels, PROCESS_VTPM, LOG_LEVEL_DEBUG), 0);
    ck_assert_int_eq(levels_set(&levels, PROCESS_INIT, LOG_LEVEL_ERROR), 0);
    ck_assert_str_eq(shown(PROCESS_VTPM), "debug");
    ck_assert_str_eq(shown(PROCESS_INIT), "error");
    ck_assert_str_eq(shown(PROCESS_STORAGE), "info");
    ck_assert_uint_eq(shared.level[PROCESS_VTPM], LOG_LEVEL_DEBUG);
    ck_assert_uint_eq(shared.level[PROCESS_STORAGE], 0);
}
END_TEST

/* diag asks, and may have been taken over. */
START_TEST(what_is_none_changes_nothing)
{
    ck_assert_int_eq(levels_set(&levels, PROCESS_COUNT, LOG_LEVEL_DEBUG), -EINVAL);
    ck_assert_int_eq(levels_set(&levels, UINT32_MAX, LOG_LEVEL_DEBUG), -EINVAL);
    ck_assert_int_eq(levels_set(&levels, PROCESS_VTPM, 0), -EINVAL);
    ck_assert_int_eq(levels_set(&levels, PROCESS_VTPM, LOG_LEVEL_DEBUG + 1), -EINVAL);
    ck_assert_int_eq(levels_set(&levels, PROCESS_VTPM, 256 + LOG_LEVEL_DEBUG), -EINVAL);
    for (enum process p = 0; p < PROCESS_COUNT; p++)
        ck_assert_uint_eq(shared.level[p], 0);
    ck_assert_str_eq(shown(PROCESS_VTPM), "info");
}
END_TEST

START_TEST(the_supervisor_obeys_itself)
{
    uint64_t before = page.log_seq;

    board_log(&board, LOG_LEVEL_DEBUG, "no");
    ck_assert_uint_eq(page.log_seq, before);
    ck_assert_int_eq(levels_set(&levels, PROCESS_SUPERVISOR, LOG_LEVEL_DEBUG), 0);
    board_log(&board, LOG_LEVEL_DEBUG, "yes");
    ck_assert_uint_eq(page.log_seq, before + 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("levels");
    TCase *t = tcase_create("levels");
    SRunner *runner = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(t, reset, NULL);
    tcase_add_test(t, each_process_has_one);
    tcase_add_test(t, what_is_none_changes_nothing);
    tcase_add_test(t, the_supervisor_obeys_itself);
    suite_add_tcase(s, t);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

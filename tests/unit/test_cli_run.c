#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/escape.h"
#include "cli/frames.h"
#include "cli/outcome.h"
#include "cli/restarts.h"
#include "cli/tail.h"

/* --- frames --- */

static struct frames *new_frames(void)
{
    struct frames *f = calloc(1, sizeof(*f));

    ck_assert_ptr_nonnull(f);
    return f;
}

START_TEST(frames_come_out_whole_however_they_come_in)
{
    static const char stream[] = "\3\0\0\0abc\0\0\0\0\2\0\0\0de";
    static const char *const want[] = {"abc", "", "de"};
    struct frames *f = new_frames();
    struct span got;
    size_t n = 0;

    for (size_t i = 0; i < sizeof(stream) - 1; i++) {
        ck_assert_uint_eq(frames_feed(f, stream + i, 1), 1);
        while (frames_next(f, &got) == 1) {
            ck_assert_uint_lt(n, 3);
            ck_assert_uint_eq(got.len, strlen(want[n]));
            ck_assert_mem_eq(got.at, want[n], got.len);
            frames_drop(f);
            n++;
        }
    }
    ck_assert_uint_eq(n, 3);
    free(f);
}
END_TEST

START_TEST(too_long_a_frame_is_refused)
{
    struct frames *f = new_frames();
    struct span got;

    ck_assert_uint_eq(frames_feed(f, "\1\0\1\0", 4), 4);
    ck_assert_int_eq(frames_next(f, &got), -EBADMSG);
    free(f);
}
END_TEST

START_TEST(the_longest_frame_fits)
{
    struct frames *f = new_frames();
    char *bytes = calloc(1, FRAME_MAX_BYTES + 1);
    struct span got;

    ck_assert_uint_eq(frames_feed(f, "\0\0\1\0", 4), 4);
    ck_assert_uint_eq(frames_feed(f, bytes, FRAME_MAX_BYTES + 1), FRAME_MAX_BYTES);
    ck_assert_int_eq(frames_next(f, &got), 1);
    ck_assert_uint_eq(got.len, FRAME_MAX_BYTES);
    frames_drop(f);
    ck_assert_int_eq(frames_next(f, &got), 0);
    free(bytes);
    free(f);
}
END_TEST

/* --- Ctrl-A --- */

START_TEST(keys)
{
    static const struct {
        const char *typed, *sent;
        bool leave;
    } rows[] = {
        {"hello",   "hello", false},
        {"\1x",     "",      true },
        {"ab\1Xcd", "ab",    true },
        {"\1a",     "\1",    false},
        {"\1\1",    "\1",    false},
        {"\1q",     "",      false},
        {"a\1",     "a",     false},
        {"\1a\1x",  "\1",    true },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct escape e = {0};
        char bytes[16];
        size_t len = strlen(rows[i].typed);
        size_t kept;

        memcpy(bytes, rows[i].typed, len);
        ck_assert_int_eq(escape_filter(&e, bytes, len, &kept), rows[i].leave);
        ck_assert_uint_eq(kept, strlen(rows[i].sent));
        ck_assert_mem_eq(bytes, rows[i].sent, kept);
    }
}
END_TEST

START_TEST(keys_may_come_one_by_one)
{
    struct escape e = {0};
    char key = 1;
    size_t kept;

    ck_assert(!escape_filter(&e, &key, 1, &kept));
    ck_assert_uint_eq(kept, 0);
    key = 'x';
    ck_assert(escape_filter(&e, &key, 1, &kept));
}
END_TEST

/* --- tails --- */

static char *tail_text(const struct tail *t)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    tail_print(t, "title", out);
    ck_assert_int_eq(fclose(out), 0);
    return text;
}

START_TEST(a_short_tail_is_all_of_it)
{
    struct tail t = {0};
    char *text = tail_text(&t);

    ck_assert_str_eq(text, "");
    free(text);
    tail_add(&t, "one\r\n\033two\x7f\xc2\x9b", 12);
    text = tail_text(&t);
    ck_assert_str_eq(text, "--- title\none\ntwo\n---\n");
    free(text);
}
END_TEST

START_TEST(a_long_tail_starts_with_a_whole_line)
{
    struct tail t = {0};
    char *text;

    for (unsigned i = 0; i < 2000; i++)
        tail_add(&t, "1234\n", 5);
    tail_add(&t, "last\n", 5);
    text = tail_text(&t);
    ck_assert_int_eq(strncmp(text, "--- title (its end)\n1234\n", 25), 0);
    ck_assert_str_eq(text + strlen(text) - 9, "last\n---\n");
    free(text);
}
END_TEST

/* --- outcomes --- */

static void judge(const struct outcome *o, int status, const char *says)
{
    char text[OUTCOME_TEXT_BYTES];
    int is = outcome_judge(o, text);

    ck_assert_msg(is == status, "%d, not %d: %s", is, status, text);
    if (*says == '\0')
        ck_assert_str_eq(text, "");
    else
        ck_assert_msg(strstr(text, says) != NULL, "no '%s' in '%s'", says, text);
}

START_TEST(how_the_guest_ended)
{
    struct outcome o = {.started = true, .guest_ended = true};

    o.how = BULKHEAD__GUEST_END__GUEST_END_POWER_OFF;
    judge(&o, 0, "");
    ck_assert(!outcome_is_failure(&o));
    o.how = BULKHEAD__GUEST_END__GUEST_END_RESET;
    judge(&o, 3, "reset");
    o.how = BULKHEAD__GUEST_END__GUEST_END_PANIC;
    judge(&o, 4, "panicked");
    o.how = BULKHEAD__GUEST_END__GUEST_END_TRIPLE_FAULT;
    judge(&o, 5, "triple fault");
    o.how = (Bulkhead__GuestEnd)99;
    judge(&o, 125, "failure of Bulkhead");
    ck_assert(outcome_is_failure(&o));
}
END_TEST

START_TEST(a_scripts_status_is_ours)
{
    struct outcome o = {.exec = true,
                        .started = true,
                        .script_done = true,
                        .script_status = 42,
                        .guest_ended = true,
                        .how = BULKHEAD__GUEST_END__GUEST_END_POWER_OFF};

    judge(&o, 42, "");
    o.vtl2_done = o.vtl2_exec = true;
    o.vtl2_status = 7;
    judge(&o, 42, "");
    o.script_status = 0;
    judge(&o, 7, "");
    o.vtl2_done = false;
    judge(&o, 125, "before the script beside Bulkhead had ended");
    o.vtl2_done = true;
    o.how = BULKHEAD__GUEST_END__GUEST_END_PANIC;
    judge(&o, 4, "panicked");
    o = (struct outcome){.exec = true, .started = true, .guest_ended = true};
    o.how = BULKHEAD__GUEST_END__GUEST_END_POWER_OFF;
    judge(&o, 125, "before the script had ended");
}
END_TEST

START_TEST(a_script_beside_bulkhead_alone)
{
    struct outcome o = {.vtl2_exec = true, .started = true, .vtl2_done = true, .vtl2_status = 7};

    judge(&o, 7, "");
    o = (struct outcome){.vtl2_exec = true, .started = true, .guest_ended = true};
    o.how = BULKHEAD__GUEST_END__GUEST_END_POWER_OFF;
    judge(&o, 125, "before the script beside Bulkhead had ended");
}
END_TEST

START_TEST(other_ends)
{
    struct outcome o = {.left = true, .child_gone = true};

    judge(&o, 0, "");
    o = (struct outcome){.signal = SIGTERM};
    judge(&o, 143, "SIGTERM");
    ck_assert(!outcome_is_failure(&o));
    o = (struct outcome){.timed_out = true, .timeout_s = 9};
    judge(&o, 124, "not done after 9 s");
    o = (struct outcome){.child_gone = true, .child_status = SIGKILL};
    judge(&o, 125, "killed by SIGKILL before the guest started");
    o = (struct outcome){.child_gone = true, .started = true, .child_status = 1 << 8};
    judge(&o, 125, "status 1 while the guest ran");
    o = (struct outcome){.error = "the jail leaks", .child_gone = true};
    judge(&o, 125, "the jail leaks");
    o = (struct outcome){0};
    judge(&o, 125, "no known reason");
}
END_TEST

/* --- resets --- */

enum {
    WINDOW_S = 30,
};

START_TEST(a_loop_of_resets_ends)
{
    struct restarts resets = {0};
    uint64_t now_ns = NS_PER_S;

    for (unsigned i = 0; i < RESTARTS_MAX; i++)
        ck_assert(restarts_again(&resets, now_ns + i * NS_PER_S, WINDOW_S));
    ck_assert(!restarts_again(&resets, now_ns + RESTARTS_MAX * NS_PER_S, WINDOW_S));
    ck_assert(!restarts_again(&resets, now_ns + WINDOW_S * NS_PER_S - 1, WINDOW_S));
    ck_assert(restarts_again(&resets, now_ns + WINDOW_S * NS_PER_S, WINDOW_S));
    ck_assert(!restarts_again(&resets, now_ns + WINDOW_S * NS_PER_S, WINDOW_S));
}
END_TEST

START_TEST(resets_now_and_then_go_on_for_ever)
{
    struct restarts resets = {0};

    for (unsigned i = 0; i < 1000; i++)
        ck_assert(restarts_again(&resets, i * 6 * NS_PER_S, WINDOW_S));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cli_run");
    TCase *tests = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tests, frames_come_out_whole_however_they_come_in);
    tcase_add_test(tests, too_long_a_frame_is_refused);
    tcase_add_test(tests, the_longest_frame_fits);
    tcase_add_test(tests, keys);
    tcase_add_test(tests, keys_may_come_one_by_one);
    tcase_add_test(tests, a_short_tail_is_all_of_it);
    tcase_add_test(tests, a_long_tail_starts_with_a_whole_line);
    tcase_add_test(tests, how_the_guest_ended);
    tcase_add_test(tests, a_scripts_status_is_ours);
    tcase_add_test(tests, a_script_beside_bulkhead_alone);
    tcase_add_test(tests, other_ends);
    tcase_add_test(tests, a_loop_of_resets_ends);
    tcase_add_test(tests, resets_now_and_then_go_on_for_ever);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

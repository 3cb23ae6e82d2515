#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "workers/diag/inspect.h"
#include "workers/diag/logs.h"
#include "workers/diag/ps.h"

/* Two boards with a writer's end each. */
struct boards {
    struct board_page *pages[PROCESS_COUNT];
    const struct board_page *read[PROCESS_COUNT];
    struct board vtpm, supervisor, init;
};

static void attach(struct boards *b, enum process process, struct board *board)
{
    b->pages[process] = calloc(1, sizeof(struct board_page));
    ck_assert_ptr_nonnull(b->pages[process]);
    b->read[process] = b->pages[process];
    board_attach(board, b->pages[process], 1);
    board_take_rows(board);
}

static void boards_init(struct boards *b)
{
    *b = (struct boards){0};
    attach(b, PROCESS_VTPM, &b->vtpm);
    attach(b, PROCESS_SUPERVISOR, &b->supervisor);
    attach(b, PROCESS_INIT, &b->init);
}

static void boards_done(struct boards *b)
{
    for (unsigned i = 0; i < PROCESS_COUNT; i++)
        free(b->pages[i]);
}

START_TEST(matching)
{
    static const struct {
        const char *pattern, *path;
        bool matches;
    } rows[] = {
        {"",                    "vtpm/crb/commands", true },
        {"vtpm",                "vtpm/crb/commands", true },
        {"vtpm/",               "vtpm/crb/commands", true },
        {"vtpm/crb",            "vtpm/crb/commands", true },
        {"vtpm/crb/commands",   "vtpm/crb/commands", true },
        {"vtpm/crb/commands/",  "vtpm/crb/commands", true },
        {"*",                   "vtpm/crb/commands", true },
        {"*/crb",               "vtpm/crb/commands", true },
        {"vtpm/*/commands",     "vtpm/crb/commands", true },
        {"v?pm",                "vtpm/crb/commands", true },
        {"[a-v]tpm/c*",         "vtpm/crb/commands", true },
        {"vt",                  "vtpm/crb/commands", false},
        {"vtpm/cr",             "vtpm/crb/commands", false},
        {"*/commands",          "vtpm/crb/commands", false},
        {"vtpm/crb/commands/x", "vtpm/crb/commands", false},
        {"crb",                 "vtpm/crb/commands", false},
        {"/",                   "vtpm/crb/commands", true },
        {"[",                   "vtpm/crb/commands", false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ck_assert_msg(inspect_match(rows[i].pattern, rows[i].path) == rows[i].matches, "%s: %s",
                      rows[i].pattern, rows[i].path);
}
END_TEST

START_TEST(too_long_a_pattern_matches_nothing)
{
    char pattern[INSPECT_PATTERN_BYTES + 1];

    memset(pattern, '*', sizeof(pattern));
    pattern[sizeof(pattern) - 1] = '\0';
    ck_assert(!inspect_match(pattern, "vtpm/x"));
}
END_TEST

START_TEST(values_come_process_by_process)
{
    struct inspect_cursor c = {0};
    struct inspect_value v;
    struct boards b;

    boards_init(&b);
    board_set(board_add(&b.vtpm, BOARD_COUNTER, "crb/commands"), 7);
    board_text(board_add(&b.supervisor, BOARD_TEXT, "vtpm/state"), "running");
    ck_assert(inspect_next(&c, b.read, &v));
    ck_assert_str_eq(v.path, "supervisor/vtpm/state");
    ck_assert_str_eq(v.value.text, "running");
    ck_assert(inspect_next(&c, b.read, &v));
    ck_assert_str_eq(v.path, "vtpm/crb/commands");
    ck_assert_uint_eq(v.value.value, 7);
    ck_assert(!inspect_next(&c, b.read, &v));
    c = (struct inspect_cursor){.pattern = "vtpm"};
    ck_assert(inspect_next(&c, b.read, &v));
    ck_assert_str_eq(v.path, "vtpm/crb/commands");
    ck_assert(!inspect_next(&c, b.read, &v));
    boards_done(&b);
}
END_TEST

START_TEST(a_histogram_shows_as_percentiles)
{
    static const char *const paths[] = {"vtpm/crb/command/p50_us", "vtpm/crb/command/p99_us",
                                        "vtpm/crb/commands"};
    static const uint64_t values[] = {2, 1024, 7};
    struct inspect_cursor c = {0};
    struct inspect_value v;
    struct board_row *row;
    struct boards b;

    boards_init(&b);
    row = board_add(&b.vtpm, BOARD_HISTOGRAM, "crb/command");
    for (int i = 0; i < 98; i++)
        board_took(row, 1500);
    board_took(row, 1000 * 1000);
    board_took(row, 1000 * 1000);
    board_set(board_add(&b.vtpm, BOARD_COUNTER, "crb/commands"), 7);
    for (unsigned i = 0; i < COUNT_OF(paths); i++) {
        ck_assert(inspect_next(&c, b.read, &v));
        ck_assert_str_eq(v.path, paths[i]);
        ck_assert_uint_eq(v.value.value, values[i]);
        ck_assert_int_eq(v.value.kind, i < 2 ? BOARD_GAUGE : BOARD_COUNTER);
    }
    ck_assert(!inspect_next(&c, b.read, &v));
    c = (struct inspect_cursor){.pattern = "vtpm/crb/*/p99_us"};
    ck_assert(inspect_next(&c, b.read, &v));
    ck_assert_str_eq(v.path, paths[1]);
    ck_assert(!inspect_next(&c, b.read, &v));
    boards_done(&b);
}
END_TEST

/* A board keeps no order; a folder is told once, where its first value is. */
START_TEST(what_lies_too_deep_is_counted)
{
    static const struct {
        unsigned depth;
        const char *pattern;
        const char *paths[6];
        uint64_t values[6];
    } wanted[] = {
        {1,  "",                 {"supervisor/", "vtpm/"},                                      {1, 6}      },
        {2,  "",                 {"supervisor/state", "vtpm/crb/", "vtpm/queues", "vtpm/tpm/"}, {5, 4, 9, 1}},
        {2,  "vtpm/*/c*",        {"vtpm/crb/"},                                                 {3}         },
        {3,  "vtpm/crb",         {"vtpm/crb/command/", "vtpm/crb/commands", "vtpm/crb/late"},   {2, 7, 8}   },
        {4,  "vtpm/crb/command", {"vtpm/crb/command/p50_us", "vtpm/crb/command/p99_us"},        {0, 0}      },
        {16, "vtpm/tpm",         {"vtpm/tpm/x"},                                                {10}        },
        {1,  "nobody",           {NULL},                                                        {0}         },
    };
    struct boards b;

    boards_init(&b);
    board_set(board_add(&b.supervisor, BOARD_GAUGE, "state"), 5);
    (void)board_add(&b.vtpm, BOARD_HISTOGRAM, "crb/command");
    board_set(board_add(&b.vtpm, BOARD_COUNTER, "crb/commands"), 7);
    board_set(board_add(&b.vtpm, BOARD_COUNTER, "queues"), 9);
    board_set(board_add(&b.vtpm, BOARD_COUNTER, "tpm/x"), 10);
    board_set(board_add(&b.vtpm, BOARD_COUNTER, "crb/late"), 8);
    for (size_t i = 0; i < COUNT_OF(wanted); i++) {
        struct inspect_cursor c = {.depth = wanted[i].depth};
        struct inspect_value v;

        (void)snprintf(c.pattern, sizeof(c.pattern), "%s", wanted[i].pattern);
        for (unsigned j = 0; wanted[i].paths[j] != NULL; j++) {
            ck_assert(inspect_next(&c, b.read, &v));
            ck_assert_str_eq(v.path, wanted[i].paths[j]);
            ck_assert_uint_eq(v.value.value, wanted[i].values[j]);
            ck_assert_int_ne(v.value.kind, BOARD_TEXT);
        }
        ck_assert(!inspect_next(&c, b.read, &v));
    }
    boards_done(&b);
}
END_TEST

/* Whoever sees the guest's bytes could put them into a text, or into the name of a value. */
START_TEST(of_a_confidential_vm_known_numbers_are_shown)
{
    static const char *const paths[] = {"supervisor/vtpm/last_death", "vtpm/crb/command/p50_us",
                                        "vtpm/crb/command/p99_us", "vtpm/crb/commands"};
    struct inspect_cursor c = {.confidential = true};
    struct inspect_value v;
    struct boards b;

    boards_init(&b);
    board_text(board_add(&b.supervisor, BOARD_TEXT, "vtpm/last_death"), "hang");
    board_text(board_add(&b.vtpm, BOARD_TEXT, "tpm/state"), "a secret");
    (void)board_add(&b.vtpm, BOARD_HISTOGRAM, "crb/command");
    (void)board_add(&b.vtpm, BOARD_HISTOGRAM, "secret");
    (void)board_add(&b.vtpm, BOARD_COUNTER, "secret");
    (void)board_add(&b.vtpm, BOARD_COUNTER, "crb/commands");
    for (unsigned i = 0; i < COUNT_OF(paths); i++) {
        ck_assert(inspect_next(&c, b.read, &v));
        ck_assert_str_eq(v.path, paths[i]);
    }
    ck_assert(!inspect_next(&c, b.read, &v));
    boards_done(&b);
}
END_TEST

START_TEST(a_board_of_garbage_ends)
{
    struct inspect_cursor c = {0};
    struct logs_cursor l;
    struct inspect_value v;
    struct board_line line;
    struct ps_row rows[PROCESS_COUNT];
    enum process process;
    struct boards b;
    unsigned n = 0;

    boards_init(&b);
    memset(b.pages[PROCESS_SUPERVISOR], 0xff, sizeof(struct board_page));
    while (inspect_next(&c, b.read, &v))
        n++;
    ck_assert_uint_le(n, BOARD_ROWS);
    logs_begin(&l, b.read, PROCESS_COUNT, true);
    for (n = 0; logs_next(&l, b.read, &process, &line); n++)
        ck_assert_uint_le(n, BOARD_LOG_RECORDS);
    ps_collect(b.read[PROCESS_SUPERVISOR], b.read[PROCESS_INIT], clock_now_ns(), rows);
    boards_done(&b);
}
END_TEST

START_TEST(ps_reads_the_supervisors_rows)
{
    struct ps_row rows[PROCESS_COUNT];
    struct boards b;

    boards_init(&b);
    board_text(board_add(&b.supervisor, BOARD_TEXT, "vtpm/state"), "parked");
    board_text(board_add(&b.supervisor, BOARD_TEXT, "vtpm/last_death"), "killed by SIGSEGV");
    board_set(board_add(&b.supervisor, BOARD_GAUGE, "vtpm/pid"), 17);
    board_set(board_add(&b.supervisor, BOARD_COUNTER, "vtpm/restarts"), 3);
    board_set(board_add(&b.supervisor, BOARD_GAUGE, "vtpm/since_ns"), 5 * NS_PER_S);
    board_text(board_add(&b.supervisor, BOARD_TEXT, "nobody/state"), "running");
    board_text(board_add(&b.supervisor, BOARD_TEXT, "vcpu/0/state"), "running");
    board_set(board_add(&b.supervisor, BOARD_GAUGE, "chipset/pid"), 18);
    board_set(board_add(&b.init, BOARD_GAUGE, "process/supervisor/pid"), 2);
    board_text(board_add(&b.init, BOARD_TEXT, "process/vtpm/program"), "bulkhead-vtpm");
    ps_collect(b.read[PROCESS_SUPERVISOR], b.read[PROCESS_INIT], 7 * NS_PER_S, rows);
    ck_assert(rows[PROCESS_VTPM].present);
    ck_assert_str_eq(rows[PROCESS_VTPM].state, "parked");
    ck_assert_str_eq(rows[PROCESS_VTPM].last_death, "killed by SIGSEGV");
    ck_assert_int_eq(rows[PROCESS_VTPM].pid, 17);
    ck_assert_str_eq(rows[PROCESS_VTPM].program, "bulkhead-vtpm");
    ck_assert_uint_eq(rows[PROCESS_VTPM].restarts, 3);
    ck_assert_uint_eq(rows[PROCESS_VTPM].uptime_ms, 2000);
    ck_assert(!rows[PROCESS_CHIPSET].present);
    ck_assert(rows[PROCESS_SUPERVISOR].present);
    ck_assert_int_eq(rows[PROCESS_SUPERVISOR].pid, 2);
    boards_done(&b);
}
END_TEST

START_TEST(an_uptime_from_the_future_is_none)
{
    struct ps_row rows[PROCESS_COUNT];
    struct boards b;

    boards_init(&b);
    board_set(board_add(&b.supervisor, BOARD_GAUGE, "vtpm/since_ns"), UINT64_MAX);
    board_set(board_add(&b.supervisor, BOARD_GAUGE, "vtpm/pid"), UINT64_MAX);
    ps_collect(b.read[PROCESS_SUPERVISOR], b.read[PROCESS_INIT], 7 * NS_PER_S, rows);
    ck_assert_uint_eq(rows[PROCESS_VTPM].uptime_ms, 0);
    ck_assert_int_eq(rows[PROCESS_VTPM].pid, 0);
    boards_done(&b);
}
END_TEST

/* Records in the order of their time, whatever board they are on. */
static void expect_line(struct logs_cursor *c, struct boards *b, enum process process,
                        const char *text)
{
    struct board_line line;
    enum process is;

    ck_assert(logs_next(c, b->read, &is, &line));
    ck_assert_str_eq(line.text, text);
    ck_assert_int_eq(is, process);
}

START_TEST(logs_are_merged_by_time)
{
    struct logs_cursor c;
    struct board_line line;
    enum process process;
    struct boards b;

    boards_init(&b);
    board_log(&b.vtpm, LOG_LEVEL_INFO, "one");
    board_log(&b.supervisor, LOG_LEVEL_INFO, "two");
    board_attach(&b.vtpm, b.pages[PROCESS_VTPM], 2); /* the next generation: the log goes on */
    board_log(&b.vtpm, LOG_LEVEL_INFO, "three");
    logs_begin(&c, b.read, PROCESS_COUNT, false);
    board_log(&b.vtpm, LOG_LEVEL_INFO, "too late");
    expect_line(&c, &b, PROCESS_VTPM, "one");
    expect_line(&c, &b, PROCESS_SUPERVISOR, "two");
    expect_line(&c, &b, PROCESS_VTPM, "three");
    ck_assert(!logs_next(&c, b.read, &process, &line));
    boards_done(&b);
}
END_TEST

START_TEST(followers_see_what_comes_of_their_process)
{
    struct logs_cursor c;
    struct board_line line;
    enum process process;
    struct boards b;

    boards_init(&b);
    board_log(&b.vtpm, LOG_LEVEL_INFO, "one");
    logs_begin(&c, b.read, PROCESS_VTPM, true);
    expect_line(&c, &b, PROCESS_VTPM, "one");
    ck_assert(!logs_next(&c, b.read, &process, &line));
    board_log(&b.supervisor, LOG_LEVEL_INFO, "not this");
    board_log(&b.supervisor, LOG_LEVEL_INFO, "vtpms neither");
    board_log(&b.vtpm, LOG_LEVEL_INFO, "two");
    board_log(&b.supervisor, LOG_LEVEL_INFO, "vtpm: what the supervisor says of it");
    expect_line(&c, &b, PROCESS_VTPM, "two");
    expect_line(&c, &b, PROCESS_SUPERVISOR, "vtpm: what the supervisor says of it");
    ck_assert(!logs_next(&c, b.read, &process, &line));
    boards_done(&b);
}
END_TEST

/* Whatever number a reader looks for next is there, and older than anything anybody else says. */
static void lie(struct board_page *page)
{
    uint64_t last = atomic_load(&page->log_seq) + 1;

    for (uint64_t i = 0; i < BOARD_LOG_RECORDS; i++) {
        struct board_record *record = &page->log[(last - i) % BOARD_LOG_RECORDS];

        atomic_store(&record->seq, last - i);
        record->time_ns = 0;
        record->len = 1;
    }
    atomic_store(&page->log_seq, last);
}

/* How many lines come until the supervisor is heard; 0: it is not. */
static unsigned lines_until_heard(struct logs_cursor *c, struct boards *b, unsigned most)
{
    struct board_line line;
    enum process process;

    for (unsigned n = 1; n <= most; n++) {
        lie(b->pages[PROCESS_VTPM]);
        if (!logs_next(c, b->read, &process, &line))
            return 0;
        if (process == PROCESS_SUPERVISOR)
            return n;
    }
    return 0;
}

START_TEST(a_liar_neither_goes_on_for_ever_nor_silences_others)
{
    struct logs_cursor c;
    struct board_line line;
    enum process process;
    struct boards b;
    unsigned n = 0;

    boards_init(&b);
    board_log(&b.supervisor, LOG_LEVEL_INFO, "vtpm: broke the protocol");
    atomic_store(&b.pages[PROCESS_VTPM]->log_seq, UINT64_MAX / 2);
    logs_begin(&c, b.read, PROCESS_COUNT, false);
    atomic_store(&b.pages[PROCESS_VTPM]->log_seq, 0); /* so much is still to come, it says */
    ck_assert_uint_gt(lines_until_heard(&c, &b, BOARD_LOG_RECORDS + 1), 0);
    for (; logs_next(&c, b.read, &process, &line); n++) {
        ck_assert_uint_le(n, BOARD_LOG_RECORDS);
        lie(b.pages[PROCESS_VTPM]);
    }
    logs_begin(&c, b.read, PROCESS_COUNT, true);
    for (int i = 0; i < 10; i++) {
        ck_assert_uint_gt(lines_until_heard(&c, &b, 2 * BOARD_LOG_RECORDS + 1), 0);
        board_log(&b.supervisor, LOG_LEVEL_INFO, "vtpm: broke the protocol");
    }
    boards_done(&b);
}
END_TEST

START_TEST(what_a_liar_left_does_not_silence_its_successor)
{
    static const uint64_t lies[] = {UINT64_MAX, UINT64_MAX - 1, UINT64_MAX / 2, UINT64_MAX / 2 - 1};
    struct logs_cursor c;
    struct boards b;

    boards_init(&b);
    atomic_store(&b.pages[PROCESS_VTPM]->log_seq, lies[_i]);
    board_attach(&b.vtpm, b.pages[PROCESS_VTPM], 2);
    for (int i = 0; i < 10; i++)
        board_log(&b.vtpm, LOG_LEVEL_INFO, "line %d", i);
    logs_begin(&c, b.read, PROCESS_COUNT, false);
    for (int i = 0; i < 10; i++) {
        char text[16];

        (void)snprintf(text, sizeof(text), "line %d", i);
        expect_line(&c, &b, PROCESS_VTPM, text);
    }
    boards_done(&b);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("inspect");
    TCase *tests = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tests, matching);
    tcase_add_test(tests, too_long_a_pattern_matches_nothing);
    tcase_add_test(tests, values_come_process_by_process);
    tcase_add_test(tests, a_histogram_shows_as_percentiles);
    tcase_add_test(tests, what_lies_too_deep_is_counted);
    tcase_add_test(tests, of_a_confidential_vm_known_numbers_are_shown);
    tcase_add_test(tests, a_board_of_garbage_ends);
    tcase_add_test(tests, ps_reads_the_supervisors_rows);
    tcase_add_test(tests, an_uptime_from_the_future_is_none);
    tcase_add_test(tests, logs_are_merged_by_time);
    tcase_add_test(tests, followers_see_what_comes_of_their_process);
    tcase_add_test(tests, a_liar_neither_goes_on_for_ever_nor_silences_others);
    tcase_add_loop_test(tests, what_a_liar_left_does_not_silence_its_successor, 0, 4);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

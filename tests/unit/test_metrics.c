#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/macro.h"
#include "workers/diag/metrics.h"
#include "workers/diag/metrics_table.h"

enum {
    TEXT_MAX = 1 << 22,
};

static const uint64_t NOW_NS = 100 * NS_PER_S;

static struct board_page *pages[PROCESS_COUNT];
static const struct board_page *boards[PROCESS_COUNT];
static struct board writers[PROCESS_COUNT];
static char *text;
static struct metrics_cursor cursor;

static void set_up(void)
{
    for (enum process p = 0; p < PROCESS_COUNT; p++) {
        pages[p] = calloc(1, sizeof(*pages[p]));
        ck_assert_ptr_nonnull(pages[p]);
        boards[p] = pages[p];
        board_attach(&writers[p], pages[p], 1);
        board_take_rows(&writers[p]);
    }
    text = malloc(TEXT_MAX);
    ck_assert_ptr_nonnull(text);
    cursor = (struct metrics_cursor){0};
}

static void tear_down(void)
{
    for (enum process p = 0; p < PROCESS_COUNT; p++)
        free(pages[p]);
    free(text);
}

static struct board_row *add(enum process p, enum board_kind kind, const char *name)
{
    return board_add(&writers[p], kind, name);
}

/* All of it, in parts that fit into so much room. */
static void render(size_t room)
{
    size_t len = 0, n;

    while ((n = metrics_next(&cursor, boards, NOW_NS, text + len, room)) > 0) {
        len += n;
        ck_assert_uint_le(n, room);
        ck_assert_int_eq(text[len - 1], '\n');
        ck_assert_uint_lt(len + room, TEXT_MAX);
    }
    text[len] = '\0';
}

static unsigned count(const char *part)
{
    unsigned n = 0;

    for (const char *at = strstr(text, part); at != NULL; at = strstr(at + 1, part))
        n++;
    return n;
}

static void expect(const char *line)
{
    ck_assert_msg(count(line) == 1, "%u times: %s\n%s", count(line), line, text);
}

START_TEST(a_row_is_a_sample_of_its_metric)
{
    board_set(add(PROCESS_NET, BOARD_COUNTER, "nic1/rx/bytes"), UINT64_MAX);
    board_set(add(PROCESS_NET, BOARD_GAUGE, "nic1/mtu"), 1500);
    board_set(add(PROCESS_STORAGE, BOARD_GAUGE, "polling/limit_ns"), 50 * 1000);
    render(METRICS_PART_MIN);
    expect("# TYPE bulkhead_net_bytes counter\n# UNIT bulkhead_net_bytes bytes\n"
           "# HELP bulkhead_net_bytes Bytes of frames; tx: from the guest.\n"
           "bulkhead_net_bytes_total{nic=\"1\",direction=\"rx\"} 18446744073709551615\n");
    expect("\nbulkhead_net_mtu_bytes{nic=\"1\"} 1500\n");
    expect("\nbulkhead_worker_poll_limit_seconds{process=\"storage\"} 0.000050000\n");
    expect("\nbulkhead_unnamed_rows{process=\"net\"} 0\n");
    ck_assert_str_eq(text + strlen(text) - 6, "# EOF\n");
}
END_TEST

START_TEST(what_does_not_come_has_no_head)
{
    render(METRICS_PART_MIN);
    ck_assert_uint_eq(count("bulkhead_net_bytes"), 0);
    ck_assert_uint_eq(count("# TYPE"), 3); /* of the logs, and what has no name */
}
END_TEST

START_TEST(a_histogram_adds_its_buckets_up)
{
    struct board_row *row = add(PROCESS_VTPM, BOARD_HISTOGRAM, "crb/command");

    board_took(row, 999);
    board_took(row, 3000);
    board_took(row, 3500);
    board_took(row, 60 * NS_PER_S);
    render(METRICS_PART_MIN);
    expect("\nbulkhead_vtpm_command_seconds_bucket{le=\"0.000001\"} 1\n");
    expect("\nbulkhead_vtpm_command_seconds_bucket{le=\"0.000002\"} 1\n");
    expect("\nbulkhead_vtpm_command_seconds_bucket{le=\"0.000004\"} 3\n");
    expect("\nbulkhead_vtpm_command_seconds_bucket{le=\"4.194304\"} 3\n");
    expect("\nbulkhead_vtpm_command_seconds_bucket{le=\"+Inf\"} 4\n");
    expect("\nbulkhead_vtpm_command_seconds_count 4\n");
    expect("\nbulkhead_vtpm_command_seconds_sum 60.000007499\n");
    ck_assert_uint_eq(count("_bucket{"), LATENCY_BUCKETS);
}
END_TEST

START_TEST(texts_are_states_and_labels)
{
    board_text(add(PROCESS_SUPERVISOR, BOARD_TEXT, "vtpm/state"), "parked");
    board_text(add(PROCESS_SUPERVISOR, BOARD_TEXT, "vtpm/last_death"), "said \"\\\" and died");
    (void)add(PROCESS_SUPERVISOR, BOARD_TEXT, "net/last_death");
    board_text(add(PROCESS_VTPM, BOARD_TEXT, "tpm/state"), "parked: every command fails");
    board_text(add(PROCESS_NET, BOARD_TEXT, "nic0/link"), "up");
    render(METRICS_PART_MIN);
    expect("\nbulkhead_process_state{process=\"vtpm\",bulkhead_process_state=\"parked\"} 1\n");
    expect("\nbulkhead_process_state{process=\"vtpm\",bulkhead_process_state=\"running\"} 0\n");
    expect(
        "\nbulkhead_process_last_death_info{process=\"vtpm\",reason=\"said \\\"\\\\\\\" and died\"} 1\n");
    expect("\nbulkhead_vtpm_running 0\n");
    expect("\nbulkhead_net_link_up{nic=\"0\"} 1\n");
    ck_assert_uint_eq(count("process=\"net\",reason"), 0);
}
END_TEST

START_TEST(a_start_is_told_as_an_age)
{
    board_set(add(PROCESS_SUPERVISOR, BOARD_GAUGE, "vtpm/since_ns"), NOW_NS - NS_PER_MS);
    board_set(add(PROCESS_SUPERVISOR, BOARD_GAUGE, "net/since_ns"), NOW_NS + 1);
    board_set(add(PROCESS_SUPERVISOR, BOARD_GAUGE, "diag/since_ns"), 0);
    render(METRICS_PART_MIN);
    expect("\nbulkhead_process_uptime_seconds{process=\"vtpm\"} 0.001000000\n");
    expect("\nbulkhead_process_uptime_seconds{process=\"net\"} 0.000000000\n");
    expect("\nbulkhead_process_uptime_seconds{process=\"diag\"} 0.000000000\n");
}
END_TEST

START_TEST(the_older_format_knows_fewer_types)
{
    cursor.plain = true;
    board_set(add(PROCESS_NET, BOARD_COUNTER, "nic1/rx/bytes"), 3);
    board_text(add(PROCESS_SUPERVISOR, BOARD_TEXT, "vtpm/state"), "parked");
    render(METRICS_PART_MIN);
    expect("# TYPE bulkhead_net_bytes_total counter\n# HELP bulkhead_net_bytes_total ");
    expect("# TYPE bulkhead_process_state gauge\n");
    ck_assert_uint_eq(count("# UNIT"), 0);
    ck_assert_uint_eq(count("# EOF"), 0);
}
END_TEST

/* A worker chooses none but those: what it writes cannot fill Prometheus. */
static const char *const refused[] = {"nic4/rx/bytes", "nic01/rx/bytes",   "nic-1/rx/bytes",
                                      "nic/rx/bytes",  "nic0/up/bytes",    "nic0/rx/bytes/x",
                                      "nic0/rx/byte",  "nic0/drops/other", "",
                                      "nic0//bytes",   "nic0/rx\"/bytes",  "disk/0:0/errors"};

START_TEST(what_has_no_name_is_only_counted)
{
    board_set(add(PROCESS_NET, BOARD_COUNTER, refused[_i]), 3);
    board_set(add(PROCESS_NET, BOARD_GAUGE, "nic0/rx/bytes"), 3); /* a counter's name */
    render(METRICS_PART_MIN);
    expect("\nbulkhead_unnamed_rows{process=\"net\"} 2\n");
    ck_assert_uint_eq(count("bulkhead_net_"), 0);
}
END_TEST

START_TEST(a_name_that_comes_twice_counts_once)
{
    board_set(add(PROCESS_NET, BOARD_COUNTER, "nic0/rx/bytes"), 3);
    board_set(add(PROCESS_NET, BOARD_COUNTER, "nic0/rx/bytes"), 4);
    render(METRICS_PART_MIN);
    expect("bulkhead_net_bytes_total{nic=\"0\",direction=\"rx\"} 3\n");
    expect("\nbulkhead_unnamed_rows{process=\"net\"} 1\n");
    ck_assert_uint_eq(count("bulkhead_net_bytes_total{"), 1);
}
END_TEST

/* Another generation may begin while an answer is made. */
START_TEST(a_row_that_became_another_is_left_out)
{
    for (unsigned i = 0; i < VPS_MAX; i++) {
        (void)board_addf(&writers[PROCESS_SUPERVISOR], BOARD_HISTOGRAM, "vcpu/%u/answer", i);
        (void)board_addf(&writers[PROCESS_SUPERVISOR], BOARD_COUNTER, "vcpu/%u/exits", i);
    }
    ck_assert_uint_gt(metrics_next(&cursor, boards, NOW_NS, text, METRICS_PART_MIN), 0);
    ck_assert_ptr_nonnull(text);
    board_take_rows(&writers[PROCESS_SUPERVISOR]);
    for (unsigned i = 0; i < 2 * VPS_MAX; i++)
        (void)board_addf(&writers[PROCESS_SUPERVISOR], BOARD_COUNTER, "vcpu/%u/unclaimed", i);
    render(METRICS_PART_MIN);
    ck_assert_uint_eq(count("bulkhead_exit_answer_seconds_count"), 0);
    ck_assert_uint_eq(count("bulkhead_exits_unclaimed"), 0);
}
END_TEST

static void fill_all(void)
{
    for (unsigned i = 0; i < VPS_MAX; i++) {
        board_took(board_addf(&writers[PROCESS_SUPERVISOR], BOARD_HISTOGRAM, "vcpu/%u/answer", i),
                   i);
        board_set(board_addf(&writers[PROCESS_SUPERVISOR], BOARD_COUNTER, "vcpu/%u/exits", i), i);
    }
}

/* How it is cut makes no difference. */
START_TEST(parts_of_any_size_are_the_same_text)
{
    char *whole;

    fill_all();
    render(TEXT_MAX / 2);
    whole = strdup(text);
    ck_assert_ptr_nonnull(whole);
    cursor = (struct metrics_cursor){0};
    render(METRICS_PART_MIN);
    ck_assert_str_eq(text, whole);
    ck_assert_uint_eq(count("# TYPE bulkhead_exits counter\n"), 1);
    ck_assert_uint_eq(count("bulkhead_exits_total{"), VPS_MAX);
    free(whole);
}
END_TEST

static bool is_name(const char *name)
{
    return name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

/* What whoever adds a row could forget. */
START_TEST(the_table_keeps_the_rules)
{
    for (size_t i = 0; i < metrics_table_rows; i++) {
        const struct metric *m = &metrics_table[i];

        ck_assert_msg(m->help != NULL && strpbrk(m->help, "\\\"\n") == NULL, "row %zu", i);
        if (m->type == METRIC_NONE) {
            ck_assert_ptr_null(m->name);
            continue;
        }
        ck_assert_ptr_nonnull(m->name);
        ck_assert_msg(is_name(m->name), "%s", m->name);
        /* A worker's text is shown only where it is one of some words: it may hold anything. */
        ck_assert_msg(m->type != METRIC_INFO || m->board == PROCESS_INIT ||
                          m->board == PROCESS_SUPERVISOR,
                      "%s", m->name);
        ck_assert_msg(strstr(m->name, "_total") == NULL, "%s", m->name);
        ck_assert_msg(m->divisor != 0, "%s", m->name);
        ck_assert_msg((m->unit != NULL) == (m->divisor != 1 || m->type == METRIC_HISTOGRAM ||
                                            strstr(m->name, "_bytes") != NULL),
                      "%s", m->name);
        if (m->unit != NULL)
            ck_assert_str_eq(m->name + strlen(m->name) - strlen(m->unit), m->unit);
        for (size_t j = 0; j < i; j++)
            ck_assert_msg(metrics_table[j].name == NULL ||
                              strcmp(metrics_table[j].name, m->name) != 0,
                          "twice: %s", m->name);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("metrics");
    TCase *c = tcase_create("all");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, a_row_is_a_sample_of_its_metric);
    tcase_add_test(c, what_does_not_come_has_no_head);
    tcase_add_test(c, a_histogram_adds_its_buckets_up);
    tcase_add_test(c, texts_are_states_and_labels);
    tcase_add_test(c, a_start_is_told_as_an_age);
    tcase_add_test(c, the_older_format_knows_fewer_types);
    tcase_add_loop_test(c, what_has_no_name_is_only_counted, 0, COUNT_OF(refused));
    tcase_add_test(c, a_name_that_comes_twice_counts_once);
    tcase_add_test(c, a_row_that_became_another_is_left_out);
    tcase_add_test(c, parts_of_any_size_are_the_same_text);
    tcase_add_test(c, the_table_keeps_the_rules);
    suite_add_tcase(s, c);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

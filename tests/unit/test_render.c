#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/board.h"
#include "cli/render.h"

static Bulkhead__ProcessRow process(char *name, char *state)
{
    Bulkhead__ProcessRow row;

    bulkhead__process_row__init(&row);
    row.name = name;
    row.state = state;
    row.pid = 42;
    row.generation = 3;
    row.uptime_ms = 61000;
    return row;
}

static Bulkhead__ValueRow value(char *path, uint64_t number)
{
    Bulkhead__ValueRow row;

    bulkhead__value_row__init(&row);
    row.path = path;
    row.number = number;
    return row;
}

static void expect(const char *is, const char *want)
{
    ck_assert_msg(strstr(is, want) != NULL, "no '%s' in:\n%s", want, is);
}

START_TEST(columns_fit_the_longest_cell)
{
    char vtpm[] = "vtpm", chipset[] = "chipset", running[] = "running", parked[] = "parked";
    char id[] = "0123456789abcdef", death[] = "killed by SIGSEGV";
    Bulkhead__ProcessRow a = process(vtpm, running), b = process(chipset, parked);
    Bulkhead__ProcessRow *rows[] = {&a, &b};
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    a.build_id = b.build_id = id;
    b.last_death = death;
    render_processes(rows, 2, false, out);
    ck_assert_int_eq(fclose(out), 0);
    ck_assert_str_eq(
        text,
        "NAME     STATE    PID  GEN  RESTARTS  UP     BUILD         LAST DEATH         SANDBOX\n"
        "vtpm     running  42   3    0         1 min  0123456789ab  -                  -\n"
        "chipset  parked   42   3    0         1 min  0123456789ab  killed by SIGSEGV  -\n");
    free(text);
}
END_TEST

START_TEST(colour_only_when_asked_for)
{
    char vtpm[] = "vtpm", parked[] = "parked", id[] = "";
    Bulkhead__ProcessRow a = process(vtpm, parked);
    Bulkhead__ProcessRow *rows[] = {&a};
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    a.build_id = id;
    render_processes(rows, 1, true, out);
    ck_assert_int_eq(fclose(out), 0);
    expect(text, "\033[31mparked\033[0m");
    free(text);
}
END_TEST

START_TEST(foreign_bytes_do_not_reach_the_terminal)
{
    char name[] = "v\033[2Jtpm", state[] = "run\nning", line_text[] = "a\r\tb\033]0;x\a";
    Bulkhead__ProcessRow a = process(name, state);
    Bulkhead__ProcessRow *rows[] = {&a};
    Bulkhead__LogRow line;
    char id[] = "", *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    a.build_id = id;
    bulkhead__log_row__init(&line);
    line.process = name;
    line.text = line_text;
    render_processes(rows, 1, false, out);
    render_line(&line, false, out);
    ck_assert_int_eq(fclose(out), 0);
    expect(text, "v?[2Jtpm");
    expect(text, "run?ning");
    expect(text, "a??b?]0;x?");
    ck_assert_ptr_null(strchr(text, '\033'));
    free(text);
}
END_TEST

START_TEST(values_become_a_tree)
{
    char p0[] = "vtpm/vcpu/10/exits", p1[] = "vtpm/vcpu/2/exits", p2[] = "chipset/com1/rx_bytes",
         p3[] = "vtpm/state";
    Bulkhead__ValueRow a = value(p0, 10), b = value(p1, 2), c = value(p2, 3), d = value(p3, 0);
    Bulkhead__ValueRow *rows[] = {&a, &b, &c, &d};
    char running[] = "running", *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    d.is_text = true;
    d.text = running;
    render_values(rows, 4, out);
    ck_assert_int_eq(fclose(out), 0);
    ck_assert_str_eq(text, "chipset\n"
                           "  com1\n"
                           "    rx_bytes                        3\n"
                           "vtpm\n"
                           "  state                             running\n"
                           "  vcpu\n"
                           "    2\n"
                           "      exits                         2\n"
                           "    10\n"
                           "      exits                         10\n");
    free(text);
}
END_TEST

START_TEST(values_as_json)
{
    char p0[] = "vtpm/commands", p1[] = "vtpm/state", text[] = "say \"hi\"";
    Bulkhead__ValueRow a = value(p0, 7), b = value(p1, 0);
    Bulkhead__ValueRow *rows[] = {&a, &b};
    json_t *json;

    b.is_text = true;
    b.text = text;
    json = render_values_json(rows, 2);
    ck_assert_int_eq(json_integer_value(json_object_get(json, p0)), 7);
    ck_assert_str_eq(json_string_value(json_object_get(json, p1)), text);
    json_decref(json);
}
END_TEST

START_TEST(log_lines)
{
    char name[] = "vtpm", what[] = "poisoned";
    Bulkhead__LogRow line;
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    bulkhead__log_row__init(&line);
    line.process = name;
    line.generation = 4;
    line.level = LOG_LEVEL_WARN;
    line.time_ns = UINT64_C(12034567891);
    line.text = what;
    render_line(&line, false, out);
    ck_assert_int_eq(fclose(out), 0);
    ck_assert_str_eq(text, "[    12.034567] vtpm/4 warn: poisoned\n");
    free(text);
}
END_TEST

START_TEST(uptimes)
{
    static const struct {
        uint64_t ms;
        const char *text;
    } rows[] = {
        {50,              "0.0 s" },
        {59900,           "59.9 s"},
        {60000,           "1 min" },
        {3600000,         "1 h"   },
        {47 * 3600000ull, "47 h"  },
        {50 * 3600000ull, "2 d"   },
    };
    char text[32];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        render_uptime(rows[i].ms, text, sizeof(text));
        ck_assert_str_eq(text, rows[i].text);
    }
}
END_TEST

/* The VM counts what lies too deep. */
START_TEST(folders_have_their_slash)
{
    char a[] = "net/nic1/", b[] = "net/nic0/", c[] = "net/queues", d[] = "diag/calls";
    Bulkhead__ValueRow values[] = {value(a, 1), value(b, 2), value(c, 9), value(d, 10)};
    Bulkhead__ValueRow *rows[] = {&values[0], &values[1], &values[2], &values[3]};
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    render_values(rows, 4, out);
    ck_assert_int_eq(fclose(out), 0);
    ck_assert_str_eq(text, "diag\n"
                           "  calls                             10\n"
                           "net\n"
                           "  nic0/                             2\n"
                           "  nic1/                             1\n"
                           "  queues                            9\n");
    free(text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("render");
    TCase *tests = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tests, folders_have_their_slash);
    tcase_add_test(tests, columns_fit_the_longest_cell);
    tcase_add_test(tests, colour_only_when_asked_for);
    tcase_add_test(tests, foreign_bytes_do_not_reach_the_terminal);
    tcase_add_test(tests, values_become_a_tree);
    tcase_add_test(tests, values_as_json);
    tcase_add_test(tests, log_lines);
    tcase_add_test(tests, uptimes);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

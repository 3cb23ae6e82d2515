#include <check.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/board.h"
#include "cli/render_records.h"
#include "ipc/records_json.h"

static char *text;
static size_t len;

static FILE *open_text(void)
{
    ck_assert_int_eq(setenv("TZ", "UTC", 1), 0);
    return open_memstream(&text, &len);
}

static void expect(FILE *out, const char *want)
{
    ck_assert_int_eq(fclose(out), 0);
    ck_assert_str_eq(text, want);
    free(text);
}

static void expect_json(json_t *is, const char *want)
{
    char *dumped = json_dumps(is, JSON_COMPACT | JSON_SORT_KEYS);

    ck_assert_str_eq(dumped, want);
    free(dumped);
    json_decref(is);
}

START_TEST(an_event_is_a_line)
{
    char died[] = "died", vtpm[] = "vtpm", crash[] = "crash";
    Bulkhead__EventRow row;
    FILE *out = open_text();

    bulkhead__event_row__init(&row);
    row.seq = 3;
    row.time_ns = 1700000000123456789;
    row.event = died;
    row.process = vtpm;
    row.generation = 2;
    row.pid = 7;
    row.cause = crash;
    row.crash = 4;
    render_event(&row, out);
    expect(out, "2023-11-14 22:13:20.123  vtpm/2         died: crash (crash 4)\n");
    expect_json(admin_event_json(&row),
                "{\"cause\":\"crash\",\"crash\":4,\"event\":\"died\",\"generation\":2,"
                "\"monotonic_ns\":0,\"pid\":7,\"process\":\"vtpm\",\"seq\":3,"
                "\"time\":\"2023-11-14T22:13:20.123456789Z\"}");
}
END_TEST

START_TEST(an_event_of_the_vm_has_its_numbers)
{
    char down[] = "link down", nic[] = "nic";
    Bulkhead__NumberRow number;
    Bulkhead__NumberRow *numbers[] = {&number};
    Bulkhead__EventRow row;
    FILE *out = open_text();

    bulkhead__number_row__init(&number);
    bulkhead__event_row__init(&row);
    number.name = nic;
    number.value = 1;
    row.event = down;
    row.numbers = numbers;
    row.n_numbers = 1;
    render_event(&row, out);
    expect(out, "1970-01-01 00:00:00.000  VM             link down nic=1\n");
    expect_json(admin_event_json(&row),
                "{\"event\":\"link down\",\"monotonic_ns\":0,\"nic\":1,\"seq\":0,"
                "\"time\":\"1970-01-01T00:00:00.000000000Z\"}");
}
END_TEST

static Bulkhead__CrashRow crash_row(void)
{
    static char vtpm[] = "vtpm", crash[] = "crash", id[] = "01ab", doing[] = "TPM command";
    Bulkhead__CrashRow row;

    bulkhead__crash_row__init(&row);
    row.number = 4;
    row.process = vtpm;
    row.generation = 2;
    row.pid = 7;
    row.cause = crash;
    row.wait_status = SIGSEGV;
    row.build_id = id;
    row.has_code = true;
    row.code = 0x1234;
    row.doing = doing;
    row.doing_code = 0x17b;
    return row;
}

START_TEST(all_of_a_crash)
{
    char said[] = "said it";
    Bulkhead__LogRow line;
    Bulkhead__LogRow *lines[] = {&line};
    Bulkhead__CrashRow row = crash_row();
    FILE *out = open_text();

    bulkhead__log_row__init(&line);
    line.process = row.process;
    line.text = said;
    line.level = LOG_LEVEL_WARN;
    row.lines = lines;
    row.n_lines = 1;
    render_crash(&row, out);
    expect(out, "crash 4: vtpm, generation 2: crash, SIGSEGV\n"
                "  time      1970-01-01 00:00:00.000\n"
                "  pid       7\n"
                "  served    0.0 s\n"
                "  deaths    0 before\n"
                "  build id  01ab\n"
                "  code      0x1234 (addr2line -fe bulkhead-vtpm 0x1234)\n"
                "  doing     TPM command 0x17b\n"
                "  its log   said last\n"
                "    [     0.000000] vtpm/0 warn: said it\n");
    expect_json(admin_crash_json(&row),
                "{\"build_id\":\"01ab\",\"cause\":\"crash\",\"code\":\"0x1234\","
                "\"doing\":{\"code\":379,\"what\":\"TPM command\"},\"generation\":2,"
                "\"log\":[{\"generation\":0,\"level\":\"warn\",\"process\":\"vtpm\","
                "\"text\":\"said it\",\"time_ns\":0}],\"monotonic_ns\":0,\"number\":4,\"pid\":7,"
                "\"process\":\"vtpm\",\"restarts\":0,\"served_ms\":0,\"signal\":11,\"spare\":false,"
                "\"time\":\"1970-01-01T00:00:00.000000000Z\"}");
}
END_TEST

START_TEST(why_there_is_no_place_in_the_program)
{
    char forbidden[] = "forbidden system call";
    Bulkhead__CrashRow row = crash_row();
    FILE *out = open_text();

    row.has_code = false;
    row.cause = forbidden;
    row.wait_status = SIGSYS;
    render_crash(&row, out);
    ck_assert_int_eq(fclose(out), 0);
    ck_assert_ptr_nonnull(strstr(text, "not known: whoever makes one is dead at once"));
    ck_assert_ptr_nonnull(strstr(text, "forbidden system call, SIGSYS"));
    free(text);
}
END_TEST

START_TEST(a_list_has_a_line_each)
{
    Bulkhead__CrashRow row = crash_row();
    Bulkhead__CrashRow *rows[] = {&row, &row};
    FILE *out = open_text();

    row.wait_status = 3 << 8;
    render_crash_heading(out);
    render_crashes(rows, 2, out);
    expect(
        out,
        "NO    TIME                     NAME       GEN   CAUSE                             DOING\n"
        "4     1970-01-01 00:00:00.000  vtpm       2     crash, exit 3                     TPM "
        "command 0x17b\n"
        "4     1970-01-01 00:00:00.000  vtpm       2     crash, exit 3                     TPM "
        "command 0x17b\n");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("render_records");
    TCase *c = tcase_create("render_records");
    SRunner *r;
    int failed;

    tcase_add_test(c, an_event_is_a_line);
    tcase_add_test(c, an_event_of_the_vm_has_its_numbers);
    tcase_add_test(c, all_of_a_crash);
    tcase_add_test(c, why_there_is_no_place_in_the_program);
    tcase_add_test(c, a_list_has_a_line_each);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

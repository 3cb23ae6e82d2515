#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/top.h"

static char *text;
static size_t len;

static void take(struct top_look *look, const char *path, uint64_t number)
{
    char copy[64];
    Bulkhead__ValueRow row;
    Bulkhead__ValueRow *rows[] = {&row};
    Bulkhead__AdminAnswer a;

    bulkhead__value_row__init(&row);
    bulkhead__admin_answer__init(&a);
    (void)snprintf(copy, sizeof(copy), "%s", path);
    row.path = copy;
    row.number = number;
    a.values = rows;
    a.n_values = 1;
    top_take(look, &a);
}

static void take_process(struct top_look *look, const char *name)
{
    char copy[64], running[] = "running", death[] = "generation 1: hang (signal 9)";
    Bulkhead__ProcessRow row;
    Bulkhead__ProcessRow *rows[] = {&row};
    Bulkhead__AdminAnswer a;

    bulkhead__process_row__init(&row);
    bulkhead__admin_answer__init(&a);
    (void)snprintf(copy, sizeof(copy), "%s", name);
    row.name = copy;
    row.state = running;
    row.generation = 2;
    row.restarts = 1;
    row.uptime_ms = 61000;
    row.last_death = death;
    a.processes = rows;
    a.n_processes = 1;
    top_take(look, &a);
}

static struct top_look look_at(uint64_t time_ns, uint64_t n)
{
    struct top_look look = {.time_ns = time_ns};

    take_process(&look, "storage");
    take_process(&look, "net");
    take(&look, "supervisor/vcpu/0/exits", n);
    take(&look, "supervisor/vcpu/1/exits", n);
    take(&look, "storage/disk/0:0/read/ops", n);
    take(&look, "storage/disk/0:0/read/bytes", 4096 * n);
    take(&look, "storage/disk/0:1/write/ops", n);
    take(&look, "net/nic0/rx/frames", n);
    take(&look, "net/nic0/queue/0/rx/frames", 1000 * n); /* counted in the NIC's */
    take(&look, "init/process/storage/cpu_us", 10 * n);
    take(&look, "init/process/storage/memory_bytes", 5 << 20);
    take(&look, "init/process/nobody/cpu_us", n);
    take(&look, "init/process/", n);
    return look;
}

static void expect(const struct top_look *before, const struct top_look *now, unsigned rows,
                   unsigned columns, const char *want)
{
    FILE *out = open_memstream(&text, &len);

    top_render(before, now, "vm", rows, columns, "\n", out);
    ck_assert_int_eq(fclose(out), 0);
    ck_assert_str_eq(text, want);
    free(text);
}

START_TEST(rates_are_of_the_time_between_two_looks)
{
    struct top_look before = look_at(NS_PER_S, 100), now = look_at(3 * NS_PER_S, 2100);

    expect(
        &before, &now, 24, 120,
        "bulkhead top: vm   (q: leave)\n"
        "exits/s 2.0k   port/s 0      disk/s 2.0k   disk B/s 4.1M   frames/s 1.0k   frame B/s 0      \n"
        "\n"
        "NAME       STATE        GEN   RST       UP   %CPU    MEM  LAST DEATH\n"
        "storage    running        2     1    1 min    1.0   5.2M  generation 1: hang (signal 9)\n"
        "net        running        2     1    1 min    0.0      0  generation 1: hang (signal 9)");
}
END_TEST

START_TEST(a_first_look_has_no_rates)
{
    struct top_look now = look_at(NS_PER_S, 100);

    expect(&now, &now, 2, 24, "bulkhead top: vm   (q: l\nexits/s 0      port/s 0 ");
}
END_TEST

START_TEST(whoever_counts_anew_counts_from_nothing)
{
    struct top_look before = look_at(NS_PER_S, 1000), now = look_at(2 * NS_PER_S, 20);

    expect(&before, &now, 2, 16, "bulkhead top: vm\nexits/s 40     p");
}
END_TEST

START_TEST(more_processes_than_there_can_be)
{
    struct top_look look = {.time_ns = 1};

    for (unsigned i = 0; i < TOP_PROCESSES + 5; i++)
        take_process(&look, "another");
    ck_assert_uint_eq(look.n, TOP_PROCESSES);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("top");
    TCase *c = tcase_create("top");
    SRunner *r;
    int failed;

    tcase_add_test(c, rates_are_of_the_time_between_two_looks);
    tcase_add_test(c, a_first_look_has_no_rates);
    tcase_add_test(c, whoever_counts_anew_counts_from_nothing);
    tcase_add_test(c, more_processes_than_there_can_be);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

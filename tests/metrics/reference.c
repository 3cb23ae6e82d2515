/*
 * tests/metrics/reference.c - docs/metrics.md, made of the table of metrics.
 *
 *   build/tests/metrics/reference >docs/metrics.md
 */
#include <stdio.h>
#include <string.h>

#include "base/macro.h"
#include "workers/diag/metrics_table.h"

static const char intro[] =
    "# Metrics\n"
    "\n"
    "Made of the table in `workers/diag/metrics_table.c` by `build/tests/metrics/reference >docs/metrics.md`; a test\n"
    "compares the two.\n"
    "\n"
    "diag shows all numbers that the processes publish as OpenMetrics text: at `https://ADDRESS:PORT/metrics` for who has\n"
    "a certificate of the role viewer, and by `bulkhead metrics` for root on this machine. `?plain=1` and `--plain` make it\n"
    "the older text format, which `promtool check metrics` reads. Asking costs no device and no vCPU anything.\n"
    "\n"
    "    scrape_configs:\n"
    "      - job_name: bulkhead\n"
    "        scheme: https\n"
    "        tls_config: {ca_file: ca.pem, cert_file: prometheus.pem, key_file: prometheus.key}\n"
    "        static_configs: [{targets: ['host:9443']}]\n"
    "\n"
    "A dashboard for Grafana is [grafana-dashboard.json](grafana-dashboard.json), rules for alerts are\n"
    "[alerts.yml](alerts.yml); both take it that a target is a VM.\n"
    "\n"
    "What a worker may say here is bounded, even of one that was taken over: labels are numbers below a limit or words of a\n"
    "list, so it cannot fill Prometheus with series. A value that has no metric is counted in `bulkhead_unnamed_rows`, and\n"
    "shown by `bulkhead inspect` alone. Counters of a process begin anew with each of its generations, but for those that\n"
    "init and the supervisor keep of it.\n"
    "\n"
    "Histograms have buckets that are each twice as wide as the one before, from one microsecond to four seconds.\n"
    "\n"
    "| metric | type | labels | what | value of `bulkhead inspect` |\n"
    "| --- | --- | --- | --- | --- |\n";

static const char *type_of(const struct metric *m)
{
    static const char *const types[] = {
        [METRIC_COUNTER] = "counter", [METRIC_GAUGE] = "gauge",   [METRIC_HISTOGRAM] = "histogram",
        [METRIC_AGE] = "gauge",       [METRIC_IS] = "gauge",      [METRIC_STATES] = "stateset",
        [METRIC_INFO] = "info",       [METRIC_LINES] = "counter", [METRIC_DROPPED] = "counter",
        [METRIC_UNNAMED] = "gauge",
    };

    return types[m->type];
}

static const char *suffix_of(const struct metric *m)
{
    if (strcmp(type_of(m), "counter") == 0)
        return "_total";
    return m->type == METRIC_INFO ? "_info" : "";
}

static void print_labels(const struct metric *m)
{
    const char *between = "";

    if (m->board == METRIC_ANY_BOARD) {
        printf("process");
        between = ", ";
    }
    for (const char *at = m->pattern; at != NULL && (at = strchr(at, '{')) != NULL; at++) {
        printf("%s%.*s", between, (int)strcspn(at + 1, "}"), at + 1);
        between = ", ";
    }
    if (m->type == METRIC_INFO)
        printf("%s%s", between, m->words);
}

static void print_words(const struct metric *m)
{
    const char *word;
    int len;

    for (unsigned i = 0; metric_word(m, i, &word, &len); i++)
        printf("%s%.*s", i == 0 ? ": " : ", ", len, word);
}

static void print_path(const struct metric *m)
{
    if (m->pattern != NULL)
        printf("`%s/%s`", m->board == METRIC_ANY_BOARD ? "{process}" : manifest[m->board].name,
               m->pattern);
}

static void print_metric(const struct metric *m)
{
    printf("| `bulkhead_%s%s` | %s | ", m->name, suffix_of(m), type_of(m));
    print_labels(m);
    printf(" | %s", m->help);
    if (m->type == METRIC_STATES)
        print_words(m);
    printf(" | ");
    print_path(m);
    printf(" |\n");
}

static void print_others(void)
{
    printf("\nNo metric has these values:\n\n| value | why |\n| --- | --- |\n");
    for (size_t i = 0; i < metrics_table_rows; i++) {
        if (metrics_table[i].type != METRIC_NONE)
            continue;
        printf("| ");
        print_path(&metrics_table[i]);
        printf(" | %s |\n", metrics_table[i].help);
    }
}

int main(void)
{
    (void)fputs(intro, stdout);
    for (size_t i = 0; i < metrics_table_rows; i++) {
        if (metrics_table[i].type != METRIC_NONE)
            print_metric(&metrics_table[i]);
    }
    print_others();
    return 0;
}

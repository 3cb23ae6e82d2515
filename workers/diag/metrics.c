#include "workers/diag/metrics.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/macro.h"
#include "workers/diag/metrics_table.h"

enum {
    ESCAPED_BYTES = 2 * BOARD_TEXT_BYTES,
    SERIES_BYTES = 512, /* labels with their braces */
    NS_DIVISOR = 1000 * 1000 * 1000,
    US_DIVISOR = 1000 * 1000,
};

/* --- text --- */

/* Everything fits: METRICS_PART_MIN is there for the longest histogram. */
struct text {
    char *at;
    size_t len, cap;
};

static void put(struct text *t, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void put(struct text *t, const char *fmt, ...)
{
    va_list args;
    int n;

    va_start(args, fmt);
    n = vsnprintf(t->at + t->len, t->cap - t->len, fmt, args);
    va_end(args);
    assert(n >= 0 && (size_t)n < t->cap - t->len);
    t->len += (size_t)n;
}

/* As much of a unit as so many parts are; a divisor is a power of ten. */
static void put_scaled(struct text *t, uint64_t value, uint32_t divisor)
{
    int digits = 0;

    for (uint32_t d = divisor; d > 1; d /= 10)
        digits++;
    if (digits == 0)
        put(t, "%" PRIu64 "\n", value);
    else
        put(t, "%" PRIu64 ".%0*" PRIu64 "\n", value / divisor, digits, value % divisor);
}

/* What is printable, but for two characters, stands for itself. */
static void escape(const char *in, char out[ESCAPED_BYTES])
{
    size_t n = 0;

    for (; *in != '\0'; in++) {
        if (*in == '"' || *in == '\\')
            out[n++] = '\\';
        out[n++] = *in;
    }
    out[n] = '\0';
}

/* --- heads --- */

static const char *type_of(const struct metric *m, bool plain)
{
    switch (m->type) {
    case METRIC_COUNTER:
    case METRIC_LINES:
    case METRIC_DROPPED:
        return "counter";
    case METRIC_HISTOGRAM:
        return "histogram";
    case METRIC_STATES:
        return plain ? "gauge" : "stateset";
    case METRIC_INFO:
        return plain ? "gauge" : "info";
    case METRIC_GAUGE:
    case METRIC_AGE:
    case METRIC_IS:
    case METRIC_UNNAMED:
    case METRIC_NONE:
        break;
    }
    return "gauge";
}

/* What a sample's name has more than its metric's. */
static const char *suffix_of(const struct metric *m)
{
    switch (m->type) {
    case METRIC_COUNTER:
    case METRIC_LINES:
    case METRIC_DROPPED:
        return "_total";
    case METRIC_INFO:
        return "_info";
    case METRIC_NONE:
    case METRIC_GAUGE:
    case METRIC_HISTOGRAM:
    case METRIC_AGE:
    case METRIC_IS:
    case METRIC_STATES:
    case METRIC_UNNAMED:
        break;
    }
    return "";
}

/* The older format has the suffix in the head, too, and knows no unit. */
static void put_head(struct metrics_cursor *c, const struct metric *m, struct text *t)
{
    const char *suffix = c->plain ? suffix_of(m) : "";

    if (c->headed)
        return;
    c->headed = true;
    put(t, "# TYPE bulkhead_%s%s %s\n", m->name, suffix, type_of(m, c->plain));
    if (m->unit != NULL && !c->plain)
        put(t, "# UNIT bulkhead_%s %s\n", m->name, m->unit);
    put(t, "# HELP bulkhead_%s%s %s.\n", m->name, suffix, m->help);
}

/* --- samples --- */

/* One row, or board, of a metric. */
struct sample {
    const struct metric *metric;
    struct board_value row;
    struct latency latency;
    uint64_t number;
    char labels[SERIES_BYTES]; /* without braces */
};

static void add_label(struct sample *s, const char *name, const char *value)
{
    struct text t = {.at = s->labels, .len = strlen(s->labels), .cap = sizeof(s->labels)};
    char escaped[ESCAPED_BYTES];

    escape(value, escaped);
    put(&t, "%s%s=\"%s\"", t.len > 0 ? "," : "", name, escaped);
}

/* A line of the sample; more is a label that only this line has. */
static void put_name(const struct sample *s, const char *suffix, const char *more, struct text *t)
{
    bool both = s->labels[0] != '\0' && more[0] != '\0';
    bool any = s->labels[0] != '\0' || more[0] != '\0';

    put(t, "bulkhead_%s%s%s%s%s%s%s ", s->metric->name, suffix, any ? "{" : "", s->labels,
        both ? "," : "", more, any ? "}" : "");
}

static void put_histogram(const struct sample *s, struct text *t)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
        uint64_t us = UINT64_C(1) << i;
        char le[40] = "le=\"+Inf\"";

        n += s->latency.buckets[i];
        if (i + 1 < LATENCY_BUCKETS)
            (void)snprintf(le, sizeof(le), "le=\"%" PRIu64 ".%06" PRIu64 "\"", us / US_DIVISOR,
                           us % US_DIVISOR);
        put_name(s, "_bucket", le, t);
        put(t, "%" PRIu64 "\n", n);
    }
    put_name(s, "_count", "", t);
    put(t, "%" PRIu64 "\n", n);
    put_name(s, "_sum", "", t);
    put_scaled(t, s->latency.sum_ns, NS_DIVISOR);
}

static bool is_text(const struct sample *s, const char *word, int len)
{
    return strlen(s->row.text) == (size_t)len && memcmp(s->row.text, word, (size_t)len) == 0;
}

static void put_states(const struct sample *s, struct text *t)
{
    const char *word;
    int len;

    for (unsigned i = 0; metric_word(s->metric, i, &word, &len); i++) {
        char state[96];

        (void)snprintf(state, sizeof(state), "bulkhead_%s=\"%.*s\"", s->metric->name, len, word);
        put_name(s, "", state, t);
        put(t, "%d\n", is_text(s, word, len));
    }
}

static void put_sample(struct sample *s, struct text *t)
{
    const struct metric *m = s->metric;

    switch (m->type) {
    case METRIC_HISTOGRAM:
        put_histogram(s, t);
        return;
    case METRIC_STATES:
        put_states(s, t);
        return;
    case METRIC_INFO:
        add_label(s, m->words, s->row.text);
        s->number = 1;
        break;
    case METRIC_IS:
        s->number = strcmp(s->row.text, m->words) == 0;
        break;
    case METRIC_COUNTER:
    case METRIC_GAUGE:
    case METRIC_AGE:
    case METRIC_LINES:
    case METRIC_DROPPED:
    case METRIC_UNNAMED:
    case METRIC_NONE:
        break;
    }
    put_name(s, suffix_of(m), "", t);
    put_scaled(t, s->number, m->divisor);
}

/* --- which rows are what --- */

static uint64_t hash(const char *name)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    for (; *name != '\0'; name++)
        h = (h ^ (uint8_t)*name) * UINT64_C(0x100000001b3);
    return h;
}

static bool came_before(const uint64_t *hashes, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (hashes[i] == hashes[n])
            return true;
    }
    return false;
}

static unsigned find(enum process process, const struct board_value *v)
{
    struct metric_label labels[METRIC_LABELS_MAX];

    for (unsigned i = 0; i < metrics_table_rows; i++) {
        if (metric_match(&metrics_table[i], process, v, labels) >= 0)
            return i + 1;
    }
    return 0;
}

/* A name that comes twice, or is hashed to the same, costs whoever wrote it its series. */
static void look_at_board(struct metrics_cursor *c, enum process process,
                          const struct board_page *page)
{
    uint64_t hashes[BOARD_ROWS];
    struct board_value v;
    int r = 0;

    for (uint32_t i = 0; i < BOARD_ROWS; i++) {
        r = board_read_row(page, i, &v);
        if (r == -ENOENT)
            return;
        c->n_rows[process] = i + 1;
        hashes[i] = r < 0 ? 0 : hash(v.name);
        if (r == 0 && !came_before(hashes, i))
            c->found[process][i] = (uint8_t)find(process, &v);
        if (c->found[process][i] == 0)
            c->unnamed[process]++;
    }
}

static void look(struct metrics_cursor *c, const struct board_page *const boards[PROCESS_COUNT])
{
    assert(metrics_table_rows < UINT8_MAX);
    for (enum process p = 0; p < PROCESS_COUNT; p++) {
        if (boards[p] != NULL)
            look_at_board(c, p, boards[p]);
    }
    c->looked = true;
}

/* --- going through --- */

/* It may have changed since it was looked at: another generation, or a liar. */
static bool read_row(const struct metrics_cursor *c, const struct board_page *page, uint64_t now_ns,
                     struct sample *ret)
{
    struct metric_label labels[METRIC_LABELS_MAX];
    enum process process = (enum process)c->process;
    int n;

    if (board_read_row(page, c->row, &ret->row) < 0)
        return false;
    n = metric_match(ret->metric, process, &ret->row, labels);
    if (n < 0)
        return false;
    if (ret->metric->type == METRIC_INFO && ret->row.text[0] == '\0')
        return false; /* nothing has happened yet */
    if (ret->metric->type == METRIC_HISTOGRAM &&
        board_read_histogram(page, c->row, &ret->latency) < 0)
        return false;
    ret->number = ret->row.value;
    if (ret->metric->type == METRIC_AGE)
        ret->number = ret->number != 0 && ret->number < now_ns ? now_ns - ret->number : 0;
    if (ret->metric->board == METRIC_ANY_BOARD)
        add_label(ret, "process", manifest[process].name);
    for (int i = 0; i < n; i++)
        add_label(ret, labels[i].name, labels[i].value);
    return true;
}

static void read_board(const struct metrics_cursor *c, const struct board_page *page,
                       struct sample *ret)
{
    add_label(ret, "process", manifest[c->process].name);
    if (ret->metric->type == METRIC_LINES)
        ret->number = atomic_load(&page->log_seq);
    else if (ret->metric->type == METRIC_DROPPED)
        ret->number = atomic_load(&page->log_dropped);
    else
        ret->number = c->unnamed[c->process];
}

/* The row, or board, under the cursor, if it is one of the metric's. */
static void write_sample(struct metrics_cursor *c, const struct board_page *page, uint64_t now_ns,
                         struct text *t)
{
    struct sample s = {.metric = &metrics_table[c->metric]};

    if (!metric_is_of_row(s.metric))
        read_board(c, page, &s);
    else if (!read_row(c, page, now_ns, &s))
        return;
    put_head(c, s.metric, t);
    put_sample(&s, t);
}

static bool has_sample(const struct metrics_cursor *c)
{
    const struct metric *m = &metrics_table[c->metric];

    if (m->type == METRIC_NONE)
        return false;
    return metric_is_of_row(m) ? c->found[c->process][c->row] == c->metric + 1 : c->row == 0;
}

static bool seek_in_board(struct metrics_cursor *c)
{
    uint32_t end = metric_is_of_row(&metrics_table[c->metric]) ? c->n_rows[c->process] : 1;

    for (; c->row < end; c->row++) {
        if (has_sample(c))
            return true;
    }
    return false;
}

/* The metric's next row, of this board or the next. False: there is none. */
static bool seek(struct metrics_cursor *c, const struct board_page *const boards[PROCESS_COUNT])
{
    for (; c->process < PROCESS_COUNT; c->process++, c->row = 0) {
        if (boards[c->process] != NULL && seek_in_board(c))
            return true;
    }
    return false;
}

static void next_metric(struct metrics_cursor *c)
{
    c->metric++;
    c->process = 0;
    c->row = 0;
    c->headed = false;
}

size_t metrics_next(struct metrics_cursor *c, const struct board_page *const boards[PROCESS_COUNT],
                    uint64_t now_ns, char *out, size_t room)
{
    struct text t = {.at = out, .cap = room};

    assert(room >= METRICS_PART_MIN);
    if (!c->looked)
        look(c, boards);
    while (c->metric < metrics_table_rows && t.cap - t.len >= METRICS_PART_MIN) {
        if (seek(c, boards)) {
            write_sample(c, boards[c->process], now_ns, &t);
            c->row++;
        } else {
            next_metric(c);
        }
    }
    if (c->metric == metrics_table_rows && !c->ended && t.cap - t.len >= METRICS_PART_MIN) {
        c->ended = true;
        if (!c->plain)
            put(&t, "# EOF\n");
    }
    return t.len;
}

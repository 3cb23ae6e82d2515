/*
 * tests/fuzz/fuzz_metrics.c - boards on which processes that were taken over wrote what they like, as OpenMetrics text.
 *
 * The input is a list of rows: u8 process, u8 kind, u64 value, u8 length, name, and, of a text, the rest of it behind a
 * NUL; a process of 255 changes all rows while the answer is being made. Promises checked: every line is a head or a
 * sample as the formats have them, with quotes where they belong, no longer than it may be; nothing comes twice; and the
 * last line says that it was the last.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/rd.h"
#include "workers/diag/metrics.h"
#include "workers/diag/metrics_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    ROWS = 64, /* of each board, at most: Prometheus is not what is fuzzed */
    LINES = ROWS * PROCESS_COUNT * (LATENCY_BUCKETS + 8) + 4096,
    CHANGES = 255,
};

struct world {
    struct board_page *pages[PROCESS_COUNT];
    const struct board_page *boards[PROCESS_COUNT];
    uint32_t n_rows[PROCESS_COUNT];
    bool changes;
    char last[1024]; /* line */
    unsigned n_lines, n_ends;
};

static void read_row(struct world *w, struct rd *r)
{
    unsigned process = rd_u8(r);
    uint32_t kind = rd_u8(r) % (BOARD_HISTOGRAM + 2);
    uint64_t value = rd_le64(r);
    size_t len = rd_u8(r);
    struct span s = rd_span(r, len < r->left ? len : r->left);
    struct board_row *row;

    if (process == CHANGES)
        w->changes = true;
    process %= PROCESS_COUNT;
    if (w->n_rows[process] == ROWS || !rd_ok(r))
        return;
    row = &w->pages[process]->rows[w->n_rows[process]++];
    if (s.len > 0)
        memcpy(row->name, s.at, s.len < sizeof(row->name) ? s.len : sizeof(row->name));
    for (size_t i = 0; i < s.len && i < sizeof(row->text); i++)
        row->text[i] = (char)s.at[s.len - 1 - i];
    atomic_store(&row->value, value);
    atomic_store(&row->kind, kind);
}

/* name{label="value",...} number: no quote is open, and no blank is outside of one but before the number. */
static void check_sample(const char *line, size_t len)
{
    bool quoted = false;
    unsigned blanks = 0;

    if (len < 9 || memcmp(line, "bulkhead_", 9) != 0)
        abort();
    for (size_t i = 0; i < len; i++) {
        if (line[i] < ' ' || line[i] > '~')
            abort();
        if (quoted && line[i] == '\\')
            i++;
        else if (line[i] == '"')
            quoted = !quoted;
        else if (!quoted && line[i] == ' ')
            blanks++;
    }
    if (quoted || blanks != 1 || line[len - 1] < '0' || line[len - 1] > '9')
        abort();
}

static void check_line(struct world *w, const char *line, size_t len)
{
    if (++w->n_lines > LINES || len == 0 || len >= sizeof(w->last))
        abort();
    if (len == 5 && memcmp(line, "# EOF", 5) == 0) {
        w->n_ends++;
        return;
    }
    if (w->n_ends > 0)
        abort();
    if (line[0] != '#')
        check_sample(line, len);
    if (strlen(w->last) == len && memcmp(w->last, line, len) == 0)
        abort();
    memcpy(w->last, line, len);
    w->last[len] = '\0';
}

static void check_part(struct world *w, const char *text, size_t len)
{
    while (len > 0) {
        const char *end = memchr(text, '\n', len);

        if (end == NULL)
            abort();
        check_line(w, text, (size_t)(end - text));
        len -= (size_t)(end - text) + 1;
        text = end + 1;
    }
}

static void scramble(struct world *w)
{
    for (unsigned p = 0; p < PROCESS_COUNT; p++) {
        for (uint32_t i = 0; i + 1 < w->n_rows[p]; i++)
            memcpy(w->pages[p]->rows[i].name, w->pages[p]->rows[i + 1].name, BOARD_NAME_BYTES);
    }
}

static void answer(struct world *w, bool plain)
{
    struct metrics_cursor c = {.plain = plain};
    char part[METRICS_PART_MIN];
    size_t len;

    w->last[0] = '\0';
    w->n_lines = w->n_ends = 0;
    while ((len = metrics_next(&c, w->boards, 1000, part, sizeof(part))) > 0) {
        if (len > sizeof(part))
            abort();
        check_part(w, part, len);
        if (w->changes)
            scramble(w);
    }
    if (w->n_ends != !plain)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rd r = rd_over(data, size);
    struct world *w = calloc(1, sizeof(*w));

    if (w == NULL)
        abort();
    for (unsigned p = 0; p < PROCESS_COUNT; p++) {
        w->boards[p] = w->pages[p] = calloc(1, sizeof(*w->pages[p]));
        if (w->pages[p] == NULL)
            abort();
    }
    while (r.left > 0 && rd_ok(&r))
        read_row(w, &r);
    answer(w, false);
    answer(w, true);
    for (unsigned p = 0; p < PROCESS_COUNT; p++)
        free(w->pages[p]);
    free(w);
    return 0;
}

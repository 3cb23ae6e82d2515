#include "workers/diag/inspect.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "base/macro.h"
#include "workers/diag/metrics_table.h"

bool inspect_match(const char *pattern, const char *path)
{
    char whole[INSPECT_PATTERN_BYTES];
    size_t len = strlen(pattern);

    if (len >= sizeof(whole))
        return false;
    memcpy(whole, pattern, len + 1);
    while (len > 0 && whole[len - 1] == '/')
        whole[--len] = '\0';
    if (len == 0)
        return true;
    return fnmatch(whole, path, FNM_PATHNAME | FNM_LEADING_DIR) == 0;
}

static const struct {
    const char *name;
    unsigned percent;
} percentiles[] = {
    {"p50_us", 50},
    {"p99_us", 99}
};

/* The next percentile of the histogram under the cursor; steps past it, and past the row with the last one. */
static int step_in_histogram(struct inspect_cursor *c, const struct board_page *page,
                             struct inspect_value *ret)
{
    unsigned part = c->part;
    struct latency l;
    int r = board_read_histogram(page, c->row, &l);

    c->part = (part + 1) % COUNT_OF(percentiles);
    c->row += c->part == 0;
    if (r < 0)
        return r;
    ret->value.kind = BOARD_GAUGE;
    ret->value.value = latency_percentile_us(&l, percentiles[part].percent);
    (void)snprintf(ret->path, sizeof(ret->path), "%s/%s/%s", manifest[c->process].name,
                   ret->value.name, percentiles[part].name);
    return 0;
}

/* The row under the cursor, whatever it is; steps past it. */
static int step(struct inspect_cursor *c, const struct board_page *const boards[PROCESS_COUNT],
                struct inspect_value *ret)
{
    const struct board_page *page = boards[c->process];
    int r = page == NULL ? -ENOENT : board_read_row(page, c->row, &ret->value);

    if (r == -ENOENT) {
        c->process++;
        c->row = 0;
        c->part = 0;
        return r;
    }
    if (r == 0 && ret->value.kind == BOARD_HISTOGRAM)
        return step_in_histogram(c, page, ret);
    c->part = 0;
    c->row++;
    if (r < 0)
        return r;
    (void)snprintf(ret->path, sizeof(ret->path), "%s/%s", manifest[c->process].name,
                   ret->value.name);
    return 0;
}

static bool has_metric(enum process process, const struct board_value *v)
{
    struct metric_label labels[METRIC_LABELS_MAX];

    for (size_t i = 0; i < metrics_table_rows; i++) {
        if (metric_match(&metrics_table[i], process, v, labels) >= 0)
            return true;
    }
    return false;
}

/*
 * May it be seen? Of a confidential VM only what init and the supervisor say, and numbers of names that are known: whoever
 * sees the guest's bytes could put them into any other text.
 */
static bool is_open(const struct inspect_cursor *c, enum process process,
                    const struct board_value *v)
{
    struct board_value histogram = *v;

    if (!c->confidential || process == PROCESS_INIT || process == PROCESS_SUPERVISOR)
        return true;
    histogram.kind = BOARD_HISTOGRAM; /* a percentile is a number of one */
    return v->kind != BOARD_TEXT && (has_metric(process, v) || has_metric(process, &histogram));
}

/* Where a value is. */
struct spot {
    unsigned process;
    uint32_t row;
    unsigned part;
};

/* The next one that matches, however deep. */
static bool next_value(struct inspect_cursor *c,
                       const struct board_page *const boards[PROCESS_COUNT],
                       struct inspect_value *ret, struct spot *ret_spot)
{
    while (c->process < PROCESS_COUNT) {
        const struct spot spot = {c->process, c->row, c->part};
        enum process process = (enum process)c->process;
        struct inspect_value v;

        if (step(c, boards, &v) == 0 && inspect_match(c->pattern, v.path) &&
            is_open(c, process, &v.value)) {
            *ret = v;
            *ret_spot = spot;
            return true;
        }
    }
    return false;
}

/* --- folders --- */

/* Bytes that are left of a path, with the slash at their end; 0: it is not too deep. */
static size_t folder_len(const char *path, unsigned depth)
{
    const char *slash = depth == 0 ? NULL : strchr(path, '/');

    while (slash != NULL && --depth > 0)
        slash = strchr(slash + 1, '/');
    return slash == NULL ? 0 : (size_t)(slash - path) + 1;
}

/*
 * How many values of its process lie in the folder; 0: another one before it does, too, and the folder was told then. Boards
 * keep no order.
 */
static uint64_t count_folder(const struct inspect_cursor *c, const struct spot *spot,
                             const struct inspect_value *first, size_t len,
                             const struct board_page *const boards[PROCESS_COUNT])
{
    struct inspect_cursor look = *c;
    struct inspect_value v;
    struct spot at;
    uint64_t n = 0;

    look.process = spot->process;
    look.row = 0;
    look.part = 0;
    while (next_value(&look, boards, &v, &at) && at.process == spot->process) {
        if (strncmp(v.path, first->path, len) != 0)
            continue;
        if (at.row < spot->row || (at.row == spot->row && at.part < spot->part))
            return 0;
        n++;
    }
    return n;
}

bool inspect_next(struct inspect_cursor *c, const struct board_page *const boards[PROCESS_COUNT],
                  struct inspect_value *ret)
{
    struct inspect_value v;
    struct spot spot;

    while (next_value(c, boards, &v, &spot)) {
        size_t len = folder_len(v.path, c->depth);
        uint64_t n;

        /* Most follow others of their folder: they need not be counted again. */
        if (len != 0 && len == c->told_len && memcmp(v.path, c->told, len) == 0)
            continue;
        n = len == 0 ? 1 : count_folder(c, &spot, &v, len, boards);
        if (n == 0)
            continue;
        if (len != 0) {
            v.path[len] = '\0';
            memcpy(c->told, v.path, len);
            c->told_len = len;
            v.value = (struct board_value){.kind = BOARD_GAUGE, .value = n};
        }
        *ret = v;
        return true;
    }
    return false;
}

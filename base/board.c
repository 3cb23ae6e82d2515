#include "base/board.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

enum {
    LOG_LINE_NS = 10 * 1000 * 1000, /* a line's price: 100 lines a second */
    LOG_BURST_NS = 200 * LOG_LINE_NS,
};

void board_attach(struct board *b, struct board_page *page, uint32_t generation)
{
    *b = (struct board){.page = page, .generation = generation, .n_rows = BOARD_ROWS};
    page->magic = BOARD_MAGIC;
    /* A generation that was taken over may have left a count that readers do not believe. */
    if (atomic_load(&page->log_seq) > UINT64_MAX / 4)
        atomic_store(&page->log_seq, 0);
}

void board_take_rows(struct board *b)
{
    atomic_store(&b->page->rows[0].kind, BOARD_EMPTY);
    b->page->generation = b->generation;
    b->n_rows = 0;
}

struct board_row *board_add(struct board *b, enum board_kind kind, const char *name)
{
    struct board_row *row;

    if (b->page == NULL || b->n_rows == BOARD_ROWS)
        return NULL;
    row = &b->page->rows[b->n_rows++];
    if (b->n_rows < BOARD_ROWS) /* whatever was there: the rows end here */
        atomic_store(&row[1].kind, BOARD_EMPTY);
    memset(row, 0, sizeof(*row));
    (void)snprintf(row->name, sizeof(row->name), "%s", name);
    atomic_store_explicit(&row->kind, kind, memory_order_release);
    return row;
}

struct board_row *board_addf(struct board *b, enum board_kind kind, const char *fmt, ...)
{
    char name[BOARD_NAME_BYTES];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(name, sizeof(name), fmt, args);
    va_end(args);
    return board_add(b, kind, name);
}

void board_set(struct board_row *row, uint64_t value)
{
    if (row != NULL)
        atomic_store_explicit(&row->value, value, memory_order_relaxed);
}

void board_inc(struct board_row *row)
{
    if (row != NULL) /* one writer per row: no locked instruction needed */
        board_set(row, atomic_load_explicit(&row->value, memory_order_relaxed) + 1);
}

void board_text(struct board_row *row, const char *text)
{
    uint32_t version;

    if (row == NULL)
        return;
    version = atomic_load_explicit(&row->version, memory_order_relaxed);
    atomic_store_explicit(&row->version, version | 1, memory_order_seq_cst);
    (void)snprintf(row->text, sizeof(row->text), "%s", text);
    atomic_store_explicit(&row->version, (version | 1) + 1, memory_order_seq_cst);
}

/* One writer per row, here too. */
static void add(_Atomic uint64_t *to, uint64_t n)
{
    atomic_store_explicit(to, atomic_load_explicit(to, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

void board_took(struct board_row *row, uint64_t took_ns)
{
    if (row == NULL)
        return;
    add(&row->value, took_ns);
    add(&row->buckets[latency_bucket(took_ns)], 1);
}

void board_latency(struct board_row *row, const struct latency *l)
{
    if (row == NULL)
        return;
    board_set(row, l->sum_ns);
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++)
        atomic_store_explicit(&row->buckets[i], l->buckets[i], memory_order_relaxed);
}

/* A token bucket in one word: the time at which all lines so far are paid for. */
static bool log_allowed(struct board *b, uint64_t now)
{
    uint64_t paid = atomic_load(&b->tokens_ns);
    uint64_t next;

    do {
        uint64_t oldest = now > LOG_BURST_NS ? now - LOG_BURST_NS : 0; /* the clock starts at 0 */

        next = (paid < oldest || paid > now ? oldest : paid) + LOG_LINE_NS;
        if (next > now)
            return false;
    } while (!atomic_compare_exchange_weak(&b->tokens_ns, &paid, next));
    return true;
}

static void clean(char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] < ' ' || text[i] > '~')
            text[i] = '?';
    }
}

const char *log_level_name(unsigned level)
{
    static const char *const names[] = {
        [LOG_LEVEL_ERROR] = "error",
        [LOG_LEVEL_WARN] = "warn",
        [LOG_LEVEL_INFO] = "info",
        [LOG_LEVEL_DEBUG] = "debug",
    };

    return level < sizeof(names) / sizeof(*names) ? names[level] : NULL;
}

/* The page may be anybody's. */
static bool is_wanted(const struct board *b, enum log_level level)
{
    const unsigned last =
        b->level == NULL ? 0 : atomic_load_explicit(b->level, memory_order_relaxed);

    return level <= (log_level_name(last) == NULL ? LOG_LEVEL_INFO : last);
}

void board_log(struct board *b, enum log_level level, const char *fmt, ...)
{
    struct board_record *record;
    char text[BOARD_LOG_TEXT_BYTES];
    va_list args;
    uint64_t seq, now;
    size_t len;

    if (b->page == NULL || !is_wanted(b, level))
        return;
    now = clock_now_ns();
    if (!log_allowed(b, now)) {
        atomic_fetch_add(&b->page->log_dropped, 1);
        return;
    }
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    len = strlen(text);
    clean(text, len);
    seq = atomic_fetch_add(&b->page->log_seq, 1) + 1;
    record = &b->page->log[seq % BOARD_LOG_RECORDS];
    atomic_store(&record->seq, 0);
    record->time_ns = now;
    record->generation = b->generation;
    record->level = (uint16_t)level;
    record->len = (uint16_t)len;
    memcpy(record->text, text, len);
    atomic_store(&record->seq, seq);
}

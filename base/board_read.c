#include "base/board_read.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* Copy at most len - 1 bytes up to a NUL; unprintable ones become '?'. out has len bytes. */
static void copy_printable(char *out, size_t len, const char *in)
{
    size_t i;

    for (i = 0; i + 1 < len; i++) {
        char c = ((const volatile char *)in)[i];

        if (c == '\0')
            break;
        out[i] = c < ' ' || c > '~' ? '?' : c;
    }
    out[i] = '\0';
}

/* Text is copied under its version; a writer that never finishes costs three tries. */
static void read_text(const struct board_row *row, char *out)
{
    for (int tries = 0; tries < 3; tries++) {
        uint32_t before = atomic_load(&row->version);

        copy_printable(out, BOARD_TEXT_BYTES, row->text);
        if ((before & 1) == 0 && atomic_load(&row->version) == before)
            return;
    }
}

int board_read_row(const struct board_page *page, uint32_t i, struct board_value *ret)
{
    const struct board_row *row;
    struct board_value v = {0};
    uint32_t kind;

    if (i >= BOARD_ROWS)
        return -ENOENT;
    row = &page->rows[i];
    kind = atomic_load_explicit(&row->kind, memory_order_acquire);
    if (kind == BOARD_EMPTY)
        return -ENOENT;
    if (kind > BOARD_HISTOGRAM)
        return -EBADMSG;
    v.kind = (enum board_kind)kind;
    v.value = atomic_load_explicit(&row->value, memory_order_relaxed);
    copy_printable(v.name, sizeof(v.name), row->name);
    if (v.kind == BOARD_TEXT)
        read_text(row, v.text);
    *ret = v;
    return 0;
}

int board_read_histogram(const struct board_page *page, uint32_t i, struct latency *ret)
{
    struct latency l = {0};
    struct board_value v;
    int r = board_read_row(page, i, &v);

    if (r == 0 && v.kind != BOARD_HISTOGRAM)
        r = -EBADMSG;
    if (r < 0)
        return r;
    l.sum_ns = v.value;
    for (unsigned b = 0; b < LATENCY_BUCKETS; b++) {
        uint64_t n = atomic_load_explicit(&page->rows[i].buckets[b], memory_order_relaxed);

        l.buckets[b] = n <= UINT64_MAX - l.n ? n : UINT64_MAX - l.n;
        l.n += l.buckets[b];
    }
    *ret = l;
    return 0;
}

static bool read_record(const struct board_page *page, uint64_t seq, struct board_line *ret)
{
    const struct board_record *record = &page->log[seq % BOARD_LOG_RECORDS];
    struct board_line line = {.seq = seq};
    uint16_t level;
    uint16_t len;

    if (atomic_load(&record->seq) != seq)
        return false;
    line.time_ns = record->time_ns;
    line.generation = record->generation;
    level = ((const volatile struct board_record *)record)->level;
    len = ((const volatile struct board_record *)record)->len;
    line.level = level >= LOG_LEVEL_ERROR && level <= LOG_LEVEL_DEBUG ? (enum log_level)level
                                                                      : LOG_LEVEL_ERROR;
    copy_printable(line.text, sizeof(line.text), record->text);
    if (len < BOARD_LOG_TEXT_BYTES)
        line.text[len] = '\0';
    if (atomic_load(&record->seq) != seq)
        return false;
    *ret = line;
    return true;
}

int board_read_log(const struct board_page *page, uint64_t from, struct board_line *ret)
{
    uint64_t last = atomic_load(&page->log_seq);
    uint64_t seq = from == 0 ? 1 : from;

    if (last > UINT64_MAX / 2) /* no honest writer comes that far, and seq must not wrap */
        return -ENOENT;
    if (last >= BOARD_LOG_RECORDS && seq <= last - BOARD_LOG_RECORDS)
        seq = last - BOARD_LOG_RECORDS + 1;
    for (int budget = BOARD_LOG_RECORDS; budget > 0 && seq <= last; budget--, seq++) {
        if (read_record(page, seq, ret))
            return 0;
    }
    return -ENOENT;
}

int board_read_fault(const struct board_page *page, uint32_t generation, uint64_t *ret)
{
    const struct board_fault *f = &page->fault;

    if (generation == 0 || atomic_load_explicit(&f->generation, memory_order_acquire) != generation)
        return -ENOENT;
    *ret = *(const volatile uint64_t *)&f->code;
    return 0;
}

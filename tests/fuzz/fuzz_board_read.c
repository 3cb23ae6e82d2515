/*
 * tests/fuzz/fuzz_board_read.c - a board on which a process that was taken over wrote what it likes.
 *
 * The input is a list of writes into the page: u16 offset / 16, u8 length, bytes. Promises checked:
 * whatever is read is printable and terminated, of a known kind and level; reading all of it ends;
 * sequence numbers rise.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/board_read.h"
#include "base/rd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t cap)
{
    for (size_t i = 0; i < cap; i++) {
        if (text[i] == '\0')
            return;
        if (text[i] < ' ' || text[i] > '~')
            abort();
    }
    abort();
}

static void scribble(struct board_page *page, const uint8_t *data, size_t size)
{
    struct rd r = rd_over(data, size);

    while (r.left > 0 && rd_ok(&r)) {
        size_t at = (size_t)rd_le16(&r) * 16 % sizeof(*page);
        size_t len = rd_u8(&r);
        struct span s = rd_span(&r, len < r.left ? len : r.left);

        if (s.len > sizeof(*page) - at)
            s.len = sizeof(*page) - at;
        if (s.len > 0)
            memcpy((uint8_t *)page + at, s.at, s.len);
    }
}

static void read_rows(const struct board_page *page)
{
    uint32_t i;

    for (i = 0; i <= BOARD_ROWS; i++) {
        struct board_value v;
        int r = board_read_row(page, i, &v);

        if (r == -ENOENT)
            break;
        if (r == -EBADMSG)
            continue;
        if (v.kind < BOARD_COUNTER || v.kind > BOARD_HISTOGRAM)
            abort();
        check_text(v.name, sizeof(v.name));
        check_text(v.text, sizeof(v.text));
    }
    if (i > BOARD_ROWS)
        abort();
}

/* The sum of the buckets is what it says. */
static void read_histograms(const struct board_page *page)
{
    struct latency l;

    for (uint32_t i = 0; i < BOARD_ROWS; i++) {
        uint64_t n = 0;

        if (board_read_histogram(page, i, &l) < 0)
            continue;
        for (unsigned b = 0; b < LATENCY_BUCKETS; b++) {
            if (__builtin_add_overflow(n, l.buckets[b], &n))
                abort();
        }
        if (n != l.n)
            abort();
    }
}

static void read_log(const struct board_page *page)
{
    uint64_t from = 0;

    for (int budget = BOARD_LOG_RECORDS + 1;; budget--) {
        struct board_line line;

        if (board_read_log(page, from, &line) < 0)
            return;
        if (budget == 0 || line.seq < from || line.seq == 0 || line.seq == UINT64_MAX)
            abort();
        if (line.level < LOG_LEVEL_ERROR || line.level > LOG_LEVEL_INFO)
            abort();
        check_text(line.text, sizeof(line.text));
        from = line.seq + 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct board_page *page = calloc(1, sizeof(*page));

    if (page == NULL)
        abort();
    scribble(page, data, size);
    read_rows(page);
    read_histograms(page);
    read_log(page);
    free(page);
    return 0;
}

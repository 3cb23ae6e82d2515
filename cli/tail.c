#include "cli/tail.h"

#include <stdbool.h>

void tail_add(struct tail *t, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        t->ring[t->total++ % TAIL_BYTES] = bytes[i];
}

void tail_print(const struct tail *t, const char *title, FILE *out)
{
    uint64_t from = t->total > TAIL_BYTES ? t->total - TAIL_BYTES : 0;
    bool skip = from > 0; /* the first line is cut: leave it out */
    bool fresh = true;

    if (t->total == 0)
        return;
    (void)fprintf(out, "--- %s%s\n", title, skip ? " (its end)" : "");
    for (; from < t->total; from++) {
        char c = t->ring[from % TAIL_BYTES];

        if (skip) {
            skip = c != '\n';
            continue;
        }
        if (c != '\n' && c != '\t' && (c < ' ' || c > '~'))
            continue;
        (void)fputc(c, out);
        fresh = c == '\n';
    }
    (void)fprintf(out, "%s---\n", fresh ? "" : "\n");
}

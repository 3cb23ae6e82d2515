#include "cli/pool.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pool_piece {
    struct pool_piece *next;
    max_align_t bytes[];
};

void *pool_alloc(struct pool *p, size_t len)
{
    struct pool_piece *piece = calloc(1, sizeof(*piece) + len);

    if (piece == NULL)
        return NULL;
    piece->next = p->pieces;
    p->pieces = piece;
    return piece->bytes;
}

char *pool_text(struct pool *p, const char *text, size_t len)
{
    char *copy = pool_alloc(p, len + 1);

    if (copy != NULL)
        memcpy(copy, text, len);
    return copy;
}

char *pool_printf(struct pool *p, const char *fmt, ...)
{
    va_list args;
    char *text = NULL;
    char *copy;

    va_start(args, fmt);
    if (vasprintf(&text, fmt, args) < 0)
        text = NULL;
    va_end(args);
    if (text == NULL)
        return NULL;
    copy = pool_text(p, text, strlen(text));
    free(text);
    return copy;
}

void pool_done(struct pool *p)
{
    while (p->pieces != NULL) {
        struct pool_piece *piece = p->pieces;

        p->pieces = piece->next;
        free(piece);
    }
}

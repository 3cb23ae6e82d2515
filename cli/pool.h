/*
 * cli/pool.h - memory that lives as long as what was parsed, and goes with it.
 */
#pragma once

#include <stddef.h>

#include "base/macro.h"

struct pool {
    struct pool_piece *pieces;
};

/* Zeroed memory; NULL when there is none. */
void *pool_alloc(struct pool *p, size_t len);

/* A copy of len bytes, terminated; NULL when there is no memory. */
char *pool_text(struct pool *p, const char *text, size_t len);

/* Text that is made; NULL when there is no memory. */
char *pool_printf(struct pool *p, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Free everything; the pool is empty and usable again. */
void pool_done(struct pool *p);

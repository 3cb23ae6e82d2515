/*
 * drivers/block_table.h - which block of an image is where: a sparse array of 32-bit words.
 *
 * Memory is taken for parts in which a word differs from the filling, 4 kB at a time and no more than
 * BLOCK_TABLE_BYTES_MAX. block_map() may not wait, so the whole map of an image is here.
 */
#pragma once

#include <stdint.h>

#include "base/macro.h"

enum {
    BLOCK_TABLE_LEAF = 1024,              /* words */
    BLOCK_TABLE_BYTES_MAX = 64 * 1048576, /* of one image's leaves */
};

struct block_table {
    uint32_t **leaves;
    uint64_t n; /* words */
    uint32_t n_leaves;
    uint32_t n_used; /* leaves that exist */
    uint32_t fill;   /* what a word is at first */
};

/* 0, -ENOMEM, or -EOVERFLOW for more words than any image may have. */
int MUST_USE block_table_init(struct block_table *t, uint64_t n, uint32_t fill);
void block_table_done(struct block_table *t);

uint32_t block_table_get(const struct block_table *t, uint64_t at);

/* Make block_table_set() of that word sure to work. -ENOMEM, or -EFBIG: the limit. */
int MUST_USE block_table_reserve(struct block_table *t, uint64_t at);

/* The word was reserved, or is the filling already. */
void block_table_set(struct block_table *t, uint64_t at, uint32_t word);

/* The first word from at on that may differ from the filling; n when there is none. */
uint64_t block_table_next(const struct block_table *t, uint64_t at);

#include "drivers/block_table.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

enum {
    LEAVES_MAX = BLOCK_TABLE_BYTES_MAX / (BLOCK_TABLE_LEAF * sizeof(uint32_t)),
    ROOT_MAX = 1 << 16, /* 64 TiB in blocks of 1 MiB */
};

int block_table_init(struct block_table *t, uint64_t n, uint32_t fill)
{
    uint64_t n_leaves = n / BLOCK_TABLE_LEAF + (n % BLOCK_TABLE_LEAF != 0);

    if (n_leaves > ROOT_MAX)
        return -EOVERFLOW;
    *t = (struct block_table){.n = n, .n_leaves = (uint32_t)n_leaves, .fill = fill};
    t->leaves = calloc(n_leaves == 0 ? 1 : n_leaves, sizeof(*t->leaves));
    return t->leaves == NULL ? -ENOMEM : 0;
}

void block_table_done(struct block_table *t)
{
    for (uint32_t i = 0; t->leaves != NULL && i < t->n_leaves; i++)
        free(t->leaves[i]);
    free((void *)t->leaves);
    *t = (struct block_table){0};
}

uint32_t block_table_get(const struct block_table *t, uint64_t at)
{
    const uint32_t *leaf = t->leaves[at / BLOCK_TABLE_LEAF];

    return leaf == NULL ? t->fill : leaf[at % BLOCK_TABLE_LEAF];
}

int block_table_reserve(struct block_table *t, uint64_t at)
{
    uint32_t **leaf = &t->leaves[at / BLOCK_TABLE_LEAF];

    if (*leaf != NULL)
        return 0;
    if (t->n_used == LEAVES_MAX)
        return -EFBIG;
    *leaf = malloc(BLOCK_TABLE_LEAF * sizeof(**leaf));
    if (*leaf == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < BLOCK_TABLE_LEAF; i++)
        (*leaf)[i] = t->fill;
    t->n_used++;
    return 0;
}

void block_table_set(struct block_table *t, uint64_t at, uint32_t word)
{
    uint32_t *leaf = t->leaves[at / BLOCK_TABLE_LEAF];

    assert(leaf != NULL || word == t->fill);
    if (leaf != NULL)
        leaf[at % BLOCK_TABLE_LEAF] = word;
}

uint64_t block_table_next(const struct block_table *t, uint64_t at)
{
    while (at < t->n && t->leaves[at / BLOCK_TABLE_LEAF] == NULL)
        at = (at / BLOCK_TABLE_LEAF + 1) * BLOCK_TABLE_LEAF;
    return at < t->n ? at : t->n;
}

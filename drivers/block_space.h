/*
 * drivers/block_space.h - where in its file an image's next block goes.
 *
 * Pure: no I/O. Places are counted in units of the format (VHD: sectors, VHDX: MiB). All blocks of an
 * image are of one size. A place is given away in three steps, so that neither a kill nor a power
 * failure leaves two blocks in one place or a block that shows old bytes:
 *   block_space_pick()  names places nothing points to; the owner fills them with zeros and flushes;
 *   block_space_ready() says so; block_space_take() gives one to a block, without any waiting;
 *   block_space_drop()  takes it back; it is free only after block_space_durable(), when the file is
 *                       sure to point there no longer.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

enum {
    BLOCK_SPACE_READY = 16,
    BLOCK_SPACE_FREE = 1024,
};

struct block_range {
    uint64_t start; /* units */
    uint64_t len;   /* units */
};

struct block_space {
    uint64_t slot;  /* units of a block */
    uint64_t lead;  /* its first units that need not be aligned ... */
    uint64_t align; /* ... so that what follows is: units */
    uint64_t end;   /* behind all that is in use */
    uint64_t limit; /* no place reaches beyond; less than 2^32 */
    uint32_t ready[BLOCK_SPACE_READY];
    uint32_t free[BLOCK_SPACE_FREE];
    uint32_t dropped[BLOCK_SPACE_FREE];
    size_t n_ready;
    size_t n_free;
    size_t n_dropped;
    bool lost; /* there are more free places than the lists hold: scan again */
};

/*
 * Find the free places of a file with blocks at starts and other things at ranges; both get sorted.
 * 0, or -EBADMSG with *ret_at = where two of them overlap.
 */
int MUST_USE block_space_scan(struct block_space *s, uint32_t *starts, size_t n,
                              struct block_range *ranges, size_t n_ranges, uint64_t *ret_at);

/* Up to max places (at most BLOCK_SPACE_READY) into slots; how many. 0: no space. */
size_t block_space_pick(struct block_space *s, uint32_t *slots, size_t max);

/* The picked places read as zeros and are durable; or they could not be made so. */
void block_space_ready(struct block_space *s, const uint32_t *slots, size_t n);
void block_space_put_back(struct block_space *s, const uint32_t *slots, size_t n);

/* True and a ready place; false: there is none. */
bool block_space_take(struct block_space *s, uint32_t *ret);

void block_space_drop(struct block_space *s, uint32_t slot);
void block_space_durable(struct block_space *s);

/*
 * supervisor/partition/pieces.h - one exit of a backend, handed out as the accesses it is made of.
 *
 * A string instruction is many accesses to one port. An MMIO access of an odd size, the part of
 * one that crossed a page, becomes accesses of 4, 2 and 1 bytes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "supervisor/partition/partition.h"

struct pieces {
    uint8_t *at;     /* borrowed: where the bytes of the rest are, or go */
    uint32_t left;   /* bytes */
    uint8_t io_size; /* bytes of each access to the port; 0: MMIO */
    uint8_t out;     /* bytes of the access that waits for pieces_finish; 0: none */
    bool write;
    uint64_t addr;
};

/* Is there an access that has not been handed out? */
bool pieces_left(const struct pieces *p);

/* Hand out the next; there must be one, and the one before must be finished. */
void pieces_next(struct pieces *p, struct vm_access *ret);

/* Finish it: of a read, the low bytes of data are its result. */
void pieces_finish(struct pieces *p, uint64_t data);

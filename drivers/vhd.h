/*
 * drivers/vhd.h - the structures of a VHD, read and written. Only the files vhd*.c include it.
 *
 * @spec Virtual Hard Disk Image Format 1.0
 *
 * A fixed image is the disk's bytes and a footer. A dynamic one has a copy of the footer, a header, a
 * table with a word per block (the sector at which it begins, or VHD_UNUSED), and blocks: a bitmap
 * with a bit per sector, then the data. All numbers are big-endian.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "drivers/block_driver.h"
#include "drivers/block_space.h"
#include "drivers/block_table.h"

enum {
    VHD_FOOTER_BYTES = 512,
    VHD_HEADER_BYTES = 1024,
    VHD_BLOCK_BYTES_MIN = 1 << 16,
    VHD_BLOCK_BYTES_MAX = 1 << 28,
    VHD_WORDS = BLOCK_SECTOR_BYTES / 4, /* of a sector of the table */
};

static const uint32_t VHD_UNUSED = UINT32_MAX;
static const uint64_t VHD_BYTES_MAX = UINT64_C(2040) << 30;

enum vhd_type {
    VHD_FIXED = 2,
    VHD_DYNAMIC = 3,
    VHD_DIFFERENCING = 4,
};

struct vhd_footer {
    uint64_t header_offset; /* of a dynamic one */
    uint64_t bytes;         /* of the disk */
    enum vhd_type type;
    uint8_t id[16];
};

struct vhd_header {
    uint64_t table_offset;
    uint32_t n_blocks; /* words of the table */
    uint32_t block_bytes;
};

/* 0, -EBADMSG or -EOPNOTSUPP with a text in why; *ret is then untouched. */
int MUST_USE vhd_footer_parse(const uint8_t raw[VHD_FOOTER_BYTES], struct vhd_footer *ret,
                              char *why);
int MUST_USE vhd_header_parse(const uint8_t raw[VHD_HEADER_BYTES], struct vhd_header *ret,
                              char *why);

/* A dynamic image. */
struct vhd {
    struct block_image image;
    struct vhd_footer footer;
    struct vhd_header header;
    struct block_table table;
    struct block_space space; /* in sectors */
    uint64_t n_blocks;        /* of the disk: the table may have more */
    uint64_t bitmap_bytes;
    uint64_t footer_at; /* the last place a block may end */
    bool footer_lost;   /* the one at the end; its copy is good */
    bool dirty;         /* the table was written and not flushed */
    bool unsure;        /* a write of the table failed: what the file says is not known, ... */
    uint64_t unsure_at; /* ... in this sector of the table */
    uint8_t raw_footer[VHD_FOOTER_BYTES];
};

/* Table, blocks and free places, from a file whose footer and header are good. */
int MUST_USE vhd_load(struct vhd *v, char *why);

/* Find the free places again: 0, -ENOMEM, or -EBADMSG with *ret_at. */
int MUST_USE vhd_scan(struct vhd *v, uint64_t *ret_at);

/* The operations of a dynamic image. */
extern const struct block_ops vhd_dynamic_ops;

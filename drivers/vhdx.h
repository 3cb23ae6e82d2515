/*
 * drivers/vhdx.h - the structures of a VHDX, read and written. Only the files vhdx*.c include it.
 *
 * @spec MS-VHDX 2.2 to 2.6
 *
 * The first MiB has an identifier, two headers (the newer one counts), and two copies of a table of
 * regions: the block allocation table (BAT) and the metadata. Where the log is, a header says.
 * Everything else begins at a whole MiB.
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
    VHDX_MIB = 1 << 20,
    VHDX_MIB_SHIFT = 20,
    VHDX_SECTOR_BYTES = 4096, /* of headers, log and BAT */
    VHDX_TABLE_BYTES = 65536, /* of the region table, and of the metadata's */
    VHDX_HEADER_AT = 65536,   /* the first; the second is as far again */
    VHDX_REGIONS_AT = 192 << 10,
    VHDX_REGIONS_STEP = 64 << 10,
    VHDX_GUID_BYTES = 16,
    VHDX_RANGES_MAX = 64,
    VHDX_ENTRIES = VHDX_SECTOR_BYTES / 8, /* of the BAT in a sector */
    VHDX_DIRTY_MAX = 128,                 /* sectors of the BAT */
    VHDX_LOG_ENTRY_BYTES = 2 * VHDX_SECTOR_BYTES,
    VHDX_OFFSET_BITS = 29, /* of a block's place in MiB, as far as it is supported: 512 TiB */
};

static const uint64_t VHDX_LOG_BYTES_MAX = 256 << 20; /* of a log that is to be replayed */

struct vhdx_header {
    uint64_t sequence;
    uint8_t file_guid[VHDX_GUID_BYTES];
    uint8_t data_guid[VHDX_GUID_BYTES];
    uint8_t log_guid[VHDX_GUID_BYTES]; /* zeros: the log is empty */
    uint16_t log_version;
    uint16_t version;
    uint32_t log_bytes;
    uint64_t log_offset;
};

struct vhdx_regions {
    uint64_t bat_offset;
    uint64_t bat_bytes;
    uint64_t metadata_offset;
    uint64_t metadata_bytes;
    struct block_range ranges[VHDX_RANGES_MAX]; /* of all of them, in MiB; two are left free */
    size_t n_ranges;
};

enum vhdx_item {
    VHDX_FILE_PARAMETERS,
    VHDX_DISK_SIZE,
    VHDX_PAGE_83,
    VHDX_LOGICAL_SECTOR,
    VHDX_PHYSICAL_SECTOR,
    VHDX_ITEMS,
};

/* Where in the metadata region each item is; all are there. */
struct vhdx_items {
    uint32_t offsets[VHDX_ITEMS];
};

struct vhdx_disk {
    uint64_t bytes;
    uint32_t block_bytes;
    uint32_t sector_bytes;
    uint32_t physical_bytes;
    bool leave_allocated;
    uint8_t id[VHDX_GUID_BYTES];
};

enum vhdx_state {
    VHDX_NOT_PRESENT = 0,
    VHDX_UNDEFINED = 1,
    VHDX_ZERO = 2,
    VHDX_UNMAPPED = 3,
    VHDX_FULLY_PRESENT = 6,
    VHDX_PARTIALLY_PRESENT = 7,
};

/* Is it a header at all: signature and checksum? Then *ret is what it says. 0 or -EBADMSG. */
int MUST_USE vhdx_header_parse(const uint8_t raw[VHDX_SECTOR_BYTES], struct vhdx_header *ret);
void vhdx_header_pack(const struct vhdx_header *h, uint8_t raw[VHDX_SECTOR_BYTES]);

/* 0, -EBADMSG or -EOPNOTSUPP with a text in why; *ret is then untouched. */
int MUST_USE vhdx_regions_parse(const uint8_t *raw, struct vhdx_regions *ret, char *why);
int MUST_USE vhdx_items_parse(const uint8_t *raw, uint64_t metadata_bytes, struct vhdx_items *ret,
                              char *why);
/* Eight bytes of each item, but all of page 83. */
int MUST_USE vhdx_disk_parse(uint8_t raw[VHDX_ITEMS][VHDX_GUID_BYTES], struct vhdx_disk *ret,
                             char *why);

/* A checksum over len bytes, with zeros where the checksum itself is (bytes 4 to 7). */
uint32_t vhdx_checksum(const uint8_t *raw, size_t len);

bool vhdx_guid_is_zero(const uint8_t guid[VHDX_GUID_BYTES]);

/*
 * An open image. The words of the table are the BAT's entries: place in MiB << 3 | state.
 *
 * Changes of the BAT wait in the log: entries from its beginning on, one per change, each with one
 * sector of the BAT. vhdx_checkpoint() puts them where they belong and empties the log.
 */
struct vhdx {
    struct block_image image;
    struct vhdx_header header; /* as it is in the file, at slot */
    unsigned slot;             /* 0 or 1 */
    struct vhdx_regions regions;
    struct vhdx_disk disk;
    struct block_table table;
    struct block_space space; /* in MiB */
    uint64_t n_blocks;
    uint64_t chunk_ratio;   /* blocks between two entries for bitmaps, which have none here */
    uint64_t flushed_bytes; /* the file is as long, whatever happens */
    uint64_t log_sequence;
    uint32_t log_at; /* where the next entry goes; 0: the log is empty */
    bool log_unsure; /* what is at log_at is to be made no entry */
    bool header_unsure;
    bool stale; /* blocks without data name places: nothing may be put there */
    uint32_t n_dirty;
    uint32_t dirty[VHDX_DIRTY_MAX]; /* sectors of the BAT */
    uint8_t random[VHDX_GUID_BYTES];
};

/* vhdx_log.c */

struct vhdx_log {
    uint64_t offset; /* in the file */
    uint32_t bytes;
    uint32_t tail; /* the first entry to replay: an offset in the log */
    uint32_t n_entries;
    uint64_t n_descriptors; /* of all of them */
    uint64_t flushed_bytes;
    uint64_t last_bytes;
    uint8_t guid[VHDX_GUID_BYTES];
};

/* Find what is to be replayed. 0, -EBADMSG with a text in why, or of block_io. */
int MUST_USE vhdx_log_find(const struct block_file *f, const struct vhdx_header *h,
                           struct vhdx_log *ret, char *why);
/* Write all of it where it belongs and flush. Doing so again does no harm. */
int MUST_USE vhdx_log_replay(struct block_file *f, const struct vhdx_log *log, char *why);

/* vhdx_write.c */

/* A new identifier. */
void vhdx_guid_make(struct vhdx *v, uint8_t guid[VHDX_GUID_BYTES]);
/* What is written so far becomes durable, then the other header is this one, with that log. */
int MUST_USE vhdx_header_write(struct vhdx *v, const uint8_t log_guid[VHDX_GUID_BYTES]);
/* Undo the doubts that a failed write left. First in every change. */
int MUST_USE vhdx_settle(struct vhdx *v);
/* The sector of the BAT is as the table has it, from now on. */
int MUST_USE vhdx_log_sector(struct vhdx *v, uint32_t sector);
/* All changes so far are durable, in their place. */
int MUST_USE vhdx_checkpoint(struct vhdx *v);
/* The entry of the BAT for a block. */
uint64_t vhdx_entry_of(const struct vhdx *v, uint64_t block);

/* vhdx_open.c: find the free places (again). 0, -ENOMEM, or -EBADMSG with *ret_at. */
int MUST_USE vhdx_scan(struct vhdx *v, uint64_t *ret_at);

/* vhdx.c */
extern const struct block_ops vhdx_ops;

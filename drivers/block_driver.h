/*
 * drivers/block_driver.h - what drivers/block.c and the image formats share. Nobody else includes it.
 *
 * A block is one image, or a stripe over several; an image is one file in one format.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "drivers/block.h"

enum {
    BLOCK_SECTOR_BYTES = 512,
    BLOCK_DISCARD_BYTES_RAW = 512, /* where the file's owner punches, and no map changes */
};

/* No file of a sane host is longer: sums of two offsets below it cannot wrap. */
static const uint64_t BLOCK_FILE_BYTES_MAX = UINT64_C(1) << 60;

/* The file of an image, and how it is reached. */
struct block_file {
    const struct block_io *io;
    uint64_t bytes; /* how long it is now */
    uint32_t number;
    bool is_device; /* cannot grow */
    bool read_only;
};

/* 0, of block_io, or -EBADMSG when the range is not inside the file. */
int MUST_USE block_file_read(const struct block_file *f, uint64_t offset, void *buf, size_t len);

/* 0, of block_io, or -ENOSPC past the end of a device. The file grows. */
int MUST_USE block_file_write(struct block_file *f, uint64_t offset, const void *buf, size_t len);
int MUST_USE block_file_zero(struct block_file *f, uint64_t offset, uint64_t len);
int MUST_USE block_file_flush(const struct block_file *f);

struct block_image;

/* What a format does. Ranges are inside the image and not empty. */
struct block_ops {
    void (*close)(struct block_image *i);
    void (*map)(const struct block_image *i, uint64_t offset, uint64_t len,
                struct block_extent *ret);
    int (*allocate)(struct block_image *i, uint64_t offset);
    int (*discard)(struct block_image *i, uint64_t offset, uint64_t len, bool *ret_zeroed);
    int (*flush)(struct block_image *i);
    int (*resized)(struct block_image *i, uint64_t file_bytes);
};

/* The first field of what a format allocates. */
struct block_image {
    const struct block_ops *ops;
    struct block_file file;
    struct block_info info;
};

/* The formats' block_open() for one file. */
int MUST_USE block_raw_open(const struct block_file *file, struct block_image **ret, char *why);
int MUST_USE vhd_open(const struct block_file *file, struct block_image **ret, char *why);
int MUST_USE vhdx_open(const struct block_file *file, const uint8_t random[16],
                       struct block_image **ret, char *why);

/* Bytes as they are in the file: all of the image, or its first part (a fixed VHD). */
void block_map_plain(const struct block_image *i, uint64_t offset, uint64_t len,
                     struct block_extent *ret);
int MUST_USE block_allocate_plain(struct block_image *i, uint64_t offset);
int MUST_USE block_discard_plain(struct block_image *i, uint64_t offset, uint64_t len,
                                 bool *ret_zeroed);
int MUST_USE block_flush_plain(struct block_image *i);
int MUST_USE block_resized_never(struct block_image *i, uint64_t file_bytes);

/* Put the text into why and return err: `return block_refuse(why, -EBADMSG, "...")`. */
int MUST_USE block_refuse(char *why, int err, const char *format, ...) PRINTF_LIKE(3, 4);

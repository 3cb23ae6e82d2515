/*
 * drivers/block_raw.c - a raw image: the bytes of the file are those of the disk.
 */
#include <errno.h>
#include <stdlib.h>

#include "drivers/block_driver.h"

static void raw_close(struct block_image *i)
{
    free(i);
}

void block_map_plain(const struct block_image *i, uint64_t offset, uint64_t len,
                     struct block_extent *ret)
{
    *ret = (struct block_extent){
        .kind = BLOCK_DATA, .file = i->file.number, .offset = offset, .len = len};
}

int block_allocate_plain(struct block_image *i, uint64_t offset)
{
    (void)i;
    (void)offset;
    return 0;
}

/* There is no map to change: only what was punched out of the file reads as zeros. */
int block_discard_plain(struct block_image *i, uint64_t offset, uint64_t len, bool *ret_zeroed)
{
    (void)i;
    (void)offset;
    (void)len;
    *ret_zeroed = false;
    return 0;
}

int block_flush_plain(struct block_image *i)
{
    (void)i; /* no metadata */
    return 0;
}

int block_resized_never(struct block_image *i, uint64_t file_bytes)
{
    (void)i;
    (void)file_bytes;
    return -EBADMSG;
}

/* A part of a sector at the end cannot be addressed. */
static int raw_resized(struct block_image *i, uint64_t file_bytes)
{
    uint64_t bytes = file_bytes - file_bytes % BLOCK_SECTOR_BYTES;

    if (bytes == 0 || file_bytes > BLOCK_FILE_BYTES_MAX)
        return -EBADMSG;
    i->file.bytes = file_bytes;
    i->info.bytes = bytes;
    return 0;
}

static const struct block_ops raw_ops = {
    .close = raw_close,
    .map = block_map_plain,
    .allocate = block_allocate_plain,
    .discard = block_discard_plain,
    .flush = block_flush_plain,
    .resized = raw_resized,
};

int block_raw_open(const struct block_file *file, struct block_image **ret, char *why)
{
    struct block_image *i;

    if (file->bytes < BLOCK_SECTOR_BYTES)
        return block_refuse(why, -EBADMSG, "the file has no whole sector");
    i = calloc(1, sizeof(*i));
    if (i == NULL)
        return block_refuse(why, -ENOMEM, "no memory");
    i->ops = &raw_ops;
    i->file = *file;
    i->info = (struct block_info){
        .bytes = file->bytes - file->bytes % BLOCK_SECTOR_BYTES,
        .discard_bytes = BLOCK_DISCARD_BYTES_RAW,
        .read_only = file->read_only,
    };
    *ret = i;
    return 0;
}

/*
 * drivers/vhd.c - the map of a dynamic VHD, changed so that neither a kill nor a power failure harms.
 *
 * Without a log, order is all there is. A new block is made of zeros, with all bits of its bitmap set,
 * and flushed before its word is written; its place is given to another only after the word that is
 * gone was flushed. A sector of the table is written at once; a word is inside one sector.
 */
#include "drivers/vhd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/wr.h"

enum {
    READY_BYTES = 32 << 20, /* made ready at once, if that is more than one block */
};

static struct vhd *of(struct block_image *i)
{
    return (struct vhd *)i; /* its first field */
}

static void dynamic_close(struct block_image *i)
{
    struct vhd *v = of(i);

    block_table_done(&v->table);
    free(v);
}

static void dynamic_map(const struct block_image *i, uint64_t offset, uint64_t len,
                        struct block_extent *ret)
{
    const struct vhd *v = (const struct vhd *)i;
    uint64_t in_block = offset % v->header.block_bytes;
    uint64_t left = v->header.block_bytes - in_block;
    uint32_t word = block_table_get(&v->table, offset / v->header.block_bytes);

    *ret = (struct block_extent){.kind = BLOCK_ZERO, .len = len < left ? len : left};
    if (word == VHD_UNUSED)
        return;
    ret->kind = BLOCK_DATA;
    ret->file = i->file.number;
    ret->offset = (uint64_t)word * BLOCK_SECTOR_BYTES + v->bitmap_bytes + in_block;
}

/* Write a sector of the table as the memory has it. */
static int write_table(struct vhd *v, uint64_t sector)
{
    uint8_t raw[BLOCK_SECTOR_BYTES];
    struct wr w = wr_over(raw, sizeof(raw));

    for (uint64_t i = sector * VHD_WORDS; i < (sector + 1) * VHD_WORDS; i++)
        wr_be32(&w, i < v->n_blocks ? block_table_get(&v->table, i) : VHD_UNUSED);
    v->dirty = true;
    return block_file_write(&v->image.file, v->header.table_offset + sector * sizeof(raw), raw,
                            sizeof(raw));
}

/* After a write that failed: make the file say again what the memory does. */
static int settle(struct vhd *v)
{
    int r = v->unsure ? write_table(v, v->unsure_at) : 0;

    if (r == 0)
        v->unsure = false;
    return r;
}

static void be_unsure(struct vhd *v, uint64_t sector)
{
    v->unsure = true;
    v->unsure_at = sector;
    (void)!settle(v); /* else the next change does */
}

static uint64_t slot_bytes(const struct vhd *v)
{
    return v->space.slot * BLOCK_SECTOR_BYTES;
}

/* A new footer behind what the file is to hold. The old one is there until that is durable. */
static int move_footer(struct vhd *v, uint64_t end)
{
    int r;

    if (end <= v->footer_at)
        return 0;
    r = block_file_write(&v->image.file, end, v->raw_footer, VHD_FOOTER_BYTES);
    if (r == 0)
        r = block_file_flush(&v->image.file);
    if (r == 0)
        v->footer_at = end;
    return r;
}

static int make_block(struct vhd *v, uint64_t at)
{
    uint8_t ones[BLOCK_SECTOR_BYTES];
    int r = block_file_zero(&v->image.file, at + v->bitmap_bytes, v->header.block_bytes);

    memset(ones, 0xff, sizeof(ones));
    for (uint64_t done = 0; r == 0 && done < v->bitmap_bytes; done += sizeof(ones))
        r = block_file_write(&v->image.file, at + done, ones, sizeof(ones));
    return r;
}

static int make_blocks(struct vhd *v, const uint32_t *slots, size_t n)
{
    uint64_t end = 0;
    int r;

    for (size_t i = 0; i < n; i++) {
        uint64_t slot_end = (uint64_t)slots[i] * BLOCK_SECTOR_BYTES + slot_bytes(v);

        end = slot_end > end ? slot_end : end;
    }
    r = move_footer(v, end);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = make_block(v, (uint64_t)slots[i] * BLOCK_SECTOR_BYTES);
    return r < 0 ? r : block_file_flush(&v->image.file);
}

static int make_ready(struct vhd *v, size_t max)
{
    uint32_t slots[BLOCK_SPACE_READY];
    size_t n = block_space_pick(&v->space, slots, max);
    int r = n == 0 ? -ENOSPC : make_blocks(v, slots, n);

    if (r < 0)
        block_space_put_back(&v->space, slots, n);
    else
        block_space_ready(&v->space, slots, n);
    return r;
}

/* What the table says is on the disk: places that it no longer names are free. */
static int make_durable(struct vhd *v)
{
    int r = settle(v);

    if (r < 0 || !v->dirty)
        return r;
    r = block_file_flush(&v->image.file);
    if (r < 0)
        return r;
    v->dirty = false;
    block_space_durable(&v->space);
    return 0;
}

static int make_some_ready(struct vhd *v)
{
    size_t batch = READY_BYTES / v->header.block_bytes;
    uint64_t at;
    int r = 0;

    if (v->space.lost && v->space.n_free == 0 && !v->dirty)
        r = vhd_scan(v, &at);
    if (r < 0 && r != -ENOMEM) /* without memory for it there is still the end of the file */
        return r;
    batch = batch > BLOCK_SPACE_READY ? BLOCK_SPACE_READY : batch;
    r = make_ready(v, batch == 0 ? 1 : batch);
    return r == -ENOSPC && batch > 1 ? make_ready(v, 1) : r;
}

/* What the guest gave back has room, as soon as the file is sure to point there no longer. */
static int take_slot(struct vhd *v, uint32_t *ret)
{
    int r = 0;

    if (block_space_take(&v->space, ret))
        return 0;
    r = make_some_ready(v);
    if (r == -ENOSPC && (v->space.n_dropped > 0 || v->space.lost)) {
        r = make_durable(v);
        if (r == 0)
            r = make_some_ready(v);
    }
    if (r < 0)
        return r;
    return block_space_take(&v->space, ret) ? 0 : -ENOSPC;
}

static int dynamic_allocate(struct block_image *i, uint64_t offset)
{
    struct vhd *v = of(i);
    uint64_t block = offset / v->header.block_bytes;
    uint32_t slot = 0;
    int r;

    if (block_table_get(&v->table, block) != VHD_UNUSED)
        return 0;
    r = settle(v);
    if (r == 0)
        r = block_table_reserve(&v->table, block);
    if (r == 0)
        r = take_slot(v, &slot);
    if (r < 0)
        return r;
    block_table_set(&v->table, block, slot);
    r = write_table(v, block / VHD_WORDS);
    if (r < 0) {
        block_table_set(&v->table, block, VHD_UNUSED);
        block_space_drop(&v->space, slot);
        be_unsure(v, block / VHD_WORDS);
    }
    return r;
}

/* Forget the blocks [from, to), which are of one sector of the table. */
static int forget(struct vhd *v, uint64_t from, uint64_t to)
{
    uint32_t old[VHD_WORDS];
    bool any = false;
    int r;

    for (uint64_t i = from; i < to; i++) {
        old[i - from] = block_table_get(&v->table, i);
        any |= old[i - from] != VHD_UNUSED;
        block_table_set(&v->table, i, VHD_UNUSED);
    }
    if (!any)
        return 0;
    r = write_table(v, from / VHD_WORDS);
    for (uint64_t i = from; i < to; i++) {
        if (old[i - from] == VHD_UNUSED)
            continue;
        if (r < 0)
            block_table_set(&v->table, i, old[i - from]);
        else
            block_space_drop(&v->space, old[i - from]);
    }
    if (r < 0)
        be_unsure(v, from / VHD_WORDS);
    return r;
}

static bool reads_as_zeros(const struct vhd *v, uint64_t offset, uint64_t len)
{
    uint64_t last = (offset + len - 1) / v->header.block_bytes;

    for (uint64_t i = block_table_next(&v->table, offset / v->header.block_bytes); i <= last;
         i = block_table_next(&v->table, i + 1)) {
        if (i >= v->n_blocks)
            break;
        if (block_table_get(&v->table, i) != VHD_UNUSED)
            return false;
    }
    return true;
}

static int dynamic_discard(struct block_image *i, uint64_t offset, uint64_t len, bool *ret_zeroed)
{
    struct vhd *v = of(i);
    uint64_t from = (offset + v->header.block_bytes - 1) / v->header.block_bytes;
    uint64_t to = (offset + len) / v->header.block_bytes;
    int r = settle(v);

    if (offset + len == v->footer.bytes) /* the last block may be cut off by the disk's end */
        to = v->n_blocks;
    while (r == 0 && from < to) {
        uint64_t sector_end = (from / VHD_WORDS + 1) * VHD_WORDS;
        uint64_t end = sector_end < to ? sector_end : to;

        r = forget(v, from, end);
        from = block_table_next(&v->table, end);
    }
    if (r == 0)
        *ret_zeroed = reads_as_zeros(v, offset, len);
    return r;
}

static int dynamic_flush(struct block_image *i)
{
    return make_durable(of(i));
}

const struct block_ops vhd_dynamic_ops = {
    .close = dynamic_close,
    .map = dynamic_map,
    .allocate = dynamic_allocate,
    .discard = dynamic_discard,
    .flush = dynamic_flush,
    .resized = block_resized_never,
};

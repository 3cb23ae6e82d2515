/*
 * drivers/vhdx.c - the map of a VHDX, and its changes; how they are written is in vhdx_write.c.
 *
 * A new block is zeros and flushed before the BAT names it; its place is given to another only after
 * the BAT that no longer names it was flushed.
 */
#include "drivers/vhdx.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    READY_BYTES = 32 << 20, /* made ready at once, if that is more than one block */
    STATE_MASK = 7,
};

static struct vhdx *of(struct block_image *i)
{
    return (struct vhdx *)i; /* its first field */
}

static void close_vhdx(struct block_image *i)
{
    struct vhdx *v = of(i);

    block_table_done(&v->table);
    free(v);
}

static bool is_present(uint32_t word)
{
    return (word & STATE_MASK) == VHDX_FULLY_PRESENT;
}

static void map(const struct block_image *i, uint64_t offset, uint64_t len,
                struct block_extent *ret)
{
    const struct vhdx *v = (const struct vhdx *)i;
    uint64_t in_block = offset % v->disk.block_bytes;
    uint64_t left = v->disk.block_bytes - in_block;
    uint32_t word = block_table_get(&v->table, offset / v->disk.block_bytes);

    *ret = (struct block_extent){.kind = BLOCK_ZERO, .len = len < left ? len : left};
    if (!is_present(word))
        return;
    ret->kind = BLOCK_DATA;
    ret->file = i->file.number;
    ret->offset = ((uint64_t)(word >> 3) << VHDX_MIB_SHIFT) + in_block;
}

static int make_blocks(struct vhdx *v, const uint32_t *slots, size_t n)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < n; i++)
        r = block_file_zero(&v->image.file, (uint64_t)slots[i] << VHDX_MIB_SHIFT,
                            v->disk.block_bytes);
    if (r == 0)
        r = block_file_flush(&v->image.file);
    if (r == 0)
        v->flushed_bytes = v->image.file.bytes;
    return r;
}

static int make_ready(struct vhdx *v, size_t max)
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

static int make_some_ready(struct vhdx *v)
{
    size_t batch = READY_BYTES / v->disk.block_bytes;
    uint64_t at;
    int r = 0;

    if (v->space.lost && v->space.n_free == 0 && v->space.n_dropped == 0 && v->log_at == 0 &&
        !v->stale)
        r = vhdx_scan(v, &at);
    if (r < 0 && r != -ENOMEM) /* without memory for it there is still the end of the file */
        return r;
    batch = batch > BLOCK_SPACE_READY ? BLOCK_SPACE_READY : batch;
    r = make_ready(v, batch == 0 ? 1 : batch);
    return r == -ENOSPC && batch > 1 ? make_ready(v, 1) : r;
}

/* What the guest gave back has room, as soon as the file is sure to point there no longer. */
static int take_slot(struct vhdx *v, uint32_t *ret)
{
    int r = 0;

    if (block_space_take(&v->space, ret))
        return 0;
    r = make_some_ready(v);
    if (r == -ENOSPC && (v->space.n_dropped > 0 || v->space.lost)) {
        r = vhdx_checkpoint(v);
        if (r == 0)
            r = make_some_ready(v);
    }
    if (r < 0)
        return r;
    return block_space_take(&v->space, ret) ? 0 : -ENOSPC;
}

static uint32_t sector_of(const struct vhdx *v, uint64_t block)
{
    return (uint32_t)(vhdx_entry_of(v, block) / VHDX_ENTRIES);
}

/* Room in the log for one change more. */
static int make_room(struct vhdx *v)
{
    int r = vhdx_settle(v);

    if (r == 0 && v->log_at + VHDX_LOG_ENTRY_BYTES > VHDX_MIB)
        r = vhdx_checkpoint(v);
    return r;
}

static int allocate(struct block_image *i, uint64_t offset)
{
    struct vhdx *v = of(i);
    uint64_t block = offset / v->disk.block_bytes;
    uint32_t old = block_table_get(&v->table, block);
    uint32_t slot = 0;
    int r;

    if (is_present(old))
        return 0;
    r = make_room(v);
    if (r == 0)
        r = block_table_reserve(&v->table, block);
    if (r == 0)
        r = take_slot(v, &slot);
    if (r < 0)
        return r;
    block_table_set(&v->table, block, slot << 3 | VHDX_FULLY_PRESENT);
    r = vhdx_log_sector(v, sector_of(v, block));
    if (r < 0) {
        block_table_set(&v->table, block, old);
        block_space_drop(&v->space, slot);
    }
    return r;
}

/* Forget the blocks [from, to), which are of one sector of the BAT. */
static int forget(struct vhdx *v, uint64_t from, uint64_t to)
{
    uint32_t old[VHDX_ENTRIES];
    bool any = false;
    int r = 0;

    for (uint64_t i = from; i < to; i++) {
        old[i - from] = block_table_get(&v->table, i);
        if (!is_present(old[i - from]))
            continue;
        any = true;
        block_table_set(&v->table, i, VHDX_ZERO);
    }
    if (any)
        r = vhdx_log_sector(v, sector_of(v, from));
    for (uint64_t i = from; any && i < to; i++) {
        if (r < 0)
            block_table_set(&v->table, i, old[i - from]);
        else if (is_present(old[i - from]))
            block_space_drop(&v->space, old[i - from] >> 3);
    }
    return r;
}

/* The first block behind that one whose entry is in another sector of the BAT. */
static uint64_t sector_end(const struct vhdx *v, uint64_t block)
{
    uint64_t entry = ((uint64_t)sector_of(v, block) + 1) * VHDX_ENTRIES;

    return entry - entry / (v->chunk_ratio + 1);
}

static bool reads_as_zeros(const struct vhdx *v, uint64_t offset, uint64_t len)
{
    uint64_t last = (offset + len - 1) / v->disk.block_bytes;

    for (uint64_t i = block_table_next(&v->table, offset / v->disk.block_bytes); i <= last;
         i = block_table_next(&v->table, i + 1)) {
        if (i >= v->n_blocks)
            break;
        if (is_present(block_table_get(&v->table, i)))
            return false;
    }
    return true;
}

static int discard(struct block_image *i, uint64_t offset, uint64_t len, bool *ret_zeroed)
{
    struct vhdx *v = of(i);
    uint64_t from = (offset + v->disk.block_bytes - 1) / v->disk.block_bytes;
    uint64_t to = (offset + len) / v->disk.block_bytes;
    int r = 0;

    if (offset + len == v->disk.bytes) /* the last block may be cut off by the disk's end */
        to = v->n_blocks;
    if (v->disk.leave_allocated)
        to = 0;
    while (r == 0 && from < to) {
        uint64_t end = sector_end(v, from);

        r = make_room(v);
        if (r == 0)
            r = forget(v, from, end < to ? end : to);
        from = block_table_next(&v->table, end);
    }
    if (r == 0)
        *ret_zeroed = reads_as_zeros(v, offset, len);
    return r;
}

static int flush(struct block_image *i)
{
    return vhdx_checkpoint(of(i));
}

const struct block_ops vhdx_ops = {
    .close = close_vhdx,
    .map = map,
    .allocate = allocate,
    .discard = discard,
    .flush = flush,
    .resized = block_resized_never,
};

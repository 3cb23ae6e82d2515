/*
 * drivers/vhd_open.c - opening a VHD: which footer counts, and the table of a dynamic image.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"
#include "drivers/vhd.h"

enum {
    RANGES = 3, /* the footer's copy, the header, the table */
    ALIGN_SECTORS = 8,
};

static void fixed_close(struct block_image *i)
{
    free(i);
}

static const struct block_ops fixed_ops = {
    .close = fixed_close,
    .map = block_map_plain,
    .allocate = block_allocate_plain,
    .discard = block_discard_plain,
    .flush = block_flush_plain,
    .resized = block_resized_never,
};

static struct block_info make_info(const struct vhd *v, uint32_t discard_bytes)
{
    struct block_info info = {
        .bytes = v->footer.bytes,
        .block_bytes = BLOCK_SECTOR_BYTES,
        .discard_bytes = discard_bytes,
        .read_only = v->image.file.read_only,
    };

    memcpy(info.identity, v->footer.id, sizeof(info.identity));
    return info;
}

static int fixed_open(struct vhd *v, char *why)
{
    if (v->footer.bytes > v->footer_at)
        return block_refuse(why, -EBADMSG, "the file is shorter than the disk of its footer");
    v->image.ops = &fixed_ops;
    v->image.info = make_info(v, BLOCK_DISCARD_BYTES_RAW);
    return 0;
}

static int read_footer(const struct block_file *f, uint64_t at, uint8_t *raw,
                       struct vhd_footer *ret, char *why)
{
    int r = block_file_read(f, at, raw, VHD_FOOTER_BYTES);

    if (r < 0)
        return block_refuse(why, r, "the footer cannot be read");
    return vhd_footer_parse(raw, ret, why);
}

static bool footers_agree(const struct vhd_footer *a, const struct vhd_footer *b)
{
    return a->type == b->type && a->bytes == b->bytes && a->header_offset == b->header_offset &&
           memcmp(a->id, b->id, sizeof(a->id)) == 0;
}

/*
 * The footer at the end counts. Only where that is none may a dynamic one at the beginning stand in:
 * in a fixed image the guest writes the first sector.
 */
static int find_footer(struct vhd *v, char *why)
{
    const struct block_file *f = &v->image.file;
    char other_why[BLOCK_WHY_BYTES];
    uint8_t raw[VHD_FOOTER_BYTES];
    struct vhd_footer copy;
    int copied;
    int r;

    if (f->bytes < VHD_FOOTER_BYTES)
        return block_refuse(why, -EBADMSG, "the file is too short for a VHD footer");
    v->footer_at = f->bytes - VHD_FOOTER_BYTES;
    r = read_footer(f, v->footer_at, v->raw_footer, &v->footer, why);
    if ((r < 0 && r != -EBADMSG) || (r == 0 && v->footer.type == VHD_FIXED))
        return r;
    copied = read_footer(f, 0, raw, &copy, other_why);
    if (copied < 0 && copied != -EBADMSG && copied != -EOPNOTSUPP)
        return block_refuse(why, copied, "the copy of the footer cannot be read");
    if (copied < 0 || copy.type != VHD_DYNAMIC)
        return r;
    if (r == 0 && !footers_agree(&v->footer, &copy))
        return block_refuse(why, -EBADMSG, "the VHD footer and its copy differ");
    if (r < 0) {
        v->footer = copy;
        memcpy(v->raw_footer, raw, sizeof(raw));
        v->footer_at = f->bytes;
        v->footer_lost = true;
        why[0] = 0;
    }
    return 0;
}

static uint64_t table_bytes(const struct vhd *v)
{
    return u64_align_up(v->n_blocks * 4, BLOCK_SECTOR_BYTES);
}

static int find_header(struct vhd *v, char *why)
{
    uint8_t raw[VHD_HEADER_BYTES];
    int r;

    if (v->footer.header_offset % BLOCK_SECTOR_BYTES != 0 ||
        !range_inside(v->footer.header_offset, VHD_HEADER_BYTES, v->footer_at))
        return block_refuse(why, -EBADMSG, "the VHD dynamic header is outside the file");
    r = block_file_read(&v->image.file, v->footer.header_offset, raw, sizeof(raw));
    if (r < 0)
        return block_refuse(why, r, "the VHD dynamic header cannot be read");
    r = vhd_header_parse(raw, &v->header, why);
    if (r < 0)
        return r;
    v->n_blocks = (v->footer.bytes + v->header.block_bytes - 1) / v->header.block_bytes;
    if (v->header.n_blocks < v->n_blocks)
        return block_refuse(why, -EBADMSG, "the block table is too short for the disk");
    if (!range_inside(v->header.table_offset, table_bytes(v), v->footer_at))
        return block_refuse(why, -EBADMSG, "the block table is outside the file");
    return 0;
}

static void plan_space(struct vhd *v)
{
    uint64_t bits = v->header.block_bytes / BLOCK_SECTOR_BYTES;

    v->bitmap_bytes = u64_align_up(bits / 8, BLOCK_SECTOR_BYTES);
    v->space.lead = v->bitmap_bytes / BLOCK_SECTOR_BYTES;
    v->space.slot = v->space.lead + bits;
    v->space.align = ALIGN_SECTORS;
    v->space.limit = UINT32_MAX;
    if (v->image.file.is_device && v->footer_at / BLOCK_SECTOR_BYTES < UINT32_MAX)
        v->space.limit = v->footer_at / BLOCK_SECTOR_BYTES;
}

/* No block of the file, not even a hostile one, makes more work than one of the disk. */
static int load_word(struct vhd *v, uint64_t block, uint32_t word, char *why)
{
    int r;

    if (word == VHD_UNUSED)
        return 0;
    if (!range_inside((uint64_t)word * BLOCK_SECTOR_BYTES, v->space.slot * BLOCK_SECTOR_BYTES,
                      v->footer_at))
        return block_refuse(why, -EBADMSG, "block %llu is outside the file",
                            (unsigned long long)block);
    r = block_table_reserve(&v->table, block);
    if (r == -EFBIG)
        return block_refuse(why, -EOPNOTSUPP, "the blocks in use need more than 64 MiB of memory");
    if (r < 0)
        return block_refuse(why, r, "no memory");
    block_table_set(&v->table, block, word);
    return 0;
}

static int load_table(struct vhd *v, char *why)
{
    uint8_t raw[4096];
    uint64_t left = v->n_blocks;
    uint64_t block = 0;

    while (left > 0) {
        size_t n = left < sizeof(raw) / 4 ? left : sizeof(raw) / 4;
        int r = block_file_read(&v->image.file, v->header.table_offset + block * 4, raw, n * 4);

        if (r < 0)
            return block_refuse(why, r, "the block table cannot be read");
        for (size_t i = 0; i < n; i++, block++) {
            const uint8_t *at = raw + 4 * i;
            uint32_t word =
                (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];

            r = load_word(v, block, word, why);
            if (r < 0)
                return r;
        }
        left -= n;
    }
    return 0;
}

static uint64_t count_blocks(const struct vhd *v, uint32_t *starts)
{
    uint64_t n = 0;

    for (uint64_t i = block_table_next(&v->table, 0); i < v->n_blocks;
         i = block_table_next(&v->table, i + 1)) {
        uint32_t word = block_table_get(&v->table, i);

        if (word == VHD_UNUSED)
            continue;
        if (starts != NULL)
            starts[n] = word;
        n++;
    }
    return n;
}

int vhd_scan(struct vhd *v, uint64_t *ret_at)
{
    struct block_range ranges[RANGES] = {
        {0,                                            1                                    },
        {v->footer.header_offset / BLOCK_SECTOR_BYTES, VHD_HEADER_BYTES / BLOCK_SECTOR_BYTES},
        {v->header.table_offset / BLOCK_SECTOR_BYTES,  table_bytes(v) / BLOCK_SECTOR_BYTES  },
    };
    uint64_t n = count_blocks(v, NULL);
    AUTO_FREE uint32_t *starts = malloc((n + 1) * sizeof(*starts));

    if (starts == NULL)
        return -ENOMEM;
    (void)count_blocks(v, starts);
    return block_space_scan(&v->space, starts, n, ranges, RANGES, ret_at);
}

static bool all_zero(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != 0)
            return false;
    }
    return true;
}

/* Do the sectors that the bitmap calls empty hold nothing? *ret_full: there are none. */
static int check_bits(const struct vhd *v, uint64_t block, const uint8_t *bits, uint64_t first,
                      uint64_t n, bool *ret_full)
{
    uint64_t data =
        (uint64_t)block_table_get(&v->table, block) * BLOCK_SECTOR_BYTES + v->bitmap_bytes;
    uint64_t disk_sectors = v->footer.bytes / BLOCK_SECTOR_BYTES;
    uint64_t block_sectors = v->header.block_bytes / BLOCK_SECTOR_BYTES;

    for (uint64_t i = 0; i < n; i++) {
        uint8_t sector[BLOCK_SECTOR_BYTES];
        uint64_t at = first + i;
        int r;

        if (at >= block_sectors || block * block_sectors + at >= disk_sectors)
            return 0;
        if ((bits[i / 8] >> (7 - i % 8) & 1) != 0)
            continue;
        *ret_full = false;
        r = block_file_read(&v->image.file, data + at * BLOCK_SECTOR_BYTES, sector, sizeof(sector));
        if (r < 0)
            return r;
        if (!all_zero(sector, sizeof(sector)))
            return -EBADMSG;
    }
    return 0;
}

/*
 * Some programs heed the bitmap, some do not. Here all of a block counts, so that bits need not be
 * written with every write; that is right when all bits are set, or the rest is zeros: then they
 * are set now.
 */
static int check_bitmap(struct vhd *v, uint64_t block)
{
    uint64_t at = (uint64_t)block_table_get(&v->table, block) * BLOCK_SECTOR_BYTES;
    uint8_t bits[BLOCK_SECTOR_BYTES];

    for (uint64_t done = 0; done < v->bitmap_bytes; done += sizeof(bits)) {
        bool full = true;
        int r = block_file_read(&v->image.file, at + done, bits, sizeof(bits));

        if (r == 0)
            r = check_bits(v, block, bits, done * 8, sizeof(bits) * 8, &full);
        if (r == 0 && !full && !v->image.file.read_only) {
            memset(bits, 0xff, sizeof(bits));
            r = block_file_write(&v->image.file, at + done, bits, sizeof(bits));
            v->dirty = true;
        }
        if (r < 0)
            return r;
    }
    return 0;
}

static int check_bitmaps(struct vhd *v, char *why)
{
    for (uint64_t i = block_table_next(&v->table, 0); i < v->n_blocks;
         i = block_table_next(&v->table, i + 1)) {
        int r = block_table_get(&v->table, i) == VHD_UNUSED ? 0 : check_bitmap(v, i);

        if (r == -EBADMSG)
            return block_refuse(why, r, "block %llu has data where its bitmap says there is none",
                                (unsigned long long)i);
        if (r < 0)
            return block_refuse(why, r, "the bitmap of block %llu cannot be read or set",
                                (unsigned long long)i);
    }
    return 0;
}

/* What else reads the image may want the footer at the end. Nothing is there to be overwritten. */
static int restore_footer(struct vhd *v, char *why)
{
    struct block_file *f = &v->image.file;
    uint64_t at = u64_align_up(f->bytes, BLOCK_SECTOR_BYTES);
    int r;

    if (!v->footer_lost || f->read_only || f->is_device)
        return 0;
    r = block_file_write(f, at, v->raw_footer, VHD_FOOTER_BYTES);
    if (r == 0)
        r = block_file_flush(f);
    if (r < 0)
        return block_refuse(why, r, "the lost footer cannot be written anew");
    v->footer_at = at;
    return 0;
}

int vhd_load(struct vhd *v, char *why)
{
    uint64_t at = 0;
    int r = block_table_init(&v->table, v->n_blocks, VHD_UNUSED);

    if (r < 0)
        return block_refuse(why, r, "no memory");
    plan_space(v);
    r = load_table(v, why);
    if (r < 0)
        return r;
    r = vhd_scan(v, &at);
    if (r == -EBADMSG)
        return block_refuse(why, r, "two things are in one place of the file, at byte %llu",
                            (unsigned long long)at * BLOCK_SECTOR_BYTES);
    if (r < 0)
        return block_refuse(why, r, "no memory");
    r = check_bitmaps(v, why);
    return r < 0 ? r : restore_footer(v, why);
}

static int dynamic_open(struct vhd *v, char *why)
{
    int r = find_header(v, why);

    v->image.ops = &vhd_dynamic_ops;
    if (r == 0)
        r = vhd_load(v, why);
    v->image.info = make_info(v, v->header.block_bytes);
    return r;
}

int vhd_open(const struct block_file *file, struct block_image **ret, char *why)
{
    struct vhd *v = calloc(1, sizeof(*v));
    int r;

    if (v == NULL)
        return block_refuse(why, -ENOMEM, "no memory");
    v->image.file = *file;
    r = find_footer(v, why);
    if (r == 0)
        r = v->footer.type == VHD_FIXED ? fixed_open(v, why) : dynamic_open(v, why);
    if (r < 0) {
        block_table_done(&v->table);
        free(v);
        return r;
    }
    *ret = &v->image;
    return 0;
}

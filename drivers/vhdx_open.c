/*
 * drivers/vhdx_open.c - opening a VHDX: headers, log, regions, metadata, and all of the BAT.
 *
 * Nothing is written before all that can be checked was, but for the log, without which nothing can.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"
#include "base/rd.h"
#include "drivers/vhdx.h"

static const uint8_t no_log[VHDX_GUID_BYTES] = {0};

static int check_identifier(const struct block_file *f, char *why)
{
    uint8_t raw[8];
    int r;

    if (f->bytes < VHDX_MIB)
        return block_refuse(why, -EBADMSG, "the file is too short for a VHDX");
    r = block_file_read(f, 0, raw, sizeof(raw));
    if (r < 0)
        return block_refuse(why, r, "the file cannot be read");
    if (memcmp(raw, "vhdxfile", sizeof(raw)) != 0)
        return block_refuse(why, -EBADMSG, "there is no VHDX identifier at the file's beginning");
    return 0;
}

static int check_header(const struct vhdx *v, char *why)
{
    const struct vhdx_header *h = &v->header;

    if (h->version != 1)
        return block_refuse(why, -EOPNOTSUPP, "VHDX format version %u is not known", h->version);
    if (!vhdx_guid_is_zero(h->log_guid) && h->log_version != 0)
        return block_refuse(why, -EOPNOTSUPP, "VHDX log version %u is not known", h->log_version);
    if (h->log_bytes == 0 || h->log_bytes % VHDX_MIB != 0 || h->log_offset % VHDX_MIB != 0 ||
        h->log_offset < VHDX_MIB)
        return block_refuse(why, -EBADMSG, "the log is not of whole MiB behind the first");
    if (!range_inside(h->log_offset, h->log_bytes, v->image.file.bytes))
        return block_refuse(why, -EBADMSG, "the log is outside the file");
    if (!vhdx_guid_is_zero(h->log_guid) && h->log_bytes > VHDX_LOG_BYTES_MAX)
        return block_refuse(why, -EOPNOTSUPP, "a log of more than 256 MiB is to be replayed");
    return 0;
}

/* Of two good headers the newer one counts. */
static int find_header(struct vhdx *v, char *why)
{
    AUTO_FREE uint8_t *raw = malloc((size_t)2 * VHDX_SECTOR_BYTES);
    struct vhdx_header h[2];
    int good[2];

    if (raw == NULL)
        return block_refuse(why, -ENOMEM, "no memory");
    for (size_t i = 0; i < 2; i++) {
        int r = block_file_read(&v->image.file, VHDX_HEADER_AT * (i + 1),
                                raw + i * VHDX_SECTOR_BYTES, VHDX_SECTOR_BYTES);

        if (r < 0)
            return block_refuse(why, r, "the headers cannot be read");
        good[i] = vhdx_header_parse(raw + i * VHDX_SECTOR_BYTES, &h[i]);
    }
    if (good[0] < 0 && good[1] < 0)
        return block_refuse(why, -EBADMSG, "neither header has its signature and checksum");
    if (good[0] == 0 && good[1] == 0 && h[0].sequence == h[1].sequence &&
        memcmp(raw, raw + VHDX_SECTOR_BYTES, VHDX_SECTOR_BYTES) != 0)
        return block_refuse(why, -EBADMSG, "the two headers are equally new and differ");
    v->slot = good[0] < 0 || (good[1] == 0 && h[1].sequence > h[0].sequence);
    v->header = h[v->slot];
    return check_header(v, why);
}

/* A log without a change in it is only not closed: reading needs no replay. */
static int replay(struct vhdx *v, char *why)
{
    struct vhdx_log log = {0};
    uint8_t guid[VHDX_GUID_BYTES];
    int r;

    if (vhdx_guid_is_zero(v->header.log_guid))
        return 0;
    r = vhdx_log_find(&v->image.file, &v->header, &log, why);
    if (r < 0)
        return r;
    if (v->image.file.read_only) {
        if (log.n_descriptors == 0 && log.last_bytes <= v->image.file.bytes)
            return 0;
        return block_refuse(why, -EROFS, "the log must be replayed first: open it writable once");
    }
    memcpy(guid, v->header.log_guid, sizeof(guid));
    vhdx_guid_make(v, v->header.file_guid); /* changes before anything else does */
    r = vhdx_header_write(v, guid);
    if (r == 0)
        r = block_file_flush(&v->image.file);
    if (r < 0)
        return block_refuse(why, r, "the header cannot be written before the log is replayed");
    r = vhdx_log_replay(&v->image.file, &log, why);
    if (r < 0)
        return r;
    r = vhdx_header_write(v, no_log);
    if (r == 0)
        r = block_file_flush(&v->image.file);
    return r < 0 ? block_refuse(why, r, "the header cannot be written after the replay") : 0;
}

static int find_regions(struct vhdx *v, char *why)
{
    AUTO_FREE uint8_t *raw = malloc(VHDX_TABLE_BYTES);
    int r = raw == NULL ? -ENOMEM : -EBADMSG;

    for (uint64_t copy = 0; raw != NULL && copy < 2; copy++) {
        r = block_file_read(&v->image.file, VHDX_REGIONS_AT + copy * VHDX_REGIONS_STEP, raw,
                            VHDX_TABLE_BYTES);
        if (r < 0)
            break;
        if (memcmp(raw, "regi", 4) == 0 &&
            rd_le32(&(struct rd){raw + 4, 4, 0}) == vhdx_checksum(raw, VHDX_TABLE_BYTES))
            return vhdx_regions_parse(raw, &v->regions, why);
    }
    return r == 0 ? vhdx_regions_parse(raw, &v->regions, why)
                  : block_refuse(why, r, "the region tables cannot be read");
}

static int check_regions(struct vhdx *v, char *why)
{
    struct vhdx_regions *t = &v->regions;

    for (size_t i = 0; i < t->n_ranges; i++) {
        if (!range_inside(t->ranges[i].start << VHDX_MIB_SHIFT, t->ranges[i].len << VHDX_MIB_SHIFT,
                          v->image.file.bytes))
            return block_refuse(why, -EBADMSG, "a region is outside the file");
    }
    t->ranges[t->n_ranges++] = (struct block_range){0, 1};
    t->ranges[t->n_ranges++] =
        (struct block_range){v->header.log_offset / VHDX_MIB, v->header.log_bytes / VHDX_MIB};
    return 0;
}

static int find_items(struct vhdx *v, struct vhdx_items *ret, char *why)
{
    AUTO_FREE uint8_t *raw = malloc(VHDX_TABLE_BYTES);
    int r = raw == NULL ? -ENOMEM : 0;

    if (r == 0)
        r = block_file_read(&v->image.file, v->regions.metadata_offset, raw, VHDX_TABLE_BYTES);
    if (r < 0)
        return block_refuse(why, r, "the metadata cannot be read");
    return vhdx_items_parse(raw, v->regions.metadata_bytes, ret, why);
}

static int find_disk(struct vhdx *v, char *why)
{
    static const size_t bytes[VHDX_ITEMS] = {8, 8, VHDX_GUID_BYTES, 4, 4};
    uint8_t raw[VHDX_ITEMS][VHDX_GUID_BYTES] = {{0}};
    struct vhdx_items items;
    int r = find_items(v, &items, why);

    if (r < 0)
        return r;
    for (int i = 0; i < VHDX_ITEMS; i++) {
        r = block_file_read(&v->image.file, v->regions.metadata_offset + items.offsets[i], raw[i],
                            bytes[i]);
        if (r < 0)
            return block_refuse(why, r, "the metadata cannot be read");
    }
    return vhdx_disk_parse(raw, &v->disk, why);
}

static int plan_blocks(struct vhdx *v, char *why)
{
    uint64_t entries;

    v->n_blocks = (v->disk.bytes + v->disk.block_bytes - 1) / v->disk.block_bytes;
    v->chunk_ratio = ((uint64_t)v->disk.sector_bytes << 23) / v->disk.block_bytes;
    entries = vhdx_entry_of(v, v->n_blocks - 1) + 1;
    if (entries * 8 > v->regions.bat_bytes)
        return block_refuse(why, -EBADMSG, "the block allocation table is too short for the disk");
    v->space.slot = v->disk.block_bytes / VHDX_MIB;
    v->space.align = 1;
    v->space.limit = UINT64_C(1) << VHDX_OFFSET_BITS;
    if (v->image.file.is_device && v->image.file.bytes / VHDX_MIB < v->space.limit)
        v->space.limit = v->image.file.bytes / VHDX_MIB;
    return block_table_init(&v->table, v->n_blocks, 0) < 0 ? block_refuse(why, -ENOMEM, "no memory")
                                                           : 0;
}

static int set_word(struct vhdx *v, uint64_t block, uint32_t word, char *why)
{
    int r = word == 0 ? 0 : block_table_reserve(&v->table, block);

    if (r == -EFBIG)
        return block_refuse(why, -EOPNOTSUPP, "the blocks in use need more than 64 MiB of memory");
    if (r < 0)
        return block_refuse(why, r, "no memory");
    block_table_set(&v->table, block, word);
    return 0;
}

/* Some programs make the last block of a fixed disk no longer than the disk. */
static uint64_t bytes_needed(const struct vhdx *v, uint64_t block)
{
    uint64_t left = v->disk.bytes - block * v->disk.block_bytes;

    return left < v->disk.block_bytes ? left : v->disk.block_bytes;
}

static int load_present(struct vhdx *v, uint64_t block, uint64_t mib, char *why)
{
    if (mib == 0 || mib >> VHDX_OFFSET_BITS != 0 ||
        !range_inside(mib << VHDX_MIB_SHIFT, bytes_needed(v, block), v->image.file.bytes))
        return block_refuse(why, -EBADMSG, "block %llu is outside the file",
                            (unsigned long long)block);
    return set_word(v, block, (uint32_t)mib << 3 | VHDX_FULLY_PRESENT, why);
}

static int load_entry(struct vhdx *v, uint64_t block, uint64_t entry, char *why)
{
    uint32_t state = entry & 7;
    uint64_t mib = entry >> VHDX_MIB_SHIFT;

    if ((entry >> 3 & 0x1ffff) != 0)
        return block_refuse(why, -EBADMSG, "the entry of block %llu has reserved bits set",
                            (unsigned long long)block);
    switch (state) {
    case VHDX_FULLY_PRESENT:
        return load_present(v, block, mib, why);
    case VHDX_UNDEFINED:
    case VHDX_UNMAPPED:
        v->stale |= mib != 0;
        return set_word(v, block, mib >> VHDX_OFFSET_BITS == 0 ? (uint32_t)mib << 3 | state : state,
                        why);
    case VHDX_NOT_PRESENT:
    case VHDX_ZERO:
        return set_word(v, block, state, why);
    case VHDX_PARTIALLY_PRESENT:
        return block_refuse(why, -EBADMSG, "block %llu is partly in a parent that there is not",
                            (unsigned long long)block);
    default:
        return block_refuse(why, -EBADMSG, "block %llu is in a state that does not exist",
                            (unsigned long long)block);
    }
}

static int load_entries(struct vhdx *v, uint64_t first, struct rd *r, char *why)
{
    for (uint64_t i = first; r->left > 0; i++) {
        uint64_t entry = rd_le64(r);
        int err = 0;

        if (i % (v->chunk_ratio + 1) != v->chunk_ratio)
            err = load_entry(v, i - i / (v->chunk_ratio + 1), entry, why);
        else if ((entry & 7) != 0)
            err = block_refuse(why, -EBADMSG, "there is a bitmap of what is in a parent, and none");
        if (err < 0)
            return err;
    }
    return 0;
}

static int load_bat(struct vhdx *v, char *why)
{
    AUTO_FREE uint8_t *raw = malloc(VHDX_TABLE_BYTES);
    uint64_t bytes = (vhdx_entry_of(v, v->n_blocks - 1) + 1) * 8;
    int r = raw == NULL ? -ENOMEM : 0;

    for (uint64_t done = 0; r == 0 && done < bytes; done += VHDX_TABLE_BYTES) {
        size_t n = bytes - done < VHDX_TABLE_BYTES ? bytes - done : VHDX_TABLE_BYTES;
        struct rd rd = rd_over(raw, n);

        r = block_file_read(&v->image.file, v->regions.bat_offset + done, raw, n);
        if (r < 0)
            break;
        r = load_entries(v, done / 8, &rd, why);
        if (r < 0)
            return r;
    }
    return r < 0 ? block_refuse(why, r, "the block allocation table cannot be read") : 0;
}

static uint64_t present_blocks(const struct vhdx *v, uint32_t *starts)
{
    uint64_t n = 0;

    for (uint64_t i = block_table_next(&v->table, 0); i < v->n_blocks;
         i = block_table_next(&v->table, i + 1)) {
        uint32_t word = block_table_get(&v->table, i);

        if ((word & 7) != VHDX_FULLY_PRESENT)
            continue;
        if (starts != NULL)
            starts[n] = word >> 3;
        n++;
    }
    return n;
}

int vhdx_scan(struct vhdx *v, uint64_t *ret_at)
{
    uint64_t n = present_blocks(v, NULL);
    AUTO_FREE uint32_t *starts = malloc((n + 1) * sizeof(*starts));
    uint64_t file_end = v->image.file.bytes / VHDX_MIB + (v->image.file.bytes % VHDX_MIB != 0);
    int r;

    if (starts == NULL)
        return -ENOMEM;
    (void)present_blocks(v, starts);
    r = block_space_scan(&v->space, starts, n, v->regions.ranges, v->regions.n_ranges, ret_at);
    if (r == 0 &&
        v->stale) { /* places are named by blocks that do not count: only the end is safe */
        v->space.n_free = 0;
        v->space.lost = false;
        v->space.end = file_end > v->space.end ? file_end : v->space.end;
    }
    return r;
}

static int load_blocks(struct vhdx *v, char *why)
{
    uint64_t at = 0;
    int r = plan_blocks(v, why);

    if (r == 0)
        r = load_bat(v, why);
    if (r < 0)
        return r;
    r = vhdx_scan(v, &at);
    if (r == -EBADMSG)
        return block_refuse(why, r, "two things are in one place of the file, at MiB %llu",
                            (unsigned long long)at);
    return r < 0 ? block_refuse(why, r, "no memory") : 0;
}

/*
 * New identifiers, in both headers. That data will change is said here: most of what a guest writes
 * never comes by this driver.
 */
static int begin_writing(struct vhdx *v, char *why)
{
    int r = 0;

    if (v->image.file.read_only)
        return 0;
    vhdx_guid_make(v, v->header.file_guid);
    vhdx_guid_make(v, v->header.data_guid);
    for (int i = 0; r == 0 && i < 2; i++)
        r = vhdx_header_write(v, no_log);
    if (r == 0)
        r = block_file_flush(&v->image.file);
    v->flushed_bytes = v->image.file.bytes;
    return r < 0 ? block_refuse(why, r, "the headers cannot be written") : 0;
}

static struct block_info make_info(const struct vhdx *v)
{
    struct block_info info = {
        .bytes = v->disk.bytes,
        .block_bytes = v->disk.sector_bytes,
        .physical_bytes = v->disk.physical_bytes,
        .discard_bytes = v->disk.leave_allocated ? BLOCK_DISCARD_BYTES_RAW : v->disk.block_bytes,
        .read_only = v->image.file.read_only,
    };

    memcpy(info.identity, v->disk.id, sizeof(info.identity));
    return info;
}

static int open_all(struct vhdx *v, char *why)
{
    static int (*const steps[])(struct vhdx *, char *) = {
        find_header, replay, find_regions, check_regions, find_disk, load_blocks, begin_writing,
    };
    int r = check_identifier(&v->image.file, why);

    for (size_t i = 0; r == 0 && i < COUNT_OF(steps); i++)
        r = steps[i](v, why);
    return r;
}

int vhdx_open(const struct block_file *file, const uint8_t random[16], struct block_image **ret,
              char *why)
{
    struct vhdx *v = calloc(1, sizeof(*v));
    int r;

    if (v == NULL)
        return block_refuse(why, -ENOMEM, "no memory");
    v->image.file = *file;
    v->image.ops = &vhdx_ops;
    memcpy(v->random, random, sizeof(v->random));
    r = open_all(v, why);
    if (r < 0) {
        block_table_done(&v->table);
        free(v);
        return r;
    }
    v->image.info = make_info(v);
    *ret = &v->image;
    return 0;
}

#include "drivers/block.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "drivers/block_driver.h"

struct block {
    struct block_info info;
    uint64_t chunk_bytes; /* one member: more than any image has */
    uint32_t n;
    struct block_image *members[BLOCK_MEMBERS_MAX];
};

/* A range of the block that one member has in one piece. */
struct piece {
    struct block_image *image;
    uint64_t offset;
    uint64_t len;
};

int block_refuse(char *why, int err, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(why, BLOCK_WHY_BYTES, format, args);
    va_end(args);
    return err;
}

int block_file_read(const struct block_file *f, uint64_t offset, void *buf, size_t len)
{
    if (!range_inside(offset, len, f->bytes))
        return -EBADMSG;
    return f->io->read(f->io->self, f->number, offset, buf, len);
}

/* A device does not grow; how long a file may become is known only when it is tried. */
static int check_room(const struct block_file *f, uint64_t offset, uint64_t len)
{
    uint64_t limit = f->is_device ? f->bytes : BLOCK_FILE_BYTES_MAX;

    if (f->read_only)
        return -EROFS;
    return range_inside(offset, len, limit) ? 0 : -ENOSPC;
}

static void grow_to(struct block_file *f, uint64_t end)
{
    if (f->bytes < end)
        f->bytes = end;
}

int block_file_write(struct block_file *f, uint64_t offset, const void *buf, size_t len)
{
    int r = check_room(f, offset, len);

    if (r == 0)
        r = f->io->write(f->io->self, f->number, offset, buf, len);
    if (r < 0)
        return r;
    grow_to(f, offset + len);
    return 0;
}

int block_file_zero(struct block_file *f, uint64_t offset, uint64_t len)
{
    int r = check_room(f, offset, len);

    if (r == 0)
        r = f->io->zero(f->io->self, f->number, offset, len);
    if (r < 0)
        return r;
    grow_to(f, offset + len);
    return 0;
}

int block_file_flush(const struct block_file *f)
{
    return f->io->flush(f->io->self, f->number);
}

static int check_spec(const struct block_spec *spec, char *why)
{
    if (spec->n_members == 0 || spec->n_members > BLOCK_MEMBERS_MAX)
        return block_refuse(why, -EINVAL, "%u members: 1 to %d are possible", spec->n_members,
                            BLOCK_MEMBERS_MAX);
    if (spec->n_members > 1 && spec->chunk_bytes == 0)
        return block_refuse(why, -EINVAL, "several members need a chunk size");
    if (spec->chunk_bytes % BLOCK_SECTOR_BYTES != 0)
        return block_refuse(why, -EINVAL, "a chunk of %u bytes is not one of whole sectors",
                            spec->chunk_bytes);
    for (uint32_t i = 0; i < spec->n_members; i++) {
        if (spec->file_bytes[i] > BLOCK_FILE_BYTES_MAX)
            return block_refuse(why, -EBADMSG, "no file is that long");
    }
    return 0;
}

static int open_member(const struct block_spec *spec, const struct block_io *io, uint32_t at,
                       struct block_image **ret, char *why)
{
    struct block_file file = {
        .io = io,
        .bytes = spec->file_bytes[at],
        .number = spec->files[at],
        .is_device = spec->is_device[at],
        .read_only = spec->read_only,
    };

    switch (spec->format) {
    case BLOCK_RAW:
        return block_raw_open(&file, ret, why);
    case BLOCK_VHD:
        return vhd_open(&file, ret, why);
    case BLOCK_VHDX:
        return vhdx_open(&file, spec->random, ret, why);
    }
    return block_refuse(why, -EINVAL, "an unknown format");
}

/* A stripe gives back what all its members do: their largest unit, once in each of them. */
static uint32_t stripe_discard_bytes(const struct block *b)
{
    uint64_t unit = 0;

    for (uint32_t i = 0; i < b->n; i++) {
        if (b->members[i]->info.discard_bytes > unit)
            unit = b->members[i]->info.discard_bytes;
    }
    unit *= b->n;
    return unit > UINT32_MAX ? UINT32_C(1) << 31 : (uint32_t)unit;
}

static void stripe_size(struct block *b)
{
    uint64_t smallest = UINT64_MAX;

    for (uint32_t i = 0; i < b->n; i++) {
        if (b->members[i]->info.bytes < smallest)
            smallest = b->members[i]->info.bytes;
    }
    b->info.bytes = (smallest - smallest % b->chunk_bytes) * b->n;
}

/* What is to be known of a stripe. -EBADMSG: its members do not fit together. */
static int join_members(struct block *b, char *why)
{
    b->info = b->members[0]->info;
    if (b->n == 1)
        return 0;
    memset(b->info.identity, 0, sizeof(b->info.identity));
    b->info.discard_bytes = stripe_discard_bytes(b);
    stripe_size(b);
    for (uint32_t i = 1; i < b->n; i++) {
        const struct block_info *info = &b->members[i]->info;

        b->info.read_only |= info->read_only;
        if (info->block_bytes != b->info.block_bytes)
            return block_refuse(why, -EBADMSG, "member %u has sectors of %u bytes, the first of %u",
                                i, info->block_bytes, b->info.block_bytes);
        if (info->physical_bytes > b->info.physical_bytes)
            b->info.physical_bytes = info->physical_bytes;
    }
    if (b->chunk_bytes % (b->info.block_bytes == 0 ? 1 : b->info.block_bytes) != 0)
        return block_refuse(why, -EBADMSG, "a chunk is not one of whole sectors of the members");
    if (b->info.bytes == 0)
        return block_refuse(why, -EBADMSG, "the smallest member holds no chunk");
    return 0;
}

int block_open(const struct block_spec *spec, const struct block_io *io, struct block **ret,
               char why[BLOCK_WHY_BYTES])
{
    struct block *b;
    int r = check_spec(spec, why);

    if (r < 0)
        return r;
    b = calloc(1, sizeof(*b));
    if (b == NULL)
        return block_refuse(why, -ENOMEM, "no memory");
    b->chunk_bytes = spec->n_members == 1 ? UINT64_MAX : spec->chunk_bytes;
    while (r == 0 && b->n < spec->n_members) {
        r = open_member(spec, io, b->n, &b->members[b->n], why);
        if (r == 0)
            b->n++;
    }
    if (r == 0)
        r = join_members(b, why);
    if (r < 0) {
        block_close(b);
        return r;
    }
    *ret = b;
    return 0;
}

void block_close(struct block *b)
{
    for (uint32_t i = 0; b != NULL && i < b->n; i++)
        b->members[i]->ops->close(b->members[i]);
    free(b);
}

const struct block_info *block_info(const struct block *b)
{
    return &b->info;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The first piece of a range. */
static struct piece first_piece(const struct block *b, uint64_t offset, uint64_t len)
{
    uint64_t chunk = offset / b->chunk_bytes;
    uint64_t in_chunk = offset % b->chunk_bytes;

    return (struct piece){
        .image = b->members[chunk % b->n],
        .offset = chunk / b->n * b->chunk_bytes + in_chunk,
        .len = smaller(len, b->chunk_bytes - in_chunk),
    };
}

void block_map(const struct block *b, uint64_t offset, uint64_t len, struct block_extent *ret)
{
    struct piece p = first_piece(b, offset, len);

    p.image->ops->map(p.image, p.offset, p.len, ret);
}

int block_allocate(struct block *b, uint64_t offset, uint64_t len)
{
    struct piece p = first_piece(b, offset, len);

    if (b->info.read_only)
        return -EROFS;
    return p.image->ops->allocate(p.image, p.offset);
}

/* How many bytes before offset are of member i: its part of any range is one piece. */
static uint64_t member_offset(const struct block *b, uint32_t i, uint64_t offset)
{
    uint64_t chunk = offset / b->chunk_bytes;
    uint64_t whole = chunk / b->n * b->chunk_bytes;

    if (i < chunk % b->n)
        return whole + b->chunk_bytes;
    return i == chunk % b->n ? whole + offset % b->chunk_bytes : whole;
}

int block_discard(struct block *b, uint64_t offset, uint64_t len, bool *ret_zeroed)
{
    bool all_zeroed = true;

    if (b->info.read_only)
        return -EROFS;
    for (uint32_t i = 0; i < b->n; i++) {
        uint64_t from = member_offset(b, i, offset);
        uint64_t to = member_offset(b, i, offset + len);
        bool zeroed = true;
        int r = 0;

        if (from < to)
            r = b->members[i]->ops->discard(b->members[i], from, to - from, &zeroed);
        if (r < 0)
            return r;
        all_zeroed &= zeroed;
    }
    *ret_zeroed = all_zeroed;
    return 0;
}

int block_flush(struct block *b)
{
    int err = 0;

    for (uint32_t i = 0; i < b->n; i++) {
        int r = b->members[i]->ops->flush(b->members[i]);

        if (r < 0 && err == 0)
            err = r;
    }
    return err;
}

static void resize_whole(struct block *b)
{
    if (b->n == 1)
        b->info.bytes = b->members[0]->info.bytes;
    else
        stripe_size(b);
}

int block_resized(struct block *b, const uint64_t file_bytes[BLOCK_MEMBERS_MAX])
{
    uint64_t old[BLOCK_MEMBERS_MAX] = {0};
    int r = 0;

    for (uint32_t i = 0; i < b->n; i++)
        old[i] = b->members[i]->file.bytes;
    for (uint32_t i = 0; r == 0 && i < b->n; i++)
        r = b->members[i]->ops->resized(b->members[i], file_bytes[i]);
    resize_whole(b);
    if (r == 0 && b->info.bytes > 0)
        return 0;
    for (uint32_t i = 0; i < b->n; i++) /* all or nothing */
        (void)!b->members[i]->ops->resized(b->members[i], old[i]);
    resize_whole(b);
    return r < 0 ? r : -EBADMSG;
}

#include "cli/image_room.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"
#include "base/rd.h"

enum {
    /* VHD. @spec Virtual Hard Disk Image Format Specification 1.0 */
    FOOTER_BYTES = 512,
    HEADER_BYTES = 1024,
    TYPE_DYNAMIC = 3,
    VHD_SECTOR = 512,
    VHD_ALIGN = 4096, /* where writers begin a block, at the most */

    /* VHDX. @spec MS-VHDX 2.2 to 2.6 */
    HEADERS = 2,
    HEADER_AT = 64 << 10,
    HEADER_STEP = 64 << 10,
    REGIONS_AT = 192 << 10,
    TABLE_BYTES = 64 << 10,
    GUID_BYTES = 16,
    MIB = 1 << 20,
};

/* More than any disk has; no sum or product of such numbers below overflows. */
static const uint64_t DISK_BYTES_MAX = UINT64_C(1) << 50;

static bool read_at(int fd, uint64_t at, void *bytes, size_t len)
{
    return at <= INT64_MAX && pread(fd, bytes, len, (off_t)at) == (ssize_t)len;
}

/* --- VHD --- */

struct vhd {
    uint64_t header_at, disk_bytes, table_at;
    uint32_t type, n_blocks, block_bytes;
};

static bool read_footer(const uint8_t raw[FOOTER_BYTES], struct vhd *v)
{
    struct rd r = rd_over(raw, FOOTER_BYTES);
    struct span cookie = rd_span(&r, 8);
    uint64_t high;

    (void)rd_span(&r, 8); /* features, version */
    high = rd_be32(&r);
    v->header_at = high << 32 | rd_be32(&r);
    (void)rd_span(&r, 24); /* time, creator, its version and system, first size */
    high = rd_be32(&r);
    v->disk_bytes = high << 32 | rd_be32(&r);
    (void)rd_span(&r, 4); /* geometry */
    v->type = rd_be32(&r);
    return rd_ok(&r) && memcmp(cookie.at, "conectix", 8) == 0;
}

static bool read_header(const uint8_t raw[HEADER_BYTES], struct vhd *v)
{
    struct rd r = rd_over(raw, HEADER_BYTES);
    struct span cookie = rd_span(&r, 8);
    uint64_t high;

    (void)rd_span(&r, 8); /* of what follows: nothing */
    high = rd_be32(&r);
    v->table_at = high << 32 | rd_be32(&r);
    (void)rd_span(&r, 4); /* version */
    v->n_blocks = rd_be32(&r);
    v->block_bytes = rd_be32(&r);
    return rd_ok(&r) && memcmp(cookie.at, "cxsparse", 8) == 0;
}

/* All in front of the blocks, every block with its bitmap, and the footer. */
static uint64_t vhd_room(int fd)
{
    uint8_t footer[FOOTER_BYTES], header[HEADER_BYTES];
    struct vhd v = {0};
    uint64_t n, slot, front;

    if (!read_at(fd, 0, footer, sizeof(footer)) || !read_footer(footer, &v) ||
        v.type != TYPE_DYNAMIC || !read_at(fd, v.header_at, header, sizeof(header)) ||
        !read_header(header, &v))
        return 0;
    if (v.block_bytes < VHD_SECTOR || v.disk_bytes > DISK_BYTES_MAX || v.table_at > DISK_BYTES_MAX)
        return 0;
    n = (v.disk_bytes + v.block_bytes - 1) / v.block_bytes;
    slot = u64_align_up((uint64_t)v.block_bytes / VHD_SECTOR / 8, VHD_SECTOR) + v.block_bytes;
    front = v.header_at + HEADER_BYTES;
    if (front < v.table_at + 4 * (uint64_t)v.n_blocks)
        front = v.table_at + 4 * (uint64_t)v.n_blocks;
    return u64_align_up(front, VHD_ALIGN) + n * u64_align_up(slot, VHD_ALIGN) + FOOTER_BYTES;
}

static int copy_footer(int fd, uint64_t from_end, uint64_t to_end)
{
    uint8_t footer[FOOTER_BYTES];
    struct vhd v;

    if (!read_at(fd, from_end - FOOTER_BYTES, footer, sizeof(footer)) || !read_footer(footer, &v)) {
        if (!read_at(fd, 0, footer, sizeof(footer)))
            return -EIO;
    }
    if (pwrite(fd, footer, sizeof(footer), (off_t)(to_end - FOOTER_BYTES)) < 0)
        return -errno;
    return 0;
}

/* --- VHDX --- */

struct vhdx {
    uint64_t front;       /* the end of the last region */
    uint64_t metadata_at; /* 0: not found */
    uint64_t disk_bytes;
    uint32_t block_bytes;
};

static void note_end(struct vhdx *v, uint64_t at, uint64_t len)
{
    if (at <= DISK_BYTES_MAX && at + len > v->front)
        v->front = at + len;
}

/* The log is a region that only the headers name. */
static void read_log(int fd, struct vhdx *v)
{
    for (uint64_t i = 0; i < HEADERS; i++) {
        uint8_t raw[80] = {0};
        struct rd r = rd_over(raw, sizeof(raw));
        uint32_t len;

        if (!read_at(fd, HEADER_AT + i * HEADER_STEP, raw, sizeof(raw)) ||
            memcmp(raw, "head", 4) != 0)
            continue;
        (void)rd_span(&r, 68); /* to the log's length */
        len = rd_le32(&r);
        note_end(v, rd_le64(&r), len);
    }
}

static bool read_regions(int fd, uint64_t at, struct vhdx *v)
{
    static const uint8_t metadata[GUID_BYTES] = {0x06, 0xa2, 0x7c, 0x8b, 0x90, 0x47, 0x9a, 0x4b,
                                                 0xb8, 0xfe, 0x57, 0x5f, 0x05, 0x0f, 0x88, 0x6e};
    uint8_t raw[16 + 32 * 32] = {0}; /* there are two regions; 32 are more than enough */
    struct rd r = rd_over(raw, sizeof(raw));
    uint32_t n;

    if (!read_at(fd, at, raw, sizeof(raw)) || memcmp(raw, "regi", 4) != 0)
        return false;
    (void)rd_span(&r, 8);
    n = rd_le32(&r);
    (void)rd_le32(&r);
    for (uint32_t i = 0; i < n && i < 32; i++) {
        struct span guid = rd_span(&r, GUID_BYTES);
        uint64_t offset = rd_le64(&r);

        note_end(v, offset, rd_le32(&r));
        (void)rd_le32(&r);
        if (memcmp(guid.at, metadata, GUID_BYTES) == 0)
            v->metadata_at = offset;
    }
    return v->metadata_at != 0;
}

/* An item of a few bytes, of what the table says it to be. */
static void read_item(int fd, const struct vhdx *v, const uint8_t *entry, const uint8_t *guid,
                      void *ret, size_t len)
{
    struct rd r = rd_over(entry, 32);
    uint32_t at;

    if (memcmp(rd_span(&r, GUID_BYTES).at, guid, GUID_BYTES) != 0)
        return;
    at = rd_le32(&r);
    if (!read_at(fd, v->metadata_at + at, ret, len))
        memset(ret, 0, len);
}

static bool read_metadata(int fd, struct vhdx *v)
{
    static const uint8_t parameters[GUID_BYTES] = {0x37, 0x67, 0xa1, 0xca, 0x36, 0xfa, 0x43, 0x4d,
                                                   0xb3, 0xb6, 0x33, 0xf0, 0xaa, 0x44, 0xe7, 0x6b};
    static const uint8_t disk_size[GUID_BYTES] = {0x24, 0x42, 0xa5, 0x2f, 0x1b, 0xcd, 0x76, 0x48,
                                                  0xb2, 0x11, 0x5d, 0xbe, 0xd8, 0x3b, 0xf4, 0xb8};
    uint8_t raw[32 + 32 * 64] = {0}; /* there are five items */
    uint8_t block[4] = {0}, size[8] = {0};
    struct rd r = rd_over(raw, sizeof(raw));
    uint16_t n;

    if (!read_at(fd, v->metadata_at, raw, sizeof(raw)) || memcmp(raw, "metadata", 8) != 0)
        return false;
    (void)rd_span(&r, 10);
    n = rd_le16(&r);
    for (size_t i = 0; i < n && i < 64; i++) {
        read_item(fd, v, raw + 32 + 32 * i, parameters, block, sizeof(block));
        read_item(fd, v, raw + 32 + 32 * i, disk_size, size, sizeof(size));
    }
    r = rd_over(block, sizeof(block));
    v->block_bytes = rd_le32(&r);
    r = rd_over(size, sizeof(size));
    v->disk_bytes = rd_le64(&r);
    return v->block_bytes >= MIB && v->disk_bytes > 0 && v->disk_bytes <= DISK_BYTES_MAX;
}

/* All regions, and every block; some writers begin each at a multiple of its length. */
static uint64_t vhdx_room(int fd)
{
    struct vhdx v = {0};
    uint64_t front, blocks;

    if (!read_regions(fd, REGIONS_AT, &v) && !read_regions(fd, REGIONS_AT + TABLE_BYTES, &v))
        return 0;
    read_log(fd, &v);
    if (!read_metadata(fd, &v))
        return 0;
    front = (v.front + v.block_bytes - 1) / v.block_bytes;
    blocks = (v.disk_bytes + v.block_bytes - 1) / v.block_bytes;
    return (front + blocks) * v.block_bytes;
}

/* --- either --- */

uint64_t image_room(int fd, enum disk_format format, uint64_t bytes)
{
    uint64_t room = 0;

    if (format == DISK_VHD)
        room = vhd_room(fd);
    else if (format == DISK_VHDX)
        room = vhdx_room(fd);
    return room > bytes ? room : 0;
}

int image_grow(int fd, enum disk_format format, uint64_t bytes)
{
    off_t old = lseek(fd, 0, SEEK_END);
    int r = 0;

    if (old < 0 || ftruncate(fd, (off_t)bytes) < 0)
        return -errno;
    if (format == DISK_VHD && old >= FOOTER_BYTES)
        r = copy_footer(fd, (uint64_t)old, bytes);
    if (r == 0 && fsync(fd) < 0)
        r = -errno;
    return r;
}

#include <errno.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/num.h"
#include "base/rd.h"
#include "base/wr.h"
#include "drivers/vhdx.h"

enum {
    ENTRIES_MAX = 2047, /* of both tables */
    CHECKSUM_AT = 4,
    BLOCK_BYTES_MAX = 256 << 20,
    PARAMETER_LEAVE_ALLOCATED = 1,
    PARAMETER_HAS_PARENT = 2,
    FLAG_IS_USER = 1,
    FLAG_IS_REQUIRED = 4,
};

static const uint64_t DISK_BYTES_MAX = UINT64_C(64) << 40;

/* GUIDs as their bytes are in the file. */
static const uint8_t bat_guid[VHDX_GUID_BYTES] = {0x66, 0x77, 0xc2, 0x2d, 0x23, 0xf6, 0x00, 0x42,
                                                  0x9d, 0x64, 0x11, 0x5e, 0x9b, 0xfd, 0x4a, 0x08};
static const uint8_t metadata_guid[VHDX_GUID_BYTES] = {
    0x06, 0xa2, 0x7c, 0x8b, 0x90, 0x47, 0x9a, 0x4b, 0xb8, 0xfe, 0x57, 0x5f, 0x05, 0x0f, 0x88, 0x6e};
static const uint8_t parent_guid[VHDX_GUID_BYTES] = {
    0x2d, 0x5f, 0xd3, 0xa8, 0x0b, 0xb3, 0x4d, 0x45, 0xab, 0xf7, 0xd3, 0xd8, 0x48, 0x34, 0xab, 0x0c};

struct item_row {
    const char *name;
    uint32_t bytes;
    uint8_t guid[VHDX_GUID_BYTES];
};

static const struct item_row item_rows[VHDX_ITEMS] = {
    [VHDX_FILE_PARAMETERS] = {"file parameters",
                              8,  {0x37, 0x67, 0xa1, 0xca, 0x36, 0xfa, 0x43, 0x4d, 0xb3, 0xb6, 0x33,
                               0xf0, 0xaa, 0x44, 0xe7, 0x6b}},
    [VHDX_DISK_SIZE] = {"disk size",
                              8,  {0x24, 0x42, 0xa5, 0x2f, 0x1b, 0xcd, 0x76, 0x48, 0xb2, 0x11, 0x5d, 0xbe,
                         0xd8, 0x3b, 0xf4, 0xb8}            },
    [VHDX_PAGE_83] = {"page 83",
                              16, {0xab, 0x12, 0xca, 0xbe, 0xe6, 0xb2, 0x23, 0x45, 0x93, 0xef, 0xc3, 0x09, 0xe0,
                       0x00, 0xc7, 0x46}                   },
    [VHDX_LOGICAL_SECTOR] = {"logical sector size",
                              4,  {0x1d, 0xbf, 0x41, 0x81, 0x6f, 0xa9, 0x09, 0x47, 0xba, 0x47, 0xf2,
                              0x33, 0xa8, 0xfa, 0xab, 0x5f} },
    [VHDX_PHYSICAL_SECTOR] = {"physical sector size",
                              4,  {0xc7, 0x48, 0xa3, 0xcd, 0x5d, 0x44, 0x71, 0x44, 0x9c, 0xc9, 0xe9,
                               0x88, 0x52, 0x51, 0xc5, 0x56}},
};

uint32_t vhdx_checksum(const uint8_t *raw, size_t len)
{
    static const uint8_t zeros[4] = {0};
    uint32_t crc = crc32c(0, raw, CHECKSUM_AT);

    crc = crc32c(crc, zeros, sizeof(zeros));
    return crc32c(crc, raw + CHECKSUM_AT + sizeof(zeros), len - CHECKSUM_AT - sizeof(zeros));
}

bool vhdx_guid_is_zero(const uint8_t guid[VHDX_GUID_BYTES])
{
    static const uint8_t zeros[VHDX_GUID_BYTES] = {0};

    return memcmp(guid, zeros, sizeof(zeros)) == 0;
}

int vhdx_header_parse(const uint8_t raw[VHDX_SECTOR_BYTES], struct vhdx_header *ret)
{
    struct rd r = rd_over(raw, VHDX_SECTOR_BYTES);
    struct vhdx_header h = {0};
    bool signed_ = memcmp(rd_span(&r, 4).at, "head", 4) == 0;
    uint32_t sum = rd_le32(&r);

    h.sequence = rd_le64(&r);
    rd_copy(&r, h.file_guid, sizeof(h.file_guid));
    rd_copy(&r, h.data_guid, sizeof(h.data_guid));
    rd_copy(&r, h.log_guid, sizeof(h.log_guid));
    h.log_version = rd_le16(&r);
    h.version = rd_le16(&r);
    h.log_bytes = rd_le32(&r);
    h.log_offset = rd_le64(&r);
    if (!rd_ok(&r) || !signed_ || sum != vhdx_checksum(raw, VHDX_SECTOR_BYTES))
        return -EBADMSG;
    *ret = h;
    return 0;
}

void vhdx_header_pack(const struct vhdx_header *h, uint8_t raw[VHDX_SECTOR_BYTES])
{
    struct wr w = wr_over(raw, VHDX_SECTOR_BYTES);
    struct wr sum = wr_over(raw + CHECKSUM_AT, 4);

    memset(raw, 0, VHDX_SECTOR_BYTES);
    wr_bytes(&w, "head", 4);
    wr_le32(&w, 0);
    wr_le64(&w, h->sequence);
    wr_bytes(&w, h->file_guid, sizeof(h->file_guid));
    wr_bytes(&w, h->data_guid, sizeof(h->data_guid));
    wr_bytes(&w, h->log_guid, sizeof(h->log_guid));
    wr_le16(&w, h->log_version);
    wr_le16(&w, h->version);
    wr_le32(&w, h->log_bytes);
    wr_le64(&w, h->log_offset);
    wr_le32(&sum, vhdx_checksum(raw, VHDX_SECTOR_BYTES));
}

/* One row of the region table into *t, which says which known ones were there already. */
static int add_region(struct vhdx_regions *t, struct rd *r, char *why)
{
    uint8_t guid[VHDX_GUID_BYTES] = {0};
    uint64_t offset;
    uint32_t len;
    uint32_t required;
    bool bat;

    rd_copy(r, guid, sizeof(guid));
    offset = rd_le64(r);
    len = rd_le32(r);
    required = rd_le32(r);
    if (offset % VHDX_MIB != 0 || offset < VHDX_MIB || offset > BLOCK_FILE_BYTES_MAX || len == 0 ||
        len % VHDX_MIB != 0)
        return block_refuse(why, -EBADMSG, "a region is not of whole MiB behind the first");
    if (t->n_ranges == VHDX_RANGES_MAX - 2)
        return block_refuse(why, -EOPNOTSUPP, "more than %d regions", VHDX_RANGES_MAX - 2);
    t->ranges[t->n_ranges++] = (struct block_range){offset / VHDX_MIB, len / VHDX_MIB};
    bat = memcmp(guid, bat_guid, sizeof(guid)) == 0;
    if (!bat && memcmp(guid, metadata_guid, sizeof(guid)) != 0) {
        if ((required & 1) != 0)
            return block_refuse(why, -EOPNOTSUPP, "a region that is required is not known");
        return 0;
    }
    if ((bat ? t->bat_offset : t->metadata_offset) != 0)
        return block_refuse(why, -EBADMSG, "the region table has a region twice");
    *(bat ? &t->bat_offset : &t->metadata_offset) = offset;
    *(bat ? &t->bat_bytes : &t->metadata_bytes) = len;
    return 0;
}

int vhdx_regions_parse(const uint8_t *raw, struct vhdx_regions *ret, char *why)
{
    struct rd r = rd_over(raw, VHDX_TABLE_BYTES);
    struct vhdx_regions t = {0};
    bool signed_ = memcmp(rd_span(&r, 4).at, "regi", 4) == 0;
    uint32_t sum = rd_le32(&r);
    uint32_t n = rd_le32(&r);

    (void)rd_le32(&r);
    if (!signed_ || sum != vhdx_checksum(raw, VHDX_TABLE_BYTES))
        return block_refuse(why, -EBADMSG, "neither region table has its signature and checksum");
    if (n > ENTRIES_MAX)
        return block_refuse(why, -EBADMSG, "the region table claims %u rows, more than fit", n);
    for (; n > 0; n--) {
        int err = add_region(&t, &r, why);

        if (err < 0)
            return err;
    }
    if (t.bat_offset == 0)
        return block_refuse(why, -EBADMSG, "the region table names no block allocation table");
    if (t.metadata_offset == 0)
        return block_refuse(why, -EBADMSG, "the region table names no metadata");
    *ret = t;
    return 0;
}

static int item_of(const uint8_t guid[VHDX_GUID_BYTES])
{
    for (int i = 0; i < VHDX_ITEMS; i++) {
        if (memcmp(guid, item_rows[i].guid, VHDX_GUID_BYTES) == 0)
            return i;
    }
    return -1;
}

static int add_item(struct vhdx_items *t, struct rd *r, uint64_t metadata_bytes, char *why)
{
    uint8_t guid[VHDX_GUID_BYTES] = {0};
    uint32_t offset;
    uint32_t len;
    uint32_t flags;
    int i;

    rd_copy(r, guid, sizeof(guid));
    offset = rd_le32(r);
    len = rd_le32(r);
    flags = rd_le32(r);
    (void)rd_le32(r);
    i = (flags & FLAG_IS_USER) != 0 ? -1 : item_of(guid);
    if (i < 0 && memcmp(guid, parent_guid, sizeof(guid)) == 0)
        return block_refuse(why, -EOPNOTSUPP,
                            "a differencing VHDX, which needs its parent, is not supported");
    if (i < 0 && (flags & FLAG_IS_REQUIRED) != 0)
        return block_refuse(why, -EOPNOTSUPP, "a metadata item that is required is not known");
    if (i < 0)
        return 0;
    if (t->offsets[i] != 0)
        return block_refuse(why, -EBADMSG, "metadata: %s is there twice", item_rows[i].name);
    if (len != item_rows[i].bytes || offset < VHDX_TABLE_BYTES ||
        !range_inside(offset, len, metadata_bytes))
        return block_refuse(why, -EBADMSG, "metadata: %s has a wrong length or place",
                            item_rows[i].name);
    t->offsets[i] = offset;
    return 0;
}

int vhdx_items_parse(const uint8_t *raw, uint64_t metadata_bytes, struct vhdx_items *ret, char *why)
{
    struct rd r = rd_over(raw, VHDX_TABLE_BYTES);
    struct vhdx_items t = {0};
    bool signed_ = memcmp(rd_span(&r, 8).at, "metadata", 8) == 0;
    uint16_t n;

    (void)rd_le16(&r);
    n = rd_le16(&r);
    (void)rd_span(&r, 20);
    if (!signed_)
        return block_refuse(why, -EBADMSG, "the metadata have no signature");
    if (n > ENTRIES_MAX)
        return block_refuse(why, -EBADMSG, "the metadata claim %u items, more than fit", n);
    for (; n > 0; n--) {
        int err = add_item(&t, &r, metadata_bytes, why);

        if (err < 0)
            return err;
    }
    for (int i = 0; i < VHDX_ITEMS; i++) {
        if (t.offsets[i] == 0)
            return block_refuse(why, -EBADMSG, "metadata: no %s", item_rows[i].name);
    }
    *ret = t;
    return 0;
}

static bool is_sector(uint32_t bytes)
{
    return bytes == 512 || bytes == 4096;
}

static int check_disk(const struct vhdx_disk *d, char *why)
{
    if (d->block_bytes < VHDX_MIB || d->block_bytes > BLOCK_BYTES_MAX ||
        (d->block_bytes & (d->block_bytes - 1)) != 0)
        return block_refuse(why, -EBADMSG,
                            "blocks of %u bytes: a power of two from 1 MiB to 256 MiB is possible",
                            d->block_bytes);
    if (!is_sector(d->sector_bytes))
        return block_refuse(why, -EBADMSG, "logical sectors of %u bytes: 512 or 4096 are possible",
                            d->sector_bytes);
    if (!is_sector(d->physical_bytes))
        return block_refuse(why, -EBADMSG, "physical sectors of %u bytes: 512 or 4096 are possible",
                            d->physical_bytes);
    if (d->bytes == 0 || d->bytes % d->sector_bytes != 0)
        return block_refuse(why, -EBADMSG, "the disk size is not one of whole sectors");
    if (d->bytes > DISK_BYTES_MAX)
        return block_refuse(why, -EBADMSG, "the disk size is more than 64 TiB");
    return 0;
}

int vhdx_disk_parse(uint8_t raw[VHDX_ITEMS][VHDX_GUID_BYTES], struct vhdx_disk *ret, char *why)
{
    struct rd parameters = rd_over(raw[VHDX_FILE_PARAMETERS], 8);
    struct rd size = rd_over(raw[VHDX_DISK_SIZE], 8);
    struct rd logical = rd_over(raw[VHDX_LOGICAL_SECTOR], 4);
    struct rd physical = rd_over(raw[VHDX_PHYSICAL_SECTOR], 4);
    struct vhdx_disk d = {0};
    uint32_t flags;
    int err;

    d.block_bytes = rd_le32(&parameters);
    flags = rd_le32(&parameters);
    d.bytes = rd_le64(&size);
    d.sector_bytes = rd_le32(&logical);
    d.physical_bytes = rd_le32(&physical);
    d.leave_allocated = (flags & PARAMETER_LEAVE_ALLOCATED) != 0;
    memcpy(d.id, raw[VHDX_PAGE_83], sizeof(d.id));
    if ((flags & PARAMETER_HAS_PARENT) != 0)
        return block_refuse(why, -EOPNOTSUPP,
                            "a differencing VHDX, which needs its parent, is not supported");
    err = check_disk(&d, why);
    if (err < 0)
        return err;
    *ret = d;
    return 0;
}

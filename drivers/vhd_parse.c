#include <errno.h>
#include <string.h>

#include "base/rd.h"
#include "drivers/vhd.h"

enum {
    FOOTER_CHECKSUM_AT = 64,
    HEADER_CHECKSUM_AT = 36,
    VERSION_MAJOR = 1,
};

/* Both structures: the complement of the sum of all bytes but the checksum's own. */
static uint32_t checksum(const uint8_t *raw, size_t len, size_t checksum_at)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < len; i++) {
        if (i < checksum_at || i >= checksum_at + 4)
            sum += raw[i];
    }
    return ~sum;
}

static bool is_power_of_two(uint32_t v)
{
    return v != 0 && (v & (v - 1)) == 0;
}

static int check_footer(const struct vhd_footer *f, uint32_t version, uint32_t type, char *why)
{
    if (version >> 16 != VERSION_MAJOR)
        return block_refuse(why, -EOPNOTSUPP, "VHD format version %u.%u is not known",
                            version >> 16, version & 0xffff);
    if (type == VHD_DIFFERENCING)
        return block_refuse(why, -EOPNOTSUPP,
                            "a differencing VHD, which needs its parent, is not supported");
    if (type != VHD_FIXED && type != VHD_DYNAMIC)
        return block_refuse(why, -EBADMSG, "VHD type %u does not exist", type);
    if (f->bytes == 0 || f->bytes % BLOCK_SECTOR_BYTES != 0)
        return block_refuse(why, -EBADMSG, "the footer's disk size is not one of whole sectors");
    if (f->bytes > VHD_BYTES_MAX)
        return block_refuse(why, -EBADMSG, "the footer's disk size is more than 2040 GiB");
    return 0;
}

int vhd_footer_parse(const uint8_t raw[VHD_FOOTER_BYTES], struct vhd_footer *ret, char *why)
{
    struct rd r = rd_over(raw, VHD_FOOTER_BYTES);
    struct vhd_footer f = {0};
    uint32_t version;
    uint32_t type;
    uint32_t sum;
    int err;

    if (memcmp(rd_span(&r, 8).at, "conectix", 8) != 0)
        return block_refuse(why, -EBADMSG, "there is no VHD footer at the end of the file");
    (void)rd_le32(&r); /* features: nothing follows from them */
    version = rd_be32(&r);
    f.header_offset = (uint64_t)rd_be32(&r) << 32;
    f.header_offset |= rd_be32(&r);
    (void)rd_span(&r, 4 + 4 + 4 + 4 + 8); /* when and by what it was made, how large it was then */
    f.bytes = (uint64_t)rd_be32(&r) << 32;
    f.bytes |= rd_be32(&r);
    (void)rd_be32(&r); /* geometry: the size above is exact */
    type = rd_be32(&r);
    sum = rd_be32(&r);
    rd_copy(&r, f.id, sizeof(f.id));
    if (!rd_ok(&r) || sum != checksum(raw, VHD_FOOTER_BYTES, FOOTER_CHECKSUM_AT))
        return block_refuse(why, -EBADMSG, "the checksum of the VHD footer is wrong");
    err = check_footer(&f, version, type, why);
    if (err < 0)
        return err;
    f.type = (enum vhd_type)type;
    *ret = f;
    return 0;
}

static int check_header(const struct vhd_header *h, uint32_t version, char *why)
{
    if (version >> 16 != VERSION_MAJOR)
        return block_refuse(why, -EOPNOTSUPP, "VHD dynamic header version %u.%u is not known",
                            version >> 16, version & 0xffff);
    if (!is_power_of_two(h->block_bytes) || h->block_bytes < VHD_BLOCK_BYTES_MIN ||
        h->block_bytes > VHD_BLOCK_BYTES_MAX)
        return block_refuse(why, -EBADMSG,
                            "blocks of %u bytes: a power of two from 64 KiB to 256 MiB is possible",
                            h->block_bytes);
    if (h->table_offset % BLOCK_SECTOR_BYTES != 0)
        return block_refuse(why, -EBADMSG, "the block table does not begin at a sector");
    return 0;
}

int vhd_header_parse(const uint8_t raw[VHD_HEADER_BYTES], struct vhd_header *ret, char *why)
{
    struct rd r = rd_over(raw, VHD_HEADER_BYTES);
    struct vhd_header h = {0};
    uint32_t version;
    uint32_t sum;
    int err;

    if (memcmp(rd_span(&r, 8).at, "cxsparse", 8) != 0)
        return block_refuse(why, -EBADMSG, "there is no VHD dynamic header where the footer says");
    (void)rd_span(&r, 8);
    h.table_offset = (uint64_t)rd_be32(&r) << 32;
    h.table_offset |= rd_be32(&r);
    version = rd_be32(&r);
    h.n_blocks = rd_be32(&r);
    h.block_bytes = rd_be32(&r);
    sum = rd_be32(&r);
    if (!rd_ok(&r) || sum != checksum(raw, VHD_HEADER_BYTES, HEADER_CHECKSUM_AT))
        return block_refuse(why, -EBADMSG, "the checksum of the VHD dynamic header is wrong");
    err = check_header(&h, version, why);
    if (err < 0)
        return err;
    *ret = h;
    return 0;
}

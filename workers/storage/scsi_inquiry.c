#include <string.h>

#include "workers/storage/scsi_exec.h"

enum {
    STANDARD_BYTES = 36,
    TYPE_DISK = 0x00,
    TYPE_DVD = 0x05,
    REMOVABLE = 0x80,
    VERSION_SPC3 = 5,
    RESPONSE_FORMAT = 2,
    COMMAND_QUEUEING = 2,
    VPD_HEADER_BYTES = 4,
    VENDOR_BYTES = 8,
    LIMITS_BYTES = 0x3c,
    CHARACTERISTICS_BYTES = 0x3c,
    NON_ROTATING = 1,
    PROVISIONING_BYTES = 4,
    CODE_SET_BINARY = 1,
    CODE_SET_ASCII = 2,
    DESIGNATOR_T10 = 1,
    DESIGNATOR_NAA = 3,
    NAA_LOCAL = 3,
    NAA_BYTES = 8,
};

static const char vendor[VENDOR_BYTES + 1] = "Msft    "; /* Linux's storvsc looks for it */

static uint8_t device_type(const struct scsi_lun *lun)
{
    return lun->config.kind == DISK_DVD ? TYPE_DVD : TYPE_DISK;
}

static enum scsi_sense standard(struct scsi_exec *x, uint64_t alloc)
{
    bool dvd = x->lun->config.kind == DISK_DVD;
    uint8_t *in = scsi_in(x, STANDARD_BYTES);

    in[0] = device_type(x->lun);
    in[1] = dvd ? REMOVABLE : 0;
    in[2] = VERSION_SPC3;
    in[3] = RESPONSE_FORMAT;
    in[4] = STANDARD_BYTES - 5;
    in[7] = COMMAND_QUEUEING;
    memcpy(in + 8, vendor, VENDOR_BYTES);
    memcpy(in + 16, dvd ? "Virtual DVD-ROM " : "Virtual Disk    ", 16);
    memcpy(in + 32, "1.0 ", 4);
    return scsi_give(x, STANDARD_BYTES, alloc);
}

/* --- vital product data: each writes what follows the header and says how much --- */

static size_t serial_len(const struct scsi_lun *lun)
{
    return strnlen(lun->config.serial, sizeof(lun->config.serial));
}

static size_t serial_page(const struct scsi_lun *lun, uint8_t *out)
{
    size_t len = serial_len(lun);

    memcpy(out, lun->config.serial, len);
    return len;
}

static size_t designator(uint8_t *out, uint8_t code_set, uint8_t type, size_t len)
{
    out[0] = code_set;
    out[1] = type;
    out[3] = (uint8_t)len;
    return 4 + len;
}

/* Vendor, and the identity in hexadecimal digits. */
static size_t t10_designator(const struct scsi_lun *lun, uint8_t *out)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t *at = out + 4;

    memcpy(at, vendor, VENDOR_BYTES);
    at += VENDOR_BYTES;
    for (size_t i = 0; i < sizeof(lun->config.identity); i++) {
        *at++ = (uint8_t)digits[lun->config.identity[i] >> 4];
        *at++ = (uint8_t)digits[lun->config.identity[i] & 15];
    }
    return designator(out, CODE_SET_ASCII, DESIGNATOR_T10, (size_t)(at - out) - 4);
}

/* 60 bits of the identity; folded, as some bits of a GUID are always the same. */
static size_t naa_designator(const struct scsi_lun *lun, uint8_t *out)
{
    const uint8_t *identity = lun->config.identity;
    uint64_t v = scsi_get(identity, 8) ^ scsi_get(identity + 8, 8);

    scsi_put(out + 4, NAA_BYTES, (uint64_t)NAA_LOCAL << 60 | v >> 4);
    return designator(out, CODE_SET_BINARY, DESIGNATOR_NAA, NAA_BYTES);
}

static size_t identification_page(const struct scsi_lun *lun, uint8_t *out)
{
    size_t len = t10_designator(lun, out);

    return len + naa_designator(lun, out + len);
}

/* @spec SBC-3 6.6.4; offsets are those of the page, which has a header of 4 bytes */
static size_t limits_page(const struct scsi_lun *lun, uint8_t *out)
{
    const struct scsi_config *config = &lun->config;
    uint32_t block = config->block_bytes;
    uint8_t *page = out - VPD_HEADER_BYTES;

    scsi_put(page + 6, 2, config->physical_bytes / block);
    scsi_put(page + 8, 4, config->max_bytes / block);
    if (config->discard_bytes != 0) {
        scsi_put(page + 20, 4, SCSI_UNMAP_BYTES_MAX / block);
        scsi_put(page + 24, 4, SCSI_RANGES_MAX);
        scsi_put(page + 28, 4, config->discard_bytes / block);
        scsi_put(page + 32, 4, UINT32_C(1) << 31); /* UGAVALID: from LBA 0 on */
    }
    scsi_put(page + 36, 8, SCSI_WRITE_SAME_BYTES_MAX / block);
    return LIMITS_BYTES;
}

static size_t characteristics_page(const struct scsi_lun *lun, uint8_t *out)
{
    (void)lun;
    scsi_put(out, 2, NON_ROTATING);
    return CHARACTERISTICS_BYTES;
}

static size_t provisioning_page(const struct scsi_lun *lun, uint8_t *out)
{
    if (lun->config.discard_bytes != 0) {
        out[1] = 0x80 | 0x40 | 0x20 | 0x04; /* LBPU, LBPWS, LBPWS10, LBPRZ */
        out[2] = 2;                         /* thin */
    }
    return PROVISIONING_BYTES;
}

static size_t supported_page(const struct scsi_lun *lun, uint8_t *out);

struct vpd_page {
    uint8_t code;
    bool disk_only;
    bool needs_serial;
    size_t (*fill)(const struct scsi_lun *lun, uint8_t *out);
};

static const struct vpd_page pages[] = {
    {0x00, false, false, supported_page      },
    {0x80, false, true,  serial_page         },
    {0x83, false, false, identification_page },
    {0xb0, true,  false, limits_page         },
    {0xb1, true,  false, characteristics_page},
    {0xb2, true,  false, provisioning_page   },
};

static bool has_page(const struct scsi_lun *lun, const struct vpd_page *page)
{
    return (!page->disk_only || lun->config.kind == DISK_DISK) &&
           (!page->needs_serial || serial_len(lun) != 0);
}

static size_t supported_page(const struct scsi_lun *lun, uint8_t *out)
{
    size_t n = 0;

    for (size_t i = 0; i < COUNT_OF(pages); i++) {
        if (has_page(lun, &pages[i]))
            out[n++] = pages[i].code;
    }
    return n;
}

/*
 * A page that there is not: Linux takes every INQUIRY for good and then looks whether it got the page
 * it asked for, so it gets the header of page 00h, which no unit lacks.
 */
static enum scsi_sense no_page(struct scsi_exec *x, uint64_t alloc)
{
    scsi_in(x, VPD_HEADER_BYTES)[0] = device_type(x->lun);
    (void)scsi_give(x, VPD_HEADER_BYTES, alloc);
    return scsi_bad_cdb(x, 2, -1);
}

static enum scsi_sense vital(struct scsi_exec *x, uint8_t code, uint64_t alloc)
{
    for (size_t i = 0; i < COUNT_OF(pages); i++) {
        if (pages[i].code == code && has_page(x->lun, &pages[i])) {
            uint8_t *in = scsi_in(x, 128); /* more than any page */
            size_t len = pages[i].fill(x->lun, in + VPD_HEADER_BYTES);

            in[0] = device_type(x->lun);
            in[1] = code;
            scsi_put(in + 2, 2, len);
            return scsi_give(x, VPD_HEADER_BYTES + len, alloc);
        }
    }
    return no_page(x, alloc);
}

enum scsi_sense scsi_inquiry(struct scsi_exec *x)
{
    const uint8_t *cdb = x->c->cdb;
    uint64_t alloc = scsi_get(cdb + 3, 2);

    if ((cdb[1] & 2) != 0 || ((cdb[1] & 1) == 0 && cdb[2] != 0)) {
        (void)standard(x, alloc);
        return (cdb[1] & 2) != 0 ? scsi_bad_cdb(x, 1, 1) : scsi_bad_cdb(x, 2, -1);
    }
    return (cdb[1] & 1) != 0 ? vital(x, cdb[2], alloc) : standard(x, alloc);
}

#include <string.h>

#include "workers/storage/scsi_exec.h"

enum {
    OP_MODE_SENSE10 = 0x5a,
    OP_MODE_SELECT10 = 0x55,
    HEADER6_BYTES = 4,
    HEADER10_BYTES = 8,
    DESCRIPTOR_BYTES = 8,
    ALL_PAGES = 0x3f,
    ALL_SUBPAGES = 0xff,
    PC_CHANGEABLE = 1, /* page control */
    PC_SAVED = 3,
    WRITE_PROTECT = 0x80,
    DPOFUA = 0x10,
    SUBPAGE_FORMAT = 0x40,
    PAGE_MAX = 24, /* bytes of the longest page */
};

/* The page without its first two bytes. */
static void recovery_page(const struct scsi_lun *lun, uint8_t *out)
{
    (void)lun;
    out[1] = 1; /* read retries */
}

static void caching_page(const struct scsi_lun *lun, uint8_t *out)
{
    (void)lun;
    out[0] = 0x04; /* WCE: what is written is durable after SYNCHRONIZE CACHE, or with FUA */
}

static void control_page(const struct scsi_lun *lun, uint8_t *out)
{
    (void)lun;
    out[1] = 0x10;                    /* commands may be reordered */
    scsi_put(out + 6, 2, UINT16_MAX); /* busy for as long as it takes */
}

static void audio_page(const struct scsi_lun *lun, uint8_t *out)
{
    (void)lun;
    out[0] = 0x04; /* IMMED */
}

/* @spec MMC-3 5.5.10; of a drive that reads DVDs and has a tray */
static void capabilities_page(const struct scsi_lun *lun, uint8_t *out)
{
    enum { SPEED = 22160 }; /* kB/s: 16 x DVD */

    out[0] = 0x08; /* reads DVD-ROM */
    out[4] = 0x29; /* loads by tray, ejects, can be locked */
    if ((lun->state.flags & SCSI_REMOVAL_PREVENTED) != 0)
        out[4] |= 0x02;
    scsi_put(out + 6, 2, SPEED);
    scsi_put(out + 12, 2, SPEED);
}

struct mode_page {
    uint8_t code;
    uint8_t len; /* after the first two bytes */
    uint8_t kinds;
    void (*fill)(const struct scsi_lun *lun, uint8_t *out);
};

static const struct mode_page pages[] = {
    {0x01, 10, 1 << DISK_DVD,  recovery_page    },
    {0x08, 18, 1 << DISK_DISK, caching_page     },
    {0x0a, 10, 1 << DISK_DISK, control_page     },
    {0x0e, 14, 1 << DISK_DVD,  audio_page       },
    {0x2a, 18, 1 << DISK_DVD,  capabilities_page},
};

static bool has_page(const struct scsi_lun *lun, const struct mode_page *page)
{
    return (page->kinds >> lun->config.kind & 1) != 0;
}

/* Nothing can be changed: as changeable values, every page is zeros. */
static size_t put_page(const struct scsi_lun *lun, const struct mode_page *page, unsigned control,
                       uint8_t *out)
{
    out[0] = page->code;
    out[1] = page->len;
    memset(out + 2, 0, page->len);
    if (control != PC_CHANGEABLE)
        page->fill(lun, out + 2);
    return 2 + (size_t)page->len;
}

static void put_descriptor(const struct scsi_lun *lun, uint8_t *out)
{
    scsi_put(out, 4, scsi_clip32(scsi_blocks(lun)));
    scsi_put(out + 5, 3, lun->config.block_bytes);
}

static uint8_t device_specific(const struct scsi_lun *lun)
{
    if (lun->config.kind == DISK_DVD)
        return 0;
    return lun->config.read_only ? WRITE_PROTECT | DPOFUA : DPOFUA;
}

static void put_header(const struct scsi_lun *lun, bool ten, uint8_t *in, size_t len,
                       size_t descriptor_len)
{
    if (ten) {
        scsi_put(in, 2, len - 2);
        in[3] = device_specific(lun);
        scsi_put(in + 6, 2, descriptor_len);
    } else {
        in[0] = (uint8_t)(len - 1);
        in[2] = device_specific(lun);
        in[3] = (uint8_t)descriptor_len;
    }
}

/* The pages that are asked for; 0: there is none. */
static size_t put_pages(struct scsi_exec *x, uint8_t *out)
{
    unsigned code = x->c->cdb[2] & 0x3f;
    size_t len = 0;

    for (size_t i = 0; i < COUNT_OF(pages); i++) {
        if ((code == ALL_PAGES || code == pages[i].code) && has_page(x->lun, &pages[i]))
            len += put_page(x->lun, &pages[i], x->c->cdb[2] >> 6, out + len);
    }
    return len;
}

/* A refusal too carries a header with nothing after it, for Linux: struct scsi_answer says why. */
enum scsi_sense scsi_mode_sense(struct scsi_exec *x)
{
    const uint8_t *cdb = x->c->cdb;
    bool ten = cdb[0] == OP_MODE_SENSE10;
    uint64_t alloc = ten ? scsi_get(cdb + 7, 2) : cdb[4];
    size_t header = ten ? HEADER10_BYTES : HEADER6_BYTES;
    size_t descriptor = (cdb[1] & 8) != 0 || x->lun->config.kind == DISK_DVD ? 0 : DESCRIPTOR_BYTES;
    uint8_t *in = scsi_in(x, 128); /* more than all pages */
    size_t len;

    put_header(x->lun, ten, in, header, 0);
    (void)scsi_give(x, header, alloc);
    if (cdb[2] >> 6 == PC_SAVED)
        return SENSE_NO_SAVED_PAGES;
    if (cdb[3] != 0 && cdb[3] != ALL_SUBPAGES)
        return scsi_bad_cdb(x, 3, -1);
    len = put_pages(x, in + header + descriptor);
    if (len == 0)
        return scsi_bad_cdb(x, 2, 5);
    len += header + descriptor;
    put_header(x->lun, ten, in, len, descriptor);
    if (descriptor != 0)
        put_descriptor(x->lun, in + header);
    return scsi_give(x, len, alloc);
}

/* --- MODE SELECT: takes what it says itself, and nothing else --- */

static enum scsi_sense check_descriptor(struct scsi_exec *x, const uint8_t *at, unsigned where)
{
    uint8_t now[DESCRIPTOR_BYTES] = {0};
    uint64_t blocks = scsi_get(at, 4);

    put_descriptor(x->lun, now);
    if (blocks != 0 && blocks != scsi_get(now, 4)) /* 0: as it is */
        return scsi_bad_list(x, where, -1);
    return memcmp(at + 5, now + 5, 3) == 0 ? SENSE_NONE : scsi_bad_list(x, where + 5, -1);
}

static const struct mode_page *find_page(const struct scsi_lun *lun, uint8_t code)
{
    for (size_t i = 0; i < COUNT_OF(pages); i++) {
        if (pages[i].code == code && has_page(lun, &pages[i]))
            return &pages[i];
    }
    return NULL;
}

/* One page at where in the list; *ret_len its bytes. */
static enum scsi_sense check_page(struct scsi_exec *x, struct span list, unsigned where,
                                  size_t *ret_len)
{
    const uint8_t *at = list.at + where;
    size_t left = list.len - where;
    uint8_t now[PAGE_MAX];
    const struct mode_page *page = find_page(x->lun, at[0] & 0x3f);
    size_t len;

    if (page == NULL || (at[0] & SUBPAGE_FORMAT) != 0)
        return scsi_bad_list(x, where, page == NULL ? 5 : 6);
    if (left < 2)
        return SENSE_LIST_LENGTH;
    if (at[1] != page->len)
        return scsi_bad_list(x, where + 1, -1);
    len = put_page(x->lun, page, 0, now);
    if (left < len)
        return SENSE_LIST_LENGTH;
    for (size_t i = 2; i < len; i++) {
        if (at[i] != now[i])
            return scsi_bad_list(x, where + (unsigned)i, -1);
    }
    *ret_len = len;
    return SENSE_NONE;
}

static enum scsi_sense check_list(struct scsi_exec *x, struct span list, bool ten)
{
    size_t at = ten ? HEADER10_BYTES : HEADER6_BYTES;
    uint64_t descriptor;
    enum scsi_sense s = SENSE_NONE;

    if (list.len < at)
        return SENSE_LIST_LENGTH;
    descriptor = ten ? scsi_get(list.at + 6, 2) : list.at[3];
    if (list.at[ten ? 2 : 1] != 0)
        return scsi_bad_list(x, ten ? 2 : 1, -1); /* medium type */
    if (descriptor != 0 && descriptor != DESCRIPTOR_BYTES)
        return scsi_bad_list(x, ten ? 6 : 3, -1);
    if (list.len - at < descriptor)
        return SENSE_LIST_LENGTH;
    if (descriptor != 0)
        s = check_descriptor(x, list.at + at, (unsigned)at);
    at += descriptor;
    while (s == SENSE_NONE && at < list.len) {
        size_t len = 0;

        s = check_page(x, list, (unsigned)at, &len);
        at += len;
    }
    return s;
}

enum scsi_sense scsi_mode_select(struct scsi_exec *x)
{
    const uint8_t *cdb = x->c->cdb;
    bool ten = cdb[0] == OP_MODE_SELECT10;
    uint64_t len = ten ? scsi_get(cdb + 7, 2) : cdb[4];
    struct span out = scsi_out(x);

    if ((cdb[1] & 1) != 0)
        return scsi_bad_cdb(x, 1, 0); /* SP: nothing is saved */
    if (len == 0)
        return SENSE_NONE;
    if ((cdb[1] & 0x10) == 0)
        return scsi_bad_cdb(x, 1, 4); /* PF: pages as in the standard */
    if (len > out.len)
        return SENSE_LIST_LENGTH;
    return check_list(x, (struct span){out.at, (size_t)len}, ten);
}

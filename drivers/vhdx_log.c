/*
 * drivers/vhdx_log.c - the log of a VHDX that was not closed: finding what counts, and replaying it.
 *
 * @spec MS-VHDX 2.3 (Log)
 *
 * The log is a ring of sectors. An entry is one or more sectors of descriptors, then a sector of data
 * for each descriptor that has some. Entries that follow each other are a sequence; the last entry
 * says with which one its sequence begins, and that one must be there. The newest sequence counts.
 * An entry that is torn ends its sequence.
 */
#include <errno.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/num.h"
#include "base/rd.h"
#include "drivers/vhdx.h"

enum {
    SECTOR = VHDX_SECTOR_BYTES,
    DESCRIPTOR_BYTES = 32,
    HEADER_DESCRIPTORS = 2, /* as many fit where the entry's header is */
    SECTOR_DESCRIPTORS = SECTOR / DESCRIPTOR_BYTES,
    WORK_FACTOR = 8, /* how often the whole log may be read while looking for a sequence */
    LEADING = 8,
    TRAILING = 4,
};

struct entry {
    uint32_t at; /* in the log */
    uint32_t bytes;
    uint32_t tail;
    uint64_t sequence;
    uint32_t n_descriptors;
    uint64_t flushed_bytes;
    uint64_t last_bytes;
};

struct descriptor {
    bool has_data;
    uint64_t offset;
    uint64_t len;
    uint8_t leading[LEADING];
    uint8_t trailing[TRAILING];
};

/* Where the scan is, and how many sectors it may still read: entries may lie about their length. */
struct scan {
    const struct block_file *file;
    struct vhdx_log *log;
    uint64_t budget;
};

static uint32_t ring(const struct vhdx_log *log, uint64_t at)
{
    return (uint32_t)(at % log->bytes);
}

static int read_sector(const struct block_file *f, const struct vhdx_log *log, uint64_t at,
                       uint8_t raw[SECTOR])
{
    return block_file_read(f, log->offset + ring(log, at), raw, SECTOR);
}

static uint64_t descriptor_bytes(uint32_t n)
{
    return u64_align_up(((uint64_t)n + HEADER_DESCRIPTORS) * DESCRIPTOR_BYTES, SECTOR);
}

/* 0, or -EBADMSG: no entry of this log begins here. */
static int parse_entry(const struct vhdx_log *log, const uint8_t raw[SECTOR], uint32_t at,
                       uint32_t *ret_checksum, struct entry *ret)
{
    struct rd r = rd_over(raw, SECTOR);
    struct entry e = {.at = at};
    bool good = memcmp(rd_span(&r, 4).at, "loge", 4) == 0;

    *ret_checksum = rd_le32(&r);
    e.bytes = rd_le32(&r);
    e.tail = rd_le32(&r);
    e.sequence = rd_le64(&r);
    e.n_descriptors = rd_le32(&r);
    (void)rd_le32(&r);
    good &= memcmp(rd_span(&r, VHDX_GUID_BYTES).at, log->guid, VHDX_GUID_BYTES) == 0;
    e.flushed_bytes = rd_le64(&r);
    e.last_bytes = rd_le64(&r);
    good &= e.bytes != 0 && e.bytes % SECTOR == 0 && e.bytes <= log->bytes;
    good &= e.tail % SECTOR == 0 && e.tail < log->bytes && e.sequence != 0;
    good &= descriptor_bytes(e.n_descriptors) <= e.bytes;
    good &= e.last_bytes <= (uint64_t)1 << (VHDX_OFFSET_BITS + VHDX_MIB_SHIFT);
    if (!rd_ok(&r) || !good)
        return -EBADMSG;
    *ret = e;
    return 0;
}

/* What it writes is neither in the headers nor in the log. */
static int parse_descriptor(const struct vhdx_log *log, const struct entry *e, const uint8_t *raw,
                            struct descriptor *ret)
{
    struct rd r = rd_over(raw, DESCRIPTOR_BYTES);
    struct descriptor d = {.len = SECTOR};
    const uint8_t *signature = rd_span(&r, 4).at;
    uint64_t sequence;
    bool zero = memcmp(signature, "zero", 4) == 0;

    d.has_data = memcmp(signature, "desc", 4) == 0;
    rd_copy(&r, d.trailing, sizeof(d.trailing));
    memcpy(d.leading, r.at, sizeof(d.leading));
    if (zero)
        d.len = rd_le64(&r);
    else
        (void)rd_le64(&r);
    d.offset = rd_le64(&r);
    sequence = rd_le64(&r);
    if (!rd_ok(&r) || (!d.has_data && !zero) || sequence != e->sequence || d.offset % SECTOR != 0 ||
        d.len % SECTOR != 0 || d.offset < VHDX_REGIONS_AT ||
        !range_inside(d.offset, d.len, BLOCK_FILE_BYTES_MAX) ||
        range_overlap(d.offset, d.len, log->offset, log->bytes))
        return -EBADMSG;
    *ret = d;
    return 0;
}

static bool data_belongs(const struct entry *e, const uint8_t raw[SECTOR])
{
    struct rd r = rd_over(raw, SECTOR);
    bool good = memcmp(rd_span(&r, 4).at, "data", 4) == 0;

    good &= rd_le32(&r) == (uint32_t)(e->sequence >> 32);
    (void)rd_span(&r, SECTOR - LEADING - TRAILING);
    good &= rd_le32(&r) == (uint32_t)e->sequence;
    return good;
}

/* Descriptor number at of an entry; buf holds the sector of descriptors that was read last. */
static int nth_descriptor(const struct block_file *f, const struct vhdx_log *log,
                          const struct entry *e, uint32_t at, uint8_t buf[SECTOR],
                          struct descriptor *ret)
{
    uint64_t place = (uint64_t)at + HEADER_DESCRIPTORS;

    if (at == 0 || place % SECTOR_DESCRIPTORS == 0) {
        uint64_t sector = place / SECTOR_DESCRIPTORS;
        int r = read_sector(f, log, e->at + sector * SECTOR, buf);

        if (r < 0)
            return r;
    }
    return parse_descriptor(log, e, buf + place % SECTOR_DESCRIPTORS * DESCRIPTOR_BYTES, ret);
}

/* The checksum of all of an entry. */
static int check_sum(struct scan *s, const struct entry *e, uint32_t checksum)
{
    uint8_t raw[SECTOR];
    uint32_t crc = 0;

    for (uint32_t done = 0; done < e->bytes; done += SECTOR) {
        int r = read_sector(s->file, s->log, (uint64_t)e->at + done, raw);

        if (r < 0)
            return r;
        if (done == 0)
            memset(raw + 4, 0, 4);
        crc = crc32c(crc, raw, sizeof(raw));
    }
    return crc == checksum ? 0 : -EBADMSG;
}

/* What a descriptor writes is inside the file, as it is or as the entry says it is to become. */
static bool is_inside(const struct block_file *f, const struct entry *e, const struct descriptor *d)
{
    return range_inside(d->offset, d->len, f->bytes > e->last_bytes ? f->bytes : e->last_bytes);
}

/* All descriptors, and the data that belong to them. */
static int check_descriptors(struct scan *s, const struct entry *e)
{
    uint64_t data = descriptor_bytes(e->n_descriptors);
    uint8_t buf[SECTOR];
    uint8_t raw[SECTOR];

    for (uint32_t i = 0; i < e->n_descriptors; i++) {
        struct descriptor d;
        int r = nth_descriptor(s->file, s->log, e, i, buf, &d);

        if (r < 0)
            return r;
        if (!is_inside(s->file, e, &d) || (d.has_data && data >= e->bytes))
            return -EBADMSG;
        if (!d.has_data)
            continue;
        r = read_sector(s->file, s->log, e->at + data, raw);
        if (r < 0)
            return r;
        if (!data_belongs(e, raw))
            return -EBADMSG;
        data += SECTOR;
    }
    return data == e->bytes ? 0 : -EBADMSG;
}

/* 0 and *ret; -EBADMSG: no whole entry begins here; -E2BIG: too much was read; or of block_io. */
static int read_entry(struct scan *s, uint32_t at, struct entry *ret)
{
    uint8_t raw[SECTOR];
    uint32_t checksum;
    struct entry e;
    int r = read_sector(s->file, s->log, at, raw);

    if (r == 0)
        r = parse_entry(s->log, raw, at, &checksum, &e);
    if (r < 0)
        return r;
    if (s->budget < e.bytes)
        return -E2BIG;
    s->budget -= e.bytes;
    r = check_sum(s, &e, checksum);
    if (r == 0)
        r = check_descriptors(s, &e);
    if (r == 0)
        *ret = e;
    return r;
}

/* How far behind start in the ring. */
static uint32_t distance(const struct vhdx_log *log, uint32_t start, uint32_t at)
{
    return at >= start ? at - start : log->bytes - start + at;
}

struct sequence {
    uint32_t bytes;    /* from its start */
    struct entry last; /* bytes 0: there is none */
};

/* The entries from start on that follow each other. 0, or what is not -EBADMSG. */
static int read_sequence(struct scan *s, uint32_t start, struct sequence *ret)
{
    struct sequence q = {0};

    for (;;) {
        struct entry e;
        int r = read_entry(s, ring(s->log, (uint64_t)start + q.bytes), &e);

        if (r < 0 && r != -EBADMSG)
            return r;
        if (r < 0 || e.bytes > s->log->bytes - q.bytes ||
            (q.bytes > 0 && e.sequence != q.last.sequence + 1))
            break;
        q.bytes += e.bytes;
        q.last = e;
        if (q.bytes == s->log->bytes)
            break;
    }
    *ret = q;
    return 0;
}

/* Count the entries from the tail to the last one; false: the tail is none of them. */
static int count_entries(struct scan *s, uint32_t start, const struct sequence *q,
                         struct vhdx_log *ret)
{
    uint32_t left = q->bytes - distance(s->log, start, q->last.tail);
    struct vhdx_log log = *s->log;

    log.tail = q->last.tail;
    log.flushed_bytes = q->last.flushed_bytes;
    log.last_bytes = q->last.last_bytes;
    log.n_entries = 0;
    log.n_descriptors = 0;
    for (uint32_t at = log.tail; left > 0; log.n_entries++) {
        struct entry e;
        int r = read_entry(s, at, &e);

        if (r < 0)
            return r;
        if (e.bytes > left)
            return -EBADMSG;
        log.n_descriptors += e.n_descriptors;
        at = ring(s->log, (uint64_t)at + e.bytes);
        left -= e.bytes;
    }
    *ret = log;
    return 0;
}

/* The newest sequence that is whole, into *ret with its number. n_entries 0: there is none. */
static int find_newest(struct scan *s, struct vhdx_log *ret)
{
    uint64_t newest = 0;
    uint64_t at = 0;

    while (at < s->log->bytes) {
        struct sequence q;
        struct vhdx_log found;
        uint32_t start = (uint32_t)at;
        int r = read_sequence(s, start, &q);

        if (r < 0)
            return r;
        at += q.bytes == 0 ? SECTOR : q.bytes; /* a part of it would end with the same entry */
        if (q.bytes == 0 || distance(s->log, start, q.last.tail) >= q.bytes)
            continue;
        r = q.last.sequence > newest ? count_entries(s, start, &q, &found) : 0;
        if (r < 0 && r != -EBADMSG)
            return r;
        if (r == 0 && q.last.sequence > newest) {
            newest = q.last.sequence;
            *ret = found;
        }
    }
    return 0;
}

int vhdx_log_find(const struct block_file *f, const struct vhdx_header *h, struct vhdx_log *ret,
                  char *why)
{
    struct vhdx_log log = {.offset = h->log_offset, .bytes = h->log_bytes};
    struct vhdx_log found = {0};
    struct scan s = {f, &log, (uint64_t)h->log_bytes * WORK_FACTOR};
    int r;

    memcpy(log.guid, h->log_guid, sizeof(log.guid));
    r = find_newest(&s, &found);
    if (r == -E2BIG)
        return block_refuse(why, -EBADMSG, "the log's entries overlap too often to be a log");
    if (r < 0)
        return block_refuse(why, r, "the log cannot be read");
    if (found.n_entries == 0)
        return block_refuse(why, -EBADMSG,
                            "the log is in use and has no whole sequence of entries");
    if (found.flushed_bytes > f->bytes)
        return block_refuse(why, -EBADMSG, "the file is shorter than its log says: it was cut off");
    if (f->is_device && found.last_bytes > f->bytes)
        return block_refuse(why, -EBADMSG, "the device is shorter than the log says the image is");
    *ret = found;
    return 0;
}

static int replay_data(struct block_file *f, const struct vhdx_log *log, const struct entry *e,
                       uint64_t data, const struct descriptor *d)
{
    uint8_t raw[SECTOR];
    int r = read_sector(f, log, e->at + data, raw);

    if (r < 0)
        return r;
    memcpy(raw, d->leading, LEADING);
    memcpy(raw + SECTOR - TRAILING, d->trailing, TRAILING);
    return block_file_write(f, d->offset, raw, sizeof(raw));
}

/* A host that changed the log since it was checked gets no write outside what was checked again. */
static int replay_entry(struct block_file *f, const struct vhdx_log *log, const struct entry *e)
{
    uint64_t data = descriptor_bytes(e->n_descriptors);
    uint8_t buf[SECTOR];

    for (uint32_t i = 0; i < e->n_descriptors; i++) {
        struct descriptor d;
        int r = nth_descriptor(f, log, e, i, buf, &d);

        if (r == 0 && (!is_inside(f, e, &d) || data > e->bytes))
            r = -EBADMSG;
        if (r == 0 && d.has_data)
            r = replay_data(f, log, e, data, &d);
        else if (r == 0 && d.len > 0)
            r = block_file_zero(f, d.offset, d.len);
        if (r < 0)
            return r;
        data += d.has_data ? SECTOR : 0;
    }
    return 0;
}

static int replay_entries(struct block_file *f, const struct vhdx_log *log)
{
    uint32_t at = log->tail;

    for (uint32_t i = 0; i < log->n_entries; i++) {
        uint8_t raw[SECTOR];
        uint32_t checksum;
        struct entry e;
        int r = read_sector(f, log, at, raw);

        if (r == 0)
            r = parse_entry(log, raw, at, &checksum, &e);
        if (r == 0)
            r = replay_entry(f, log, &e);
        if (r < 0)
            return r;
        at = ring(log, (uint64_t)at + e.bytes);
    }
    return 0;
}

int vhdx_log_replay(struct block_file *f, const struct vhdx_log *log, char *why)
{
    int r = replay_entries(f, log);

    if (r == 0 && f->bytes < log->last_bytes)
        r = block_file_zero(f, f->bytes, log->last_bytes - f->bytes);
    if (r == 0)
        r = block_file_flush(f);
    if (r == -EBADMSG)
        return block_refuse(why, r, "the log writes outside the file it describes");
    return r < 0 ? block_refuse(why, r, "the log cannot be replayed") : 0;
}

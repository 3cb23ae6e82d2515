/*
 * drivers/vhdx_write.c - changes of a VHDX's headers and BAT, in the order that survives.
 *
 * The first change after a checkpoint opens the log: its entry is made durable, then the header names
 * the log. From then on a change is one more entry, not waited for: a kill leaves it in the file, and
 * after a power failure without a flush it may be lost like any write. A checkpoint flushes, writes
 * the BAT where it belongs, flushes, and lets the header say that the log is empty.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"
#include "base/wr.h"
#include "drivers/vhdx.h"

enum {
    CHECKSUM_AT = 4,
};

static const uint8_t no_log[VHDX_GUID_BYTES] = {0};

static uint64_t mix(uint64_t v)
{
    v = (v ^ v >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    v = (v ^ v >> 27) * UINT64_C(0x94d049bb133111eb);
    return v ^ v >> 31;
}

/* From the caller's random bytes, and of another value each time even without them. */
void vhdx_guid_make(struct vhdx *v, uint8_t guid[VHDX_GUID_BYTES])
{
    uint64_t words[2];
    uint64_t old[2];

    memcpy(words, v->random, sizeof(words));
    memcpy(old, v->header.file_guid, sizeof(old));
    words[0] = mix(words[0] ^ old[0] ^ mix(v->header.sequence + 1));
    words[1] = mix(words[1] ^ old[1] ^ mix(words[0]));
    memcpy(v->random, words, sizeof(words));
    memcpy(guid, words, sizeof(words));
    guid[7] = (uint8_t)((guid[7] & 0x0f) | 0x40); /* a random one, as RFC 4122 has it */
    guid[8] = (uint8_t)((guid[8] & 0x3f) | 0x80);
}

int vhdx_header_write(struct vhdx *v, const uint8_t log_guid[VHDX_GUID_BYTES])
{
    AUTO_FREE uint8_t *raw = malloc(VHDX_SECTOR_BYTES);
    struct vhdx_header h = v->header;
    uint64_t slot = 1 - v->slot;
    int r;

    if (raw == NULL)
        return -ENOMEM;
    r = block_file_flush(&v->image.file); /* the current header too, before the other one goes */
    if (r < 0)
        return r;
    h.sequence = ++v->header.sequence; /* not again, even if this fails */
    memcpy(h.log_guid, log_guid, sizeof(h.log_guid));
    vhdx_header_pack(&h, raw);
    r = block_file_write(&v->image.file, VHDX_HEADER_AT * (slot + 1), raw, VHDX_SECTOR_BYTES);
    v->header_unsure = r < 0;
    if (r < 0)
        return r;
    v->header = h;
    v->slot = (unsigned)slot;
    return 0;
}

/* The entry that may be there is not one, once this is written. */
static int blank_entry(struct vhdx *v)
{
    static const uint8_t zeros[VHDX_SECTOR_BYTES] = {0};
    int r =
        block_file_write(&v->image.file, v->header.log_offset + v->log_at, zeros, sizeof(zeros));

    v->log_unsure = r < 0;
    return r;
}

int vhdx_settle(struct vhdx *v)
{
    uint8_t guid[VHDX_GUID_BYTES];
    int r = 0;

    memcpy(guid, v->header.log_guid, sizeof(guid));
    if (v->header_unsure)
        r = vhdx_header_write(v, guid);
    if (r == 0 && v->log_unsure)
        r = blank_entry(v);
    return r;
}

uint64_t vhdx_entry_of(const struct vhdx *v, uint64_t block)
{
    return block + block / v->chunk_ratio;
}

static void pack_sector(const struct vhdx *v, uint32_t sector, uint8_t raw[VHDX_SECTOR_BYTES])
{
    struct wr w = wr_over(raw, VHDX_SECTOR_BYTES);
    uint64_t at = (uint64_t)sector * VHDX_ENTRIES;

    for (uint64_t i = at; i < at + VHDX_ENTRIES; i++) {
        uint64_t block = i - i / (v->chunk_ratio + 1);
        bool is_bitmap = i % (v->chunk_ratio + 1) == v->chunk_ratio;
        uint32_t word = 0;

        if (!is_bitmap && block < v->n_blocks)
            word = block_table_get(&v->table, block);
        wr_le64(&w, (uint64_t)(word >> 3) << VHDX_MIB_SHIFT | (word & 7));
    }
}

static uint64_t sector_offset(const struct vhdx *v, uint32_t sector)
{
    return v->regions.bat_offset + (uint64_t)sector * VHDX_SECTOR_BYTES;
}

/* Behind all that is in use; a device is no longer than it is. */
static uint64_t last_bytes(const struct vhdx *v)
{
    uint64_t end = v->space.end << VHDX_MIB_SHIFT;
    uint64_t device = v->image.file.bytes - v->image.file.bytes % VHDX_MIB;

    return v->image.file.is_device && end > device ? device : end;
}

/* An entry with one descriptor and the sector of data that goes with it. */
static void pack_entry(const struct vhdx *v, uint32_t sector, const uint8_t guid[VHDX_GUID_BYTES],
                       uint8_t raw[VHDX_LOG_ENTRY_BYTES])
{
    uint8_t *data = raw + VHDX_SECTOR_BYTES;
    struct wr w = wr_over(raw, VHDX_SECTOR_BYTES);
    struct wr head = wr_over(data, 8);
    struct wr foot = wr_over(data + VHDX_SECTOR_BYTES - 4, 4);
    struct wr sum = wr_over(raw + CHECKSUM_AT, 4);
    uint64_t sequence = v->log_sequence + 1;

    memset(raw, 0, VHDX_LOG_ENTRY_BYTES);
    pack_sector(v, sector, data);
    wr_bytes(&w, "loge", 4);
    wr_le32(&w, 0);
    wr_le32(&w, VHDX_LOG_ENTRY_BYTES);
    wr_le32(&w, 0); /* the tail: the log's first entry */
    wr_le64(&w, sequence);
    wr_le32(&w, 1);
    wr_le32(&w, 0);
    wr_bytes(&w, guid, VHDX_GUID_BYTES);
    wr_le64(&w, v->flushed_bytes - v->flushed_bytes % VHDX_MIB);
    wr_le64(&w, last_bytes(v));
    wr_bytes(&w, "desc", 4);
    wr_bytes(&w, data + VHDX_SECTOR_BYTES - 4, 4);
    wr_bytes(&w, data, 8);
    wr_le64(&w, sector_offset(v, sector));
    wr_le64(&w, sequence);
    wr_bytes(&head, "data", 4);
    wr_le32(&head, (uint32_t)(sequence >> 32));
    wr_le32(&foot, (uint32_t)sequence);
    wr_le32(&sum, vhdx_checksum(raw, VHDX_LOG_ENTRY_BYTES));
}

static int append(struct vhdx *v, uint32_t sector, const uint8_t guid[VHDX_GUID_BYTES])
{
    AUTO_FREE uint8_t *raw = malloc(VHDX_LOG_ENTRY_BYTES);
    int r;

    if (raw == NULL)
        return -ENOMEM;
    pack_entry(v, sector, guid, raw);
    r = block_file_write(&v->image.file, v->header.log_offset + v->log_at, raw,
                         VHDX_LOG_ENTRY_BYTES);
    v->log_unsure = r < 0;
    return r;
}

static void note_dirty(struct vhdx *v, uint32_t sector)
{
    v->log_sequence++;
    v->log_at += VHDX_LOG_ENTRY_BYTES;
    for (uint32_t i = 0; i < v->n_dirty; i++) {
        if (v->dirty[i] == sector)
            return;
    }
    assert(v->n_dirty < VHDX_DIRTY_MAX); /* the log has no more entries */
    v->dirty[v->n_dirty++] = sector;
}

static int log_one(struct vhdx *v, uint32_t sector)
{
    uint8_t guid[VHDX_GUID_BYTES];
    int r;

    memcpy(guid, v->header.log_guid, sizeof(guid));
    if (v->log_at == 0)
        vhdx_guid_make(v, guid);
    r = append(v, sector, guid);
    if (r == 0 && v->log_at == 0)
        r = vhdx_header_write(v, guid); /* flushes the entry first: a log that is named has one */
    if (r == 0)
        note_dirty(v, sector);
    return r;
}

int vhdx_log_sector(struct vhdx *v, uint32_t sector)
{
    int r = log_one(v, sector);

    if (r < 0) /* what the guest writes next must not be undone by a change that did not happen */
        (void)!vhdx_settle(v);
    return r;
}

/* The log is full: its first MiB is enough for what is not flushed. */
static int write_sectors(struct vhdx *v)
{
    AUTO_FREE uint8_t *raw = malloc(VHDX_SECTOR_BYTES);
    int r = raw == NULL ? -ENOMEM : 0;

    for (uint32_t i = 0; r == 0 && i < v->n_dirty; i++) {
        pack_sector(v, v->dirty[i], raw);
        r = block_file_write(&v->image.file, sector_offset(v, v->dirty[i]), raw, VHDX_SECTOR_BYTES);
    }
    return r;
}

/* Until it is sure that the header names no log, the next change is one more entry of it. */
static int empty_log(struct vhdx *v)
{
    uint8_t guid[VHDX_GUID_BYTES];
    int r;

    memcpy(guid, v->header.log_guid, sizeof(guid));
    r = vhdx_header_write(v, no_log); /* flushes the BAT first */
    if (r < 0)
        return r;
    r = block_file_flush(&v->image.file); /* the log's place may be written again */
    if (r < 0) {
        memcpy(v->header.log_guid, guid, sizeof(guid));
        v->header_unsure = true;
    }
    return r;
}

int vhdx_checkpoint(struct vhdx *v)
{
    int r = vhdx_settle(v);

    if (r < 0 || (v->log_at == 0 && v->space.n_dropped == 0))
        return r;
    r = block_file_flush(&v->image.file);
    if (r == 0)
        r = write_sectors(v);
    if (r == 0)
        r = empty_log(v);
    if (r < 0)
        return r;
    v->log_at = 0;
    v->n_dirty = 0;
    block_space_durable(&v->space);
    return 0;
}

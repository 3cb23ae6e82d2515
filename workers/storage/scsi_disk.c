#include <string.h>

#include "base/num.h"
#include "workers/storage/scsi_exec.h"

enum {
    OP_WRITE_SAME16 = 0x93,
    WRITE_SAME_ANCHOR = 4, /* bits of byte 1 */
    WRITE_SAME_UNMAP = 3,
    WRITE_SAME_PBDATA = 2,
    WRITE_SAME_LBDATA = 1,
    WRITE_SAME_NDOB = 0,
    UNMAP_HEADER_BYTES = 8,
    UNMAP_DESCRIPTOR_BYTES = 16,
    CAPACITY16_BYTES = 32,
    LBA_STATUS_BYTES = 24,
};

/* LBA and number of blocks: where they are depends on the length of the CDB alone. */
struct extent {
    uint64_t lba;
    uint64_t blocks;
    unsigned blocks_byte; /* of the CDB, where their number is */
};

static struct extent extent_of(const uint8_t *cdb)
{
    switch (cdb[0] >> 5) {
    case 0:
        return (struct extent){scsi_get(cdb + 1, 3) & 0x1fffff, cdb[4] == 0 ? 256 : cdb[4], 4};
    case 4:
        return (struct extent){scsi_get(cdb + 2, 8), scsi_get(cdb + 10, 4), 10};
    case 5:
        return (struct extent){scsi_get(cdb + 2, 4), scsi_get(cdb + 6, 4), 6};
    default:
        return (struct extent){scsi_get(cdb + 2, 4), scsi_get(cdb + 7, 2), 7};
    }
}

/* @spec SBC-3 4.22: without protection information its fields must be 0; MMC has no such field */
static enum scsi_sense check_protect(struct scsi_exec *x)
{
    if (x->lun->config.kind == DISK_DVD || x->c->cdb[0] >> 5 == 0)
        return SENSE_NONE;
    return x->c->cdb[1] >> 5 == 0 ? SENSE_NONE : scsi_bad_cdb(x, 1, 7);
}

static enum scsi_sense check_extent(struct scsi_exec *x, const struct extent *e)
{
    return range_inside(e->lba, e->blocks, scsi_blocks(x->lun)) ? SENSE_NONE : SENSE_LBA_RANGE;
}

static void add_range(struct scsi_exec *x, uint64_t lba, uint64_t blocks)
{
    uint32_t block_bytes = x->lun->config.block_bytes;

    /* Inside the medium, so neither product overflows. */
    x->io->ranges[x->io->n_ranges++] = (struct scsi_range){lba * block_bytes, blocks * block_bytes};
}

/*
 * A READ or WRITE of e. The guest must have room for, or give, all of it: what a transport would call
 * an overrun is refused before anything is moved.
 */
static enum scsi_sense transfer(struct scsi_exec *x, const struct extent *e,
                                enum scsi_direction direction, enum scsi_io_kind kind)
{
    const struct scsi_config *config = &x->lun->config;
    enum scsi_sense s = check_extent(x, e);

    if (s != SENSE_NONE || e->blocks == 0)
        return s;
    if (e->blocks > config->max_bytes / config->block_bytes)
        return scsi_bad_cdb(x, e->blocks_byte, -1);
    if (x->c->direction != direction || x->c->data_len < e->blocks * config->block_bytes)
        return SENSE_INVALID_CDB;
    x->io->kind = kind;
    add_range(x, e->lba, e->blocks);
    return SENSE_NONE;
}

static bool has_fua(const uint8_t *cdb)
{
    return cdb[0] >> 5 != 0 && (cdb[1] & 8) != 0;
}

enum scsi_sense scsi_read(struct scsi_exec *x)
{
    struct extent e = extent_of(x->c->cdb);
    enum scsi_sense s = check_protect(x);

    if (s != SENSE_NONE)
        return s;
    x->io->fua = has_fua(x->c->cdb) && x->lun->config.kind == DISK_DISK;
    return transfer(x, &e, SCSI_DATA_IN, SCSI_IO_READ);
}

/* Low five bits: WRITE (6, 10, 12, 16) ends with 0Ah, WRITE AND VERIFY with 0Eh. */
static bool is_write_and_verify(const uint8_t *cdb)
{
    return (cdb[0] & 0x1f) == 0x0e;
}

enum scsi_sense scsi_write(struct scsi_exec *x)
{
    struct extent e = extent_of(x->c->cdb);
    bool verify = is_write_and_verify(x->c->cdb);
    enum scsi_sense s = check_protect(x);

    if (s != SENSE_NONE)
        return s;
    if (verify && (x->c->cdb[1] & 6) != 0)
        return scsi_bad_cdb(x, 1, 2); /* BYTCHK: nothing is compared */
    if (x->lun->config.read_only)
        return SENSE_WRITE_PROTECTED;
    /* What is to be verified must be on the medium. */
    x->io->fua = verify || has_fua(x->c->cdb);
    return transfer(x, &e, SCSI_DATA_OUT, SCSI_IO_WRITE);
}

/* That the blocks can be read is not tried: they are wherever the back end keeps them. */
enum scsi_sense scsi_verify(struct scsi_exec *x)
{
    struct extent e = extent_of(x->c->cdb);
    enum scsi_sense s = check_protect(x);

    if (s != SENSE_NONE)
        return s;
    if ((x->c->cdb[1] & 6) != 0)
        return scsi_bad_cdb(x, 1, 2); /* BYTCHK */
    return check_extent(x, &e);
}

/* All is flushed, whatever the range is; IMMED only allows to answer before that. */
enum scsi_sense scsi_flush(struct scsi_exec *x)
{
    struct extent e = extent_of(x->c->cdb);
    enum scsi_sense s = check_extent(x, &e);

    if (s == SENSE_NONE && !x->lun->config.read_only)
        x->io->kind = SCSI_IO_FLUSH;
    return s;
}

/* --- UNMAP and WRITE SAME --- */

/* LBPRZ is advertised: all of what was unmapped reads as zeros, not only its whole units. */
static void zero_instead(struct scsi_exec *x, bool may_discard)
{
    x->io->kind = SCSI_IO_ZERO;
    x->io->may_discard = may_discard;
}

/* @spec SBC-3 5.28.2: an incomplete last descriptor is ignored */
static enum scsi_sense unmap_descriptors(struct scsi_exec *x, struct span list)
{
    uint64_t left = SCSI_UNMAP_BYTES_MAX / x->lun->config.block_bytes; /* blocks */
    size_t n = list.len / UNMAP_DESCRIPTOR_BYTES;

    if (n > SCSI_RANGES_MAX)
        return scsi_bad_list(x, 2, -1);
    for (size_t i = 0; i < n; i++) {
        const uint8_t *at = list.at + i * UNMAP_DESCRIPTOR_BYTES;
        struct extent e = {scsi_get(at, 8), scsi_get(at + 8, 4), 0};

        if (check_extent(x, &e) != SENSE_NONE)
            return SENSE_LBA_RANGE;
        if (e.blocks > left)
            return scsi_bad_list(x, (unsigned)(UNMAP_HEADER_BYTES + i * UNMAP_DESCRIPTOR_BYTES + 8),
                                 -1);
        left -= e.blocks;
        if (e.blocks != 0)
            add_range(x, e.lba, e.blocks);
    }
    if (x->io->n_ranges != 0)
        zero_instead(x, true);
    return SENSE_NONE;
}

enum scsi_sense scsi_unmap(struct scsi_exec *x)
{
    uint64_t list_len = scsi_get(x->c->cdb + 7, 2);
    struct span out = scsi_out(x);
    uint64_t len;

    if (x->lun->config.discard_bytes == 0)
        return SENSE_INVALID_OPCODE;
    if ((x->c->cdb[1] & 1) != 0)
        return scsi_bad_cdb(x, 1, 0); /* ANCHOR */
    if (x->lun->config.read_only)
        return SENSE_WRITE_PROTECTED;
    if (list_len == 0)
        return SENSE_NONE;
    if (list_len < UNMAP_HEADER_BYTES || list_len > x->c->data_len || out.len < UNMAP_HEADER_BYTES)
        return SENSE_LIST_LENGTH;
    len = scsi_get(out.at + 2, 2);
    if (len > list_len - UNMAP_HEADER_BYTES || scsi_get(out.at, 2) > list_len - 2)
        return SENSE_LIST_LENGTH;
    if (len > out.len - UNMAP_HEADER_BYTES)
        return scsi_bad_list(x, 2, -1); /* too long to be looked at, and of too many descriptors */
    return unmap_descriptors(x, (struct span){out.at + UNMAP_HEADER_BYTES, (size_t)len});
}

static bool is_zero(const uint8_t *bytes, size_t len)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0;
}

static enum scsi_sense check_same_bits(struct scsi_exec *x)
{
    static const uint8_t refused[] = {WRITE_SAME_ANCHOR, WRITE_SAME_PBDATA, WRITE_SAME_LBDATA};
    uint8_t bits = x->c->cdb[1];

    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        if ((bits >> refused[i] & 1) != 0)
            return scsi_bad_cdb(x, 1, refused[i]);
    }
    if (x->c->cdb[0] == OP_WRITE_SAME16 && (bits >> WRITE_SAME_NDOB & 1) != 0)
        return scsi_bad_cdb(x, 1, WRITE_SAME_NDOB);
    if ((bits >> WRITE_SAME_UNMAP & 1) != 0 && x->lun->config.discard_bytes == 0)
        return scsi_bad_cdb(x, 1, WRITE_SAME_UNMAP);
    return check_protect(x);
}

/* @spec SBC-3 5.44: no number of blocks means all up to the end */
enum scsi_sense scsi_write_same(struct scsi_exec *x)
{
    uint32_t block_bytes = x->lun->config.block_bytes;
    struct extent e = extent_of(x->c->cdb);
    struct span out = scsi_out(x);
    enum scsi_sense s = check_same_bits(x);

    if (s != SENSE_NONE)
        return s;
    if (x->lun->config.read_only)
        return SENSE_WRITE_PROTECTED;
    s = check_extent(x, &e);
    if (s != SENSE_NONE)
        return s;
    if (e.blocks == 0)
        e.blocks = scsi_blocks(x->lun) - e.lba;
    if (e.blocks == 0)
        return SENSE_LBA_RANGE; /* it begins at the end */
    if (e.blocks > SCSI_WRITE_SAME_BYTES_MAX / block_bytes)
        return scsi_bad_cdb(x, e.blocks_byte, -1);
    if (out.len < block_bytes)
        return SENSE_INVALID_CDB;
    add_range(x, e.lba, e.blocks);
    x->io->kind = SCSI_IO_SAME;
    if (is_zero(out.at, block_bytes))
        zero_instead(x, (x->c->cdb[1] >> WRITE_SAME_UNMAP & 1) != 0);
    return SENSE_NONE;
}

/* --- what is known of the medium --- */

enum scsi_sense scsi_capacity10(struct scsi_exec *x)
{
    uint8_t *in = scsi_in(x, 8);

    scsi_put(in, 4, scsi_clip32(scsi_blocks(x->lun) - 1));
    scsi_put(in + 4, 4, x->lun->config.block_bytes);
    return scsi_give(x, 8, 8);
}

static unsigned log2_of(uint32_t v)
{
    unsigned n = 0;

    while (v > 1) {
        v >>= 1;
        n++;
    }
    return n;
}

enum scsi_sense scsi_capacity16(struct scsi_exec *x)
{
    const struct scsi_config *config = &x->lun->config;
    uint8_t *in = scsi_in(x, CAPACITY16_BYTES);

    scsi_put(in, 8, scsi_blocks(x->lun) - 1);
    scsi_put(in + 8, 4, config->block_bytes);
    in[13] = log2_of(config->physical_bytes / config->block_bytes) & 0x0f;
    if (config->discard_bytes != 0)
        in[14] = 0xc0; /* LBPME, LBPRZ */
    return scsi_give(x, CAPACITY16_BYTES, scsi_get(x->c->cdb + 10, 4));
}

/* Where holes are is not known here: all is mapped, which is never wrong. */
enum scsi_sense scsi_lba_status(struct scsi_exec *x)
{
    uint64_t lba = scsi_get(x->c->cdb + 2, 8);
    uint8_t *in;

    if (x->lun->config.discard_bytes == 0)
        return scsi_bad_cdb(x, 1, 4);
    if (lba >= scsi_blocks(x->lun))
        return SENSE_LBA_RANGE;
    in = scsi_in(x, LBA_STATUS_BYTES);
    scsi_put(in, 4, LBA_STATUS_BYTES - 4);
    scsi_put(in + 8, 8, lba);
    scsi_put(in + 16, 4, scsi_clip32(scsi_blocks(x->lun) - lba));
    return scsi_give(x, LBA_STATUS_BYTES, scsi_get(x->c->cdb + 10, 4));
}

/* --- the rest --- */

/*
 * Stopping writes the cache back, also of a unit that is stopped already: the command may be executed
 * once more by a successor that finds it so. With NO_FLUSH it need not, and no harm is done.
 */
enum scsi_sense scsi_start_stop(struct scsi_exec *x)
{
    uint8_t bits = x->c->cdb[4];
    bool start = (bits & 1) != 0;
    bool stopped = (x->lun->state.flags & SCSI_STOPPED) != 0;

    if (bits >> 4 != 0)
        return scsi_bad_cdb(x, 4, 7); /* no power conditions */
    if ((bits & 2) != 0)
        return scsi_bad_cdb(x, 4, 1); /* LOEJ: nothing can be taken out */
    if (start == stopped)
        scsi_change(x)->flags ^= SCSI_STOPPED;
    if (!start && !x->lun->config.read_only)
        x->io->kind = SCSI_IO_FLUSH;
    return SENSE_NONE;
}

/* @spec SPC-4 6.39: the default self-test; it has nothing to find */
enum scsi_sense scsi_diagnostic(struct scsi_exec *x)
{
    if (x->c->cdb[1] >> 5 != 0)
        return scsi_bad_cdb(x, 1, 7);
    if (scsi_get(x->c->cdb + 3, 2) != 0)
        return scsi_bad_cdb(x, 3, -1);
    return SENSE_NONE;
}

/*
 * tests/fuzz/fuzz_scsi.c - a unit of any configuration, and initiators that ask it anything, while
 * somebody else resizes it, changes its disc or resets it. What it answers is held against rules of
 * this file's own.
 *
 * Input: CONFIG_BYTES of configuration; then records: what and who, length of the CDB, 3 bytes of
 * data length, 16 of CDB, how many bytes of data out follow, these bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "workers/storage/scsi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    CONFIG_BYTES = 8,
    RECORD_BYTES = 22,
    STEPS_MAX = 256,
};

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* --- the rules --- */

static bool is_registered(const struct scsi_state *s, uint64_t who)
{
    bool found = false;

    for (size_t i = 0; i < COUNT_OF(s->registrants); i++)
        found |= s->registrants[i].initiator == who;
    return found;
}

/* May it, by the reservations there are? */
static bool may(const struct scsi_state *s, uint64_t who, bool write)
{
    bool exclusive = s->pr_type == 3 || s->pr_type == 6 || s->pr_type == 8;

    if (s->old_holder != 0 && s->old_holder != who)
        return false;
    if (s->pr_type == 0 || (!write && !exclusive))
        return true;
    return s->pr_type >= 5 ? is_registered(s, who) : s->pr_holder == who;
}

static bool is_told_something(const struct scsi_state *s, uint64_t who)
{
    for (size_t i = 0; i < COUNT_OF(s->notices); i++) {
        if (s->notices[i].initiator == who)
            return true;
    }
    return s->attentions != 0;
}

static void check_range(const struct scsi_config *config, const struct scsi_range *r)
{
    uint64_t medium = config->bytes / config->block_bytes * config->block_bytes;

    must(r->len != 0);
    must(r->offset % config->block_bytes == 0 && r->len % config->block_bytes == 0);
    must(range_inside(r->offset, r->len, medium));
}

static void check_transfer(const struct scsi_lun *before, const struct scsi_command *c,
                           const struct scsi_io *io)
{
    bool out = io->kind != SCSI_IO_READ;

    must(io->n_ranges == 1);
    must(c->direction == (out ? SCSI_DATA_OUT : SCSI_DATA_IN));
    if (io->kind == SCSI_IO_SAME) {
        must(io->ranges[0].len <= SCSI_WRITE_SAME_BYTES_MAX);
        must(c->out_len >= before->config.block_bytes);
        return;
    }
    must(io->ranges[0].len <= before->config.max_bytes);
    must(io->ranges[0].len <= c->data_len);
}

static void check_zero(const struct scsi_lun *before, const struct scsi_io *io)
{
    uint64_t all = 0;

    must(io->n_ranges >= 1 && io->n_ranges <= SCSI_RANGES_MAX);
    must(!io->may_discard || before->config.discard_bytes != 0);
    for (uint32_t i = 0; i < io->n_ranges; i++)
        all += io->ranges[i].len;
    must(all <= SCSI_UNMAP_BYTES_MAX);
}

static void check_io(const struct scsi_lun *before, const struct scsi_command *c,
                     const struct scsi_io *io, const struct scsi_answer *a)
{
    bool write = io->kind == SCSI_IO_WRITE || io->kind == SCSI_IO_ZERO || io->kind == SCSI_IO_SAME;

    if (io->kind == SCSI_IO_NONE) {
        must(io->n_ranges == 0);
        return;
    }
    must(a->status == SCSI_GOOD && a->in_len == 0);
    must(!is_told_something(&before->state, c->initiator));
    must((before->state.flags & SCSI_TRAY_OPEN) == 0 || before->config.kind == DISK_DISK);
    must(may(&before->state, c->initiator, io->kind != SCSI_IO_READ));
    if (write || io->kind == SCSI_IO_FLUSH)
        must(!before->config.read_only && before->config.kind == DISK_DISK);
    for (uint32_t i = 0; i < io->n_ranges; i++)
        check_range(&before->config, &io->ranges[i]);
    if (io->kind == SCSI_IO_FLUSH) {
        must(io->n_ranges == 0);
        return;
    }
    must((before->state.flags & SCSI_STOPPED) == 0);
    if (io->kind == SCSI_IO_ZERO)
        check_zero(before, io);
    else
        check_transfer(before, c, io);
}

static void check_sense(const struct scsi_answer *a)
{
    if (a->status != SCSI_CHECK_CONDITION) {
        must(a->status == SCSI_GOOD || a->status == SCSI_RESERVATION_CONFLICT);
        must(a->sense_len == 0);
        return;
    }
    must(a->sense_len == SCSI_SENSE_BYTES);
    must(a->sense[0] == 0x70 && a->sense[1] == 0 && a->sense[7] == SCSI_SENSE_BYTES - 8);
    must(a->sense[2] >= 2 && a->sense[2] <= 11 && a->sense[12] != 0);
    must(a->sense[15] == 0 || (a->sense[2] == 5 && (a->sense[15] & 0x80) != 0));
}

/* Where the CDB says how much may come back, no more does. */
static uint64_t allocation(const uint8_t *cdb)
{
    switch (cdb[0]) {
    case 0x03:
    case 0x1a:
        return cdb[4];
    case 0x12:
        return (uint64_t)cdb[3] << 8 | cdb[4];
    case 0x43:
    case 0x46:
    case 0x4a:
    case 0x51:
    case 0x52:
    case 0x5a:
    case 0x5e:
        return (uint64_t)cdb[7] << 8 | cdb[8];
    case 0xad:
    case 0xbd:
        return (uint64_t)cdb[8] << 8 | cdb[9];
    default:
        return UINT64_MAX;
    }
}

static void check_in(const struct scsi_command *c, const struct scsi_answer *a)
{
    must(a->in_len <= sizeof(a->in));
    must(a->in_len <= (c->direction == SCSI_DATA_IN ? c->data_len : 0));
    must(a->in_len <= allocation(c->cdb));
}

static void save(const struct scsi_state *s, uint8_t bytes[SCSI_STATE_BYTES])
{
    struct wr w = wr_over(bytes, SCSI_STATE_BYTES);
    size_t len = 0;

    scsi_state_save(s, &w);
    must(wr_finish(&w, &len) == 0 && len == SCSI_STATE_BYTES);
}

/* Whoever comes after has the same state. */
static void check_successor(struct scsi_lun *lun)
{
    uint8_t bytes[SCSI_STATE_BYTES], again[SCSI_STATE_BYTES];
    struct rd r = rd_over(bytes, sizeof(bytes));

    save(&lun->state, bytes);
    memset(&lun->state, 0xdd, sizeof(lun->state));
    must(scsi_state_load(&r, &lun->state) == 0);
    save(&lun->state, again);
    must(memcmp(bytes, again, sizeof(bytes)) == 0);
}

/* --- what is done --- */

static void execute(struct scsi_lun *lun, const struct scsi_command *c)
{
    static struct scsi_io io;
    static struct scsi_answer a;
    struct scsi_lun before = *lun;
    uint8_t old[SCSI_STATE_BYTES], new[SCSI_STATE_BYTES];

    memset(&io, 0xee, sizeof(io));
    memset(&a, 0xee, sizeof(a));
    scsi_execute(lun, c, &io, &a);
    check_sense(&a);
    check_in(c, &a);
    check_io(&before, c, &io, &a);
    must(memcmp(&before.config, &lun->config, sizeof(before.config)) == 0);
    save(&before.state, old);
    save(&lun->state, new);
    must(a.changed || memcmp(old, new, sizeof(old)) == 0);
    if (io.kind != SCSI_IO_NONE) {
        scsi_io_error(io.kind, -(int)c->cdb_len, &a);
        check_sense(&a);
        must(a.status == SCSI_CHECK_CONDITION);
    }
}

/* Units that do no I/O at all. */
static void ask_the_others(const struct scsi_lun *lun, const struct scsi_command *c)
{
    static struct scsi_answer a;

    memset(&a, 0xee, sizeof(a));
    scsi_parked(lun, c, &a);
    check_sense(&a);
    check_in(c, &a);
    must(!a.changed && !a.ejected);
    if (scsi_absent(c, &a)) {
        check_sense(&a);
        check_in(c, &a);
    }
    scsi_report_luns(UINT64_MAX, c, &a);
    check_sense(&a);
    must(a.in_len <= (c->direction == SCSI_DATA_IN ? c->data_len : 0));
    scsi_poisoned(&a);
    check_sense(&a);
}

static void somebody_else(struct scsi_lun *lun, unsigned what, uint64_t bytes)
{
    bool dvd = lun->config.kind == DISK_DVD;

    if (what == 0 && !dvd)
        scsi_resize(lun, bytes);
    else if (what == 1 && dvd)
        scsi_insert(lun, bytes);
    else if (what == 2)
        scsi_luns_changed(lun);
    else
        scsi_reset(lun);
}

static void configure(struct scsi_lun *lun, const uint8_t *bytes)
{
    static const uint64_t sizes[] = {0, 4096, 1 << 20, UINT64_C(1) << 40, UINT64_MAX - 1};
    struct scsi_config *config = &lun->config;

    *lun = (struct scsi_lun){0};
    config->kind = (bytes[0] & 1) != 0 ? DISK_DVD : DISK_DISK;
    config->block_bytes = config->kind == DISK_DVD ? 2048 : (bytes[0] & 2) != 0 ? 4096 : 512;
    config->physical_bytes = config->block_bytes > 2048 || (bytes[0] & 4) != 0 ? 4096 : 512;
    if (config->physical_bytes < config->block_bytes)
        config->physical_bytes = config->block_bytes;
    config->discard_bytes = (bytes[0] & 8) != 0 ? 8192 : 0;
    config->read_only = (bytes[0] & 16) != 0;
    config->persistent = (bytes[0] & 32) != 0;
    config->max_bytes = (bytes[0] & 64) != 0 ? 1 << 20 : 65536;
    config->bytes = sizes[bytes[1] % COUNT_OF(sizes)] + bytes[2];
    config->serial[0] = (char)bytes[3];
    memcpy(config->identity, bytes + 4, 4);
}

/* The data out, as long as it says and not a byte longer. */
static uint8_t *data_out(struct scsi_command *c, const uint8_t *bytes, size_t len)
{
    uint8_t *out;

    c->out_len = c->data_len < SCSI_OUT_MAX ? c->data_len : SCSI_OUT_MAX;
    out = calloc(1, c->out_len == 0 ? 1 : c->out_len);
    must(out != NULL);
    memcpy(out, bytes, len < c->out_len ? len : c->out_len);
    c->out = out;
    return out;
}

static void step(struct scsi_lun *lun, const uint8_t *record, const uint8_t *bytes, size_t len)
{
    struct scsi_command c = {.cdb_len = record[1] % 17,
                             .direction = (enum scsi_direction)(record[0] % 4 % 3),
                             .initiator = UINT64_C(1) + (record[0] >> 2 & 3U),
                             .data_len =
                                 record[2] | (uint32_t)record[3] << 8 | (uint32_t)record[4] << 16};
    uint8_t *out = NULL;

    memcpy(c.cdb, record + 5, c.cdb_len);
    if (c.direction == SCSI_DATA_OUT)
        out = data_out(&c, bytes, len);
    if (record[0] >> 4 == 15)
        somebody_else(lun, record[1] % 4, (uint64_t)c.data_len * 4096);
    else if (record[0] >> 4 == 14)
        ask_the_others(lun, &c);
    else
        execute(lun, &c);
    free(out);
    check_successor(lun);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct scsi_lun lun;

    if (size < CONFIG_BYTES)
        return 0;
    configure(&lun, data);
    data += CONFIG_BYTES;
    size -= CONFIG_BYTES;
    for (unsigned i = 0; i < STEPS_MAX && size >= RECORD_BYTES; i++) {
        const uint8_t *record = data;
        size_t len = record[RECORD_BYTES - 1];

        data += RECORD_BYTES;
        size -= RECORD_BYTES;
        len = len < size ? len : size;
        step(&lun, record, data, len);
        data += len;
        size -= len;
    }
    return 0;
}

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "workers/storage/storage.h"

/* --- finding --- */

static struct unit *unit_at(struct storage *s, unsigned controller, unsigned lun)
{
    return &s->units[controller * DISK_LUNS + lun];
}

struct unit *unit_find(struct storage *s, unsigned controller, const struct storvsp_packet *p)
{
    struct unit *u;

    if (p->path != 0 || p->target != 0 || p->lun >= DISK_LUNS)
        return NULL;
    u = unit_at(s, controller, p->lun);
    return u->present && !u->leaving ? u : NULL;
}

uint64_t unit_mask(const struct storage *s, unsigned controller)
{
    uint64_t mask = 0;

    for (unsigned i = 0; i < DISK_LUNS; i++) {
        const struct unit *u = &s->units[controller * DISK_LUNS + i];

        if (u->present && !u->leaving)
            mask |= UINT64_C(1) << i;
    }
    return mask;
}

uint32_t unit_controllers(const struct storage *s)
{
    uint32_t mask = 0;

    for (unsigned c = 0; c < DISK_CONTROLLERS; c++) {
        if (unit_mask(s, c) != 0)
            mask |= 1u << c;
    }
    return mask;
}

/* --- opening --- */

static enum block_format format_of(const struct disk_row *row)
{
    switch ((enum disk_format)row->format) {
    case DISK_VHD:
        return BLOCK_VHD;
    case DISK_VHDX:
        return BLOCK_VHDX;
    case DISK_RAW:
    case DISK_RAM:
        break;
    }
    return BLOCK_RAW;
}

int unit_open_image(struct storage *s, struct unit *u)
{
    const struct disk_row *row = &u->row;
    struct block_spec spec = {.format = format_of(row),
                              .read_only = (row->flags & DISK_READ_ONLY) != 0,
                              .chunk_bytes = row->chunk_bytes,
                              .n_members = row->n_members};

    char why[BLOCK_WHY_BYTES] = "";
    int r;

    if (s->worker->parked)
        return 0; /* it serves errors only */
    memcpy(spec.random, s->random, sizeof(spec.random));
    for (uint32_t i = 0; i < row->n_members; i++) {
        spec.files[i] = row->members[i];
        spec.file_bytes[i] = s->page.files[row->members[i]].bytes;
        spec.is_device[i] = (row->flags & DISK_BLOCK_DEVICE) != 0;
    }
    r = block_open(&spec, &s->metadata, &u->block, why);
    if (r < 0)
        board_log(&s->worker->board, LOG_LEVEL_ERROR, "disk %u:%u: %s", u->controller, u->number,
                  why[0] != '\0' ? why : strerror(-r));
    return r;
}

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

void unit_configure(const struct disks_page *page, struct unit *u)
{
    static const struct block_info nothing;
    const struct block_info *info = u->block == NULL ? &nothing : block_info(u->block);
    const struct disk_row *row = &u->row;
    struct scsi_config *c = &u->lun.config;

    *c = (struct scsi_config){
        .kind = (enum disk_kind)row->kind,
        .max_bytes = INFLIGHT_DATA_MAX,
        .discard_bytes = info->discard_bytes,
        .read_only = info->read_only || (row->flags & DISK_READ_ONLY) != 0,
    };
    c->block_bytes = row->kind == DISK_DVD    ? 2048
                     : row->block_bytes != 0  ? row->block_bytes
                     : info->block_bytes != 0 ? info->block_bytes
                                              : 512;
    c->physical_bytes = row->physical_bytes != 0    ? row->physical_bytes
                        : info->physical_bytes != 0 ? info->physical_bytes
                        : row->n_members > 0        ? page->files[row->members[0]].physical_bytes
                                                    : 0;
    if (c->physical_bytes != 4096)
        c->physical_bytes = 512;
    c->physical_bytes = larger(c->physical_bytes, c->block_bytes);
    c->bytes = info->bytes / c->block_bytes * c->block_bytes;
    memcpy(c->serial, row->serial, sizeof(c->serial));
    memcpy(c->identity, row->identity, sizeof(c->identity));
}

/* --- what is shown of it --- */

static const char *const op_names[UNIT_OPS] = {[UNIT_READ] = "read",
                                               [UNIT_WRITE] = "write",
                                               [UNIT_FLUSH] = "flush",
                                               [UNIT_DISCARD] = "discard"};

void unit_add_rows(struct storage *s, struct unit *u)
{
    struct board *b = &s->worker->board;
    struct unit_stats *t = &u->stats;

    if (t->row_errors != NULL)
        return;
    t->row_errors = board_addf(b, BOARD_COUNTER, "disk/%u:%u/errors", u->controller, u->number);
    for (unsigned op = 0; op < UNIT_OPS; op++) {
        t->row_ops[op] = board_addf(b, BOARD_COUNTER, "disk/%u:%u/%s/ops", u->controller, u->number,
                                    op_names[op]);
        t->row_bytes[op] = board_addf(b, BOARD_COUNTER, "disk/%u:%u/%s/bytes", u->controller,
                                      u->number, op_names[op]);
        t->row_latency[op] =
            board_addf(b, BOARD_HISTOGRAM, "disk/%u:%u/%s", u->controller, u->number, op_names[op]);
    }
}

void unit_count(struct unit *u, enum unit_op op, uint64_t bytes, bool failed, uint64_t took_ns)
{
    u->stats.ops[op]++;
    u->stats.bytes[op] += bytes;
    u->stats.errors[op] += failed;
    latency_count(&u->stats.latency[op], took_ns, 1);
}

static void show(struct unit *u)
{
    struct unit_stats *t = &u->stats;
    uint64_t errors = 0;

    for (unsigned op = 0; op < UNIT_OPS; op++) {
        board_set(t->row_ops[op], t->ops[op]);
        board_set(t->row_bytes[op], t->bytes[op]);
        board_latency(t->row_latency[op], &t->latency[op]);
        errors += t->errors[op];
    }
    board_set(t->row_errors, errors);
}

void units_show(struct storage *s)
{
    for (unsigned i = 0; i < STORAGE_UNITS; i++) {
        if (s->units[i].present)
            show(&s->units[i]);
    }
}

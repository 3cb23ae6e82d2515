#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "workers/journal.h"
#include "workers/storage/storage.h"

static bool has_medium(const struct disk_row *row)
{
    return (row->flags & DISK_EMPTY) == 0 && row->n_members > 0;
}

static bool grows(const struct unit *u)
{
    return u->block != NULL && u->row.format != DISK_RAW && u->row.format != DISK_RAM;
}

/* The guest looks anew at all units of a controller: at once, and again when it next asks one. */
static void tell_guest(struct storage *s, unsigned controller)
{
    for (unsigned i = 0; i < DISK_LUNS; i++) {
        struct unit *u = &s->units[controller * DISK_LUNS + i];

        if (u->present)
            scsi_luns_changed(&u->lun);
    }
    journal_commit(s->worker);
    s->to_tell |= 1u << controller;
}

/* The unit's new size, which is for the SCSI side to take note of: until then it has the old one. */
static uint64_t configure(struct storage *s, struct unit *u)
{
    uint64_t before = u->lun.config.bytes;
    uint64_t bytes;

    unit_configure(&s->page, u);
    bytes = u->lun.config.bytes;
    u->lun.config.bytes = before;
    return bytes;
}

/* What is kept is about a disk, not about its place. */
static void forget(struct storage *s, struct unit *u)
{
    if (u->present || u->was_there)
        request_disk_gone(s, u);
    u->lun.state = (struct scsi_state){0};
    u->was_there = false;
}

static void forget_other(struct storage *s, struct unit *u, const struct disk_row *row)
{
    if (memcmp(u->row.identity, row->identity, sizeof(row->identity)) != 0)
        forget(s, u);
}

/* A change that a dead generation did not come to tell of. */
static void note_missed(struct storage *s, struct unit *u, uint32_t epoch_then)
{
    uint64_t bytes = u->lun.config.bytes;

    if (u->was_there && epoch_then == u->row.epoch)
        return;
    u->lun.config.bytes = 0; /* what it was is not known: it may be another */
    if (u->was_there && u->row.kind == DISK_DVD)
        scsi_insert(&u->lun, bytes);
    else if (u->was_there)
        scsi_resize(&u->lun, bytes);
    u->lun.config.bytes = bytes;
    tell_guest(s, u->controller);
}

/*
 * A successor keeps a disk whose image cannot be opened any more, without a medium: the others must go on,
 * and so must its requests, with errors.
 */
static int open_unit(struct storage *s, const struct disk_row *row, bool succeeds)
{
    struct unit *u = &s->units[row->controller * DISK_LUNS + row->lun];
    uint32_t epoch_then = u->row.epoch;
    int r = 0;

    forget_other(s, u, row);
    u->controller = row->controller;
    u->number = row->lun;
    u->row = *row;
    if (has_medium(row) && !s->worker->parked)
        r = unit_open_image(s, u);
    if (r < 0 && !succeeds)
        return r;
    unit_configure(&s->page, u);
    u->grows = grows(u);
    u->present = true;
    unit_add_rows(s, u);
    if (succeeds)
        note_missed(s, u, epoch_then);
    return 0;
}

/* A file that comes into a slot later has not failed yet. */
static void close_image(struct storage *s, struct unit *u)
{
    for (uint32_t i = 0; i < u->row.n_members; i++)
        s->unsynced[u->row.members[i] / 64] &= ~(UINT64_C(1) << u->row.members[i] % 64);
    block_close(u->block);
    u->block = NULL;
}

/* Its requests have ended, or nobody could tell what they are about. */
static bool remove_unit(struct storage *s, struct unit *u)
{
    unsigned controller = u->controller;

    u->leaving = true;
    if (u->n_requests > 0)
        return false;
    close_image(s, u);
    forget(s, u);
    u->leaving = false;
    u->present = false;
    board_log(&s->worker->board, LOG_LEVEL_INFO, "disk %u:%u is gone", u->controller, u->number);
    tell_guest(s, controller);
    return true;
}

static int resize(struct storage *s, struct unit *u)
{
    uint64_t bytes[BLOCK_MEMBERS_MAX] = {0};
    int r;

    for (uint32_t i = 0; i < u->row.n_members; i++)
        bytes[i] = s->page.files[u->row.members[i]].bytes;
    r = block_resized(u->block, bytes);
    if (r < 0)
        return r;
    scsi_resize(&u->lun, configure(s, u));
    board_log(&s->worker->board, LOG_LEVEL_DEBUG, "disk %u:%u: %" PRIu64 " bytes now",
              u->controller, u->number, u->lun.config.bytes);
    tell_guest(s, u->controller);
    return 0;
}

/* The disc that was in it is out, or another one is in. */
static int change_medium(struct storage *s, struct unit *u, const struct disk_row *row)
{
    int r = 0;

    close_image(s, u);
    u->row = *row;
    if (has_medium(row) && !s->worker->parked)
        r = unit_open_image(s, u);
    scsi_insert(&u->lun, configure(s, u));
    board_log(&s->worker->board, LOG_LEVEL_DEBUG,
              "disk %u:%u: another medium, of %" PRIu64 " bytes", u->controller, u->number,
              u->lun.config.bytes);
    u->grows = grows(u);
    journal_commit(s->worker);
    return r;
}

/* Slots of files are used again, for other disks. */
static bool is_same_disk(const struct disk_row *a, const struct disk_row *b)
{
    return a->kind == b->kind && a->format == b->format && a->n_members == b->n_members &&
           memcmp(a->identity, b->identity, sizeof(a->identity)) == 0 &&
           memcmp(a->members, b->members, a->n_members * sizeof(a->members[0])) == 0;
}

/* False: not yet, requests are on their way. */
static bool change_unit(struct storage *s, struct unit *u, const struct disk_row *row)
{
    int r;

    if (u->row.epoch == row->epoch && is_same_disk(&u->row, row))
        return true;
    if (row->kind == DISK_DISK && is_same_disk(&u->row, row)) {
        u->row.epoch = row->epoch;
        r = u->block == NULL ? 0 : resize(s, u);
    } else if (row->kind == DISK_DVD && u->row.kind == DISK_DVD) {
        if (u->n_requests > 0)
            return false;
        r = change_medium(s, u, row);
    } else {
        return remove_unit(s, u) && false; /* another disk: it comes at the next look */
    }
    if (r < 0)
        board_log(&s->worker->board, LOG_LEVEL_ERROR, "disk %u:%u cannot be changed: %s",
                  u->controller, u->number, strerror(-r));
    return true;
}

static const struct disk_row *find_row(const struct disks_page *page, const struct unit *u)
{
    for (uint32_t i = 0; i < page->n_rows; i++) {
        const struct disk_row *row = &page->rows[i];

        if (row->kind != DISK_NONE && row->controller == u->controller && row->lun == u->number)
            return row;
    }
    return NULL;
}

/* Disks that are there: gone, or changed? */
static bool look_at_units(struct storage *s)
{
    bool settled = true;

    for (unsigned i = 0; i < STORAGE_UNITS; i++) {
        struct unit *u = &s->units[i];
        const struct disk_row *row = u->present ? find_row(&s->page, u) : NULL;

        if (u->present && row == NULL)
            settled &= remove_unit(s, u);
        else if (u->present)
            settled &= change_unit(s, u, row);
    }
    return settled;
}

/* Disks that are not: new? */
static int look_at_rows(struct storage *s, bool running)
{
    int r = 0;

    for (uint32_t i = 0; r == 0 && i < s->page.n_rows; i++) {
        const struct disk_row *row = &s->page.rows[i];

        if (row->kind == DISK_NONE || s->units[row->controller * DISK_LUNS + row->lun].present)
            continue;
        r = open_unit(s, row, !running && s->succeeds);
        if (running && r == 0)
            tell_guest(s, row->controller);
        if (running || (row->flags & DISK_ADDED) != 0) /* it is not there, and the log says why */
            r = 0;
    }
    return r;
}

/* Disks that went while nobody looked. */
static void look_for_missed(struct storage *s)
{
    for (unsigned i = 0; i < STORAGE_UNITS; i++) {
        struct unit *u = &s->units[i];

        if (u->present || !u->was_there)
            continue;
        forget(s, u);
        tell_guest(s, i / DISK_LUNS);
    }
}

int units_look(struct storage *s, bool running)
{
    uint32_t seq = atomic_load(&s->disks->seq);
    int r;

    if (seq == s->disks_seq)
        return 1;
    if (!disks_read(s->disks, &s->page))
        return 0; /* its writer rings when it is done */
    if (running && !look_at_units(s))
        return 0;
    r = look_at_rows(s, running);
    if (r < 0)
        return r;
    if (!running)
        look_for_missed(s);
    s->disks_seq = seq;
    atomic_store(&s->bus.acks->present, unit_controllers(s));
    return 1;
}

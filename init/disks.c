#include "init/disks.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/shm.h"
#include "init/disk_check.h"
#include "init/ring.h"

enum {
    DISC_BLOCK_BYTES = 2048,
    RAW_BLOCK_BYTES = 512,
};

/*
 * A worker that prepared a request before a disk was removed may submit it after. Its slot must not be
 * another disk's by then. A worker that lives takes note of a change within its deadline, one second.
 */
static const uint64_t SLOT_REST_NS = 30ull * 1000 * 1000 * 1000;

/* --- the page --- */

static void page_begin(struct disks *d)
{
    (void)atomic_fetch_add_explicit(&d->page->seq, 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
}

static void page_end(struct disks *d)
{
    const uint64_t one = 1;

    (void)atomic_fetch_add_explicit(&d->page->seq, 1, memory_order_release);
    (void)!write(d->bell_fd, &one, sizeof(one)); /* a full one is rung already */
}

static struct disk_row *find_row(struct disks *d, const Bulkhead__Disk *disk)
{
    for (uint32_t i = 0; i < d->page->n_rows; i++) {
        struct disk_row *row = &d->page->rows[i];

        if (row->kind != DISK_NONE && row->controller == disk->controller && row->lun == disk->lun)
            return row;
    }
    return NULL;
}

/* There are as many rows as places, so one is empty when the place is. */
static uint32_t empty_row(const struct disks *d)
{
    uint32_t i = 0;

    while (i < d->page->n_rows && d->page->rows[i].kind != DISK_NONE)
        i++;
    return i;
}

_Static_assert((int)DISK_ROWS >= (int)DISK_CONTROLLERS * (int)DISK_LUNS, "a row for each place");

/* --- slots --- */

static int set_file(const struct disks *d, uint32_t slot, int file_fd)
{
    return d->plain ? 0 : ring_set_file(d->ring_fd, slot, file_fd);
}

static int take_slot(struct disks *d, const struct disk_opened *file, uint32_t *ret)
{
    uint64_t now = clock_now_ns();

    for (uint32_t left = DISK_FILES; left > 0; left--) {
        uint32_t i = d->next_slot++ % DISK_FILES;
        int r;

        if (d->slots[i].file.fd >= 0 || now < d->slots[i].free_ns)
            continue;
        r = set_file(d, i, file->fd);
        if (r < 0)
            return r;
        d->slots[i].file = *file;
        *ret = i;
        return 0;
    }
    return -ENOSPC;
}

static void leave_slot(struct disks *d, uint32_t i, uint64_t free_ns)
{
    (void)!set_file(d, i, -1); /* -ENOMEM: the next file in this slot replaces it */
    disk_close(&d->slots[i].file);
    d->slots[i].free_ns = free_ns;
}

/* What the page said of them goes with the row; this comes after. */
static void leave_members(struct disks *d, const struct disk_row *row, uint64_t free_ns)
{
    for (uint32_t i = 0; i < row->n_members; i++)
        leave_slot(d, row->members[i], free_ns);
}

/* --- opening --- */

static uint32_t unit_of(const Bulkhead__Disk *disk)
{
    if (disk->kind == DISK_DVD)
        return DISC_BLOCK_BYTES;
    if (disk->format != DISK_RAW)
        return 1;
    return disk->block_bytes == 0 ? RAW_BLOCK_BYTES : disk->block_bytes;
}

static bool is_read_only(const Bulkhead__Disk *disk)
{
    return disk->read_only || disk->kind == DISK_DVD;
}

/* A disk that is to be opened. */
struct wish {
    const Bulkhead__Disk *disk;
    int given_fd; /* its file came along; -1: open the paths */
    char name[DISK_NAME_BYTES];
    struct why *why;
};

/* The lock cannot tell another VM from another disk of this one. */
static int explain_busy(const struct disks *d, const struct wish *w, const char *path, int err)
{
    struct disk_opened other = {.fd = -1};
    struct stat st;

    if (err != -EBUSY || (w->given_fd >= 0 ? fstat(w->given_fd, &st) : stat(path, &st)) < 0)
        return err;
    other.id = disk_id_of(&st);
    for (uint32_t i = 0; i < DISK_FILES; i++) {
        if (d->slots[i].file.fd >= 0 && disk_is_same(&d->slots[i].file, &other))
            return why_say(w->why, err, "%s: %s: it is already a disk of this VM", w->name,
                           disk_path_tail(path));
    }
    return err;
}

static int open_file(const struct disks *d, const struct wish *w, uint32_t i,
                     struct disk_opened *ret)
{
    const Bulkhead__Disk *disk = w->disk;
    bool read_only = is_read_only(disk);
    int r;

    if (disk->format == DISK_RAM)
        return disk_open_ram(w->name, disk->ram_bytes, ret, w->why);
    if (w->given_fd >= 0)
        r = disk_open_given(w->name, disk->paths[i], w->given_fd, read_only, unit_of(disk), ret,
                            w->why);
    else
        r = disk_open(w->name, disk->paths[i], read_only, unit_of(disk), ret, w->why);
    return explain_busy(d, w, disk->paths[i], r);
}

static int join_row(struct disks *d, const struct wish *w, const struct disk_opened *file,
                    struct disk_row *row)
{
    bool devices = (row->flags & DISK_BLOCK_DEVICE) != 0;
    uint32_t slot = 0;
    int r;

    if (row->n_members > 0 && file->id.is_block != devices)
        return why_say(w->why, -EINVAL, "%s: files and devices: all must be of one kind", w->name);
    r = take_slot(d, file, &slot);
    if (r == -ENOSPC)
        return why_say(w->why, r, "%s: no more files: %d are possible; try again in half a minute",
                       w->name, DISK_FILES);
    if (r < 0)
        return why_errno(w->why, r, "%s: io_uring", w->name);
    if (file->id.is_block)
        row->flags |= DISK_BLOCK_DEVICE;
    row->members[row->n_members++] = slot;
    return 0;
}

static int open_members(struct disks *d, const struct wish *w, struct disk_row *row)
{
    size_t n = w->disk->format == DISK_RAM ? 1 : w->disk->n_paths;
    int r = 0;

    while (r == 0 && row->n_members < n) {
        struct disk_opened file = {.fd = -1};

        r = open_file(d, w, row->n_members, &file);
        if (r == 0)
            r = join_row(d, w, &file, row);
        if (r < 0)
            disk_close(&file);
    }
    if (r < 0)
        leave_members(d, row, 0); /* nobody has heard of them */
    return r;
}

static struct wish wish_of(const Bulkhead__Disk *disk, int given_fd, struct why *why)
{
    struct wish w = {.disk = disk, .given_fd = given_fd, .why = why};

    disk_name(disk, w.name);
    return w;
}

static struct disk_row row_of(const Bulkhead__Disk *disk)
{
    struct disk_row row = {
        .kind = disk->kind,
        .format = disk->format,
        .flags = (is_read_only(disk) ? DISK_READ_ONLY : 0u) |
                 (disk->kind == DISK_DVD && disk->n_paths == 0 ? DISK_EMPTY : 0u),
        .controller = disk->controller,
        .lun = disk->lun,
        .block_bytes = disk->block_bytes,
        .physical_bytes = disk->physical_bytes,
        .chunk_bytes = disk->chunk_bytes,
        .ram_bytes = disk->ram_bytes,
    };

    memcpy(row.serial, disk->serial, strlen(disk->serial));
    memcpy(row.identity, disk->identity.data, sizeof(row.identity));
    return row;
}

/* Put a row and what its members are into the page, in place of what is there. */
static void publish(struct disks *d, struct disk_row *at, const struct disk_row *row)
{
    uint32_t epoch = at->epoch + 1;

    page_begin(d);
    for (uint32_t i = 0; i < at->n_members; i++)
        d->page->files[at->members[i]] = (struct disk_file){0};
    for (uint32_t i = 0; i < row->n_members; i++) {
        const struct disk_opened *f = &d->slots[row->members[i]].file;

        d->page->files[row->members[i]] = (struct disk_file){
            .bytes = f->bytes,
            .physical_bytes = f->physical_bytes,
            .in_use = 1,
        };
    }
    *at = *row;
    at->epoch = epoch;
    page_end(d);
}

/* --- changes --- */

/* flags: DISK_ADDED, or none. */
static int add(struct disks *d, const struct wish *w, uint32_t flags)
{
    const Bulkhead__Disk *disk = w->disk;
    uint32_t i = empty_row(d);
    struct disk_row row;
    int r = disk_check(disk, w->why);

    if (r < 0)
        return r;
    if (find_row(d, disk) != NULL)
        return why_say(w->why, -EEXIST, "%s: there is one already", w->name);
    row = row_of(disk);
    row.flags |= flags;
    r = open_members(d, w, &row);
    if (r < 0)
        return r;
    if (i >= d->page->n_rows)
        d->page->n_rows = i + 1; /* an empty row until it is published */
    publish(d, &d->page->rows[i], &row);
    return 0;
}

/*
 * While the VM runs, whoever asks may be one who was taken over. It can neither name a file for us to
 * open, nor have memory taken from the machine.
 */
static int check_given(const struct wish *w)
{
    if (w->disk->format == DISK_RAM)
        return why_say(w->why, -EPERM, "%s: a disk in memory is given when the VM starts", w->name);
    if (w->disk->n_paths > 1)
        return why_say(w->why, -EPERM, "%s: a striped disk is given when the VM starts", w->name);
    if ((w->disk->n_paths == 1) != (w->given_fd >= 0))
        return why_say(w->why, -EPERM, "%s: its file did not come along", w->name);
    return 0;
}

static int add_given(struct disks *d, const struct wish *w)
{
    int r = check_given(w);

    return r < 0 ? r : add(d, w, DISK_ADDED);
}

/* The disk in a place that is to change; a drive where it has to be one. */
static int find_present(struct disks *d, const Bulkhead__Disk *disk, bool drive,
                        struct disk_row **ret, struct why *why)
{
    int r = disk_check_place(disk, why);

    if (r < 0)
        return r;
    *ret = find_row(d, disk);
    if (*ret == NULL)
        return why_say(why, -ENOENT, "disk %u:%u: there is none", disk->controller, disk->lun);
    if (drive && (*ret)->kind != DISK_DVD)
        return why_say(why, -EINVAL, "disk %u:%u: it is no dvd drive", disk->controller, disk->lun);
    return 0;
}

static void replace(struct disks *d, struct disk_row *at, const struct disk_row *row)
{
    const struct disk_row before = *at;

    publish(d, at, row);
    leave_members(d, &before, clock_now_ns() + SLOT_REST_NS);
}

static int take_away(struct disks *d, const Bulkhead__Disk *disk, struct why *why)
{
    const struct disk_row none = {.kind = DISK_NONE};
    struct disk_row *at;
    int r = find_present(d, disk, false, &at, why);

    if (r == 0)
        replace(d, at, &none);
    return r;
}

static int eject(struct disks *d, const Bulkhead__Disk *disk, struct why *why)
{
    struct disk_row *at, row;
    int r = find_present(d, disk, true, &at, why);

    if (r < 0)
        return r;
    if ((at->flags & DISK_EMPTY) != 0)
        return why_say(why, -ENOENT, "dvd %u:%u: no disc is in it", disk->controller, disk->lun);
    row = *at;
    row.n_members = 0;
    row.flags = DISK_READ_ONLY | DISK_EMPTY | (at->flags & DISK_ADDED);
    replace(d, at, &row);
    return 0;
}

/* All but the disc is the drive's, and stays. */
static int insert(struct disks *d, const struct wish *w)
{
    Bulkhead__Disk disc;
    struct wish whole;
    struct disk_row *at, row;
    int r = find_present(d, w->disk, true, &at, w->why);

    if (r < 0)
        return r;
    bulkhead__disk__init(&disc);
    disc.kind = DISK_DVD;
    disc.controller = w->disk->controller;
    disc.lun = w->disk->lun;
    disc.paths = w->disk->paths;
    disc.n_paths = w->disk->n_paths;
    disc.identity = (ProtobufCBinaryData){sizeof(at->identity), at->identity};
    whole = wish_of(&disc, w->given_fd, w->why);
    if ((at->flags & DISK_EMPTY) == 0)
        return why_say(w->why, -EEXIST, "%s: a disc is in it: eject it first", whole.name);
    if (disc.n_paths == 0)
        return why_say(w->why, -EINVAL, "%s: no disc given", whole.name);
    r = disk_check(&disc, w->why);
    if (r == 0)
        r = check_given(&whole);
    if (r < 0)
        return r;
    row = *at;
    row.flags = DISK_READ_ONLY | (at->flags & DISK_ADDED);
    r = open_members(d, &whole, &row);
    if (r == 0)
        publish(d, at, &row);
    return r;
}

static int check_new_size(const struct disk_row *row, uint64_t before, uint64_t now,
                          struct why *why)
{
    uint32_t unit = row->block_bytes == 0 ? RAW_BLOCK_BYTES : row->block_bytes;

    if (now == 0 || now % unit != 0)
        return why_say(why, -EINVAL,
                       "disk %u:%u: a file of it has %" PRIu64 " bytes, no multiple of %u",
                       row->controller, row->lun, now, unit);
    if (now == before && row->n_members == 1)
        return why_say(why, -EINVAL,
                       "disk %u:%u: its file has %" PRIu64 " bytes as before: change it first",
                       row->controller, row->lun, now);
    return 0;
}

static int resize(struct disks *d, const Bulkhead__Disk *disk, struct why *why)
{
    uint64_t bytes[DISK_MEMBERS] = {0};
    struct disk_row *at, row;
    int r = find_present(d, disk, false, &at, why);

    if (r < 0)
        return r;
    if (at->kind != DISK_DISK || at->format != DISK_RAW)
        return why_say(why, -EINVAL, "disk %u:%u: only a raw disk can be resized while it is used",
                       disk->controller, disk->lun);
    for (uint32_t i = 0; i < at->n_members; i++) {
        const struct disk_opened *f = &d->slots[at->members[i]].file;

        r = disk_measure(f, &bytes[i]);
        if (r < 0)
            return why_errno(why, r, "disk %u:%u: its size", at->controller, at->lun);
        r = check_new_size(at, f->bytes, bytes[i], why);
        if (r < 0)
            return r;
    }
    for (uint32_t i = 0; i < at->n_members; i++)
        d->slots[at->members[i]].file.bytes = bytes[i];
    row = *at;
    publish(d, at, &row);
    return 0;
}

/* A worker has its descriptors from its start. */
static int check_possible(const struct disks *d, const Bulkhead__DiskChange *change,
                          struct why *why)
{
    if (!d->plain || change->action == BULKHEAD__DISK_CHANGE__ACTION__RESIZE)
        return 0;
    return why_say(why, -EOPNOTSUPP,
                   "disk %u:%u: this needs io_uring, which this host does not have or permit",
                   change->disk->controller, change->disk->lun);
}

int disks_change(struct disks *d, const Bulkhead__DiskChange *change, int given_fd, struct why *why)
{
    struct wish w;
    int r;

    if (d->page == NULL || change->disk == NULL)
        return why_say(why, -EINVAL, "no disk named");
    r = check_possible(d, change, why);
    if (r < 0)
        return r;
    w = wish_of(change->disk, given_fd, why);
    switch (change->action) {
    case BULKHEAD__DISK_CHANGE__ACTION__ADD:
        return add_given(d, &w);
    case BULKHEAD__DISK_CHANGE__ACTION__REMOVE:
        return take_away(d, change->disk, why);
    case BULKHEAD__DISK_CHANGE__ACTION__RESIZE:
        return resize(d, change->disk, why);
    case BULKHEAD__DISK_CHANGE__ACTION__INSERT:
        return insert(d, &w);
    case BULKHEAD__DISK_CHANGE__ACTION__EJECT:
        return eject(d, change->disk, why);
    case BULKHEAD__DISK_CHANGE__ACTION__NONE:
    case _BULKHEAD__DISK_CHANGE__ACTION_IS_INT_SIZE:
    default:
        return why_say(why, -EINVAL, "no such change of a disk");
    }
}

/* --- the whole --- */

void disks_init(struct disks *d)
{
    *d = (struct disks){.ring_fd = -1, .bell_fd = -1};
    for (uint32_t i = 0; i < DISK_FILES; i++)
        d->slots[i].file.fd = -1;
}

/* No worker runs yet: nothing of the page is read. */
static int finish(struct disks *d, unsigned vcpus, struct why *why)
{
    if (!d->plain)
        return ring_enable(d->ring_fd, d->bell_fd, why);
    d->page->plain_fd = FD_FIRST_GRANT + manifest_n_fds(PROCESS_STORAGE, vcpus);
    d->page->plain_files = d->next_slot;
    return 0;
}

unsigned disks_n_fds(const struct disks *d)
{
    return d->plain ? d->next_slot : 0;
}

int disks_grant(const struct disks *d, unsigned i)
{
    int fd = fcntl(d->slots[i].file.fd, F_DUPFD_CLOEXEC, 0);

    return fd < 0 ? -errno : fd;
}

int disks_open(struct disks *d, const struct objects *objects, const Bulkhead__VmConfig *config,
               struct why *why)
{
    void *page;
    int r =
        shm_map(objects->fds[OBJECT_DISKS][0], manifest_object_bytes(OBJECT_DISKS, 0), true, &page);

    if (r < 0)
        return why_errno(why, r, "the page of disks");
    d->page = page;
    d->page->ring = objects->ring;
    d->plain = objects->plain;
    d->ring_fd = d->plain ? -1 : objects->fds[OBJECT_RING][0];
    d->bell_fd = objects->fds[OBJECT_BELL][PROCESS_STORAGE];
    for (size_t i = 0; r == 0 && i < config->n_disks; i++) {
        const struct wish w = wish_of(config->disks[i], -1, why);

        r = add(d, &w, 0);
    }
    return r < 0 ? r : finish(d, config->vcpus, why);
}

static bool grows(const struct disk_row *row)
{
    return row->kind == DISK_DISK && (row->format == DISK_VHD || row->format == DISK_VHDX) &&
           (row->flags & DISK_BLOCK_DEVICE) == 0;
}

void disks_measure_again(struct disks *d)
{
    if (d->page == NULL)
        return;
    page_begin(d);
    for (uint32_t i = 0; i < d->page->n_rows; i++) {
        const struct disk_row *row = &d->page->rows[i];

        for (uint32_t k = 0; grows(row) && k < row->n_members; k++) {
            struct disk_opened *f = &d->slots[row->members[k]].file;

            if (disk_measure(f, &f->bytes) == 0)
                d->page->files[row->members[k]].bytes = f->bytes;
        }
    }
    page_end(d);
}

void disks_done(struct disks *d)
{
    for (uint32_t i = 0; i < DISK_FILES; i++) {
        if (d->slots[i].file.fd >= 0)
            leave_slot(d, i, 0);
    }
    if (d->page != NULL)
        (void)munmap(d->page, manifest_object_bytes(OBJECT_DISKS, 0));
    d->page = NULL;
}

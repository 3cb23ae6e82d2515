#define OPENSSL_SUPPRESS_DEPRECATED /* the one-shot functions would bring all of libcrypto */
#include "cli/disks.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <openssl/sha.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/mem.h"
#include "cli/disk_image.h"
#include "cli/image_room.h"
#include "cli/say.h"

enum {
    SECTOR_BYTES = 512,
    DVD_BLOCK_BYTES = 2048,
    CHUNK_DEFAULT = 128 * 1024,
    CHUNK_MIN = 4096,
    RAM_UNIT = 4096,
    CHUNK_MAX = 64 << 20,
};

/* What goes along while one disk after the other is looked at. */
struct checking {
    const char *vm_name;
    bool keep;
    struct disks_plan *plan;
    char *error;
    uint64_t taken[DISK_CONTROLLERS];                          /* a bit per LUN */
    const struct disk_option *by[DISK_CONTROLLERS][DISK_LUNS]; /* who took it */
    struct seen {
        dev_t device;
        ino_t inode;
        bool read_only;
    } seen[DISK_FILES];
    size_t n_seen;
};

/* How a message names a disk. */
static void name_disk(const struct disk_option *d, char text[PATH_MAX])
{
    if (d->from != NULL)
        (void)snprintf(text, PATH_MAX, "%s", d->from);
    else
        (void)snprintf(text, PATH_MAX, "--disk %s",
                       d->file != NULL                        ? d->file
                       : d->format == DISK_OPTION_RAM         ? "format=ram"
                       : d->kind == (unsigned)DISK_OPTION_DVD ? "kind=dvd"
                                                              : "");
}

static int wrong(const struct checking *c, int status, const struct disk_option *d, const char *fmt,
                 ...) PRINTF_LIKE(4, 5);

static int wrong(const struct checking *c, int status, const struct disk_option *d, const char *fmt,
                 ...)
{
    char name[PATH_MAX];
    va_list args;
    int len;

    name_disk(d, name);
    len = snprintf(c->error, DISKS_ERROR_BYTES, "%.600s: ", name);
    va_start(args, fmt);
    (void)vsnprintf(c->error + len, DISKS_ERROR_BYTES - (size_t)len, fmt, args);
    va_end(args);
    return status;
}

/* --- what can be said without looking at a file --- */

static uint64_t unit_of(const struct disk_option *d)
{
    if (d->kind == DISK_OPTION_DVD)
        return DVD_BLOCK_BYTES;
    return d->block_bytes != 0 ? d->block_bytes : SECTOR_BYTES;
}

static int check_ram(const struct checking *c, const struct disk_option *d)
{
    if (d->file != NULL || d->members.n > 0)
        return wrong(c, EXIT_USAGE, d, "a disk in memory has no file: leave it out, or format=ram");
    if (d->ram_bytes == 0)
        return wrong(c, EXIT_USAGE, d, "a disk in memory needs size=, such as size=64M");
    if (d->ram_bytes % RAM_UNIT != 0)
        return wrong(c, EXIT_USAGE, d, "size=%" PRIu64 " is not a multiple of %d", d->ram_bytes,
                     RAM_UNIT);
    if (d->read_only)
        return wrong(c, EXIT_USAGE, d, "a disk in memory that is readonly would stay empty");
    if (d->kind == DISK_OPTION_DVD)
        return wrong(c, EXIT_USAGE, d,
                     "a DVD drive has a file, or is empty: format=ram is neither");
    return 0;
}

static int check_serial(const struct checking *c, const struct disk_option *d)
{
    if (d->serial == NULL)
        return 0;
    if (strlen(d->serial) >= DISK_SERIAL_BYTES)
        return wrong(c, EXIT_USAGE, d, "serial has %zu characters, at most %d are possible",
                     strlen(d->serial), DISK_SERIAL_BYTES - 1);
    for (const char *at = d->serial; *at != '\0'; at++) {
        if (*at < ' ' || *at > '~')
            return wrong(c, EXIT_USAGE, d, "serial: printable ASCII characters are wanted");
    }
    return 0;
}

static int check_stripe(const struct checking *c, const struct disk_option *d)
{
    if (d->members.n > 0 && d->file == NULL)
        return wrong(c, EXIT_USAGE, d, "the first file of a stripe is missing: FILE, or file=FILE");
    if (d->members.n >= DISK_MEMBERS)
        return wrong(c, EXIT_USAGE, d, "a stripe has at most %d files", DISK_MEMBERS);
    if (d->chunk_bytes != 0 && d->members.n == 0)
        return wrong(c, EXIT_USAGE, d, "chunk is for a stripe: add member=FILE, or leave it out");
    if (d->chunk_bytes != 0 && (d->chunk_bytes < CHUNK_MIN || d->chunk_bytes > CHUNK_MAX ||
                                (d->chunk_bytes & (d->chunk_bytes - 1)) != 0))
        return wrong(c, EXIT_USAGE, d, "chunk=%" PRIu64 ": a power of two from 4K to 64M is wanted",
                     d->chunk_bytes);
    return 0;
}

static int check_dvd(const struct checking *c, const struct disk_option *d)
{
    if (d->kind != DISK_OPTION_DVD)
        return 0;
    if (d->members.n > 0)
        return wrong(c, EXIT_USAGE, d, "a DVD drive takes one file");
    if (d->format != DISK_OPTION_AUTO && d->format != DISK_OPTION_RAW)
        return wrong(c, EXIT_USAGE, d, "a disc's image has no format: leave it out");
    if (d->block_bytes != 0 || d->physical_block_bytes != 0)
        return wrong(c, EXIT_USAGE, d, "a disc's blocks have 2048 bytes: leave their sizes out");
    return 0;
}

static int check_fields(const struct checking *c, const struct disk_option *d)
{
    bool sized_by_format = d->format == DISK_OPTION_VHD || d->format == DISK_OPTION_VHDX;
    int r = check_serial(c, d);

    if (r == 0 && d->format == DISK_OPTION_RAM)
        return check_ram(c, d);
    if (r == 0)
        r = check_stripe(c, d);
    if (r == 0)
        r = check_dvd(c, d);
    if (r != 0)
        return r;
    if (d->ram_bytes != 0)
        return wrong(c, EXIT_USAGE, d, "size is for format=ram: a file has its own");
    if (d->file == NULL && d->kind != DISK_OPTION_DVD)
        return wrong(c, EXIT_USAGE, d,
                     "a file is missing (only a DVD drive may be empty: kind=dvd)");
    if (d->block_bytes != 0 && sized_by_format)
        return wrong(c, EXIT_USAGE, d, "block-size is for raw images: leave it out here");
    if (d->physical_block_bytes != 0 && d->physical_block_bytes < d->block_bytes)
        return wrong(c, EXIT_USAGE, d, "physical-block-size is less than block-size");
    return 0;
}

/* --- its place --- */

static void take_lun(struct checking *c, struct disk_plan *p, uint64_t lun)
{
    p->lun = (uint32_t)lun;
    c->taken[p->option->controller] |= UINT64_C(1) << lun;
    c->by[p->option->controller][lun] = p->option;
}

static int take_given_lun(struct checking *c, struct disk_plan *p)
{
    const struct disk_option *d = p->option;
    char other[PATH_MAX];

    if (d->lun == DISK_OPTION_ANY_LUN)
        return 0;
    if ((c->taken[d->controller] >> d->lun & 1) == 0) {
        take_lun(c, p, d->lun);
        return 0;
    }
    name_disk(c->by[d->controller][d->lun], other);
    return wrong(c, EXIT_USAGE, d,
                 "lun %" PRIu64 " of controller %" PRIu64 " is taken by %.200s: choose another",
                 d->lun, d->controller, other);
}

static int take_free_lun(struct checking *c, struct disk_plan *p)
{
    uint64_t taken = c->taken[p->option->controller];

    if (p->option->lun != DISK_OPTION_ANY_LUN)
        return 0;
    if (taken == UINT64_MAX)
        return wrong(c, EXIT_USAGE, p->option,
                     "controller %" PRIu64 " is full (%d disks): add controller=N, up to %d",
                     p->option->controller, DISK_LUNS, DISK_CONTROLLERS - 1);
    take_lun(c, p, (uint64_t)__builtin_ctzll(~taken));
    return 0;
}

/* First those that say where they are. */
static int take_luns(struct checking *c)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < c->plan->n; i++)
        r = take_given_lun(c, &c->plan->at[i]);
    for (size_t i = 0; r == 0 && i < c->plan->n; i++)
        r = take_free_lun(c, &c->plan->at[i]);
    return r;
}

/* --- its files --- */

/* The format that was said or, unsaid, that name and content agree on. */
static int settle_format(const struct checking *c, struct disk_plan *p, const char *path,
                         const struct disk_image *f)
{
    static const enum disk_content contents[] = {
        [DISK_RAW] = DISK_CONTENT_NONE,
        [DISK_VHD] = DISK_CONTENT_VHD,
        [DISK_VHDX] = DISK_CONTENT_VHDX,
    };
    bool said = p->option->format != DISK_OPTION_AUTO;
    enum disk_format format =
        said ? (enum disk_format)(p->option->format - DISK_OPTION_RAW) : disk_name_says(path);

    if (p->n_files > 0 && format != p->format)
        return wrong(c, EXIT_USAGE, p->option,
                     "%s is not of the first file's format: all files of a stripe have one", path);
    if (p->kind == DISK_DVD) { /* as it is */
        p->format = DISK_RAW;
        return 0;
    }
    p->format = format;
    if (f->content == contents[format] || (said && format == DISK_RAW))
        return 0;
    if (said)
        return wrong(c, EXIT_USAGE, p->option, "it is not %s: say format=raw, or name another file",
                     disk_content_name(contents[format]));
    if (f->content == DISK_CONTENT_VHD || f->content == DISK_CONTENT_VHDX)
        return wrong(c, EXIT_USAGE, p->option,
                     "its name is that of %s, but it is %s: say which by format=raw or format=%s",
                     disk_content_name(contents[format]), disk_content_name(f->content),
                     f->content == DISK_CONTENT_VHD ? "vhd" : "vhdx");
    if (f->content != DISK_CONTENT_NONE)
        return wrong(c, EXIT_USAGE, p->option,
                     "%s is not supported: convert it (qemu-img convert -O raw), or say format=raw "
                     "to show the guest its bytes",
                     disk_content_name(f->content));
    return wrong(c, EXIT_USAGE, p->option, "its name is that of %s, but it is none: say format=raw",
                 disk_content_name(contents[format]));
}

static int check_length(const struct checking *c, const struct disk_plan *p, const char *path,
                        const struct disk_image *f)
{
    uint64_t unit = unit_of(p->option);

    if (p->format != DISK_RAW || f->bytes % unit == 0)
        return 0;
    return wrong(c, EXIT_USAGE, p->option,
                 "its length, %" PRIu64 ", is not a multiple of %" PRIu64
                 " (fill it up: truncate --size %%%" PRIu64 " %s)",
                 f->bytes, unit, unit, path);
}

/* One image at two places would be changed behind the guest's back. Before it is locked: by us. */
static int check_once(struct checking *c, const struct disk_plan *p, const char *path)
{
    bool block;
    struct seen now;
    struct stat st;

    if (stat(path, &st) < 0)
        return 0; /* opening it tells why */
    block = S_ISBLK(st.st_mode);
    now = (struct seen){.device = block ? st.st_rdev : st.st_dev,
                        .inode = block ? 0 : st.st_ino,
                        .read_only = p->read_only};
    for (size_t i = 0; i < c->n_seen; i++) {
        const struct seen *s = &c->seen[i];

        if (s->device == now.device && s->inode == now.inode && !(s->read_only && now.read_only))
            return wrong(c, EXIT_USAGE, p->option,
                         "%s is given twice: leave one out, or make all of them readonly", path);
    }
    if (c->n_seen == (c->keep ? (size_t)DISKS_NESTED_FILES : COUNT_OF(c->seen)))
        return wrong(c, EXIT_USAGE, p->option, "too many files: at most %zu%s are possible",
                     c->n_seen, c->keep ? " in nested mode" : "");
    c->seen[c->n_seen++] = now;
    return 0;
}

static int check_file(struct checking *c, struct disk_plan *p, const char *path)
{
    char real[PATH_MAX];
    char why[DISK_IMAGE_WHY_BYTES];
    struct disk_image f = {.fd = -1};
    AUTO_FD fd = -1;
    int r = check_once(c, p, path);

    if (r != 0)
        return r;
    r = disk_image_open(path, p->read_only, &f, why);
    if (r != 0)
        return wrong(c, r, p->option, "%s%s%s", path == p->option->file ? "" : path,
                     path == p->option->file ? "" : ": ", why);
    fd = f.fd;
    r = settle_format(c, p, path, &f);
    if (r == 0)
        r = check_length(c, p, path, &f);
    if (r != 0)
        return r;
    if (realpath(path, real) == NULL)
        return wrong(c, EXIT_FAILED, p->option, "%s", strerror(errno));
    p->paths[p->n_files] = pool_text(&c->plan->pool, real, strlen(real));
    if (p->paths[p->n_files] == NULL)
        return wrong(c, EXIT_FAILED, p->option, "%s", strerror(ENOMEM));
    p->is_device[p->n_files] = f.is_device;
    p->file_bytes[p->n_files] = f.bytes;
    p->fds[p->n_files++] = c->keep ? fd_steal(&fd) : -1;
    return 0;
}

static int check_files(struct checking *c, struct disk_plan *p)
{
    const struct disk_option *d = p->option;
    int r = 0;

    p->format = d->format == DISK_OPTION_RAM ? DISK_RAM : DISK_RAW;
    if (d->file != NULL)
        r = check_file(c, p, d->file);
    for (size_t i = 0; r == 0 && i < d->members.n; i++)
        r = check_file(c, p, d->members.at[i]);
    return r;
}

/* --- what it is known by --- */

void disks_identity(const char *vm_name, uint32_t controller, uint32_t lun, const char *serial,
                    const char *path, uint8_t ret[DISK_IDENTITY_BYTES])
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    uint8_t place[3] = {(uint8_t)controller, (uint8_t)lun, serial != NULL ? 's' : 'p'};
    const char *what = serial != NULL ? serial : path;
    SHA256_CTX sha;

    (void)SHA256_Init(&sha);
    (void)SHA256_Update(&sha, vm_name, strlen(vm_name) + 1);
    (void)SHA256_Update(&sha, place, sizeof(place));
    (void)SHA256_Update(&sha, what, strlen(what));
    (void)SHA256_Final(digest, &sha);
    memcpy(ret, digest, DISK_IDENTITY_BYTES);
}

/*
 * The path as it was given, absolute, its folder without symbolic links: a link like those of
 * /dev/disk/by-id is stable, what it points to is not.
 */
static void stable_path(const char *path, char ret[2 * PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    char folder[PATH_MAX] = ".";
    char real[PATH_MAX];

    ret[0] = '\0';
    if (slash != NULL)
        (void)snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path) + 1, path);
    if (realpath(folder, real) != NULL)
        (void)snprintf(ret, 2 * PATH_MAX, "%s/%s", real, slash != NULL ? slash + 1 : path);
}

static void identify(const struct checking *c, struct disk_plan *p)
{
    const struct disk_option *d = p->option;
    const char *serial = d->identity != NULL ? d->identity : d->serial;
    char path[2 * PATH_MAX] = "";

    if (d->file != NULL)
        stable_path(d->file, path);
    disks_identity(c->vm_name, (uint32_t)d->controller, p->lun, serial, path, p->identity);
}

/* --- all of it --- */

static void begin(struct disk_plan *p, const struct disk_option *d)
{
    p->option = d;
    p->kind = d->kind == DISK_OPTION_DVD ? DISK_DVD : DISK_DISK;
    p->read_only = d->read_only || p->kind == DISK_DVD;
    if (d->members.n > 0)
        p->chunk_bytes = d->chunk_bytes != 0 ? (uint32_t)d->chunk_bytes : CHUNK_DEFAULT;
    for (unsigned i = 0; i < DISK_MEMBERS; i++)
        p->fds[i] = -1;
}

static int check_all(struct checking *c)
{
    struct disks_plan *plan = c->plan;
    int r = 0;

    for (size_t i = 0; r == 0 && i < plan->n; i++)
        r = check_fields(c, plan->at[i].option);
    if (r == 0)
        r = take_luns(c);
    for (size_t i = 0; r == 0 && i < plan->n; i++)
        r = check_files(c, &plan->at[i]);
    for (size_t i = 0; r == 0 && i < plan->n; i++)
        identify(c, &plan->at[i]);
    return r;
}

int disks_check(const char *vm_name, const struct disk_list *list, bool keep,
                struct disks_plan *ret, char error[DISKS_ERROR_BYTES])
{
    AUTO_FREE struct checking *c = calloc(1, sizeof(*c)); /* its tables are too much for a stack */

    *ret = (struct disks_plan){0};
    if (list->n == 0)
        return 0;
    ret->at = pool_alloc(&ret->pool, list->n * sizeof(*ret->at));
    if (c == NULL || ret->at == NULL) {
        (void)snprintf(error, DISKS_ERROR_BYTES, "%s", strerror(ENOMEM));
        return EXIT_FAILED;
    }
    *c = (struct checking){.vm_name = vm_name, .keep = keep, .plan = ret, .error = error};
    ret->n = list->n;
    for (size_t i = 0; i < list->n; i++)
        begin(&ret->at[i], &list->at[i]);
    return check_all(c);
}

static int make_room(const struct checking *c, const struct disk_plan *p, uint32_t i)
{
    uint64_t room =
        p->read_only || p->is_device[i] ? 0 : image_room(p->fds[i], p->format, p->file_bytes[i]);
    int r = room == 0 ? 0 : image_grow(p->fds[i], p->format, room);

    if (r < 0)
        return wrong(c, EXIT_FAILED, p->option,
                     "%s cannot be made as long as it may become (%" PRIu64 " MiB): %s",
                     p->paths[i], room >> 20, strerror(-r));
    return 0;
}

int disks_make_room(const struct disks_plan *plan, char error[DISKS_ERROR_BYTES])
{
    const struct checking c = {.error = error};
    int r = 0;

    for (size_t i = 0; r == 0 && i < plan->n; i++) {
        for (uint32_t f = 0; r == 0 && f < plan->at[i].n_files; f++)
            r = make_room(&c, &plan->at[i], f);
    }
    return r;
}

void disks_done(struct disks_plan *plan)
{
    for (size_t i = 0; i < plan->n; i++) {
        for (uint32_t f = 0; f < plan->at[i].n_files; f++)
            fd_closep(&plan->at[i].fds[f]);
    }
    pool_done(&plan->pool);
    *plan = (struct disks_plan){0};
}

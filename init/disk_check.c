#include "init/disk_check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "init/config.h"
#include "ipc/disks.h"

static const uint64_t RAM_DISK_MAX_BYTES = UINT64_C(1) << 46; /* what x86-64 addresses */

/* In a VM the device's path takes the place of its serial number first (nested_disks.h). */
static const char by_serial[] = "serial:";

enum {
    IDENTITY_BYTES = sizeof(((struct disk_row *)NULL)->identity),
    BLOCK_BYTES = 512,
};

void disk_name(const Bulkhead__Disk *disk, char ret[DISK_NAME_BYTES])
{
    (void)snprintf(ret, DISK_NAME_BYTES, "%s %u:%u", disk->kind == DISK_DVD ? "dvd" : "disk",
                   disk->controller, disk->lun);
}

const char *disk_path_tail(const char *path)
{
    size_t len = strlen(path);

    return len <= DISK_WHY_PATH ? path : path + len - DISK_WHY_PATH;
}

static bool is_one_of(uint32_t v, uint32_t a, uint32_t b, uint32_t c)
{
    return v == a || v == b || v == c;
}

int disk_check_place(const Bulkhead__Disk *disk, struct why *why)
{
    if (disk->controller >= DISK_CONTROLLERS)
        return why_say(why, -EINVAL, "disk: controller %u: there are 0 to %d", disk->controller,
                       DISK_CONTROLLERS - 1);
    if (disk->lun >= DISK_LUNS)
        return why_say(why, -EINVAL, "disk: lun %u: a controller has 0 to %d", disk->lun,
                       DISK_LUNS - 1);
    return 0;
}

static int check_kind(const Bulkhead__Disk *d, const char *name, struct why *why)
{
    if (d->kind != DISK_DISK && d->kind != DISK_DVD)
        return why_say(why, -EINVAL, "%s: kind %u: %d is a disk, %d a dvd", name, d->kind,
                       DISK_DISK, DISK_DVD);
    if (d->format > DISK_RAM)
        return why_say(why, -EINVAL, "%s: format %u: 0 is raw, 1 VHD, 2 VHDX, 3 memory", name,
                       d->format);
    if (d->kind == DISK_DVD && d->format != DISK_RAW)
        return why_say(why, -EINVAL, "%s: a disc's image has no format: leave it raw", name);
    return 0;
}

static int check_blocks(const Bulkhead__Disk *d, const char *name, struct why *why)
{
    if (!is_one_of(d->block_bytes, 0, 512, 4096))
        return why_say(why, -EINVAL, "%s: blocks of %u bytes: 512 and 4096 are possible", name,
                       d->block_bytes);
    if (!is_one_of(d->physical_bytes, 0, 512, 4096))
        return why_say(why, -EINVAL, "%s: physical blocks of %u bytes: 512 and 4096 are possible",
                       name, d->physical_bytes);
    if (d->physical_bytes != 0 && d->physical_bytes < d->block_bytes)
        return why_say(why, -EINVAL, "%s: physical blocks are smaller than blocks", name);
    if (d->kind == DISK_DVD && (d->block_bytes != 0 || d->physical_bytes != 0))
        return why_say(why, -EINVAL, "%s: a disc's blocks have 2048 bytes: give no size", name);
    return 0;
}

static int check_members(const Bulkhead__Disk *d, const char *name, struct why *why)
{
    if (d->n_paths > DISK_MEMBERS)
        return why_say(why, -EINVAL, "%s: %zu files: at most %d are possible", name, d->n_paths,
                       DISK_MEMBERS);
    if (d->format == DISK_RAM && d->n_paths > 0)
        return why_say(why, -EINVAL, "%s: a disk in memory has no file", name);
    if (d->kind == DISK_DVD && d->n_paths > 1)
        return why_say(why, -EINVAL, "%s: %zu discs: a drive takes one", name, d->n_paths);
    if (d->kind == DISK_DISK && d->format != DISK_RAM && d->n_paths == 0)
        return why_say(why, -EINVAL, "%s: no file given", name);
    return 0;
}

static int check_stripe(const Bulkhead__Disk *d, const char *name, struct why *why)
{
    if (d->n_paths > 1 && d->chunk_bytes == 0)
        return why_say(why, -EINVAL, "%s: %zu files, but no chunk size", name, d->n_paths);
    if (d->n_paths <= 1 && d->chunk_bytes != 0)
        return why_say(why, -EINVAL, "%s: a chunk size, but no second file", name);
    if (d->chunk_bytes % DISK_CHUNK_UNIT != 0)
        return why_say(why, -EINVAL, "%s: chunks of %u bytes: a multiple of %d is needed", name,
                       d->chunk_bytes, DISK_CHUNK_UNIT);
    return 0;
}

static bool has_control(const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return true;
    }
    return false;
}

static int check_paths(const Bulkhead__Disk *d, const char *name, struct why *why)
{
    for (size_t i = 0; i < d->n_paths; i++) {
        const char *path = d->paths[i];

        if (path[0] == '\0')
            return why_say(why, -EINVAL, "%s: an empty path", name);
        if (strlen(path) > CONFIG_MAX_PATH)
            return why_say(why, -EINVAL, "%s: a path of %zu characters, at most %d are possible",
                           name, strlen(path), CONFIG_MAX_PATH);
        if (has_control(path))
            return why_say(why, -EINVAL, "%s: a path with control characters", name);
        if (path[0] != '/' && strncmp(path, by_serial, strlen(by_serial)) != 0)
            return why_say(why, -EINVAL, "%s: %s: not an absolute path", name,
                           disk_path_tail(path));
    }
    return 0;
}

static bool is_printable(const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7f)
            return false;
    }
    return true;
}

static int check_identity(const Bulkhead__Disk *d, const char *name, struct why *why)
{
    if (strlen(d->serial) >= DISK_SERIAL_BYTES)
        return why_say(why, -EINVAL, "%s: a serial number of %zu characters, at most %d fit", name,
                       strlen(d->serial), DISK_SERIAL_BYTES - 1);
    if (!is_printable(d->serial))
        return why_say(why, -EINVAL, "%s: the serial number has other than printable ASCII", name);
    if (d->identity.len != IDENTITY_BYTES)
        return why_say(why, -EINVAL, "%s: an identity of %zu bytes, %d are needed", name,
                       d->identity.len, IDENTITY_BYTES);
    return 0;
}

static int check_ram(const Bulkhead__Disk *d, const char *name, struct why *why)
{
    uint32_t block = d->block_bytes == 0 ? BLOCK_BYTES : d->block_bytes;

    if (d->format != DISK_RAM)
        return d->ram_bytes == 0
                   ? 0
                   : why_say(why, -EINVAL, "%s: a size in memory, but it is in a file", name);
    if (d->ram_bytes == 0 || d->ram_bytes % block != 0 || d->ram_bytes > RAM_DISK_MAX_BYTES)
        return why_say(why, -EINVAL,
                       "%s: %" PRIu64 " bytes of memory: give a size in blocks of %u bytes", name,
                       d->ram_bytes, block);
    if (d->read_only)
        return why_say(why, -EINVAL, "%s: a disk in memory that is read-only stays empty", name);
    return 0;
}

int disk_check(const Bulkhead__Disk *disk, struct why *why)
{
    static int (*const checks[])(const Bulkhead__Disk *, const char *, struct why *) = {
        check_kind,  check_blocks,   check_members, check_stripe,
        check_paths, check_identity, check_ram,
    };
    char name[DISK_NAME_BYTES];
    int r = disk_check_place(disk, why);

    disk_name(disk, name);
    for (size_t i = 0; r == 0 && i < COUNT_OF(checks); i++)
        r = checks[i](disk, name, why);
    return r;
}

int disk_check_all(Bulkhead__Disk *const *disks, size_t n, struct why *why)
{
    const Bulkhead__Disk *at[DISK_CONTROLLERS][DISK_LUNS] = {0};
    int r = 0;

    for (size_t i = 0; r == 0 && i < n; i++) {
        r = disk_check(disks[i], why);
        if (r < 0)
            break;
        if (at[disks[i]->controller][disks[i]->lun] != NULL)
            return why_say(why, -EINVAL, "disk %u:%u: given twice: each needs a lun of its own",
                           disks[i]->controller, disks[i]->lun);
        at[disks[i]->controller][disks[i]->lun] = disks[i];
    }
    return r;
}

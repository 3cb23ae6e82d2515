#include "init/disk_open.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macro.h"
#include "init/disk_check.h"

enum {
    SECTOR = 512,
    PHYSICAL_LARGE = 4096,
    /*
     * The kernel lets go of a ring's files some time after its last descriptor is closed: Linux 6.1
     * within a second. A VM that starts again at once has to wait for the one before.
     */
    BUSY_TRIES = 40,
    BUSY_PAUSE_US = 50 * 1000,
};

struct opening {
    const char *name;
    const char *path; /* as it is shown */
    bool read_only;
    unsigned tries;
    struct why *why;
};

static int say(const struct opening *o, int err, const char *text)
{
    return why_say(o->why, err, "%s: %s: %s", o->name, o->path, text);
}

/* --- the file itself --- */

/* What open(2) may say, and what an operator can do about it. */
static int say_not_opened(const struct opening *o, int err)
{
    switch (-err) {
    case ENOENT:
    case ENOTDIR:
        return say(o, err, "there is no such file: create it, or correct the path");
    case EACCES:
    case EPERM:
        return say(o, err,
                   o->read_only ? "no permission to read it: look at its mode and its file system"
                                : "no permission to write it: look at its mode and its file "
                                  "system, or make the disk read-only");
    case EROFS:
        return say(o, err, "its file system is read-only: make the disk read-only, too");
    case ETXTBSY:
        return say(o, err, "it is a program that runs, or a swap file");
    case EBUSY:
        return say(o, err, "the device is in use: unmount it, or end the other VM");
    case ENXIO:
    case ENODEV:
    case ENOMEDIUM:
        return say(o, err, "there is no such device: is it connected, and is a medium in it?");
    case ELOOP:
        return say(o, err, "its symbolic links go round in circles");
    case EAGAIN:
        return say(o, err, "another program has a lease on it: end that program");
    case EMFILE:
    case ENFILE:
        return say(o, err, "too many open files: raise the limit (ulimit -n)");
    default:
        return why_errno(o->why, err, "%s: %s", o->name, o->path);
    }
}

static int check_type(const struct opening *o, const struct stat *st)
{
    switch (st->st_mode & S_IFMT) {
    case S_IFREG:
    case S_IFBLK:
        return 0;
    case S_IFDIR:
        return say(o, -EISDIR, "it is a directory: name the image in it");
    case S_IFIFO:
        return say(o, -EINVAL, "it is a pipe: a disk needs a regular file or a block device");
    case S_IFSOCK:
        return say(o, -EINVAL, "it is a socket: a disk needs a regular file or a block device");
    case S_IFCHR:
        return say(o, -EINVAL,
                   "it is a character device: a disk needs a regular file or a block device");
    default:
        return say(o, -EINVAL, "it is neither a regular file nor a block device");
    }
}

/*
 * In two steps: opening a device can have effects, so its type is known before. The path is followed
 * once; what it leads to is what is opened.
 */
static int open_found(const struct opening *o, int found, int *ret_fd, struct stat *ret_st)
{
    char again[32];
    int flags = (o->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    int r;

    if (fstat(found, ret_st) < 0)
        return say_not_opened(o, -errno);
    r = check_type(o, ret_st);
    if (r < 0)
        return r;
    if (S_ISBLK(ret_st->st_mode) && !o->read_only)
        flags |= O_EXCL;
    (void)snprintf(again, sizeof(again), "/proc/self/fd/%d", found);
    *ret_fd = open(again, flags);
    return *ret_fd < 0 ? say_not_opened(o, -errno) : 0;
}

/*
 * io_uring takes O_NONBLOCK to mean that a request which would wait is to fail. That a guest read is nothing to
 * write into the image's inode; but only its owner may say so.
 */
static int set_flags(const struct opening *o, int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0)
        return say_not_opened(o, -errno);
    (void)fcntl(fd, F_SETFL, (flags & ~O_NONBLOCK) | O_NOATIME);
    return 0;
}

/* --- alone --- */

static int lock(const struct opening *o, int fd)
{
    struct flock l = {.l_type = o->read_only ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET};

    if (fcntl(fd, F_OFD_SETLK, &l) == 0)
        return 0;
    if (errno == EAGAIN || errno == EACCES)
        return say(o, -EBUSY,
                   o->read_only
                       ? "in use by another VM, which writes it: end that VM"
                       : "in use by another VM: end it, or make the disk read-only in both");
    if (errno == ENOLCK || errno == ENOTSUP || errno == ENOSYS || errno == EINVAL)
        return say(o, -ENOLCK, "its file system has no locks: keep it on another");
    return why_errno(o->why, -errno, "%s: %s: its lock", o->name, o->path);
}

/* --- numbers --- */

int disk_measure(const struct disk_opened *file, uint64_t *ret_bytes)
{
    struct stat st;
    uint64_t bytes;

    if (file->id.is_block) {
        if (ioctl(file->fd, BLKGETSIZE64, &bytes) < 0)
            return -errno;
    } else {
        if (fstat(file->fd, &st) < 0)
            return -errno;
        bytes = (uint64_t)st.st_size;
    }
    *ret_bytes = bytes;
    return 0;
}

static uint32_t physical_of(const struct disk_opened *file, const struct stat *st)
{
    unsigned device = 0;

    if (!file->id.is_block)
        return st->st_blksize >= PHYSICAL_LARGE ? PHYSICAL_LARGE : SECTOR;
    if (ioctl(file->fd, BLKPBSZGET, &device) < 0)
        return SECTOR;
    return device >= PHYSICAL_LARGE ? PHYSICAL_LARGE : SECTOR;
}

static int check_size(const struct opening *o, uint64_t bytes, uint32_t unit_bytes)
{
    if (bytes == 0)
        return say(o, -EINVAL, "it is empty: give it a size (truncate -s 10G FILE)");
    if (bytes > INT64_MAX)
        return say(o, -EFBIG, "it is larger than any file");
    if (bytes % unit_bytes != 0)
        return why_say(o->why, -EINVAL,
                       "%s: %s: its %" PRIu64 " bytes are no multiple of %u: it was cut, or has "
                       "another format or sector size",
                       o->name, o->path, bytes, unit_bytes);
    return 0;
}

struct disk_id disk_id_of(const struct stat *st)
{
    bool is_block = S_ISBLK(st->st_mode);

    return (struct disk_id){
        .dev = is_block ? st->st_rdev : st->st_dev,
        .ino = is_block ? 0 : st->st_ino,
        .is_block = is_block,
    };
}

static int open_and_check(const struct opening *o, int found, uint32_t unit_bytes,
                          struct disk_opened *file)
{
    struct stat st;
    int r = open_found(o, found, &file->fd, &st);

    if (r < 0)
        return r;
    file->id = disk_id_of(&st);
    r = set_flags(o, file->fd);
    if (r == 0)
        r = lock(o, file->fd);
    if (r < 0)
        return r;
    r = disk_measure(file, &file->bytes);
    if (r < 0)
        return why_errno(o->why, r, "%s: %s: its size", o->name, o->path);
    file->physical_bytes = physical_of(file, &st);
    return check_size(o, file->bytes, unit_bytes);
}

static int open_for(const struct opening *o, int found, uint32_t unit_bytes,
                    struct disk_opened *ret)
{
    int r = -EBUSY;

    for (unsigned left = o->tries; r == -EBUSY && left > 0; left--) {
        struct disk_opened file = {.fd = -1};

        if (left < o->tries)
            (void)usleep(BUSY_PAUSE_US);
        r = open_and_check(o, found, unit_bytes, &file);
        if (r < 0)
            disk_close(&file);
        else
            *ret = file;
    }
    return r;
}

int disk_open(const char *name, const char *path, bool read_only, uint32_t unit_bytes,
              struct disk_opened *ret, struct why *why)
{
    const struct opening o = {name, disk_path_tail(path), read_only, BUSY_TRIES, why};
    AUTO_FD found = path[0] == '/' ? open(path, O_PATH | O_CLOEXEC) : -1;

    if (path[0] != '/')
        return say(&o, -EINVAL, "not an absolute path");
    return found < 0 ? say_not_opened(&o, -errno) : open_for(&o, found, unit_bytes, ret);
}

/* What its holder could not do with it, must not become possible by our privileges. */
static int check_given(const struct opening *o, int given_fd)
{
    int flags = fcntl(given_fd, F_GETFL);

    if (flags < 0)
        return say_not_opened(o, -errno);
    if ((flags & O_PATH) != 0 || (flags & O_ACCMODE) == O_WRONLY)
        return say(o, -EACCES, "it came along, but was not opened for reading");
    if (!o->read_only && (flags & O_ACCMODE) != O_RDWR)
        return say(o, -EACCES, "it came along, but was not opened for writing");
    return 0;
}

int disk_open_given(const char *name, const char *path, int given_fd, bool read_only,
                    uint32_t unit_bytes, struct disk_opened *ret, struct why *why)
{
    const struct opening o = {name, disk_path_tail(path), read_only, 1, why};
    int r = check_given(&o, given_fd);

    return r < 0 ? r : open_for(&o, given_fd, unit_bytes, ret);
}

int disk_open_ram(const char *name, uint64_t bytes, struct disk_opened *ret, struct why *why)
{
    AUTO_FD fd = memfd_create("ram-disk", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    struct stat st;

    if (fd < 0 || fchmod(fd, 0600) < 0 || ftruncate(fd, (off_t)bytes) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0 ||
        fallocate(fd, 0, 0, (off_t)bytes) < 0 || fstat(fd, &st) < 0)
        return why_errno(why, -errno, "%s: %" PRIu64 " MiB of memory", name, bytes >> 20);
    *ret = (struct disk_opened){.bytes = bytes, .physical_bytes = PHYSICAL_LARGE};
    ret->id = disk_id_of(&st);
    ret->fd = fd_steal(&fd);
    return 0;
}

bool disk_is_same(const struct disk_opened *a, const struct disk_opened *b)
{
    return a->id.is_block == b->id.is_block && a->id.dev == b->id.dev && a->id.ino == b->id.ino;
}

void disk_close(struct disk_opened *file)
{
    fd_closep(&file->fd);
}

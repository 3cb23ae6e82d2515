#include "cli/disk_image.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/say.h"

enum {
    BUSY_TRIES = 40,
    BUSY_PAUSE_US = 50 * 1000,
};

static int wrong(int status, char *why, const char *fmt, ...) PRINTF_LIKE(3, 4);

static int wrong(int status, char *why, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(why, DISK_IMAGE_WHY_BYTES, fmt, args);
    va_end(args);
    return status;
}

/* --- what it looks like --- */

struct magic_row {
    enum disk_content content;
    bool at_end; /* counted from the beginning of the last bytes */
    size_t at;
    char bytes[9];
    size_t len;
};

static const struct magic_row magics[] = {
    {DISK_CONTENT_VHDX,  false, 0,    "vhdxfile",         8},
    {DISK_CONTENT_VHD,   false, 0,    "conectix",         8}, /* dynamic: a copy of the footer */
    {DISK_CONTENT_VHD,   true,  0,    "conectix",         8},
    {DISK_CONTENT_QCOW2, false, 0,    "QFI\xfb",          4},
    {DISK_CONTENT_VMDK,  false, 0,    "KDMV",             4},
    {DISK_CONTENT_VDI,   false, 0x40, "\x7f\x10\xda\xbe", 4},
};

enum disk_content disk_content_of(const uint8_t head[DISK_LOOK_BYTES],
                                  const uint8_t tail[DISK_LOOK_BYTES])
{
    for (size_t i = 0; i < COUNT_OF(magics); i++) {
        const struct magic_row *m = &magics[i];

        if (memcmp((m->at_end ? tail : head) + m->at, m->bytes, m->len) == 0)
            return m->content;
    }
    return DISK_CONTENT_NONE;
}

const char *disk_content_name(enum disk_content content)
{
    static const char *const names[] = {
        [DISK_CONTENT_NONE] = "a raw image",  [DISK_CONTENT_VHD] = "a VHD image",
        [DISK_CONTENT_VHDX] = "a VHDX image", [DISK_CONTENT_QCOW2] = "a QCOW2 image",
        [DISK_CONTENT_VMDK] = "a VMDK image", [DISK_CONTENT_VDI] = "a VDI image",
    };

    return names[content];
}

enum disk_format disk_name_says(const char *path)
{
    static const struct {
        const char *end;
        enum disk_format format;
    } ends[] = {
        {".vhd",   DISK_VHD },
        {".avhd",  DISK_VHD },
        {".vhdx",  DISK_VHDX},
        {".avhdx", DISK_VHDX},
    };
    const char *dot = strrchr(path, '.');

    for (size_t i = 0; dot != NULL && i < COUNT_OF(ends); i++) {
        if (strcasecmp(dot, ends[i].end) == 0)
            return ends[i].format;
    }
    return DISK_RAW;
}

static int look(struct disk_image *f)
{
    uint8_t head[DISK_LOOK_BYTES] = {0};
    uint8_t tail[DISK_LOOK_BYTES] = {0};

    if (pread(f->fd, head, sizeof(head), 0) < 0)
        return -errno;
    if (f->bytes >= sizeof(tail) &&
        pread(f->fd, tail, sizeof(tail), (off_t)(f->bytes - sizeof(tail))) < 0)
        return -errno;
    f->content = disk_content_of(head, tail);
    return 0;
}

/* --- opening --- */

static int cannot_open(int err, const char *path, bool read_only, char *why)
{
    switch (err) {
    case ENOENT:
        return wrong(EXIT_USAGE, why, "no such file (make one: truncate --size 10G %s)", path);
    case EACCES:
    case EPERM:
        return wrong(EXIT_USAGE, why, "no permission to %s it%s", read_only ? "read" : "write",
                     read_only ? "" : " (get it, or add ,readonly)");
    case EROFS:
        return wrong(EXIT_USAGE, why, "it can only be read: add ,readonly");
    case EISDIR:
        return wrong(EXIT_USAGE, why, "a folder is no image");
    case EBUSY:
        return wrong(EXIT_FAILED, why, "this machine uses it (is it mounted?)");
    case ETXTBSY:
        return wrong(EXIT_FAILED, why, "this machine runs it, or swaps to it");
    default:
        return wrong(EXIT_FAILED, why, "it cannot be opened: %s", strerror(err));
    }
}

static int measure(const char *path, struct disk_image *f, char *why)
{
    struct stat st;

    if (fstat(f->fd, &st) < 0)
        return wrong(EXIT_FAILED, why, "%s", strerror(errno));
    if (S_ISDIR(st.st_mode))
        return wrong(EXIT_USAGE, why, "a folder is no image");
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
        return wrong(EXIT_USAGE, why, "neither a file nor a block device");
    f->is_device = S_ISBLK(st.st_mode);
    f->bytes = (uint64_t)st.st_size;
    if (f->is_device && ioctl(f->fd, BLKGETSIZE64, &f->bytes) < 0)
        return wrong(EXIT_FAILED, why, "its size cannot be read: %s", strerror(errno));
    f->device = f->is_device ? st.st_rdev : st.st_dev;
    f->inode = f->is_device ? 0 : st.st_ino;
    if (f->bytes == 0)
        return wrong(EXIT_USAGE, why, "it is empty%s%s",
                     f->is_device ? "" : ": truncate --size 10G ", f->is_device ? "" : path);
    return 0;
}

/*
 * Held by the open file, which QEMU inherits: nobody else gets it before QEMU is dead. A VM that has
 * just ended may hold it for a moment.
 */
static int lock(const struct disk_image *f, bool read_only, char *why)
{
    struct flock all = {.l_type = read_only ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET};

    for (unsigned left = BUSY_TRIES; left > 0; left--) {
        if (fcntl(f->fd, F_OFD_SETLK, &all) == 0)
            return 0;
        if (errno != EAGAIN && errno != EACCES)
            return wrong(EXIT_FAILED, why, "it cannot be locked: %s", strerror(errno));
        (void)usleep(BUSY_PAUSE_US);
    }
    return wrong(EXIT_FAILED, why,
                 "another program uses it: end that VM first, or add ,readonly to all");
}

static int open_unless_busy(const char *path, int flags)
{
    int fd = open(path, flags);

    for (unsigned left = BUSY_TRIES; fd < 0 && errno == EBUSY && left > 0; left--) {
        (void)usleep(BUSY_PAUSE_US);
        fd = open(path, flags);
    }
    return fd;
}

int disk_image_open(const char *path, bool read_only, struct disk_image *ret,
                    char why[DISK_IMAGE_WHY_BYTES])
{
    int flags = (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK;
    struct stat st;
    AUTO_FD fd = -1;
    struct disk_image f = {0};
    int r;

    if (!read_only && stat(path, &st) == 0 && S_ISBLK(st.st_mode))
        flags |= O_EXCL; /* not mounted */
    fd = open_unless_busy(path, flags);
    if (fd < 0)
        return cannot_open(errno, path, read_only, why);
    f.fd = fd;
    r = measure(path, &f, why);
    if (r == 0)
        r = lock(&f, read_only, why);
    if (r != 0)
        return r;
    if (look(&f) < 0)
        return wrong(EXIT_FAILED, why, "it cannot be read: %s", strerror(errno));
    f.fd = fd_steal(&fd);
    *ret = f;
    return 0;
}

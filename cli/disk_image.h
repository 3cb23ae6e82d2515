/*
 * cli/disk_image.h - a file of a disk: there, usable, ours, and what it looks like.
 *
 * The bytes of an image are hostile: a guest wrote them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/macro.h"
#include "ipc/disks.h"

enum {
    DISK_IMAGE_WHY_BYTES = 384,
    DISK_LOOK_BYTES = 512, /* of the beginning, and of the end, that tell a format */
};

/* What the content looks like. */
enum disk_content {
    DISK_CONTENT_NONE, /* nothing that is known: raw */
    DISK_CONTENT_VHD,
    DISK_CONTENT_VHDX,
    DISK_CONTENT_QCOW2,
    DISK_CONTENT_VMDK,
    DISK_CONTENT_VDI,
};

struct disk_image {
    int fd;
    uint64_t bytes;
    bool is_device;
    dev_t device; /* with inode: which file it is, whatever it is called */
    ino_t inode;
    enum disk_content content;
};

/*
 * Open it, lock it against other VMs until it is closed, and look at it. 0 and *ret, or the exit
 * status, and why says what is wrong and what to do about it.
 */
int MUST_USE disk_image_open(const char *path, bool read_only, struct disk_image *ret,
                             char why[DISK_IMAGE_WHY_BYTES]);

/* What the first and the last bytes of an image tell. */
enum disk_content disk_content_of(const uint8_t head[DISK_LOOK_BYTES],
                                  const uint8_t tail[DISK_LOOK_BYTES]);

/* "a VHD image". */
const char *disk_content_name(enum disk_content content);

/* What the end of a file's name says. */
enum disk_format disk_name_says(const char *path);

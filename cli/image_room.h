/*
 * cli/image_room.h - how long a file becomes when the disk in it is written full.
 *
 * For images that grow with what is written, where they cannot: in nested mode a file is a device of
 * the outer VM, and a device has one length. So the file is made as long as it can become before it is
 * handed over. The room is a hole in the file and takes no space of the host until it is written.
 *
 * What is in the file is hostile, and is judged where it is used: an image that is not understood
 * here stays as it is.
 */
#pragma once

#include <stdint.h>

#include "base/macro.h"
#include "ipc/disks.h"

/* The length for a file of that format, or 0: no other than it has. Reads fd. */
uint64_t image_room(int fd, enum disk_format format, uint64_t bytes);

/*
 * Make it that long, durably. A VHD's footer is at the end, so a copy of it is put there. 0 or negative
 * errno; -EFBIG: the file system does not have files that long.
 */
int MUST_USE image_grow(int fd, enum disk_format format, uint64_t bytes);

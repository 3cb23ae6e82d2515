/*
 * cli/cpio.h - writes a "newc" archive, as the Linux kernel unpacks an initramfs.
 *
 * @spec Linux Documentation/driver-api/early-userspace/buffer-format.rst
 *
 * The first error is kept and told by cpio_finish(). The descriptor is borrowed.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

struct cpio {
    int fd;
    uint64_t at;  /* bytes written so far, padding in front included */
    uint32_t ino; /* of the next entry */
    int err;      /* 0 or negative errno; sticky */
};

/* Start at byte `at` of the file, which may already hold another archive: pads to 4 bytes. */
struct cpio cpio_over(int fd, uint64_t at);

/* A folder; its parents must be there already, an existing one is left as it is. */
void cpio_folder(struct cpio *c, const char *path);

/* A file of mode (permission bits only) that holds these bytes. */
void cpio_bytes(struct cpio *c, const char *path, unsigned mode, const void *bytes, size_t len);

/* A file that holds what src, a regular file, holds. */
void cpio_copy(struct cpio *c, const char *path, unsigned mode, int src);

/* Write the trailer. 0, or the first error; -EOVERFLOW for a file of 4 GiB or more. */
int MUST_USE cpio_finish(struct cpio *c);

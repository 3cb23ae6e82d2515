/*
 * init/disk_open.h - one file of a disk: opened, checked, locked. Its contents are not looked at: that
 * is the storage worker's, which is jailed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/macro.h"
#include "init/why.h"

/* Two openings of one file: the same device and inode, or the same block device. */
struct disk_id {
    dev_t dev;
    ino_t ino;
    bool is_block; /* then dev is the device itself, and ino is 0 */
};

struct disk_opened {
    int fd; /* blocking, close-on-exec; -1: nothing is open */
    struct disk_id id;
    uint64_t bytes;
    uint32_t physical_bytes; /* 512 or 4096 */
};

/*
 * Open it in our mount namespace. Only a regular file or a block device, not empty, of a whole number of
 * units. Locked for as long as the description is open, here or in a ring: for writing, nobody else has
 * it; for reading, nobody writes. A block device for writing is opened exclusively as well, so that it
 * is not mounted. Waits some seconds for a VM that is just ending.
 *   0    *ret is the caller's: disk_close()
 *   <0   why says in one line, behind name and path, what is wrong and what to do
 */
int MUST_USE disk_open(const char *name, const char *path, bool read_only, uint32_t unit_bytes,
                       struct disk_opened *ret, struct why *why);

/*
 * The same with a descriptor that came along with a request, borrowed; path is only what it is called.
 * Whoever asks while the VM runs cannot name a file: it hands on one that an operator could open, and
 * gets no more access than that had. The description is a new one: nobody else can unlock it.
 */
int MUST_USE disk_open_given(const char *name, const char *path, int given_fd, bool read_only,
                             uint32_t unit_bytes, struct disk_opened *ret, struct why *why);

/* Zeroed memory that is there: a guest that fills its disk finds no memory missing later. */
int MUST_USE disk_open_ram(const char *name, uint64_t bytes, struct disk_opened *ret,
                           struct why *why);

/* How long it is now. 0 or negative errno. */
int MUST_USE disk_measure(const struct disk_opened *file, uint64_t *ret_bytes);

/* Of what stat(2) found. */
struct disk_id disk_id_of(const struct stat *st);

bool disk_is_same(const struct disk_opened *a, const struct disk_opened *b);

/* Its lock goes with the last descriptor. */
void disk_close(struct disk_opened *file);

/*
 * cli/disks.h - the disks of a run: everything about them checked, and settled.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "cli/disk_option.h"
#include "cli/pool.h"
#include "ipc/disks.h"

enum {
    DISKS_ERROR_BYTES = 1024,
    DISKS_NESTED_FILES = 128, /* each is a PCI function of the outer VM */
    DISK_IDENTITY_BYTES = 16,
};

struct disk_plan {
    const struct disk_option *option;
    enum disk_kind kind;
    enum disk_format format;
    bool read_only;
    uint32_t lun; /* of option's controller */
    uint32_t chunk_bytes;
    uint8_t identity[DISK_IDENTITY_BYTES];
    uint32_t n_files;
    const char *paths[DISK_MEMBERS]; /* absolute, without symbolic links */
    int fds[DISK_MEMBERS];           /* open and locked; -1: not kept */
    bool is_device[DISK_MEMBERS];
    uint64_t file_bytes[DISK_MEMBERS];
};

struct disks_plan {
    struct disk_plan *at;
    size_t n;
    struct pool pool;
};

/*
 * Check all and settle them; keep: the files stay open and locked until disks_done(). 0, or the exit
 * status, and error holds one line. disks_done() in any case.
 */
int MUST_USE disks_check(const char *vm_name, const struct disk_list *list, bool keep,
                         struct disks_plan *ret, char error[DISKS_ERROR_BYTES]);

/*
 * Before kept files go to where they cannot grow: make those long enough that will. 0, or the exit
 * status and error.
 */
int MUST_USE disks_make_room(const struct disks_plan *plan, char error[DISKS_ERROR_BYTES]);

void disks_done(struct disks_plan *plan);

/*
 * What a disk is known by: the same for every start of a VM of that name, with the same serial, or
 * without one the same first file, at the same place. Exported for the tests.
 */
void disks_identity(const char *vm_name, uint32_t controller, uint32_t lun, const char *serial,
                    const char *path, uint8_t ret[DISK_IDENTITY_BYTES]);

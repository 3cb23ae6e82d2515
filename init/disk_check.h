/*
 * init/disk_check.h - is what a configuration says of a disk possible? Numbers and texts alone: no file
 * is looked at.
 */
#pragma once

#include "base/macro.h"
#include "control.pb-c.h"
#include "init/why.h"

enum {
    DISK_NAME_BYTES = 24, /* "disk 3:63", "dvd 0:1" */
    DISK_WHY_PATH = 120,  /* of a path, its end says more than its beginning */
};

/* How operators call it: its kind, controller and lun, as they were given. */
void disk_name(const Bulkhead__Disk *disk, char ret[DISK_NAME_BYTES]);

/* The path, or its last part where it is long. */
const char *disk_path_tail(const char *path);

/* 0, or -EINVAL and which value is wrong, in one line. */
int MUST_USE disk_check(const Bulkhead__Disk *disk, struct why *why);

/* The same for all of a VM, and no two of them in one place. */
int MUST_USE disk_check_all(Bulkhead__Disk *const *disks, size_t n, struct why *why);

/* Controller and lun alone. */
int MUST_USE disk_check_place(const Bulkhead__Disk *disk, struct why *why);

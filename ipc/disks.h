/*
 * ipc/disks.h - which disks the VM has: OBJECT_DISKS, written by init, read by the storage worker.
 *
 * init opens, locks and checks the files and puts them into the worker's io_uring as fixed files; the
 * worker never sees a path, nor, where the host has io_uring, a descriptor. A row names its files by their slot in that table. When
 * a disk is added, removed or resized at run time, init changes the page between two odd and even
 * values of seq and rings the worker's bell.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"
#include "ipc/ring.h"

enum {
    DISK_CONTROLLERS = 4,
    DISK_LUNS = 64, /* of a controller */
    DISK_ROWS = 256,
    DISK_FILES = 512,       /* fixed files of all rows */
    DISK_MEMBERS = 16,      /* files of a striped disk */
    DISK_CHUNK_UNIT = 4096, /* of its chunks */
    DISK_SERIAL_BYTES = 32, /* printable, with its terminating zero */
};

enum disk_kind {
    DISK_NONE = 0, /* an empty row */
    DISK_DISK = 1,
    DISK_DVD = 2,
};

enum disk_format {
    DISK_RAW = 0, /* regular file or block device */
    DISK_VHD = 1, /* fixed or dynamic, as its footer says */
    DISK_VHDX = 2,
    DISK_RAM = 3, /* its one member is memory, made by init, lost with the VM and not before */
};

enum disk_flag {
    DISK_READ_ONLY = 1,
    DISK_BLOCK_DEVICE = 2, /* the files are block devices */
    DISK_EMPTY = 4,        /* a DVD drive without a disc */
    DISK_ADDED = 8, /* while the VM ran: if its image is none, nothing but this disk is missing */
};

struct disk_row {
    uint32_t kind;   /* enum disk_kind */
    uint32_t format; /* enum disk_format, of each member */
    uint32_t flags;  /* mask of enum disk_flag */
    uint32_t controller;
    uint32_t lun;
    uint32_t block_bytes;    /* 512 or 4096; 0: as the format says, else 512 */
    uint32_t physical_bytes; /* 512 or 4096; 0: as the back end says */
    uint32_t chunk_bytes;    /* of a stripe; 0: one member */
    uint32_t n_members;
    uint32_t members[DISK_MEMBERS]; /* index of a file */
    uint32_t epoch;                 /* rises with every change of this row */
    char serial[DISK_SERIAL_BYTES]; /* empty: none */
    uint8_t identity[16];           /* of the disk, for VPD page 83h; the same at every start */
    uint64_t ram_bytes;             /* DISK_RAM */
};

struct disk_file {
    uint64_t bytes; /* as init saw it; of VHD and VHDX again after each death of the worker */
    uint32_t physical_bytes; /* of its device or file system; 0: not known */
    uint32_t in_use;         /* 0: the slot is empty */
};

struct disks_page {
    _Atomic uint32_t seq; /* odd while it is being changed */
    uint32_t n_rows;
    struct disk_row rows[DISK_ROWS];
    struct disk_file files[DISK_FILES];
    /* Written once, before there is a worker; outside the protocol of seq. */
    struct ring_shape ring;
    /*
     * 0: the files are in the ring. Else the host has none, and the worker is given the files themselves:
     * file i is its descriptor plain_fd + i, of plain_files. None comes, goes or changes then.
     */
    uint32_t plain_fd;
    uint32_t plain_files;
};

/*
 * Copy the page and check it: every number is inside its limits, every member is a file in use. False
 * when it is being written (its writer rings the bell again) or is not one.
 */
bool disks_read(const struct disks_page *page, struct disks_page *ret);

/*
 * init/disks.h - the VM's disks: files opened, checked and locked, put into the storage worker's ring,
 * and described in the page that it reads (ipc/disks.h).
 *
 * init keeps every descriptor as long as the disk is there: with it the lock, and what a file's length
 * is asked of. Only init writes the page. It parses no image.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"
#include "control.pb-c.h"
#include "init/disk_open.h"
#include "init/objects.h"
#include "init/why.h"
#include "ipc/disks.h"

struct disks_slot {
    struct disk_opened file; /* fd -1: not in use */
    uint64_t free_ns;        /* not to be used again before that: clock_now_ns() */
};

struct disks {
    struct disks_page *page; /* NULL: not open */
    int ring_fd, bell_fd;    /* borrowed; without a ring that is -1, and plain */
    bool plain;              /* each generation of the worker is given the files: disks_grant() */
    uint32_t next_slot;      /* plain: as many are in use, from the first */
    struct disks_slot slots[DISK_FILES];
};

/* No disk, nothing open. */
void disks_init(struct disks *d);

/*
 * Describe the ring, open the disks, and enable the ring, if there is one: once, before a worker starts. The disks were
 * checked with the configuration. On failure why says what; disks_done() releases what was opened.
 */
int MUST_USE disks_open(struct disks *d, const struct objects *objects,
                        const Bulkhead__VmConfig *config, struct why *why);

/*
 * How many files the storage worker is given besides what its row names, after it; 0 with a ring. And the
 * i-th, opened for what its disk may be used for: the caller's, or negative errno.
 */
unsigned disks_n_fds(const struct disks *d);
int MUST_USE disks_grant(const struct disks *d, unsigned i);

/*
 * What an operator asks for while the VM runs; checked like a configuration. The file of what is added
 * or inserted comes along as given_fd, borrowed; -1: none did. The worker's bell is rung.
 *   0    done
 *   <0   nothing has changed; why says what is wrong
 */
int MUST_USE disks_change(struct disks *d, const Bulkhead__DiskChange *change, int given_fd,
                          struct why *why);

/*
 * A storage worker has died: say how long the images that grow are now, before a successor serves. Raw
 * disks keep the length that the guest knows.
 */
void disks_measure_again(struct disks *d);

/* Close all, and take it out of the ring; locks last until the last request is done. Accepts anything. */
void disks_done(struct disks *d);

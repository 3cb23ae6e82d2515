/*
 * init/ring.h - the io_uring of the storage worker: made here, restricted for good, and kept, so that a
 * successor finds what a dead generation's requests came to.
 *
 * Whoever has the descriptor can read, write, sync and allocate in the files of its table, and nothing
 * else: no other operation, no file by descriptor or path, no linked or drained requests. Only
 * IORING_REGISTER_FILES_UPDATE is left of io_uring_register(2), for init itself; a worker's filter has
 * no such call. No SQPOLL: the kernel's thread would act with init's credentials.
 *
 * ring_new(), then files, then ring_enable(); workers start after that. init never submits.
 *
 * A host may have no io_uring, or none for us. Then there is no ring at all: drivers/uring_plain.h.
 */
#pragma once

#include <stdint.h>

#include "base/macro.h"
#include "init/why.h"
#include "ipc/ring.h"

/*
 * Make it, disabled, with an empty table of DISK_FILES files. The caller owns *ret_fd.
 *   0             made
 *   -EOPNOTSUPP   this host has none that can be used; why says what would change that
 *   other <0      it has, and something is wrong
 */
int MUST_USE ring_new(int *ret_fd, struct ring_shape *ret_shape, struct why *why);

/* Restrict and enable it; bell_fd, an eventfd, is rung for each completion. Both are borrowed. */
int MUST_USE ring_enable(int fd, int bell_fd, struct why *why);

/*
 * Put a file, borrowed, into a slot; -1: empty it. Before and after ring_enable(). Requests that were
 * submitted before keep the file they began with. 0 or negative errno.
 */
int MUST_USE ring_set_file(int fd, uint32_t slot, int file_fd);

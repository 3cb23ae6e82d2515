/*
 * base/shm.h - memory that is shared between processes and outlives any one of them.
 *
 * A sealed memfd can be neither shrunk (a peer's ftruncate would turn our next access into
 * SIGBUS), nor grown, nor unsealed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/macro.h"

/*
 * Make a sealed, zeroed, non-executable memfd of len bytes (a multiple of the page size).
 * 0 and *ret_fd (owned by the caller, close-on-exec), or negative errno.
 */
int MUST_USE shm_new(const char *name, size_t len, int *ret_fd);

/*
 * Map all of fd, which must be exactly len bytes; the caller unmaps with munmap(*ret, len).
 * -EBADMSG when fd has another size or lacks the seal against shrinking.
 */
int MUST_USE shm_map(int fd, size_t len, bool writable, void **ret);

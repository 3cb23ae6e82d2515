/*
 * base/fd.h - descriptors that close themselves when their scope ends.
 */
#pragma once

#include <errno.h>
#include <unistd.h>

#include "base/macro.h"

/* Close *fd if it is open. errno survives, so error paths may run it. */
static inline void fd_closep(int *fd)
{
    int saved = errno;

    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
    errno = saved;
}

/* Hand the descriptor on: the caller owns the result, the scope owns nothing. */
static inline int fd_steal(int *fd)
{
    int taken = *fd;

    *fd = -1;
    return taken;
}

#define AUTO_FD CLEANUP(fd_closep) int

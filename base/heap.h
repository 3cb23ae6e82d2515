/*
 * base/heap.h - a heap that grows by brk(2) alone, for processes whose filter has no mmap, or that
 * does not grow at all, for those whose filter has no brk either.
 */
#pragma once

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/macro.h"

/* One arena for all threads, large blocks from it too. Call before the first thread starts. */
static inline void heap_by_brk_only(void)
{
    (void)mallopt(M_ARENA_MAX, 1);
    (void)mallopt(M_MMAP_MAX, 0);
}

/*
 * Ask the kernel for the whole heap now, and never give any of it back: from here on malloc() and
 * free() make no system call as long as no more than this is in use. 0 or -ENOMEM.
 */
static inline int MUST_USE heap_take(size_t bytes)
{
    void *volatile heap;

    (void)mallopt(M_TRIM_THRESHOLD, INT_MAX);
    heap = malloc(bytes);
    if (heap == NULL)
        return -ENOMEM;
    free(heap);
    return 0;
}

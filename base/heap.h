/*
 * base/heap.h - a heap that grows by brk(2) alone, for processes whose filter has no mmap.
 */
#pragma once

#include <malloc.h>

/* One arena for all threads, large blocks from it too. Call before the first thread starts. */
static inline void heap_by_brk_only(void)
{
    (void)mallopt(M_ARENA_MAX, 1);
    (void)mallopt(M_MMAP_MAX, 0);
}

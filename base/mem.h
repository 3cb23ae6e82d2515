/*
 * base/mem.h - heap memory that frees itself when its scope ends.
 */
#pragma once

#include <stdlib.h>

#include "base/macro.h"

static inline void mem_freep(void *p)
{
    void **owner = p;

    free(*owner);
    *owner = NULL;
}

#define AUTO_FREE CLEANUP(mem_freep)

/*
 * workers/debug/page_walk.h - a guest's virtual address, as one of its vCPUs has it.
 *
 * Nothing in the tables is believed: each level is one read, and there are at most five.
 */
#pragma once

#include "workers/debug/guest.h"

struct page_place {
    uint64_t gpa;
    uint64_t left; /* bytes from there to the end of the page */
};

/*
 * Translate by the tables at CR3; without paging an address is itself.
 *   0            *ret
 *   -EFAULT      not mapped, or its tables are not RAM
 *   -EOPNOTSUPP  the vCPU pages as no 64-bit kernel does
 */
int MUST_USE page_walk(const struct guest *g, const struct guest_regs *regs, uint64_t address,
                       struct page_place *ret);

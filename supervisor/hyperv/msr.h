/*
 * supervisor/hyperv/msr.h - what MSRs that name a page have in common.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"

struct hv;

enum {
    HV_PAGE_ENABLE = 1,
};

static inline bool hv_page_enabled(uint64_t msr)
{
    return (msr & HV_PAGE_ENABLE) != 0;
}

static inline uint64_t hv_page_gpa(uint64_t msr)
{
    return msr & ~UINT64_C(0xfff);
}

/* Zero a page of the guest's RAM. -EFAULT when it is none. */
int MUST_USE hv_page_zero(const struct hv *hv, uint64_t gpa);

/* After a write: does it bring a page that was not there before? */
static inline bool hv_page_new(uint64_t before, uint64_t now)
{
    return hv_page_enabled(now) &&
           (!hv_page_enabled(before) || hv_page_gpa(before) != hv_page_gpa(now));
}

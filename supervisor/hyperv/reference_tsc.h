/*
 * supervisor/hyperv/reference_tsc.h - the clock that counts 100 ns since the VM was made.
 *
 * The guest computes it from its TSC by two numbers in a page, with no exit; the MSR that counts the same
 * is computed from the same numbers.
 *
 * @spec TLFS 12.7 (partition reference counter, reference TSC page)
 */
#pragma once

#include <stdint.h>

#include "base/macro.h"

struct hv;

/* The clock is 0 now. -EOPNOTSUPP when nobody knows how fast the TSC is. */
int MUST_USE reference_tsc_start(struct hv *hv);

/* What the clock says, by the TSC of vp. */
uint64_t reference_tsc_now(const struct hv *hv, unsigned vp);

/* Write of its MSR: with the enable bit the page is filled. -EACCES: there is no such page. */
int MUST_USE reference_tsc_write(struct hv *hv, uint64_t data);

/*
 * supervisor/hyperv/crash.h - what a dying guest says: five numbers, or a page of its kernel's log.
 *
 * @spec TLFS 2.4 (guest crash enlightenment)
 */
#pragma once

#include <stdint.h>

#include "base/macro.h"

struct hv;

int MUST_USE crash_read(struct hv *hv, unsigned vp, uint32_t index, uint64_t *ret);
int MUST_USE crash_write(struct hv *hv, unsigned vp, uint32_t index, uint64_t data);
int MUST_USE crash_read_control(struct hv *hv, unsigned vp, uint32_t index, uint64_t *ret);
int MUST_USE crash_write_control(struct hv *hv, unsigned vp, uint32_t index, uint64_t data);

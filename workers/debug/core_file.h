/*
 * workers/debug/core_file.h - the head of an ELF core of the guest: a segment for each range of RAM, and notes with each vCPU's
 * registers and what the kernel says of itself. The ranges' bytes follow, one after the other.
 *
 * crash(8) and makedumpfile(8) read it as they do a kdump: segments by their physical addresses.
 *
 * @spec ELF-64 1.5 (file header), 5 (program header); Linux include/linux/elfcore.h (NT_PRSTATUS)
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "ipc/guest_regs.h"
#include "ipc/manifest.h"
#include "workers/debug/guest_memory.h"

enum {
    CORE_HEAD_MAX = 40 * 1024, /* a multiple of a page, and enough for all vCPUs */
};

struct core_file {
    const struct guest_memory *memory; /* borrowed */
    const char *vmcoreinfo;            /* borrowed; of len bytes, 0: none */
    size_t vmcoreinfo_len;
    unsigned vcpus;
    struct guest_regs regs[VPS_MAX];
};

/* Put the head into out, which has room for CORE_HEAD_MAX; its length. */
size_t core_file_head(const struct core_file *c, uint8_t *out);

/*
 * supervisor/boot/load.h - Linux direct boot: everything a kernel finds in memory when it starts.
 *
 * Runs once, before the guest does, in the thread that sets up. System calls: lseek and pread on
 * the two descriptors, and what malloc asks for (a MiB; mmap, munmap).
 */
#pragma once

#include "base/gmem.h"
#include "base/macro.h"
#include "supervisor/boot/memory_map.h"
#include "supervisor/partition/partition.h"

struct boot_config {
    int kernel_fd;      /* a regular file, borrowed */
    int initrd_fd;      /* a regular file, borrowed; /dev/null or -1: none */
    const char *append; /* the kernel's command line, as it is */
    unsigned n_vcpus;   /* for the ACPI tables */
};

/*
 * Put kernel, initrd, command line, tables and ACPI into guest memory, which holds the ranges of
 * map. boot_error_text() has a line for each of these:
 *   0              *ret is where vCPU 0 starts
 *   -ENOEXEC       the kernel is not a bzImage
 *   -EBADMSG       it is one, but it is damaged or cut
 *   -ENOSYS        it has no 64-bit entry, or is not relocatable
 *   -EFBIG         it does not fit into memory
 *   -E2BIG         the initrd does not fit into memory beside it
 *   -ENAMETOOLONG  the command line is longer than the kernel takes
 *   -ENOMEM, or what the kernel of the host said on reading
 */
int MUST_USE boot_load(const struct gmem *m, const struct memory_map *map,
                       const struct boot_config *config, struct boot_regs *ret);

/* What a negative result of boot_load or memory_map_make means, for the user; never NULL. */
const char *boot_error_text(int err);

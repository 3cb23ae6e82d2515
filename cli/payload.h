/*
 * cli/payload.h - what is handed to the process we start as descriptor 3.
 */
#pragma once

#include "base/macro.h"
#include "cli/check.h"

/*
 * Seconds that a start may take, until all processes serve: three minutes (on emulated CPUs it takes 3 s to 20 s), and
 * one more for each GiB of a disk in memory, which init reserves before.
 */
uint32_t payload_start_s(const struct disks_plan *disks);

/* The VM's configuration, packed, in a sealed memfd: for bulkhead-init on this machine. */
int MUST_USE payload_hosted(const struct cli_args *args, const struct run_plan *plan, int *ret_fd);

/*
 * The initramfs of the outer VM, in a memfd: the image, and an archive with the configuration, the
 * guest's kernel and initrd, and the script, at the paths that the configuration names.
 */
int MUST_USE payload_nested(const struct cli_args *args, const struct run_plan *plan, int *ret_fd);

/* The guest's kernel command line; the caller frees it. NULL: no memory. */
char *payload_append(const char *extra);

/*
 * cli/payload.h - what is handed to the process we start as descriptor 3.
 */
#pragma once

#include "base/macro.h"
#include "cli/check.h"

enum {
    PAYLOAD_START_S = 180, /* until all processes serve; on emulated CPUs it takes 3 to 20 */
};

/* The VM's configuration, packed, in a sealed memfd: for bulkhead-init on this machine. */
int MUST_USE payload_hosted(const struct cli_args *args, const struct run_plan *plan, int *ret_fd);

/*
 * The initramfs of the outer VM, in a memfd: the image, and an archive with the configuration, the
 * guest's kernel and initrd, and the script, at the paths that the configuration names.
 */
int MUST_USE payload_nested(const struct cli_args *args, const struct run_plan *plan, int *ret_fd);

/* The guest's kernel command line; the caller frees it. NULL: no memory. */
char *payload_append(const char *extra);

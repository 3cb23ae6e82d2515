/*
 * cli/check.h - everything that can be wrong with a `bulkhead run`, found before anything starts.
 */
#pragma once

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "cli/disks.h"
#include "cli/nets.h"
#include "cli/options.h"
#include "cli/remote.h"
#include "cli/vtl2_settings.h"

struct machine;

enum {
    CHECK_ERROR_BYTES = DISKS_ERROR_BYTES,
};
_Static_assert((int)NETS_ERROR_BYTES <= (int)CHECK_ERROR_BYTES, "each line fits");

/* What the checks settled. */
struct run_plan {
    enum run_mode mode; /* not RUN_AUTO */
    char why[160];      /* this mode */
    char kernel[PATH_MAX];
    char initrd[PATH_MAX];    /* empty: none */
    char vtl2_exec[PATH_MAX]; /* empty: none */
    char programs[PATH_MAX];  /* hosted */
    char vtl2_kernel[PATH_MAX];
    char vtl2_image[PATH_MAX];
    char qemu[PATH_MAX];
    char socket[108];           /* sun_path */
    struct disk_list disk_list; /* those of the settings and those of the arguments */
    struct vtl2_notes notes;
    struct pool pool; /* what they borrow from */
    struct disks_plan disks;
    struct nets_plan nets;
    char passt[PATH_MAX]; /* empty: no NIC needs it */
    struct remote_plan remote;
};

enum kernel_verdict {
    KERNEL_GOOD,
    KERNEL_NOT_BZIMAGE,
    KERNEL_OLD, /* boot protocol without the 64-bit entry's flags */
    KERNEL_32_BIT,
};

enum {
    KERNEL_HEAD_BYTES = 0x268,
    NESTED_HEADROOM_MIB = 1024, /* the outer VM's memory besides the guest's */
};

/*
 * Judge the first bytes of a kernel image.
 * @spec Linux x86 boot protocol, "The Real-Mode Kernel Header"
 * *ret_init_bytes, for a good one: what it needs to start, decompressed.
 */
enum kernel_verdict check_kernel_head(const uint8_t *head, size_t len, uint32_t *ret_init_bytes);

/* Whether a guest can have that much memory, on whatever machine. 0, or EXIT_USAGE and one line. */
int check_memory_size(uint64_t bytes, char error[CHECK_ERROR_BYTES]);

/*
 * Check the arguments against the machine and settle the plan.
 * 0, or the exit status: EXIT_USAGE or EXIT_FAILED, and error holds one line. In any case the plan
 * is to be taken apart by check_done().
 */
int MUST_USE check_run(const struct cli_args *args, const struct machine *m, struct run_plan *ret,
                       char error[CHECK_ERROR_BYTES]);

void check_done(struct run_plan *plan);

/* The mode for these wishes and that machine; the reason goes to why. */
enum run_mode check_mode(enum run_mode wish, const struct machine *m, char *why, size_t why_len);

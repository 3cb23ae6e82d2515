/*
 * cli/payload_disks.h - a run's disks as messages of the VM's configuration.
 */
#pragma once

#include "base/macro.h"
#include "cli/disks.h"
#include "control.pb-c.h"

enum {
    /* What the outer VM knows file N by: "serial:bulkhead-N", a virtio serial number. */
    NESTED_SERIAL_BYTES = 20,
};

#define NESTED_SERIAL "bulkhead-%u"

/*
 * Fill config->disks; nested: the files' names are those in the outer VM. Everything is in the pool or
 * borrowed from the plan. 0 or -ENOMEM.
 */
int MUST_USE payload_disks(const struct disks_plan *plan, bool nested, struct pool *pool,
                           Bulkhead__VmConfig *config);

/*
 * cli/payload_nets.h - a run's NICs as messages of the VM's configuration.
 */
#pragma once

#include "base/macro.h"
#include "cli/nets.h"
#include "control.pb-c.h"

/* Fill config->nets; everything is in the pool or borrowed from the plan. 0 or -ENOMEM. */
int MUST_USE payload_nets(const struct nets_plan *plan, struct pool *pool,
                          Bulkhead__VmConfig *config);

/*
 * cli/launch.h - start what holds the VM: bulkhead-init on this machine, or QEMU around it.
 */
#pragma once

#include "base/macro.h"
#include "cli/check.h"
#include "cli/child.h"
#include "cli/net_ends.h"

/* nets: the open back ends of the plan's NICs. 0 and *ret, or negative errno. */
int MUST_USE launch(const struct cli_args *args, const struct run_plan *plan,
                    const struct net_ends *nets, struct child *ret);

/*
 * supervisor/hyperv/cpuid.h - what CPUID's hypervisor leaves say.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "supervisor/partition/partition.h"

/*
 * Fill ret, of PARTITION_MAX_LEAVES, and return how many. tsc_invariant: the guest may be told that its
 * TSC can be trusted.
 */
size_t hv_cpuid_leaves(bool tsc_invariant, struct cpuid_leaf ret[PARTITION_MAX_LEAVES]);

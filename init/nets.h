/*
 * init/nets.h - the VM's NICs: what the configuration says of them.
 */
#pragma once

#include <stddef.h>

#include "base/macro.h"
#include "control.pb-c.h"
#include "init/why.h"
#include "ipc/nets.h"

/* 0, or -EINVAL and why: which NIC, and what of it, is not as ipc/nets.h has it. */
int MUST_USE nets_check(Bulkhead__Net *const *nets, size_t n, struct why *why);

/*
 * init/nets.h - the VM's NICs: what the configuration says of them, and what they are plugged into.
 */
#pragma once

#include <stddef.h>

#include "base/macro.h"
#include "control.pb-c.h"
#include "init/objects.h"
#include "init/why.h"
#include "ipc/nets.h"

/* 0, or -EINVAL and why: which NIC, and what of it, is not as ipc/nets.h has it. */
int MUST_USE nets_check(Bulkhead__Net *const *nets, size_t n, struct why *why);

/*
 * nested: each NIC gets a card of the VM behind it (macvtap.h). Else each but those that discard must have been handed
 * down its descriptor. fds has NETS_MAX.
 */
int MUST_USE nets_plug(const Bulkhead__VmConfig *config, bool nested, int *fds, struct why *why);

/* Fill the page of NICs, before there is a worker. nested: as nets_plug() has plugged them. */
int MUST_USE nets_open(const struct objects *objects, const Bulkhead__VmConfig *config, bool nested,
                       struct why *why);

/* Bit i: operators have taken the link of NIC i down. 0 as well where there is no page yet. */
uint32_t nets_links_down(const struct objects *objects);

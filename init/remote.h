/*
 * init/remote.h - what operators over the network need: certificates for diag, and the socket they connect to.
 */
#pragma once

#include "base/macro.h"
#include "control.pb-c.h"
#include "init/objects.h"
#include "init/why.h"

/* 0, or -EINVAL and why. remote may be NULL. */
int MUST_USE remote_check(const Bulkhead__Remote *remote, struct why *why);

/*
 * In a VM made for Bulkhead: listen; else *fd was handed down. Nothing to do without a remote. 0, or negative errno and why.
 */
int MUST_USE remote_listen(const Bulkhead__Remote *remote, bool nested, int *fd, struct why *why);

/* Hand the certificates on to OBJECT_TLS. 0, or negative errno and why. */
int MUST_USE remote_open(const struct objects *objects, const Bulkhead__Remote *remote,
                         struct why *why);

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

/* Hand the certificates on to OBJECT_TLS, and a list that was brought before to OBJECT_REVOKED. 0, or negative errno and why. */
int MUST_USE remote_open(const struct objects *objects, const Bulkhead__Remote *remote,
                         struct why *why);

/*
 * The newest list of revoked certificates that was brought to this VM, as a diag that is dead left it: nobody has looked at
 * it. No bytes: none. The caller frees them.
 */
ProtobufCBinaryData remote_brought(const struct objects *objects);

/*
 * cli/remote_post.h - one request with a body to a VM elsewhere, for what is no call of root's.
 */
#pragma once

#include <stddef.h>

#include "base/macro.h"
#include "cli/remote_peer.h"

/* where and identity as remote_peer_init() has them. 0, or negative errno, and error holds one line. */
int MUST_USE remote_post(const char *where, const char *identity, const char *path,
                         const void *body, size_t len, char error[REMOTE_PEER_ERROR_BYTES]);

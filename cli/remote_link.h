/*
 * cli/remote_link.h - a VM's operators' socket from afar: a process of our own carries the datagrams over HTTPS.
 *
 * Whoever talks to it notices no difference, but that no file can come along.
 */
#pragma once

#include "base/macro.h"
#include "cli/remote_peer.h"

enum {
    REMOTE_LINK_ERROR_BYTES = REMOTE_PEER_ERROR_BYTES,
};

/*
 * Begin to talk to a VM: where and identity as remote_peer_init() has them. 0 and *ret_fd, or negative errno, and error holds
 * one line. What goes wrong on the way is an answer.
 */
int MUST_USE remote_link_open(const char *where, const char *identity, int *ret_fd,
                              char error[REMOTE_LINK_ERROR_BYTES]);

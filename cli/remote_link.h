/*
 * cli/remote_link.h - a VM's operators' socket from afar: a process of our own carries the datagrams over HTTPS.
 *
 * Whoever talks to it notices no difference, but that no file can come along.
 */
#pragma once

#include "base/macro.h"

enum {
    REMOTE_LINK_ERROR_BYTES = 512,
};

/*
 * Begin to talk to a VM's operators' address, "HOST:PORT" or "[ADDRESS]:PORT". identity says who we are: IDENTITY.pem and
 * IDENTITY-key.pem, and ca.pem in the same folder, as `bulkhead pki` makes them. 0 and *ret_fd, or negative errno, and error
 * holds one line. What goes wrong on the way is an answer.
 */
int MUST_USE remote_link_open(const char *where, const char *identity, int *ret_fd,
                              char error[REMOTE_LINK_ERROR_BYTES]);

/*
 * cli/lock.h - at most one VM per operators' socket on a machine.
 */
#pragma once

#include "base/macro.h"

/*
 * Hold PATH.lock until lock_drop(); makes the socket's folder if it is missing and removes a socket
 * that a dead VM left. 0 and *ret_fd; -EBUSY when another VM has it; -EEXIST: what is there is no socket; other
 * negative errno.
 */
int MUST_USE lock_take(const char *socket_path, int *ret_fd);

/* Remove the socket and the lock. */
void lock_drop(const char *socket_path, int *fd);

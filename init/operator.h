/*
 * init/operator.h - the address at which operators reach this VM.
 */
#pragma once

#include <sys/types.h>

#include "base/macro.h"
#include "init/why.h"

struct operator_address {
    char path[108]; /* "": not ours to remove */
    dev_t device;
    ino_t inode;
};

/*
 * Bind and listen (SEQPACKET, non-blocking, mode 0600). An address that nobody answers at is
 * replaced; one where somebody lives, or that is no socket, is an error.
 */
int MUST_USE operator_listen(const char *path, struct operator_address *ret, int *ret_fd,
                             struct why *why);

/* Remove the address, if it is still ours. */
void operator_remove(struct operator_address *a);

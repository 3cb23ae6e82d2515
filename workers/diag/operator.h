/*
 * workers/diag/operator.h - one datagram from an operator, and one to them.
 */
#pragma once

#include <stdbool.h>

#include "admin.pb-c.h"
#include "base/macro.h"
#include "workers/diag/answer.h"

enum {
    OPERATOR_CALL_MAX_BYTES = 5 * 1024, /* with the longest path of a disk */
    /* Heap that a call takes while it is unpacked, for each of its bytes: two make a field. */
    OPERATOR_CALL_HEAP_FACTOR = 64,
};

/* Take a connection from the listening socket, non-blocking. The descriptor, or negative errno. */
int MUST_USE operator_accept(int listener);

/* Is the other end root's? Whoever may talk here may replace programs. */
bool operator_is_root(int fd);

/*
 * Receive a call; the caller frees it and owns *ret_fd, which is -1 when none came along.
 *   0          received
 *   -EAGAIN    nothing there
 *   -EPIPE     the operator has left
 *   -EBADMSG   not a call, too long, or more than one descriptor; what came along was closed
 */
int MUST_USE operator_receive(int fd, Bulkhead__AdminCall **ret, int *ret_fd);

/* 0, -EAGAIN when the operator does not read, other negative errno when they are gone. */
int MUST_USE operator_send(int fd, const struct datagram *d);

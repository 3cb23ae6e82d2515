/*
 * cli/operator.h - the operator's end of a VM's socket: one AdminCall, then its answers.
 */
#pragma once

#include <stddef.h>

#include "admin.pb-c.h"
#include "base/macro.h"

struct cli_args;

enum {
    OPERATOR_MAX_BYTES = 16384, /* of one datagram */
};

/*
 * Where the folder "bulkhead" with all sockets is: root's in /run, anybody else's where the session keeps
 * such things.
 */
const char *operator_folder(void);

/*
 * The socket that the arguments name. -EINVAL, and error says why, for a name that cannot be one
 * or a path that is too long.
 */
int MUST_USE operator_path(const struct cli_args *args, char *ret, size_t ret_len, char *error,
                           size_t error_len);

enum { OPERATOR_ANSWER_S = 15 }; /* diag gives the supervisor 10 s */

/*
 * Connect. 0 and *ret_fd; -ENOENT or -ECONNREFUSED: nobody is there; -EAGAIN: somebody is, and has not answered within
 * wait_s seconds, which is also how long a call may take to be sent; other negative errno.
 */
int MUST_USE operator_connect(const char *path, unsigned wait_s, int *ret_fd);

/* Send the call; binary comes along unless it is -1. */
int MUST_USE operator_call(int fd, const Bulkhead__AdminCall *call, int binary);

/*
 * The next answer, its texts made printable; the caller frees it.
 *   0           *ret
 *   -ETIMEDOUT  none within timeout_ms; -1: for ever
 *   -EPIPE      the other side has closed
 *   -EBADMSG    not an answer
 */
int MUST_USE operator_next(int fd, int timeout_ms, Bulkhead__AdminAnswer **ret);

/* Make the text printable: who says it may have been taken over, and it is for a terminal. */
void operator_clean(char *text);

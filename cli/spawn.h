/*
 * cli/spawn.h - a process of our own: cloned, settled, executed, ended. It dies with us.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/macro.h"

enum {
    SPAWN_EXIT_NO_EXEC = 127,
};

/*
 * As fork(2), into these namespaces (CLONE_NEW...; 0: none). 0: *ret_pid, which is 0 in the copy, and
 * *ret_pidfd; or negative errno.
 */
int MUST_USE spawn_clone(uint64_t namespaces, pid_t *ret_pid, int *ret_pidfd);

/*
 * In the copy, by system calls alone: its descriptors become 0 to n - 1, in the order of fds and nothing
 * else; signals, session and end are its own. 0 or negative errno.
 */
int MUST_USE spawn_settle(int *fds, int n);

/* In the copy: become argv[0], a path; what failed is said on log_fd. */
_Noreturn void spawn_exec(char *const argv[], int log_fd);

/* Let it end for so long, then kill it. True: reaped, *ret_status is as of waitpid(2). */
bool spawn_end(pid_t pid, int pidfd, int grace_ms, int *ret_status);

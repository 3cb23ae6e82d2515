/*
 * init/landlock.h - a Landlock ruleset that grants a process nothing but its own program.
 */
#pragma once

#include "base/macro.h"

/* The Landlock version of the running kernel; 0 when it has none. */
int landlock_abi(void);

/*
 * Make a ruleset that handles every right the kernel knows (as far as this file does) and grants
 * one thing: to execute and read the program in program_fd, which exec itself needs. The caller
 * owns *ret_fd. 0 and *ret_fd = -1 when the kernel has no Landlock; negative errno otherwise.
 */
int MUST_USE landlock_ruleset(int program_fd, int *ret_fd);

/*
 * cli/binary.h - a program that is sent to a VM, to replace a worker's.
 */
#pragma once

#include "base/macro.h"

/* A copy that nobody can change between now and its start. -ENOEXEC: not a program; other negative errno. */
int MUST_USE binary_seal(const char *path, int *ret_fd);
